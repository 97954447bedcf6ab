"""The machine code of viper functions, taken out of a .mpy file (py/persistentcode.c)."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeGuard

from build import compile_mpy

_BYTECODE, _NATIVE, _VIPER = range(3)
_LITERALS = range(1, 5)  # None, False, True, ...: constants that are nothing but their type


@dataclass(frozen=True)
class Function:
    """A viper function's code, and the names that it refers to by their place in this list: as
    spelling() has them."""

    code: bytes
    names: tuple[str | int, ...]


def viper_functions(source: Path, arch: str) -> dict[str, Function]:
    """All viper functions of a module, by name, compiled as the build ships them."""
    reader = _Reader(compile_mpy(source, source.name, arch))
    table, codes = reader.module()
    # The file keeps their order but not their names.
    names = [node.name for node in ast.walk(ast.parse(source.read_text())) if _is_viper(node)]
    return {name: Function(code, tuple(table)) for name, code in zip(names, codes, strict=True)}


def _is_viper(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(decorator, ast.Attribute) and decorator.attr == "viper"
        for decorator in node.decorator_list
    )


class _Reader:
    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def module(self) -> tuple[list[str | int], list[bytes]]:
        """Its names (of those that every MicroPython knows, a number), and its viper code."""
        header = self._take(4)
        if header[:2] != b"M\x06":
            raise ValueError(f"a .mpy of another version: {header.hex()}")
        if header[2] & 0x40:
            self._number()  # the architecture's flags
        names, constants = self._number(), self._number()
        ids = [self._name() for _ in range(names)]
        for _ in range(constants):
            self._skip_constant()
        return ids, list(self._code())

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _number(self) -> int:
        number = 0
        while True:
            byte = self._take(1)[0]
            number = number << 7 | byte & 0x7F
            if not byte & 0x80:
                return number

    def _name(self) -> str | int:
        number = self._number()
        if number & 1:
            return number >> 1
        return self._take((number >> 1) + 1)[:-1].decode()

    def _skip_constant(self):
        kind = self._take(1)[0]
        if kind == 10:  # a tuple
            for _ in range(self._number()):
                self._skip_constant()
        elif kind and kind not in _LITERALS:
            size = self._number()
            self._take(size + (kind in (5, 6)))  # text and bytes end with a 0

    def _code(self):
        """The viper functions of one function and those inside it, in the order of the source."""
        head = self._number()
        kind, has_children, code = head & 3, head & 4, self._take(head >> 3)
        if kind != _BYTECODE:
            self._number()  # scope flags, or where the prelude is
        if kind == _VIPER:
            yield code
        if has_children:
            for _ in range(self._number()):
                yield from self._code()


@cache
def spelling(name: str) -> str | int:
    """How a .mpy file spells a name: those that every MicroPython knows are numbers in there."""
    with TemporaryDirectory() as folder:
        probe = Path(folder, "probe.py")
        probe.write_text(name)
        return _Reader(compile_mpy(probe, "probe", "x64")).module()[0][-1]
