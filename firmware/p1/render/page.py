# A buffer that is written from the left and never grows: what goes out to a socket.

from array import array

import micropython

from .. import timestamp
from ..scan import NEGATIVE


class Full(Exception):
    """What was to be written does not fit."""


_STAMP_LENGTH = 25
NUMBER_LENGTH = 13  # at most: sign, ten digits, point, and a zero in front of it

_POWERS = array("i", [10**power for power in range(10)])


@micropython.viper
def _copy(out: ptr8, to: int, source: ptr8, start: int, end: int):
    while start < end:
        out[to] = source[start]
        to += 1
        start += 1


# The quick way for a whole Reading; a single number takes it too, without a key. Digits come by
# subtraction, because viper calls a function to divide. The two pointers that move are parameters
# because viper keeps the first two names in CPU registers; what is passed for them is not used.
@micropython.viper
def _write_numbers(out: ptr8, text: ptr8, page, numbers, keys) -> int:
    start = ptr8(page.bytes)
    out = ptr8(uint(start) + int(page.size))
    mantissas = ptr32(numbers.mantissa)
    decimals = ptr8(numbers.decimals)
    row_unit = ptr8(keys.ROW_UNIT)
    table = ptr8(keys.TABLE)
    key_at = ptr16(keys.KEY_AT)
    key_length = ptr8(keys.KEY_LENGTH)
    powers = ptr32(_POWERS)
    rows = int(len(keys.ROW_UNIT))
    row = 0
    while row < rows:
        places = decimals[row]
        if places != 255 and row_unit[row]:
            left = key_length[row]
            if left:
                text = ptr8(uint(table) + key_at[row])
                out[0] = 0x2C
                out[1] = 0x22
                out = ptr8(uint(out) + 2)
                while left >= 4:
                    out[0] = text[0]
                    out[1] = text[1]
                    out[2] = text[2]
                    out[3] = text[3]
                    out = ptr8(uint(out) + 4)
                    text = ptr8(uint(text) + 4)
                    left -= 4
                while left:
                    out[0] = text[0]
                    out = ptr8(uint(out) + 1)
                    text = ptr8(uint(text) + 1)
                    left -= 1
                out[0] = 0x22
                out[1] = 0x3A
                out = ptr8(uint(out) + 2)
            if places & 64:
                out[0] = 0x2D
                out = ptr8(uint(out) + 1)
            places &= 15
            mantissa = mantissas[row]
            power = 9
            while power > places and mantissa < powers[power]:
                power -= 1
            while power >= 0:
                if power == places - 1:
                    out[0] = 0x2E
                    out = ptr8(uint(out) + 1)
                unit = powers[power]
                digit = 0x30
                while mantissa >= unit:
                    mantissa -= unit
                    digit += 1
                out[0] = digit
                out = ptr8(uint(out) + 1)
                power -= 1
        row += 1
    return int(uint(out)) - int(uint(start))


def write_numbers(page, numbers, keys):
    """Writes numbers.mantissa / 10^numbers.decimals in full, mantissas below 2^31, places up to 9,
    where decimals is not ABSENT and keys.ROW_UNIT not NOT_A_NUMBER, each with its key as JSON has
    it. The page has room for all. Returns the place behind them."""
    return _write_numbers(page.bytes, page.bytes, page, numbers, keys)


class _One:
    """One number without a key, in the shapes of a Reading and of the registry."""

    ROW_UNIT = b"\x01"
    TABLE = KEY_LENGTH = b"\x00"
    KEY_AT = array("H", [0])

    def __init__(self):
        self.mantissa = array("i", [0])
        self.decimals = bytearray(1)


class Page:
    """bytes[:size] is what has been written. Each method raises Full, and writes nothing, where
    there is no room left below limit."""

    def __init__(self, capacity, head=0):
        """head: bytes in front of it, where whoever sends the page may put a header of his own."""
        self.whole = bytearray(head + capacity)
        self.bytes = memoryview(self.whole)[head:] if head else self.whole
        self.head = head
        self.size = 0
        self.limit = capacity
        self._one = _One()

    def reserve(self, length):
        """Where the next `length` bytes may be written, by somebody who then sets size."""
        if self.size + length > self.limit:
            raise Full
        return self.size

    def byte(self, value):
        """Appends one byte."""
        self.bytes[self.reserve(1)] = value
        self.size += 1

    def put(self, text):
        """Appends bytes."""
        self.copy(text, 0, len(text))

    def copy(self, source, start, end):
        """Appends source[start:end]."""
        _copy(self.bytes, self.reserve(end - start), source, start, end)
        self.size += end - start

    def number(self, value, decimals=0):
        """Appends value / 10^decimals, exactly; the value has 31 bits at most."""
        self.reserve(NUMBER_LENGTH)
        one = self._one
        one.mantissa[0] = abs(value)
        one.decimals[0] = decimals | NEGATIVE if value < 0 else decimals
        self.size = write_numbers(self, one, one)

    def stamp(self, text, at, winter_h):
        """Appends the stamp at text[at] as ISO 8601 with its offset."""
        to = self.reserve(_STAMP_LENGTH)
        offset_h = timestamp.utc_offset_h(text, at, winter_h)
        self.size = timestamp.write_iso(self.bytes, to, text, at, offset_h)
