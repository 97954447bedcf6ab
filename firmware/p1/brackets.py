# Finds the brackets in a line of a telegram, (...)(...), and reads the numbers in them. The
# results go into arrays that all lines share, so that nothing is left for the garbage collector.

from array import array

import micropython
from micropython import const

from . import timestamp

_MOST = const(64)  # brackets in a line; a peak history of 13 months has 42

# For each bracket: where its content starts and ends in the telegram, without "(" and ")".
starts = array("H", [0] * _MOST)
ends = array("H", [0] * _MOST)
found = array("i", [0, 0])  # set by number(): mantissa, decimals


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
            # A next line that begins with a bracket belongs to this line.
            if is_wrapped or text[at] != 0x28:
                return count
            is_wrapped = 1
        elif byte != 0x0D:
            return -1


def of_line(telegram, at: int) -> int:
    """Sets starts and ends for the line whose first bracket is at telegram[at]. Returns how many
    brackets there are, -1 if the line is broken. At least one byte must follow the line."""
    return _find(telegram, at, starts, ends)


@micropython.viper
def _number(text: ptr8, at: int, end: int, found: ptr32) -> int:
    mantissa = 0
    digits = 0
    point = -1  # the number of digits before the point; -1: no point yet
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


def number(telegram, bracket: int) -> int:
    """Reads the number at the start of a bracket into `found`. Returns where its unit starts, 0 if
    there is no number or it does not fit in 31 bits."""
    return _number(telegram, starts[bracket], ends[bracket], found)


def of_row(reading, row: int) -> int:
    """Finds the brackets in a row's line. Returns how many there are, 0 if the row is absent, -1
    if the line is broken."""
    return of_line(reading.telegram, reading.mantissa[row]) if reading.has(row) else 0


def is_stamp(telegram, bracket: int) -> bool:
    """Returns whether a bracket holds a time stamp and nothing else."""
    start = starts[bracket]
    return 0 < timestamp.length(telegram, start) == ends[bracket] - start
