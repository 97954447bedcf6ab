# Which values of a Reading can be entities of Home Assistant: rows of the registry, and others.

from .. import obis

TEMPORARY = True  # see forget()

_CLOCK, _TARIFF = obis.row("timestamp"), obis.row("tariff")


def has_row(reading, row: int) -> bool:
    """Returns whether the Reading has a value for this row, and it can be an entity."""
    if row == _CLOCK:
        return reading.stamp_at is not None
    if row == _TARIFF:
        return reading.tariff is not None
    if row < obis.FIRST_NUMBER:
        return obis.FIRST_VERSION <= row < obis.FIRST_MESSAGE and row in reading.texts
    return reading.has(row)


def others(reading):
    """Yields the key (bytes) of each value that can be an entity and has no row; some twice."""
    if reading.peak:
        yield b"monthly_power_peak_w"
        if reading.peak_stamp_at is not None:
            yield b"monthly_power_peak_timestamp"
    for submeter in reading.submeters:
        if submeter.value_key:
            yield from _submeter_keys(submeter)


def _submeter_keys(submeter):
    for type, value_key, key, stamp_key in obis.top_level():
        if type == submeter.type and value_key == submeter.value_key:
            yield key
            if submeter.stamp_at is not None:
                yield stamp_key
            return
    yield submeter.type.encode() + b"_" + submeter.value_key.rsplit(b"_", 1)[1]
