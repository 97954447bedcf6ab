# Verified telegram -> Reading. scan.py has read the numbers; here come the lines that hold
# texts, stamps, lists or sub-meters, and what follows from several lines together.
#
# These rarely change, so they are read again only when they do.
#
# A line that cannot be used costs only itself: it is left out and counted.

from micropython import const

from . import brackets, country, obis, text, timestamp
from .scan import ABSENT, clear, derive, scan
from .update import NEW_CAPTURES, NEW_LAYOUT, NEW_TEXTS, update

_CLOCK = obis.row("timestamp")
_TARIFF = obis.row("tariff")
_PEAK = obis.row("monthly_power_peak")
_HISTORY = obis.row("power_peak_history")
_FAILURES = obis.row("power_failures")
_CLOSE = const(0x29)
_DUTCH_VERSION = obis.ROWS_OF["version"][1]

_CODINGS = (("hex", text.of_id), ("version", text.of_version), ("message", text.of_message))

_LARGEST = const(0x7FFFFFFF)
_POWER_UNIT = obis.ROW_UNIT[obis.row("power_w")]


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

# Sub-meter lines, by what they say; each kind's rows come channel by channel.
_TYPE, _ID, _EAN, _VALVE, _CAPTURE = [
    obis.ROWS_OF[kind] for kind in ("type", "id", "submeter_ean", "valve", "capture")
]


