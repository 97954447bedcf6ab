# Verified telegram -> Reading. scan.py has read the numbers; here come the lines that hold
# stamps or what sub-meters have counted, and what follows from several lines together. Texts and
# lists rarely change: what reads them, texts.py, is loaded when there are new ones.
#
# A line that cannot be used costs only itself: it is left out and counted.

from micropython import const

from . import obis, timestamp
from .captures import read_captures
from .quick import NEW_CAPTURES, NEW_LAYOUT, NEW_TEXTS, update
from .scan import ABSENT, clear, derive, scan

_CLOCK = obis.row("timestamp")
_CLOSE = const(0x29)


def _derivations():
    # What is derived where the telegram has the parts: the sum of the tariff registers, import
    # minus export. In the shapes that scan.derive() takes.
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

_TEXTS_BYTES = const(11_000)  # of memory, for texts.py with what comes of it

_read_texts = None  # of texts.py, once it is loaded


class Postponed(MemoryError):
    """There is no room for texts.py at the moment."""


def decode(telegram, size, reading):
    """Fills reading from telegram[:size], a verified one as the framer delivers it.

    The telegram that was decoded into reading before this one is still looked at, in its own
    buffer; the framer keeps it until then.

    Raises MemoryError where there is none to load texts.py, Postponed where reading.has_room says
    so. Then, as after any error, the reading is neither whole nor of use, and the next telegram is
    read anew.
    """
    before, size_before = reading.telegram, reading.size
    reading.telegram, reading.size = telegram, size
    found = NEW_LAYOUT
    was_whole = reading.is_whole
    reading.is_whole = False  # until the end, should anything fail on the way
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


def forget():
    """Lets go of texts.py, for whoever takes it out of memory."""
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
