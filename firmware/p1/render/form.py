# A telegram as a field of a form, application/x-www-form-urlencoded. The receiver gets exactly the
# same bytes, with the same line ends. https://url.spec.whatwg.org/#urlencoded-serializing

import micropython
from micropython import const

_AT_ONCE = const(128)  # bytes of the text to encode at a time; each becomes three bytes at most


@micropython.viper
def _quote(out: ptr8, text: ptr8, at: int, end: int) -> int:
    """Encodes text[at:end] into out; returns how many bytes were written."""
    to = 0
    while at < end:
        byte = text[at]
        letter = byte | 0x20
        if 0x30 <= byte <= 0x39 or 0x61 <= letter <= 0x7A or byte == 0x2D or byte == 0x2E:
            out[to] = byte
            to += 1
        else:
            high = byte >> 4
            low = byte & 15
            out[to] = 0x25
            out[to + 1] = high + 0x30 if high < 10 else high + 0x37
            out[to + 2] = low + 0x30 if low < 10 else low + 0x37
            to += 3
        at += 1
    return to


class Form:
    """A form with one field, encoded in pieces."""

    def __init__(self, field):
        """field: bytes, the field's name."""
        self._start = field + b"="
        self._piece = bytearray(3 * _AT_ONCE)

    def size(self, text, size: int) -> int:
        """Returns the length in bytes of the form with text[:size]."""
        return sum([len(piece) for piece in self.pieces(text, size)])

    def pieces(self, text, size: int):
        """Yields the form with text[:size]; each piece is valid only until the next one."""
        yield self._start
        for at in range(0, size, _AT_ONCE):
            end = _quote(self._piece, text, at, min(at + _AT_ONCE, size))
            yield memoryview(self._piece)[:end]
