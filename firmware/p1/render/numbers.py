# Writes numbers to a page as digits, from mantissas and decimals. After the first time, only the
# numbers that differ are written.

from array import array

import micropython
from micropython import const

# As in scan.py. In viper, a constant of another module would be an object.
_ABSENT = const(255)
_NEGATIVE = const(64)
_PLACES = const(15)

_POWERS = array("i", [10**power for power in range(10)])


class Written:
    """What write_numbers() wrote, by row from `first` on: the number, and where it ends (0 if
    there is none)."""

    def __init__(self, first, rows, keys_at):
        """keys_at: where the key of the first row starts in KEYS."""
        self.first, self.keys_at = first, keys_at
        self.shown = array("i", bytes(4 * rows))  # mantissas
        self.shown_decimals = bytearray(rows)
        self.ends = array("H", bytes(2 * rows))


# Writes all numbers of a Reading, or a single number without a key. Digits are found by
# subtraction, because viper calls a function to divide. The two pointers that move are parameters
# because viper keeps the first two names in CPU registers; the values passed in are not used.
@micropython.viper
def _write_numbers(out: ptr8, text: ptr8, page, numbers, keys, written) -> int:
    start = ptr8(page.bytes)
    out = ptr8(uint(start) + int(page.size))
    first = int(written.first)
    mantissas = ptr32(numbers.mantissa)
    mantissas = ptr32(uint(mantissas) + (first << 2))
    decimals = ptr8(numbers.decimals)
    decimals = ptr8(uint(decimals) + first)
    key_length = ptr8(keys.KEY_LENGTH)
    key_length = ptr8(uint(key_length) + first)
    text = ptr8(keys.KEYS)
    text = ptr8(uint(text) + int(written.keys_at))
    powers = ptr32(_POWERS)
    shown = ptr32(written.shown)
    shown_decimals = ptr8(written.shown_decimals)
    ends = ptr16(written.ends)
    rows = int(len(written.shown_decimals))
    row = 0
    while row < rows:
        places = decimals[row]
        shown_decimals[row] = places
        ends[row] = 0
        left = key_length[row]
        if places == _ABSENT:
            text = ptr8(uint(text) + left)
        else:
            if left:
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
            if places & _NEGATIVE:
                out[0] = 0x2D
                out = ptr8(uint(out) + 1)
            places &= _PLACES
            mantissa = mantissas[row]
            shown[row] = mantissa
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
            ends[row] = uint(out) - uint(start)
        row += 1
    return int(uint(out)) - int(uint(start))


def write_numbers(page, numbers, keys, written) -> int:
    """Writes numbers.mantissa / 10^numbers.decimals exactly, from written.first on, each with its
    key as in JSON. Skips rows that are ABSENT. Mantissas must be below 2^31, decimals at most 9,
    and the page must have room for all. Stores in `written` (a Written) what was written where.
    Returns the place after the last number."""
    return _write_numbers(page.bytes, page.bytes, page, numbers, keys, written)


# The code for the digits is copied from above, because a call takes about as long as a number.
@micropython.viper
def _update_numbers(out: ptr8, mantissa: int, numbers, written) -> int:
    start = out
    mantissas = ptr32(numbers.mantissa)
    mantissas = ptr32(uint(mantissas) + (int(written.first) << 2))
    decimals = ptr8(numbers.decimals)
    decimals = ptr8(uint(decimals) + int(written.first))
    shown = ptr32(written.shown)
    shown_decimals = ptr8(written.shown_decimals)
    ends = ptr16(written.ends)
    powers = ptr32(_POWERS)
    rows = int(len(written.shown_decimals))
    row = 0
    while row < rows:
        places = decimals[row]
        if places != shown_decimals[row]:
            return 0
        mantissa = mantissas[row]
        if ends[row] and mantissa != shown[row]:
            places &= _PLACES
            power = 9
            while power > places and mantissa < powers[power]:
                power -= 1
            before = shown[row]
            if power > places and before < powers[power]:
                return 0
            if power < 9 and before >= powers[power + 1]:
                return 0
            shown[row] = mantissa
            out = ptr8(uint(start) + ends[row] - power - 1)
            if places:
                out = ptr8(uint(out) - 1)
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
    return 1


def update_numbers(page, numbers, written) -> int:
    """Writes the numbers that differ from those that write_numbers() wrote, each in its place.
    Returns 0 if one does not fit in its place: then all must be written again; otherwise 1."""
    return _update_numbers(page.bytes, 0, numbers, written)
