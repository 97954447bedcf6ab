"""Recorded telegrams, byte for byte."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# A telegram ends with the line that begins with `!`, whatever stands behind it.
_END = re.compile(rb"^![^\r\n]*(?:\r?\n|\Z)", re.MULTILINE)


def split(recording: bytes) -> list[bytes]:
    """Pieces that each end with a telegram's last line; joined they are the recording.

    What stands before a `/` goes with the telegram behind it, and what stands behind the last
    telegram is a piece of its own, unless it is only white space.
    """
    pieces, start = [], 0
    for match in _END.finditer(recording):
        pieces.append(recording[start : match.end()])
        start = match.end()
    tail = recording[start:]
    if pieces and not tail.strip():
        pieces[-1] += tail
    elif tail:
        pieces.append(tail)
    return pieces


def oddities(pieces: list[bytes]) -> Iterator[str]:
    """What its sender should know about a recording; it is sent as it is all the same."""
    if not pieces:
        yield "is empty"
        return
    if b"\n" in pieces[0] and b"\r\n" not in pieces[0]:
        yield "has LF line ends where a meter sends CR LF"
    for number, piece in enumerate(pieces, 1):
        if not piece.startswith(b"/"):
            yield f"(telegram {number}) does not begin with '/'"
        if piece.count(b"/") > 1:
            yield f"(telegram {number}) holds a second '/'"
        if not _END.search(piece):
            yield f"(telegram {number}) has no end"


class Recording:
    """A source for the port that repeats its telegrams for ever.

    It has no clock: time that nobody asks for a telegram passes it by.
    """

    def __init__(self, pieces: list[bytes]):
        if not pieces:
            raise ValueError("there is nothing to replay")
        self._pieces = pieces
        self._sent = 0

    @classmethod
    def read(cls, paths: Iterable[Path], warn: Callable[[str], None]) -> "Recording":
        """The files one after the other; `warn` hears what is odd about them."""
        pieces = []
        for path in paths:
            of_this_file = split(path.read_bytes())
            for oddity in oddities(of_this_file):
                warn(f"{path} {oddity}; it is sent as it is")
            pieces += of_this_file
        return cls(pieces)

    def step(self) -> None:
        pass

    def telegram(self) -> bytes:
        piece = self._pieces[self._sent % len(self._pieces)]
        self._sent += 1
        return piece

    def __str__(self):
        return f"telegram {(self._sent - 1) % len(self._pieces) + 1} of {len(self._pieces)}"
