# TST, the meter's time stamp: YYMMDDhhmmssX in local civil time. X is S (summer, UTC+2) or W
# (winter, UTC+1), as valid at that date (DSMR 5.0.2 P1 §6.4). The first Walloon meters leave out
# the letter; then the offset follows from the rules of European summer time.
#
# Lithuania is an hour ahead of this, so several functions have the parameter winter_h.
#
# There is no time zone database here, and no time module: the ESP32 counts from 2000, others 1970.

import micropython
from micropython import const

_SUMMER = const(0x53)  # "S"
_WINTER = const(0x57)  # "W"

_DAY_S = const(86400)


@micropython.viper
def length(text: ptr8, at: int) -> int:
    """Returns the length of the stamp at text[at]: 13 with its letter, 12 without, 0 if none.

    A date that does not exist is not a stamp: meters print 632525252525W for "never".
    The text must have 13 bytes from there, or before that a byte below "0".
    """
    digits = 0
    while digits < 12 and 48 <= text[at + digits] <= 57:
        digits += 1
    if digits < 12:
        return 0
    year = (text[at] - 48) * 10 + text[at + 1] - 48
    month = (text[at + 2] - 48) * 10 + text[at + 3] - 48
    day = (text[at + 4] - 48) * 10 + text[at + 5] - 48
    days = 31
    if month == 2:
        days = 28 if year & 3 else 29
    elif month == 4 or month == 6 or month == 9 or month == 11:
        days = 30
    if month < 1 or month > 12 or day < 1 or day > days:
        return 0
    if (text[at + 6] - 48) * 10 + text[at + 7] > 71:  # hour above 23; 48 is still included
        return 0
    if text[at + 8] > 53 or text[at + 10] > 53:  # minute or second above 59
        return 0
    letter = text[at + 12]
    if letter == 0x53 or letter == 0x57:
        return 13
    return 12


def _pair(text, at):
    """Returns the number of the two digits at text[at]."""
    return text[at] * 10 + text[at + 1] - 11 * 0x30


def _days(year, month, day):
    # Days since 1970-01-01, for 1970..2099, where every fourth year is a leap year.
    # The years in the calculation begin in March, so that the leap day is their last day.
    if month < 3:
        year -= 1
        month += 12
    return (year - 1970) * 365 + (year - 1968) // 4 + (153 * month - 457) // 5 + day + 58


def _last_sunday(year, month):
    last = _days(year, month, 31)
    return last - (last + 4) % 7  # 1970-01-01 was a Thursday


def _is_summer(text, at, winter_h):
    # Directive 2000/84/EC: from 01:00 UTC on the last Sunday of March (clocks go 2 -> 3 in
    # central Europe) to 01:00 UTC on the last Sunday of October (3 -> 2). The hour that exists
    # twice is taken as the later one.
    year = 2000 + _pair(text, at)
    days = _days(year, _pair(text, at + 2), _pair(text, at + 4))
    start = _last_sunday(year, 3)
    end = _last_sunday(year, 10)
    change_s = (1 + winter_h) * 3600
    if days == start:
        return _seconds(text, at) >= change_s
    if days == end:
        return _seconds(text, at) < change_s
    return start < days < end


def utc_offset_h(text: bytes | bytearray, at: int, winter_h: int) -> int:
    """Returns how many hours the stamp at text[at] is ahead of UTC; length() must have accepted
    it. winter_h: how many hours the country's winter time is ahead of UTC."""
    letter = text[at + 12]
    if letter == _WINTER:
        return winter_h
    if letter == _SUMMER:
        return winter_h + 1
    return winter_h + _is_summer(text, at, winter_h)


def _seconds(text, at):
    return (_pair(text, at + 6) * 60 + _pair(text, at + 8)) * 60 + _pair(text, at + 10)


def epoch(text: bytes | bytearray, at: int, winter_h: int) -> int:
    """Returns the seconds from 1970-01-01 UTC to the stamp at text[at]; see utc_offset_h()."""
    days = _days(2000 + _pair(text, at), _pair(text, at + 2), _pair(text, at + 4))
    return days * _DAY_S + _seconds(text, at) - utc_offset_h(text, at, winter_h) * 3600


def quarter(text: bytes | bytearray, at: int, winter_h: int) -> int:
    """Returns the number of quarter hours from 1970-01-01 UTC to the start of the quarter hour of
    the stamp at text[at]. It is a small integer, and correct in nights when the clocks change."""
    days = _days(2000 + _pair(text, at), _pair(text, at + 2), _pair(text, at + 4))
    hours = days * 24 + _pair(text, at + 6) - utc_offset_h(text, at, winter_h)
    return hours * 4 + _pair(text, at + 8) // 15


def second_of_quarter(text: bytes | bytearray, at: int) -> int:
    """Returns the seconds from :00, :15, :30 or :45 to the stamp at text[at]: 0 to 899."""
    return _pair(text, at + 8) % 15 * 60 + _pair(text, at + 10)


def is_later(text: bytes | bytearray, at: int, other_at: int, winter_h: int) -> bool:
    """Returns whether the stamp at text[at] is later than the stamp at text[other_at]. Calculates
    with small integers, which need no memory."""
    ahead = quarter(text, at, winter_h) - quarter(text, other_at, winter_h)
    return ahead > 0 or (
        ahead == 0 and second_of_quarter(text, at) > second_of_quarter(text, other_at)
    )


def month(text: bytes | bytearray, at: int) -> int:
    """Returns the month of the stamp at text[at], as months since year 0."""
    return (2000 + _pair(text, at)) * 12 + _pair(text, at + 2) - 1


def is_month_start(text: bytes | bytearray, at: int) -> bool:
    """Returns whether the stamp at text[at] is the first second of a month."""
    return _pair(text, at + 4) == 1 and _seconds(text, at) == 0


def month_before(text: bytes | bytearray, at: int) -> tuple:
    """Returns (year, month) of the month before the stamp at text[at]: the stamp that closes a
    month is the first second of the next one (e-MUCS-P1 1.7.1, monthly peaks)."""
    year, month = 2000 + _pair(text, at), _pair(text, at + 2)
    return (year, month - 1) if month > 1 else (year - 1, 12)


@micropython.viper
def write_iso(out: ptr8, to: int, text: ptr8, at: int, offset_h: int) -> int:
    """Writes the stamp at text[at] as 2026-03-30T17:46:29+02:00, 25 bytes. Returns `to` + 25."""
    out[to] = 0x32
    out[to + 1] = 0x30
    to += 2
    pair = 0
    while pair < 6:
        out[to] = text[at]
        out[to + 1] = text[at + 1]
        if pair < 2:
            out[to + 2] = 0x2D
        elif pair == 2:
            out[to + 2] = 0x54
        else:
            out[to + 2] = 0x3A
        at += 2
        to += 3
        pair += 1
    out[to - 1] = 0x2B
    out[to] = 0x30
    out[to + 1] = 48 + offset_h
    out[to + 2] = 0x3A
    out[to + 3] = 0x30
    out[to + 4] = 0x30
    return to + 5


def is_never(telegram: bytes | bytearray, at: int) -> bool:
    """Returns whether a stamp means "never": all bits set (two digits each), or 1970-01-01."""
    return (
        telegram.find(b"632525252525", at, at + 12) == at
        or telegram.find(b"700101", at, at + 6) == at
    )
