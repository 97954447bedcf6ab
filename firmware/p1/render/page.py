# A buffer for text that is sent to a socket. It is written from start to end.

from array import array

import micropython
from micropython import const

from .. import timestamp
from ..scan import NEGATIVE
from .numbers import write_numbers


class Full(Exception):
    """The text to write does not fit."""


_STAMP_LENGTH = const(25)
_STEP = const(256)  # a page grows by this many bytes
NUMBER_LENGTH = 13  # at most: sign, ten digits, point, and a zero before the point
_QUOTE = const(0x22)
_BACKSLASH = const(0x5C)
_BLANK = const(0x20)


@micropython.viper
def _copy(out: ptr8, to: int, source: ptr8, start: int, end: int):
    while start < end:
        out[to] = source[start]
        to += 1
        start += 1


@micropython.viper
def _plain_to(text: ptr8, at: int, end: int) -> int:
    """Returns where the next byte is that JSON must escape, or `end`."""
    while at < end and text[at] >= 0x20 and text[at] != 0x22 and text[at] != 0x5C:
        at += 1
    return at


class _One:
    """One number without a key, with the attributes of a Reading, the registry and a Written."""

    KEYS = KEY_LENGTH = b"\x00"
    first = keys_at = 0

    def __init__(self):
        self.mantissa = self.shown = array("i", [0])
        self.decimals = self.shown_decimals = bytearray(1)
        self.ends = array("H", [0])


_ONE = _One()  # shared by all pages; used only while a number is written


class Page:
    """bytes[:size] is what has been written. Each method raises Full if there is not enough room
    below `limit`, and then writes nothing (only string() may write a part)."""

    def __init__(self, capacity, head=0, most=0, has_room=lambda size: True):
        """head: how many bytes to reserve before the text, for a header that the sender adds.
        most: the size up to which the page may grow, if that is more than the capacity.
        has_room(size) returns whether there is memory for a page of `size` bytes."""
        self.head = head
        self._most = most
        self._has_room = has_room
        self.size = 0
        self.take(bytearray(head + capacity))

    def take(self, whole: bytearray) -> None:
        """Uses `whole`, which includes the head, as the buffer from now on."""
        self.whole = whole
        self.bytes = memoryview(whole)[self.head :] if self.head else whole
        self.limit = len(whole) - self.head

    def grow(self) -> bool:
        """Makes the page larger. Keeps what has been written, but not the head. Returns False if
        the page cannot grow."""
        capacity = len(self.bytes)
        size = self.head + min(capacity + _STEP, self._most)
        if capacity >= self._most or not self._has_room(size):
            return False
        try:
            larger = bytearray(size)
        except MemoryError:
            return False
        _copy(larger, self.head, self.bytes, 0, self.size)
        self.take(larger)
        return True

    def reserve(self, length: int) -> int:
        """Returns where the caller may write `length` bytes; the caller must then set size."""
        if self.size + length > self.limit:
            raise Full
        return self.size

    def byte(self, value: int) -> None:
        """Appends one byte."""
        size = self.size
        if size >= self.limit:
            raise Full
        self.bytes[size] = value
        self.size = size + 1

    def put(self, text) -> None:
        """Appends bytes."""
        size, length = self.size, len(text)
        if size + length > self.limit:
            raise Full
        _copy(self.bytes, size, text, 0, length)
        self.size = size + length

    def copy(self, source, start: int, end: int) -> None:
        """Appends source[start:end]."""
        _copy(self.bytes, self.reserve(end - start), source, start, end)
        self.size += end - start

    def fill(self, text, start: int) -> int:
        """Appends as much of text[start:] as fits. Returns where the rest begins."""
        end = min(len(text), start + self.limit - self.size)
        self.copy(text, start, end)
        return end

    def string(self, text) -> None:
        """Appends a str, or bytes in UTF-8, as a JSON string."""
        plain = text.encode() if isinstance(text, str) else text
        self.byte(_QUOTE)
        start, end = 0, len(plain)
        while True:
            at = _plain_to(plain, start, end)  # pyright: ignore[reportArgumentType]
            self.copy(plain, start, at)
            if at == end:
                break
            if plain[at] < _BLANK:
                self.put(b"\\u%04x" % plain[at])
            else:
                self.byte(_BACKSLASH)
                self.byte(plain[at])
            start = at + 1
        self.byte(_QUOTE)

    def number(self, value: int, decimals: int = 0) -> None:
        """Appends value / 10^decimals exactly. The value may have at most 31 bits."""
        self.reserve(NUMBER_LENGTH)
        one = _ONE
        one.mantissa[0] = abs(value)
        one.decimals[0] = decimals | NEGATIVE if value < 0 else decimals
        self.size = write_numbers(self, one, one, one)

    def stamp(self, text, at: int, winter_h: int) -> None:
        """Appends the stamp at text[at] in ISO 8601 with its UTC offset."""
        to = self.reserve(_STAMP_LENGTH)
        offset_h = timestamp.utc_offset_h(text, at, winter_h)
        self.size = timestamp.write_iso(self.bytes, to, text, at, offset_h)