def decode(telegram, size, reading):
    """Fills reading from telegram[:size], a verified one as the framer delivers it.

    The telegram that was decoded into reading before this one is still looked at, in its own
    buffer; the framer keeps it until then.
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
        _read_texts(reading)
    elif found == NEW_CAPTURES:
        _read_captures(reading)
    _read_clock(reading)
    derive(reading, _SUMS, _DIFFERENCES)
    reading.is_whole = True


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


def _read_texts(reading):
    """All that is no number, and rarely changes."""
    telegram = reading.telegram
    reading.clear_texts()
    header_end = telegram.find(b"\n", 0, reading.size)
    if telegram[header_end - 1] == 0x0D:
        header_end -= 1
    reading.model = text.latin(telegram[1:header_end]) if header_end > 1 else None
    if reading.country_code == country.AUTO:
        reading.profile = country.of_telegram(telegram, reading.has(_DUTCH_VERSION))
    reading.tariff = _integer(reading, _TARIFF)
    _texts(reading)
    _peak(reading)
    _history(reading)
    _failures(reading)
    for submeter in reading.submeters:
        _submeter(reading, submeter)
    _read_captures(reading)


def _read_captures(reading):
    """What the sub-meters have counted."""
    reading.captures += 1
    reading.bad_captures = 0
    for submeter in reading.submeters:
        key, had_stamp = submeter.value_key, submeter.stamp_at is not None
        submeter.clear_capture()
        for kind in range(len(_CAPTURE) // obis.CHANNELS):  # with a step it would leave garbage
            row = _CAPTURE[kind * obis.CHANNELS + submeter.channel - 1]
            if submeter.value_key is None and reading.has(row):
                _capture(reading, submeter, _brackets(reading, row))
        if key != submeter.value_key or had_stamp != (submeter.stamp_at is not None):
            reading.edition += 1


def _brackets(reading, row):
    """Finds the brackets of a row's line. Returns how many, 0 where the row is absent, -1 where
    the line is broken."""
    return brackets.of_line(reading.telegram, reading.mantissa[row]) if reading.has(row) else 0


def _power(telegram, bracket):
    """(mantissa, decimals) in W, or None."""
    unit_at = brackets.number(telegram, bracket)
    if not unit_at:
        return None
    mantissa, decimals = brackets.found
    exponent = obis.exponent(_POWER_UNIT, telegram[unit_at : brackets.ends[bracket]])
    if exponent is None:
        return None
    decimals -= exponent
    if decimals < 0:
        mantissa *= 10**-decimals
        decimals = 0
    return (mantissa, decimals) if mantissa <= _LARGEST else None


def _is_stamp(telegram, bracket):
    start = brackets.starts[bracket]
    return 0 < timestamp.length(telegram, start) == brackets.ends[bracket] - start


def _texts(reading):
    for kind, decoded in _CODINGS:
        for row in obis.ROWS_OF[kind]:
            found = _text(reading, row, decoded)
            if found:
                reading.texts[row] = found


def _text(reading, row, decoded):
    count = _brackets(reading, row)
    if count < 0:
        reading.bad_texts += 1
    elif count:
        text = memoryview(reading.telegram)[brackets.starts[0] : brackets.ends[0]]
        return decoded(text) or None
    return None


def _peak(reading):
    telegram = reading.telegram
    if _brackets(reading, _PEAK) == 2:
        # Sagemcoms print the stamp first, Iskra meters the power.
        stamp = 0 if _is_stamp(telegram, 0) else 1
        if _is_stamp(telegram, stamp):
            reading.peak = _power(telegram, 1 - stamp)
            reading.peak_stamp_at = brackets.starts[stamp]
    if reading.has(_PEAK) and not reading.peak:
        reading.bad_texts += 1


def _history(reading):
    # (n)(1-0:1.6.0)(1-0:1.6.0) and then n times (month's end)(stamp of the peak)(peak).
    # A month without data has the stamp that no calendar knows: it stays unnamed.
    count = _brackets(reading, _HISTORY)
    if count < 0:
        reading.bad_texts += 1
        return
    telegram, starts = reading.telegram, brackets.starts
    if count and (count < 3 or telegram.find(b":", starts[1], brackets.ends[1]) < 0):
        # Hungarian and Swiss meters print something else under this code.
        reading.add_unknown(telegram.rfind(b"\n", 0, starts[0]) + 1)
        return
    for closing in range(3, count - 2, 3):
        power = _power(telegram, closing + 2)
        peak_stamp_at = starts[closing + 1]
        if not power or not _is_stamp(telegram, closing):
            reading.bad_texts += 1
        elif _is_stamp(telegram, closing + 1):
            year, month = timestamp.month_before(telegram, starts[closing])
            reading.history.append((year, month, peak_stamp_at) + power)
        elif not _is_never(telegram, peak_stamp_at):
            reading.bad_texts += 1
    # Some meters print the newest first.
    reading.history.sort()


def _failures(reading):
    # (n)(0-0:96.7.19) and then n times (stamp of the end)(duration in s).
    count = _brackets(reading, _FAILURES)
    if count < 0:
        reading.bad_texts += 1
        return
    telegram = reading.telegram
    for stamp in range(2, count - 1, 2):
        unit_at = brackets.number(telegram, stamp + 1)
        duration_s, decimals = brackets.found
        if (
            unit_at
            and not decimals
            and telegram[unit_at : brackets.ends[stamp + 1]] == b"s"
            and _is_stamp(telegram, stamp)
        ):
            reading.failures.append((brackets.starts[stamp], duration_s))
        else:
            reading.bad_texts += 1


def _submeter(reading, submeter):
    channel = submeter.channel - 1
    number = _integer(reading, _TYPE[channel])
    submeter.device_type = number
    for at in range(channel, len(_ID), obis.CHANNELS):
        submeter.id = submeter.id or _text(reading, _ID[at], text.of_id)
    submeter.ean = _text(reading, _EAN[channel], text.of_id)
    submeter.valve_state = _integer(reading, _VALVE[channel])


def _integer(reading, row):
    if _brackets(reading, row) > 0:
        unit_at = brackets.number(reading.telegram, 0)
        if unit_at and not brackets.found[1] and unit_at == brackets.ends[0]:
            return brackets.found[0]
    if reading.has(row):
        reading.bad_texts += 1
    return None


def _capture(reading, submeter, count):
    """(stamp)(value*unit), (value*unit) alone, or DSMR 2 and 3's
    (stamp)(status)(period)(n)(code)(unit) with (value) on the next line."""
    telegram, starts, ends = reading.telegram, brackets.starts, brackets.ends
    last = count - 1
    stamped = last > 0
    if stamped and _is_never(telegram, starts[0]):
        return
    key = None
    unit_at = brackets.number(telegram, last) if count > 0 else 0
    if unit_at:
        if last > 4 and unit_at == ends[last]:
            key = _captured(telegram, starts[last - 1], ends[last - 1])
        else:
            key = _captured(telegram, unit_at, ends[last])
    if key is None or (stamped and not _is_stamp(telegram, 0)):
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


def _is_never(telegram, at):
    """Whether a stamp means "never": all bits set, cut to two digits each, or second 0 of 1970."""
    return (
        telegram.find(b"632525252525", at, at + 12) == at
        or telegram.find(b"700101", at, at + 6) == at
    )
