# Which values of a Reading can be entities, by their keys.

from .. import obis

_VERSIONS = obis.ROWS_OF["version"]


def keys(reading):
    """Yields the key (bytes) of every value in this Reading that can be an entity; some twice."""
    if reading.stamp_at is not None:
        yield b"timestamp"
    if reading.tariff is not None:
        yield b"tariff"
    for row in _VERSIONS:
        if row in reading.texts:
            yield obis.key(row)
    if reading.peak:
        yield b"monthly_power_peak_w"
        if reading.peak_stamp_at is not None:
            yield b"monthly_power_peak_timestamp"
    for row in range(obis.ROWS):
        if obis.ROW_UNIT[row] != obis.NOT_A_NUMBER and reading.has(row):
            yield obis.key(row)
    for submeter in reading.submeters:
        if submeter.value_key:
            yield from _submeter_keys(submeter)


def _submeter_keys(submeter):
    for type, value_key, key, stamp_key in obis.TOP_LEVEL:
        if type == submeter.type and value_key == submeter.value_key:
            yield key
            if submeter.stamp_at is not None:
                yield stamp_key
            return
    yield submeter.type.encode() + b"_" + submeter.value_key.rsplit(b"_", 1)[1]
