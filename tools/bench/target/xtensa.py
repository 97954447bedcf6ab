"""The ESP32's and ESP32-S3's instruction set (xtensawin), by Debian's qemu-user.

The image becomes a Linux program: a few instructions that make the calls, put each result into
memory and write all of that to standard output. QEMU's log of what it executes is counted.
"""

import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from bench.target.image import BASE, STUB_ROOM, VALUES, Image, Outcome

ARCH = "xtensawin"
_QEMU = "qemu-xtensa"
_CORE = "dc233c"  # has the windowed registers of an ESP32's core
_PAGE = 0x1000
_EM_XTENSA = 94
_WRITE, _EXIT = 13, 118  # Linux' numbers for this machine
_EXECUTED = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", re.M)


# The instructions that are needed here, by the ISA's names: a register is its number.


def _three(op: int, t: int, s: int, r: int, immediate: int = 0) -> bytes:
    return bytes((t << 4 | op, r << 4 | s & 15, immediate))


def _movi(t: int, value: int) -> bytes:
    return _three(2, t, value >> 8, 10, value & 0xFF)


def _l32i(t: int, s: int, offset: int) -> bytes:
    return _three(2, t, s, 2, offset // 4)


def _s32i(t: int, s: int, offset: int) -> bytes:
    return _three(2, t, s, 6, offset // 4)


def _addi(t: int, s: int, value: int) -> bytes:
    return _three(2, t, s, 12, value & 0xFF)


def _addx4(r: int, s: int, t: int) -> bytes:
    return _three(0, t, s, r, 0xA0)


def _slli(r: int, s: int, bits: int) -> bytes:
    left = 32 - bits
    return _three(0, left & 15, s, r, left >> 4 << 4 | 1)


def _l32r(t: int, at: int, literal: int) -> bytes:
    distance = (literal - (at + 3 & ~3)) >> 2
    return bytes((t << 4 | 1,)) + (distance & 0xFFFF).to_bytes(2, "little")


def _callx8(s: int) -> bytes:
    return _three(0, 14, s, 0)


_ENTRY = bytes((0x36, 0x61, 0x00))  # entry a1, 48
_RETW = b"\x90\x00\x00"
_SYSCALL = b"\x00\x50\x00"


def _stub(*instructions: bytes) -> bytes:
    code = _ENTRY + b"".join(instructions) + _RETW
    assert len(code) <= STUB_ROOM
    return code


def _look_up(register: int) -> bytes:
    """Returns the word of VALUES whose number is in a2 or a3."""
    return _stub(_movi(8, VALUES >> 12), _slli(8, 8, 12), _addx4(2, register, 8), _l32i(2, 2, 0))


STUBS = (
    _stub(),
    _stub(_movi(2, 0)),
    _look_up(2),
    _look_up(3),
    _stub(_l32i(2, 4, 0), _addi(2, 2, -4), _l32i(2, 2, 0)),
)


def missing() -> str | None:
    """What has to be installed first."""
    return None if shutil.which(_QEMU) else f"{_QEMU} is not installed: apt install qemu-user"


def run(image: Image) -> tuple[list[Outcome], bytes]:
    """All calls of an image one after the other, and what its memory holds then."""
    results = image.place(bytes(4 * len(image.calls)))
    start, program = _program(image, results)
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "program"), Path(folder, "log")
        file.write_bytes(_elf(bytes(image.memory) + program, start))
        file.chmod(0o755)
        command = [_QEMU, "-cpu", _CORE, _one_by_one(), "-d", "exec,nochain", "-D", str(log)]
        shown = f"{image.code:#x}..{image.code_end - 1:#x}"
        memory = subprocess.run(
            [*command, "-dfilter", shown, str(file)], stdout=subprocess.PIPE, check=True
        ).stdout
        counts = _executions(log.read_text(), image.code)
    words = memory[results - BASE :]
    return [
        Outcome(int.from_bytes(words[4 * number :][:4], "little"), count)
        for number, count in enumerate(counts)
    ], memory


def _one_by_one() -> str:
    """QEMU's option for an entry in the log for each instruction; renamed in QEMU 8.1."""
    known = subprocess.run([_QEMU, "-h"], capture_output=True, text=True).stdout
    return "-one-insn-per-tb" if "one-insn-per-tb" in known else "-singlestep"


def _executions(log: str, code: int) -> list[int]:
    counts = []
    for address in _EXECUTED.findall(log):
        if int(address, 16) == code:
            counts.append(0)
        counts[-1] += 1
    return counts


def _program(image: Image, results: int) -> tuple[int, bytes]:
    """(where it starts, its literals and instructions), to stand right behind the image."""
    size = len(image.memory)
    loads_a_call = 4
    literals, code = bytearray(), bytearray()
    start = BASE + size + 4 * (loads_a_call * len(image.calls) + 2)

    def load(register: int, value: int):
        literals.extend(value.to_bytes(4, "little"))
        literal = BASE + size + len(literals) - 4
        code.extend(_l32r(register, start + len(code), literal))

    for number, (arguments, count) in enumerate(image.calls):
        load(8, image.code)
        load(10, image.this)
        code += _movi(11, count) + _movi(12, 0)
        load(13, arguments)
        code += _callx8(8)
        load(14, results + 4 * number)
        code += _s32i(10, 14, 0)
    # A system call takes its number in a2 and its arguments in a6, a3 and a4.
    code += _movi(2, _WRITE) + _movi(6, 1)
    load(3, BASE)
    load(4, size)
    code += _SYSCALL + _movi(2, _EXIT) + _movi(6, 0) + _SYSCALL
    return start, bytes(literals + code)


def _elf(memory: bytes, start: int) -> bytes:
    """A program of one segment that may be read, written and executed."""
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = struct.pack(
        "<16sHHIIIIIHHHHHH", ident, 2, _EM_XTENSA, 1, start, 52, 0, 0x300, 52, 32, 1, 0, 0, 0
    )
    length = _PAGE + len(memory)
    segment = struct.pack("<8I", 1, 0, BASE - _PAGE, BASE - _PAGE, length, length, 7, _PAGE)
    return (header + segment).ljust(_PAGE, b"\0") + memory
