# Tables with the names that other programs use for the numbers of a Reading. Each line has:
#
#   key  letter  name
#
# The letter is the power of ten that converts the key's unit to the unit of the name: "1" none,
# "k" 3, "M" 6, "m" -3. Each format may define other letters, the content of the name, and lines
# that begin with "#". These formats have such tables: prometheus.py, submeters.py, influx_line.py,
# homewizard_json.py, homeassistant.py and, in dongle/, dsmr_topics.py, metrics.py and counters.py.
# Tables are text that is read by position: tuples take ten times the memory, and slices of lines
# would be garbage each time.

from micropython import const

from .. import obis, timestamp

TEMPORARY = True  # see forget()

_NO_ROW = const(255)
_TENS = {0x31: 0, 0x6B: 3, 0x4D: 6, 0x6D: -3}
_PEAK = obis.row("monthly_power_peak")
_TARIFF = obis.row("tariff")
_CLOCK = obis.row("timestamp")


def lines(table: bytes):
    """Yields where each line of a table starts. The table itself begins with a newline."""
    at = 1
    while at < len(table):
        yield at
        at = table.find(b"\n", at) + 1


def end(table: bytes, at: int) -> int:
    """Returns where the line that starts at table[at] ends."""
    return table.find(b"\n", at)


def letter(table: bytes, at: int) -> int:
    """Returns the place of the letter (the power of ten) in the line that starts at table[at]. The
    name starts two places after it."""
    return table.find(b" ", at) + 1


def tens(letter: int) -> int:
    """Returns the power of ten that a letter means."""
    return _TENS[letter]


def rows(table: bytes) -> bytearray:
    """Returns for each line the registry's row whose key begins it. Only for use at import."""
    found = bytearray([_NO_ROW] * table.count(b"\n"))
    for row in range(obis.ROWS):
        at = table.find(b"\n" + obis.key(row) + b" ")
        if at >= 0:
            found[table.count(b"\n", 0, at)] = row
    return found


def number(reading, row: int) -> tuple | None:
    """Returns (mantissa, decimals) of a row: a number, the peak, the tariff, or the clock in
    seconds since 1970. None if absent."""
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


def text(reading, key: bytes) -> bytes | bytearray | None:
    """Returns the text (UTF-8) with this key in a Reading; None if absent."""
    found = [row for row in reading.texts if obis.key(row) == key]
    return reading.texts[min(found)] if found else None


def write(page, mantissa: int, decimals: int) -> None:
    """Appends mantissa / 10^decimals exactly to a Page. The decimals are below 0 if the number was
    converted to a smaller unit."""
    page.number(mantissa, max(decimals, 0))
    if mantissa and decimals < 0:
        page.put(b"0" * -decimals)
