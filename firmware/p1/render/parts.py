# Writes everything in a Reading's JSON that is not a number. It is always written as a whole.
#
# json.py loads this module when one of these values changes; it is unloaded like texts.py.

from .. import obis
from ..text import latin
from .members import write_key, write_stamp, write_value
from .page import NUMBER_LENGTH, Full

TEMPORARY = True  # see forget()


def write(page, reading) -> tuple:
    """Writes everything that is not a number, and leaves room for the numbers after it. Returns
    (how many parts did not fit, the values of sub-meters; see _submeters())."""
    page.size = 0
    # Numbers are the most important: everything else gets only the rest of the page.
    page.limit = len(page.bytes) - _ending_length(reading)
    cut, values = 0, []
    for part in _PARTS:
        size, known = page.size, len(values)
        try:
            part(page, reading, values)
        except Full:
            page.size = size
            del values[known:]
            cut += 1
    return cut, values


# Each function below writes one part, with a comma before each key.


def _clock(page, reading, _):
    if reading.stamp_at is not None:
        write_key(page, b"timestamp")
        write_stamp(page, reading, reading.stamp_at)


def _names(page, reading, _):
    if reading.model:
        write_key(page, b"meter_model")
        page.string(reading.model)
    _texts(page, reading, obis.FIRST_HEX, obis.FIRST_MESSAGE)


def _messages(page, reading, _):
    _texts(page, reading, obis.FIRST_MESSAGE, obis.FIRST_PEAK)


def _texts(page, reading, first, end):
    written = None
    for row in range(first, end):
        text = reading.texts.get(row)
        key = obis.key(row)
        if text and key != written:
            write_key(page, key)
            page.string(text)
            written = key


def _ending_length(reading):
    """Returns how long the numbers and the brackets of the document can become."""
    length = len(b"{}")
    for row in range(obis.FIRST_NUMBER, obis.ROWS):
        if reading.has(row):
            length += len(b',"":-') + obis.KEY_LENGTH[row] + NUMBER_LENGTH
    return length


def _tariff(page, reading, _):
    if reading.tariff is not None:
        write_key(page, b"tariff")
        page.number(reading.tariff)
        name = reading.profile.tariff_names.get(reading.tariff)
        if name:
            write_key(page, b"tariff_name")
            page.string(name)


def _peak(page, reading, _):
    if reading.peak:
        write_key(page, b"monthly_power_peak_w")
        page.number(*reading.peak)
        if reading.peak_stamp_at is not None:
            write_key(page, b"monthly_power_peak_timestamp")
            write_stamp(page, reading, reading.peak_stamp_at)


def _history(page, reading, _):
    if not reading.history:
        return
    write_key(page, b"power_peak_history")
    page.put(b"[")
    for at, (year, month, stamp_at, mantissa, decimals) in enumerate(reading.history):
        page.put(b'%s{"month":"%04d-%02d","timestamp":' % (b"," if at else b"", year, month))
        write_stamp(page, reading, stamp_at)
        write_key(page, b"power_w")
        page.number(mantissa, decimals)
        page.put(b"}")
    page.put(b"]")


def _failures(page, reading, _):
    if not reading.failures:
        return
    write_key(page, b"power_failures")
    page.put(b"[")
    for at, (stamp_at, duration_s) in enumerate(reading.failures):
        page.put(b',{"timestamp":' if at else b'{"timestamp":')
        write_stamp(page, reading, stamp_at)
        write_key(page, b"duration_s")
        page.number(duration_s)
        page.put(b"}")
    page.put(b"]")


def _submeters(page, reading, values):
    """Appends to `values` an entry for each value that it writes: its start and end on the page,
    the arguments of write_value(), and its type if it is at the top level, otherwise None."""
    first = True
    for submeter in reading.submeters:
        if submeter.device_type is None and submeter.id is None and submeter.value_key is None:
            continue
        if first:
            write_key(page, b"submeters")
        page.put(b'[{"channel":' if first else b',{"channel":')
        first = False
        _submeter(page, reading, submeter)
        key = submeter.value_key
        if key:
            start = page.size
            write_value(page, reading, submeter, key, b"timestamp")
            values.append((start, page.size, submeter, key, b"timestamp", None))
        page.put(b"}")
    if not first:
        page.put(b"]")
    for type, value_key, key, stamp_key in obis.top_level():
        submeter = reading.freshest(type, value_key)
        if submeter:
            start = page.size
            write_value(page, reading, submeter, key, stamp_key)
            values.append((start, page.size, submeter, key, stamp_key, type))


def _submeter(page, reading, submeter):
    page.number(submeter.channel)
    write_key(page, b"type")
    page.string(submeter.type)
    for key in ("device_type", "id", "ean", "valve_state"):
        value = getattr(submeter, key)
        if value is not None:
            write_key(page, key.encode())
            if isinstance(value, int):
                page.number(value)
            else:
                page.string(value)


def _unknown(page, reading, _):
    if not reading.unknown_count:
        return
    write_key(page, b"unknown")
    telegram = reading.telegram
    separator = b"{"
    lines = []
    for number in range(reading.unknown_count):
        start = reading.unknown[number]
        end = telegram.find(b"\n", start, reading.size)
        bracket = telegram.find(b"(", start, end)
        if telegram[end - 1] == 0x0D:
            end -= 1
        lines.append((telegram[start:bracket], telegram[bracket:end]))
    for number, (code, value) in enumerate(lines):
        if code in [later for later, _ in lines[number + 1 :]]:
            continue  # the same code comes again below, and the last line is used
        page.put(separator)
        page.string(latin(code))
        page.put(b":")
        page.string(latin(value))
        separator = b","
    page.put(b"}")


# The parts in the order in which they are written. A part that does not fit is left out whole.
_PARTS = (
    _clock,
    _tariff,
    _names,
    _peak,
    _history,
    _failures,
    _submeters,
    _messages,
    _unknown,
)
