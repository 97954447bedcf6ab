"""Memory as a viper function finds it on a 32-bit chip: its code, the objects it was given, and
MicroPython's table of runtime functions, with the least behind it that the code can live with.

An object is the bytes that a pointer to it points at; the word before them is its len(). What the
runtime would do is not counted: converting an argument leaves it as it is, a global or an
attribute is looked up by its name alone, len() reads the word before an object, storing an
attribute is forgotten.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from bench.target.mpy import Function, spelling

BASE = 0x0040_0000
VALUES = BASE  # what each name stands for, by its place in the function's list of names
_STUBS = BASE + 0x800
STUB_ROOM = 32
_FUNCTIONS = 50  # as many as py/nativeglue.h has
_CONSTANTS = 64
_ALIGNED = 4

# The five stubs of a machine, by what they return.
SAME, ZERO, GLOBAL, ATTRIBUTE, LENGTH = range(5)
# Where the runtime's table has another one than SAME (its order is that of py/nativeglue.h).
_STUB_OF = {6: GLOBAL, 7: GLOBAL, 9: ATTRIBUTE, 27: LENGTH, 32: ZERO, 49: ZERO}


@dataclass(frozen=True)
class Outcome:
    """Of one call: what it returned, and how many instructions of the function were executed."""

    result: int
    instructions: int


class Image:
    def __init__(self, function: Function, stubs: Sequence[bytes]):
        """stubs: a machine's code for SAME, ZERO, GLOBAL, ATTRIBUTE and LENGTH."""
        self.memory = bytearray(0x1000)
        self._names = function.names
        for number, code in enumerate(stubs):
            at = _STUBS - BASE + number * STUB_ROOM
            self.memory[at : at + len(code)] = code
        runtime = self._words(
            _STUBS + _STUB_OF.get(number, SAME) * STUB_ROOM for number in range(_FUNCTIONS)
        )
        # The runtime is one of the module's constants, and the only one that is of use here.
        constants = self._words([runtime] * _CONSTANTS)
        names = self.place(b"".join(n.to_bytes(2, "little") for n in range(len(self._names))))
        module = self._words([0, 0, names, constants])  # mp_module_context_t
        self.this = self._words([0, module, 0, 0])  # mp_obj_fun_bc_t
        self.code = self.place(function.code)
        self.code_end = self.code + len(function.code)
        self.calls: list[tuple[int, int]] = []  # (where the arguments are, how many)

    def place(self, data: bytes | bytearray | array, length: int = 0, offset: int = 0) -> int:
        """Puts an object there, `offset` bytes behind an aligned address, and returns where."""
        while (len(self.memory) + 4) % _ALIGNED:
            self.memory.append(0)
        self.memory += bytes(offset) + length.to_bytes(4, "little")
        address = BASE + len(self.memory)
        self.memory += bytes(memoryview(data).cast("B"))
        self.memory += bytes(_ALIGNED)
        return address

    def name(self, name: str, value: int) -> None:
        """What a global or an attribute stands for; one that the function does not use is fine."""
        if spelling(name) in self._names:
            at = VALUES - BASE + 4 * self._names.index(spelling(name))
            self.memory[at : at + 4] = value.to_bytes(4, "little")

    def call(self, *arguments: int) -> None:
        self.calls.append((self._words(arguments), len(arguments)))

    def _words(self, words) -> int:
        return self.place(b"".join(word.to_bytes(4, "little") for word in words))


def read(memory: bytes, address: int, size: int) -> bytes:
    """What is at an address, once a machine has run."""
    return memory[address - BASE : address - BASE + size]
