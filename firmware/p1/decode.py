# Verified telegram -> Reading. scan.py has read the numbers; here come the lines that hold
# texts, stamps, lists or sub-meters, and what follows from several lines together.
#
# These rarely change, so they are read again only when they do.
#
# A line that cannot be used costs only itself: it is left out and counted.

from micropython import const

from . import country, obis, text, timestamp
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

# What is derived where the telegram has the parts: the sum of the tariff registers, import
# minus export. In the shapes that scan.derive() takes.
_SUMS = bytearray()
for _direction in ("import", "export"):
    _SUMS.append(obis.row(f"energy_{_direction}_kwh"))
    for _tariff in range(1, 6):
        _SUMS.append(obis.row(f"energy_{_direction}_t{_tariff}_kwh"))
    _SUMS.append(ABSENT)
_SUMS.append(ABSENT)
_DIFFERENCES = bytearray()
for _phase in ("", "_l1", "_l2", "_l3"):
    for _key in ("power", "power_import", "power_export"):
        _DIFFERENCES.append(obis.row(f"{_key}{_phase}_w"))
_DIFFERENCES.append(ABSENT)

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
        had = submeter.value_key, submeter.stamp_at is None
        submeter.clear_capture()
        for row in _CAPTURE[submeter.channel - 1 :: obis.CHANNELS]:
            if submeter.value_key is None and reading.has(row):
                _capture(reading, submeter, _groups(reading, row))
        if (submeter.value_key, submeter.stamp_at is None) != had:
            reading.edition += 1


def _groups(reading, row):
    """Where the brackets of a row's line begin and end, as a list of (start, end) without the
    brackets themselves; empty where the row is absent, None where the line is broken."""
    if not reading.has(row):
        return []
    telegram = reading.telegram
    at = reading.mantissa[row]
    line_end = telegram.find(b"\n", at, reading.size)
    # A value wrapped on the next line belongs to this one.
    if telegram[line_end + 1] == 0x28:
        line_end = telegram.find(b"\n", line_end + 1, reading.size)
    groups = []
    while at < line_end:
        if telegram[at] == 0x28:
            end = telegram.find(b")", at, line_end)
            if end < 0:
                return None
            groups.append((at + 1, end))
            at = end + 1
        elif telegram[at] == 0x0D or telegram[at] == 0x0A:
            at += 1
        else:
            return None
    return groups


def _number(telegram, start, end):
    """The number that telegram[start:end] begins with: (mantissa, decimals, where its unit
    starts), or None where there is none or it does not fit in 31 bits."""
    mantissa = digits = decimals = 0
    point = False
    at = start
    while at < end:
        byte = telegram[at]
        if byte == 0x2E and not point:
            point = True
        elif 0x30 <= byte <= 0x39:
            mantissa = mantissa * 10 + byte - 0x30
            digits += 1
            if point:
                decimals += 1
        else:
            break
        at += 1
    if not digits or mantissa > _LARGEST or decimals > 9:
        return None
    if at < end and telegram[at] == 0x2A:
        at += 1
    return mantissa, decimals, at


def _power(telegram, start, end):
    """(mantissa, decimals) in W of telegram[start:end], or None."""
    number = _number(telegram, start, end)
    if number is None:
        return None
    mantissa, decimals, unit_at = number
    exponent = obis.exponent(_POWER_UNIT, telegram[unit_at:end])
    if exponent is None:
        return None
    decimals -= exponent
    if decimals < 0:
        mantissa *= 10**-decimals
        decimals = 0
    return (mantissa, decimals) if mantissa <= _LARGEST else None


def _is_stamp(telegram, start, end):
    return 0 < timestamp.length(telegram, start) == end - start


def _texts(reading):
    for kind, decoded in _CODINGS:
        for row in obis.ROWS_OF[kind]:
            found = _text(reading, row, decoded)
            if found:
                reading.texts[row] = found


def _text(reading, row, decoded):
    groups = _groups(reading, row)
    if groups is None:
        reading.bad_texts += 1
    elif groups:
        start, end = groups[0]
        return decoded(memoryview(reading.telegram)[start:end]) or None
    return None


