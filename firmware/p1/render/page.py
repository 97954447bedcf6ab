# A buffer that is written from the left and never grows: what goes out to a socket.

from array import array

import micropython

from .. import timestamp


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


# By subtraction, because viper calls a function to divide.
@micropython.viper
def write_number(out: ptr8, to: int, mantissa: int, decimals: int) -> int:
    """Writes mantissa / 10^decimals in full, 0 <= mantissa < 2^31, decimals <= 9; returns the
    place behind it."""
    powers = ptr32(_POWERS)
    power = 9
    while power > decimals and mantissa < powers[power]:
        power -= 1
    while power >= 0:
        if power == decimals - 1:
            out[to] = 0x2E
            to += 1
        unit = powers[power]
        digit = 0x30
        while mantissa >= unit:
            mantissa -= unit
            digit += 1
        out[to] = digit
        to += 1
        power -= 1
    return to


class Page:
    """bytes[:size] is what has been written. Each method raises Full, and writes nothing, where
    there is no room left below limit."""

    def __init__(self, capacity):
        self.bytes = bytearray(capacity)
        self.size = 0
        self.limit = capacity

    def reserve(self, length):
        """Where the next `length` bytes may be written, by somebody who then sets size."""
        if self.size + length > self.limit:
            raise Full
        return self.size

    def put(self, text):
        """Appends bytes."""
        self.copy(text, 0, len(text))

    def copy(self, source, start, end):
        """Appends source[start:end]."""
        _copy(self.bytes, self.reserve(end - start), source, start, end)
        self.size += end - start

    def number(self, value, decimals=0):
        """Appends value / 10^decimals, exactly."""
        if not -0x40000000 < value < 0x40000000:  # beyond the ESP32's small integers
            sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
            digits = "0" * (decimals + 1 - len(digits)) + digits
            point = len(digits) - decimals
            fraction = "." + digits[point:] if decimals else ""
            self.put((sign + digits[:point] + fraction).encode())
            return
        at = self.reserve(NUMBER_LENGTH)
        if value < 0:
            self.bytes[at] = 0x2D
            at += 1
            value = -value
        self.size = write_number(self.bytes, at, value, decimals)

    def stamp(self, text, at, winter_h):
        """Appends the stamp at text[at] as ISO 8601 with its offset."""
        to = self.reserve(_STAMP_LENGTH)
        offset_h = timestamp.utc_offset_h(text, at, winter_h)
        self.size = timestamp.write_iso(self.bytes, to, text, at, offset_h)
