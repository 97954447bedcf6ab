# Reads what is not a number and rarely changes: texts, lists, and the data of the sub-meters.
#
# decode.py loads this module when it is needed; dongle/latest.py unloads it when it has not been
# needed for a while. So modules that stay in memory must not keep references to anything in it.

from micropython import const

from . import brackets, country, obis, text, timestamp
from .brackets import is_stamp, of_row
from .captures import read_captures
from .reading import Submeter
from .scan import END_OF_RULES
from .timestamp import is_never

TEMPORARY = True  # see forget()

_TARIFF = obis.row("tariff")
_PEAK = obis.row("monthly_power_peak")
_HISTORY = obis.row("power_peak_history")
_FAILURES = obis.row("power_failures")
_DUTCH_VERSION = obis.FIRST_VERSION + 1
_POWER_UNIT = obis.ROW_UNIT[obis.row("power_w")]
_LARGEST = const(0x7FFFFFFF)
_NINE = const(0x39)


def read(reading) -> None:
    """Reads everything that is not a number and rarely changes."""
    telegram = reading.telegram
    reading.clear_texts()
    header_end = telegram.find(b"\n", 0, reading.size)
    if telegram[header_end - 1] == 0x0D:
        header_end -= 1
    reading.model = text.latin(telegram[1:header_end]) if header_end > 1 else None
    if reading.country_code == country.AUTO:
        code = country.of_telegram(telegram, reading.has(_DUTCH_VERSION))
        if code != reading.profile.code:
            reading.profile = country.profile(code)
    reading.tariff = _integer(reading, _TARIFF)
    _texts(reading)
    _peak(reading)
    _history(reading)
    _failures(reading)
    for channel in range(obis.CHANNELS):
        # The rows of a kind are sorted by channel; sub-meters are the last kinds before numbers.
        if any([reading.has(row) for row in _rows(obis.FIRST_TYPE, obis.FIRST_NUMBER, channel)]):
            reading.submeters.append(Submeter(channel + 1))
            _submeter(reading, reading.submeters[-1], channel)
    read_captures(reading)


def _exponent(rule, unit):
    """Returns the power of ten that converts a printed unit (bytes) to the unit whose spellings
    start at `rule`; None if it is none of these spellings."""
    rules = obis.UNIT_RULES
    while rules[rule] != END_OF_RULES:
        length = rules[rule]
        if rules[rule + 2 : rule + 2 + length] == unit:
            return rules[rule + 1] - 8
        rule += length + 2
    return None


def _power(telegram, bracket):
    """Returns (mantissa, decimals) in W, or None."""
    unit_at = brackets.number(telegram, bracket)
    if not unit_at:
        return None
    mantissa, decimals = brackets.found
    exponent = _exponent(_POWER_UNIT, telegram[unit_at : brackets.ends[bracket]])
    if exponent is None:
        return None
    decimals -= exponent
    if decimals < 0:
        mantissa *= 10**-decimals
        decimals = 0
    return (mantissa, decimals) if mantissa <= _LARGEST else None


def _texts(reading):
    for row in range(obis.FIRST_HEX, obis.FIRST_PEAK):
        decoded = text.of_id
        if row >= obis.FIRST_VERSION:
            decoded = text.of_version if row < obis.FIRST_MESSAGE else text.of_message
        found = _text(reading, row, decoded)
        if found:
            reading.texts[row] = found


def _text(reading, row, decoded):
    count = of_row(reading, row)
    if count < 0:
        reading.bad_texts += 1
    elif count:
        text = memoryview(reading.telegram)[brackets.starts[0] : brackets.ends[0]]
        return decoded(text) or None
    return None


def _peak(reading):
    telegram = reading.telegram
    if of_row(reading, _PEAK) == 2:
        # Sagemcom meters print the stamp first, Iskra meters print the power first.
        stamp = 0 if is_stamp(telegram, 0) else 1
        if is_stamp(telegram, stamp):
            reading.peak = _power(telegram, 1 - stamp)
            reading.peak_stamp_at = brackets.starts[stamp]
    if reading.has(_PEAK) and not reading.peak:
        reading.bad_texts += 1


def _history(reading):
    # (n)(1-0:1.6.0)(1-0:1.6.0) and then n times (end of the month)(stamp of the peak)(peak).
    # A month without data has a stamp that means "never", see is_never(): it is left out.
    count = of_row(reading, _HISTORY)
    if count < 0:
        reading.bad_texts += 1
        return
    telegram, starts = reading.telegram, brackets.starts
    if count and (count < 3 or telegram.find(b":", starts[1], brackets.ends[1]) < 0):
        # Hungarian and Swiss meters print something else with this code.
        if reading.unknown_count < len(reading.unknown):
            reading.unknown[reading.unknown_count] = telegram.rfind(b"\n", 0, starts[0]) + 1
            reading.unknown_count += 1
        return
    for closing in range(3, count - 2, 3):
        power = _power(telegram, closing + 2)
        peak_stamp_at = starts[closing + 1]
        if not power or not is_stamp(telegram, closing):
            reading.bad_texts += 1
        elif is_stamp(telegram, closing + 1):
            year, month = timestamp.month_before(telegram, starts[closing])
            reading.history.append((year, month, peak_stamp_at) + power)
        elif not is_never(telegram, peak_stamp_at):
            reading.bad_texts += 1
    # Some meters print the newest month first.
    reading.history.sort()


def _failures(reading):
    # (n)(0-0:96.7.19) and then n times (stamp of the end)(duration in s).
    count = of_row(reading, _FAILURES)
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
            and is_stamp(telegram, stamp)
        ):
            reading.failures.append((brackets.starts[stamp], duration_s))
        else:
            reading.bad_texts += 1


def _rows(first, end, channel):
    return range(first + channel, end, obis.CHANNELS)


def _submeter(reading, submeter, channel):
    number = submeter.device_type = _integer(reading, obis.FIRST_TYPE + channel)
    for word in obis.DEVICE_TYPES.split():
        if word[0] > _NINE:
            type = word
        elif int(word) == number:
            submeter.type = type.decode()  # pyright: ignore[reportPossiblyUnboundVariable]
    for row in _rows(obis.FIRST_ID, obis.FIRST_EAN, channel):
        submeter.id = submeter.id or _text(reading, row, text.of_id)
    submeter.ean = _text(reading, obis.FIRST_EAN + channel, text.of_id)
    submeter.valve_state = _integer(reading, obis.FIRST_VALVE + channel)


def _integer(reading, row):
    if of_row(reading, row) > 0:
        unit_at = brackets.number(reading.telegram, 0)
        if unit_at and not brackets.found[1] and unit_at == brackets.ends[0]:
            return brackets.found[0]
    if reading.has(row):
        reading.bad_texts += 1
    return None