def _peak(reading):
    # Sagemcoms print the stamp first, Iskra meters the power.
    groups = _groups(reading, _PEAK)
    telegram = reading.telegram
    if groups and len(groups) == 2:
        if not _is_stamp(telegram, *groups[0]):
            groups.reverse()
        if _is_stamp(telegram, *groups[0]):
            reading.peak = _power(telegram, *groups[1])
            reading.peak_stamp_at = groups[0][0]
    if reading.has(_PEAK) and not reading.peak:
        reading.bad_texts += 1


def _history(reading):
    # (n)(1-0:1.6.0)(1-0:1.6.0) and then n times (month's end)(stamp of the peak)(peak).
    # A month without data has the stamp that no calendar knows: it stays unnamed.
    groups = _groups(reading, _HISTORY)
    if groups is None:
        reading.bad_texts += 1
        return
    telegram = reading.telegram
    if groups and (len(groups) < 3 or telegram.find(b":", *groups[1]) < 0):
        # Hungarian and Swiss meters print something else under this code.
        reading.add_unknown(telegram.rfind(b"\n", 0, groups[0][0]) + 1)
        return
    for at in range(3, len(groups) - 2, 3):
        closing, peak_stamp, value = groups[at : at + 3]
        power = _power(telegram, *value)
        if not power or not _is_stamp(telegram, *closing):
            reading.bad_texts += 1
        elif _is_stamp(telegram, *peak_stamp):
            year, month = timestamp.month_before(telegram, closing[0])
            reading.history.append((year, month, peak_stamp[0]) + power)
        elif not _is_never(telegram, peak_stamp[0]):
            reading.bad_texts += 1
    # Some meters print the newest first.
    reading.history.sort()


def _failures(reading):
    # (n)(0-0:96.7.19) and then n times (stamp of the end)(duration in s).
    groups = _groups(reading, _FAILURES)
    if groups is None:
        reading.bad_texts += 1
        return
    telegram = reading.telegram
    for at in range(2, len(groups) - 1, 2):
        stamp, duration = groups[at : at + 2]
        number = _number(telegram, *duration)
        if (
            number
            and not number[1]
            and telegram[number[2] : duration[1]] == b"s"
            and _is_stamp(telegram, *stamp)
        ):
            reading.failures.append((stamp[0], number[0]))
        else:
            reading.bad_texts += 1


def _submeter(reading, submeter):
    channel = submeter.channel - 1
    number = _integer(reading, _TYPE[channel])
    submeter.device_type = number
    for row in _ID[channel :: obis.CHANNELS]:
        submeter.id = submeter.id or _text(reading, row, text.of_id)
    submeter.ean = _text(reading, _EAN[channel], text.of_id)
    submeter.valve_state = _integer(reading, _VALVE[channel])


def _integer(reading, row):
    groups = _groups(reading, row)
    if groups:
        number = _number(reading.telegram, *groups[0])
        if number and number[1] == 0 and number[2] == groups[0][1]:
            return number[0]
    if reading.has(row):
        reading.bad_texts += 1
    return None


def _capture(reading, submeter, groups):
    """(stamp)(value*unit), (value*unit) alone, or DSMR 2 and 3's
    (stamp)(status)(period)(n)(code)(unit) with (value) on the next line."""
    telegram = reading.telegram
    if not groups:
        reading.bad_captures += 1
        return
    stamp_at = groups[0][0]
    stamped = len(groups) > 1
    if stamped and _is_never(telegram, stamp_at):
        return
    number = _number(telegram, *groups[-1])
    unit = None
    if number:
        unit = (number[2], groups[-1][1])
        if len(groups) > 5 and unit[0] == unit[1]:
            unit = groups[-2]
        unit = obis.CAPTURED.get(bytes(telegram[unit[0] : unit[1]]))
    if unit is None or (stamped and not _is_stamp(telegram, *groups[0])):
        reading.bad_captures += 1
        return
    submeter.value_key = unit
    submeter.mantissa, submeter.decimals = number[:2]
    if stamped:
        submeter.stamp_at = stamp_at
        submeter.epoch = timestamp.epoch(telegram, stamp_at, reading.profile.winter_h)


def _is_never(telegram, at):
    """Whether a stamp means "never": all bits set, cut to two digits each, or second 0 of 1970."""
    stamp = telegram[at : at + 12]
    return stamp == b"632525252525" or stamp[:6] == b"700101"
