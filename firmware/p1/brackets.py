# The brackets of a telegram's line, (...)(...), and the numbers in them. What is found goes into
# arrays, which all lines take turns with: nothing is left behind for the garbage collector.

from array import array

import micropython
from micropython import const

from . import timestamp

_MOST = const(64)  # brackets of a line; a peak history of 13 months has 42

# By bracket: places in the telegram, without the "(" and the ")" themselves.
starts = array("H", [0] * _MOST)
ends = array("H", [0] * _MOST)
found = array("i", [0, 0])  # by number(): mantissa, decimals


@micropython.viper
def _find(text: ptr8, at: int, starts: ptr16, ends: ptr16) -> int:
    count = 0
    is_wrapped = 0
    while True:
        byte = text[at]
        at += 1
        if byte == 0x28:
            if count == _MOST:
                return -1
            starts[count] = at
            while text[at] != 0x29:
                if text[at] == 0x0A:
                    return -1
                at += 1
            ends[count] = at
            count += 1
            at += 1
        elif byte == 0x0A:
            # A value wrapped on the next line belongs to this one.
            if is_wrapped or text[at] != 0x28:
                return count
            is_wrapped = 1
        elif byte != 0x0D:
            return -1


def of_line(telegram, at):
    """Finds those of the line whose first one is at telegram[at]: starts and ends. Returns how
    many, -1 where the line is broken. The text goes on for a byte behind the line."""
    return _find(telegram, at, starts, ends)


@micropython.viper
def _number(text: ptr8, at: int, end: int, found: ptr32) -> int:
    mantissa = 0
    digits = 0
    point = -1  # how many digits stood before it
    while at < end:
        byte = text[at]
        if byte == 0x2E and point < 0:
            point = digits
        elif 48 <= byte <= 57:
            if mantissa > 214748364 or (mantissa == 214748364 and byte > 55):
                return 0
            mantissa = mantissa * 10 + byte - 48
            digits += 1
        else:
            break
        at += 1
    decimals = 0 if point < 0 else digits - point
    if not digits or decimals > 9:
        return 0
    if at < end and text[at] == 0x2A:
        at += 1
    found[0] = mantissa
    found[1] = decimals
    return at


def number(telegram, bracket):
    """Finds the number that a bracket begins with. Returns where its unit starts, 0 where there is
    no number or it does not fit in 31 bits."""
    return _number(telegram, starts[bracket], ends[bracket], found)


def of_row(reading, row):
    """Finds the brackets of a row's line. Returns how many, 0 where the row is absent, -1 where
    the line is broken."""
    return of_line(reading.telegram, reading.mantissa[row]) if reading.has(row) else 0


def is_stamp(telegram, bracket):
    """Whether there is one in this bracket, and nothing else."""
    start = starts[bracket]
    return 0 < timestamp.length(telegram, start) == ends[bracket] - start
