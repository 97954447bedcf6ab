# Reads the captures: what each sub-meter has counted, and the time stamp of that value.

from . import brackets, obis, timestamp


def read_captures(reading) -> None:
    """Reads the capture of each sub-meter."""
    reading.captures += 1
    reading.bad_captures = 0
    for submeter in reading.submeters:
        key, had_stamp = submeter.value_key, submeter.stamp_at is not None
        submeter.clear_capture()
        row = obis.FIRST_CAPTURE + submeter.channel - 1
        while row < obis.FIRST_NUMBER:  # a range with a step would allocate memory
            if submeter.value_key is None and reading.has(row):
                _capture(reading, submeter, brackets.of_row(reading, row))
            row += obis.CHANNELS
        if key != submeter.value_key or had_stamp != (submeter.stamp_at is not None):
            reading.edition += 1


def _capture(reading, submeter, count):
    """Reads (stamp)(value*unit) or (value*unit), or the form of DSMR 2 and 3, which is
    (stamp)(status)(period)(n)(code)(unit) with (value) on the next line."""
    telegram, starts, ends = reading.telegram, brackets.starts, brackets.ends
    last = count - 1
    stamped = last > 0
    if stamped and timestamp.is_never(telegram, starts[0]):
        return
    key = None
    unit_at = brackets.number(telegram, last) if count > 0 else 0
    if unit_at:
        if last > 4 and unit_at == ends[last]:
            key = _captured(telegram, starts[last - 1], ends[last - 1])
        else:
            key = _captured(telegram, unit_at, ends[last])
    if key is None or (stamped and not brackets.is_stamp(telegram, 0)):
        reading.bad_captures += 1
        return
    submeter.value_key = key
    submeter.mantissa, submeter.decimals = brackets.found
    submeter.stamp_at = starts[0] if stamped else None


def _captured(telegram, at, end):
    """Returns the key for a value with the unit telegram[at:end], None if the unit is unknown."""
    for unit in obis.CAPTURED:
        if len(unit) == end - at and telegram.find(unit, at, end) == at:
            return obis.CAPTURED[unit]
    return None
