# Turns a verified telegram into a Reading. scan.py reads the numbers. This module reads the clock
# and the captures of sub-meters, and derives values from several lines. Texts and lists rarely
# change, so texts.py, which reads them, is loaded only when they do.
#
# A line that cannot be used is left out and counted. The other lines are not affected.

from micropython import const

from . import obis, timestamp
from .captures import read_captures
from .quick import NEW_CAPTURES, NEW_LAYOUT, NEW_TEXTS, update
from .scan import ABSENT, clear, derive, scan

_CLOCK = obis.row("timestamp")
_CLOSE = const(0x29)


def _derivations():
    # The values to derive if the telegram has their parts: the sum of the tariff registers, and
    # import minus export. In the formats that scan.derive() takes.
    sums, differences = bytearray(), bytearray()
    for direction in ("import", "export"):
        sums.append(obis.row(f"energy_{direction}_kwh"))
        for tariff in range(1, 6):
            sums.append(obis.row(f"energy_{direction}_t{tariff}_kwh"))
        sums.append(ABSENT)
    sums.append(ABSENT)
    for phase in ("", "_l1", "_l2", "_l3"):
        for key in ("power", "power_import", "power_export"):
            differences.append(obis.row(f"{key}{phase}_w"))
    differences.append(ABSENT)
    return bytes(sums), bytes(differences)


_SUMS, _DIFFERENCES = _derivations()
del _derivations

_TEXTS_BYTES = const(11_000)  # how much memory texts.py and its results need

_read_texts = None  # read() of texts.py, once that is loaded


class Postponed(MemoryError):
    """There is not enough memory for texts.py at the moment."""


def decode(telegram, size: int, reading) -> None:
    """Fills `reading` from telegram[:size], a verified telegram as the framer delivers it.

    The function compares it with the telegram that was decoded into `reading` before, which must
    still be in its own buffer; the framer keeps that buffer unchanged for this.

    Raises MemoryError if there is no memory to load texts.py, Postponed if reading.has_room() says
    so. After these and all other errors the reading is incomplete and must not be used, and the
    next telegram is read as if it were the first.
    """
    before, size_before = reading.telegram, reading.size
    reading.telegram, reading.size = telegram, size
    found = NEW_LAYOUT
    was_whole = reading.is_whole
    reading.is_whole = False  # set to True at the end, so that it stays False after an error
    if was_whole and reading.has_layout and size == size_before and telegram is not before:
        found = update(telegram, before, reading)
    if found == NEW_LAYOUT:
        clear(reading.decimals, obis.ROWS)
        scan(reading, size)
        found = NEW_TEXTS
    if found == NEW_TEXTS:
        if _read_texts is None:
            if not reading.has_room(_TEXTS_BYTES):
                raise Postponed
            _load()
        _read_texts(reading)  # pyright: ignore[reportOptionalCall]
    elif found == NEW_CAPTURES:
        read_captures(reading)
    _read_clock(reading)
    derive(reading, _SUMS, _DIFFERENCES)  # pyright: ignore[reportArgumentType]
    reading.is_whole = True


def _load():
    global _read_texts
    from .texts import read

    _read_texts = read


def forget() -> None:
    """Drops the reference to texts.py, so that the module can be unloaded."""
    global _read_texts
    _read_texts = None


def _read_clock(reading):
    at = None
    bad = 0
    if reading.decimals[_CLOCK] != ABSENT:
        telegram = reading.telegram
        at = reading.mantissa[_CLOCK] + 1
        length = timestamp.length(telegram, at)
        if not length or telegram[at + length] != _CLOSE:
            at = None
            bad = 1
    reading.bad_clock = bad
    if at != reading.stamp_at:
        reading.stamp_at = at
        reading.edition += 1
