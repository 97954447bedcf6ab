# Tables that say what other programs call the numbers of a Reading, a line each:
#
#   key  power of ten  name
#
# The power of ten leads from the key's unit to that of the name: "1" none, "k" 3, "M" 6, "m" -3;
# other letters are up to the form. What stands for the name is up to the form as well, and so
# are lines that begin with "#". Text, and read by place: tuples take ten times the memory, and
# a slice of a line would be garbage each time.

from micropython import const

from .. import obis, timestamp

_NO_ROW = const(255)
_TENS = {0x31: 0, 0x6B: 3, 0x4D: 6, 0x6D: -3}
_PEAK = obis.row("monthly_power_peak")
_TARIFF = obis.row("tariff")
_CLOCK = obis.row("timestamp")


def lines(table):
    """Where each line of a table (bytes, behind a first newline) starts."""
    at = 1
    while at < len(table):
        yield at
        at = table.find(b"\n", at) + 1


def end(table, at):
    """Where the line ends that starts there."""
    return table.find(b"\n", at)


def letter(table, at):
    """Where the letter of the power of ten stands in the line that starts there; the name starts
    two places behind."""
    return table.find(b" ", at) + 1


def tens(letter):
    """The power of ten (int) that a letter (int) means."""
    return _TENS[letter]


def rows(table):
    """By line: the row of the registry whose key begins that line; for use at import."""
    found = bytearray([_NO_ROW] * table.count(b"\n"))
    for row in range(obis.ROWS):
        at = table.find(b"\n" + obis.key(row) + b" ")
        if at >= 0:
            found[table.count(b"\n", 0, at)] = row
    return found


def number(reading, row):
    """(mantissa, decimals) of a row that holds a number, the peak, the tariff or the clock, the
    latter in seconds since 1970; None where absent."""
    if row == _PEAK:
        return reading.peak
    if row == _TARIFF:
        return None if reading.tariff is None else (reading.tariff, 0)
    if row == _CLOCK:
        at = reading.stamp_at
        if at is None:
            return None
        return timestamp.epoch(reading.telegram, at, reading.profile.winter_h), 0
    return reading.number(row)


def text(reading, key):
    """A Reading's text (UTF-8) with this key (bytes); None where absent."""
    found = [row for row in reading.texts if obis.key(row) == key]
    return reading.texts[min(found)] if found else None


def write(page, mantissa, decimals):
    """Appends mantissa / 10^decimals, exactly, to a Page. The decimals may be below 0, which is
    how a number gets into a smaller unit."""
    page.number(mantissa, max(decimals, 0))
    if mantissa and decimals < 0:
        page.put(b"0" * -decimals)
