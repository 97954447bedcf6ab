# Verified telegram -> Reading. scan.py has read the numbers; here come the lines that hold
# stamps or what sub-meters have counted, and what follows from several lines together. Texts and
# lists rarely change: what reads them, texts.py, is loaded when there are new ones.
#
# A line that cannot be used costs only itself: it is left out and counted.

from micropython import const

from . import brackets, obis, timestamp
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


def read_captures(reading):
    """What the sub-meters have counted."""
    reading.captures += 1
    reading.bad_captures = 0
    for submeter in reading.submeters:
        key, had_stamp = submeter.value_key, submeter.stamp_at is not None
        submeter.clear_capture()
        row = obis.FIRST_CAPTURE + submeter.channel - 1
        while row < obis.FIRST_NUMBER:  # a range with a step would leave garbage
            if submeter.value_key is None and reading.has(row):
                _capture(reading, submeter, of_row(reading, row))
            row += obis.CHANNELS
        if key != submeter.value_key or had_stamp != (submeter.stamp_at is not None):
            reading.edition += 1


def of_row(reading, row):
    """Finds the brackets of a row's line. Returns how many, 0 where the row is absent, -1 where
    the line is broken."""
    return brackets.of_line(reading.telegram, reading.mantissa[row]) if reading.has(row) else 0


def is_stamp(telegram, bracket):
    """Whether there is one in this bracket, and nothing else."""
    start = brackets.starts[bracket]
    return 0 < timestamp.length(telegram, start) == brackets.ends[bracket] - start


def _capture(reading, submeter, count):
    """(stamp)(value*unit), (value*unit) alone, or DSMR 2 and 3's
    (stamp)(status)(period)(n)(code)(unit) with (value) on the next line."""
    telegram, starts, ends = reading.telegram, brackets.starts, brackets.ends
    last = count - 1
    stamped = last > 0
    if stamped and is_never(telegram, starts[0]):
        return
    key = None
    unit_at = brackets.number(telegram, last) if count > 0 else 0
    if unit_at:
        if last > 4 and unit_at == ends[last]:
            key = _captured(telegram, starts[last - 1], ends[last - 1])
        else:
            key = _captured(telegram, unit_at, ends[last])
    if key is None or (stamped and not is_stamp(telegram, 0)):
        reading.bad_captures += 1
        return
    submeter.value_key = key
    submeter.mantissa, submeter.decimals = brackets.found
    submeter.stamp_at = starts[0] if stamped else None


def _captured(telegram, at, end):
    """The key of what the unit telegram[at:end] says has been counted, or None."""
    for unit in obis.CAPTURED:
        if len(unit) == end - at and telegram.find(unit, at, end) == at:
            return obis.CAPTURED[unit]
    return None


def is_never(telegram, at):
    """Whether a stamp means "never": all bits set, cut to two digits each, or second 0 of 1970."""
    return (
        telegram.find(b"632525252525", at, at + 12) == at
        or telegram.find(b"700101", at, at + 6) == at
    )
