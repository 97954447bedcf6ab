"""Turns what a packed firmware says on its console back: where a traceback names a function of its
own spelling, it names that of the sources, with file and line."""

import re
from collections.abc import Mapping

_FRAME = re.compile(rb'(  File "([^"]+)", line \d+), in ([^\r\n]+)')
_BEGIN = b'  File "'
_QUOTED = re.compile(rb"'(\w+)'")


class Back:
    """Hears bytes as they come, and gives them on at once, but for what may become a line of a
    traceback: that waits for its end."""

    def __init__(self, names: Mapping[str, Mapping]):
        """names: what a build says in names.json."""
        self._functions, self._names = names["functions"], names["names"]
        self._line = b""  # what is held back
        self._is_begun = True  # a line, of which nothing has been given on
        self._is_traceback = False  # the line before was one of its frames

    def hear(self, data: bytes) -> bytes:
        """What is to be shown now."""
        shown = b""
        for piece in data.splitlines(keepends=True):
            shown += self._piece(piece)
        return shown

    def rest(self) -> bytes:
        """What is held back and has no end."""
        line, self._line = self._line, b""
        return line

    def _piece(self, piece: bytes) -> bytes:
        """Of one line, its end or a part of it."""
        if not self._is_begun:
            self._is_begun = piece.endswith(b"\n")
            return piece
        line = self._line + piece
        if line.endswith(b"\n"):
            self._line = b""
            return self._turned(line)
        if self._is_traceback or line.startswith(_BEGIN) or _BEGIN.startswith(line):
            self._line = line
            return b""
        self._line, self._is_begun = b"", False
        return line

    def _turned(self, line: bytes) -> bytes:
        frame = _FRAME.match(line)
        if not frame:
            was_frame, self._is_traceback = self._is_traceback, False
            return _QUOTED.sub(self._name, line) if was_frame else line
        self._is_traceback = True
        file, function = frame[2].decode(errors="replace"), frame[3].decode(errors="replace")
        found = self._functions.get(file, {}).get(function)
        if not found:
            return line
        end = line[frame.end() :]
        return f'  File "{file}", in {" or ".join(found)}'.encode() + end

    def _name(self, quoted: re.Match) -> bytes:
        """Of what an exception is about: an attribute, an argument."""
        found = self._names.get(quoted[1].decode())
        return f"'{'|'.join(found)}'".encode() if found else quoted[0]
