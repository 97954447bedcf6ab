# A buffer that is written from the left and never grows: what goes out to a socket.

from array import array

import micropython
from micropython import const

from .. import timestamp
from ..scan import NEGATIVE
from .numbers import write_numbers


class Full(Exception):
    """What was to be written does not fit."""


_STAMP_LENGTH = const(25)
_STEP = const(256)  # by which a page grows
NUMBER_LENGTH = 13  # at most: sign, ten digits, point, and a zero in front of it
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
    """Where the next byte stands that JSON escapes, or end."""
    while at < end and text[at] >= 0x20 and text[at] != 0x22 and text[at] != 0x5C:
        at += 1
    return at


class _One:
    """One number without a key, in the shapes of a Reading, of the registry and of Written."""

    KEYS = KEY_LENGTH = b"\x00"
    first = keys_at = 0

    def __init__(self):
        self.mantissa = self.shown = array("i", [0])
        self.decimals = self.shown_decimals = bytearray(1)
        self.ends = array("H", [0])


_ONE = _One()  # for all pages, as long as it takes to write it


class Page:
    """bytes[:size] is what has been written. Each method raises Full, and writes nothing (string()
    perhaps a part), where there is no room left below limit."""

    def __init__(self, capacity, head=0, most=0, has_room=lambda size: True):
        """head: bytes in front of it, where whoever sends the page may put a header of his own.
        most: up to where it may grow, where that is more than the capacity; has_room(size):
        whether there is memory for a page of so many bytes."""
        self.head = head
        self._most = most
        self._has_room = has_room
        self.size = 0
        self.take(bytearray(head + capacity))

    def take(self, whole):
        """Goes on in these bytes, of which the head is a part."""
        self.whole = whole
        self.bytes = memoryview(whole)[self.head :] if self.head else whole
        self.limit = len(whole) - self.head

    def grow(self):
        """Makes it larger; what is written stays, its head is empty then. False where it is as
        large as it can be."""
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

    def reserve(self, length):
        """Where the next `length` bytes may be written, by somebody who then sets size."""
        if self.size + length > self.limit:
            raise Full
        return self.size

    def byte(self, value):
        """Appends one byte."""
        size = self.size
        if size >= self.limit:
            raise Full
        self.bytes[size] = value
        self.size = size + 1

    def put(self, text):
        """Appends bytes."""
        size, length = self.size, len(text)
        if size + length > self.limit:
            raise Full
        _copy(self.bytes, size, text, 0, length)
        self.size = size + length

    def copy(self, source, start, end):
        """Appends source[start:end]."""
        _copy(self.bytes, self.reserve(end - start), source, start, end)
        self.size += end - start

    def fill(self, text, start):
        """Appends as much of text[start:] as there is room for; returns where the rest begins."""
        end = min(len(text), start + self.limit - self.size)
        self.copy(text, start, end)
        return end

    def string(self, text):
        """Appends a str, or UTF-8 as bytes, as JSON has it."""
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

    def number(self, value, decimals=0):
        """Appends value / 10^decimals, exactly; the value has 31 bits at most."""
        self.reserve(NUMBER_LENGTH)
        one = _ONE
        one.mantissa[0] = abs(value)
        one.decimals[0] = decimals | NEGATIVE if value < 0 else decimals
        self.size = write_numbers(self, one, one, one)

    def stamp(self, text, at, winter_h):
        """Appends the stamp at text[at] as ISO 8601 with its offset."""
        to = self.reserve(_STAMP_LENGTH)
        offset_h = timestamp.utc_offset_h(text, at, winter_h)
        self.size = timestamp.write_iso(self.bytes, to, text, at, offset_h)
