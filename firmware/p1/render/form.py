# A telegram as a field of a form, application/x-www-form-urlencoded: every byte comes back as it
# was, line ends included. https://url.spec.whatwg.org/#urlencoded-serializing

import micropython


@micropython.viper
def _quote(out: ptr8, to: int, room: int, text: ptr8, size: int) -> int:
    at = 0
    while at < size:
        byte = text[at]
        letter = byte | 0x20
        if 0x30 <= byte <= 0x39 or 0x61 <= letter <= 0x7A or byte == 0x2D or byte == 0x2E:
            if to < room:
                out[to] = byte
            to += 1
        else:
            if to + 2 < room:
                high = byte >> 4
                low = byte & 15
                out[to] = 0x25
                out[to + 1] = high + 0x30 if high < 10 else high + 0x37
                out[to + 2] = low + 0x30 if low < 10 else low + 0x37
            to += 3
        at += 1
    return to


class Form:
    """A form with one field. Its buffer is made anew only for a longer text than ever before."""

    def __init__(self, field):
        """field: bytes, the field's name."""
        self._start = field + b"="
        self._bytes = bytearray()

    def encode(self, text, size):
        """The form with text[:size]: a view that holds until the next call."""
        start = len(self._start)
        end = _quote(self._bytes, start, len(self._bytes), text, size)
        if end > len(self._bytes):
            self._bytes = bytearray(self._start + bytes(end - start))
            _quote(self._bytes, start, end, text, size)
        return memoryview(self._bytes)[:end]
