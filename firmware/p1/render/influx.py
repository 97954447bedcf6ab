# A Reading as a line of InfluxDB's line protocol, in seconds by the meter's clock.
# https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/

from .. import obis, timestamp
from . import table

# key, field, and the power of ten from the key's unit to the field's where it is a whole number,
# "-" where it is a decimal one. A field that was once whole may never be anything else: InfluxDB
# refuses the line. Energy is in Wh, power in W.
_FIELDS = b"""
energy_import_kwh imp 3
energy_import_t1_kwh imp_t1 3
energy_import_t2_kwh imp_t2 3
energy_import_t3_kwh imp_t3 3
energy_import_t4_kwh imp_t4 3
energy_import_t5_kwh imp_t5 3
energy_export_kwh exp 3
energy_export_t1_kwh exp_t1 3
energy_export_t2_kwh exp_t2 3
energy_export_t3_kwh exp_t3 3
energy_export_t4_kwh exp_t4 3
energy_export_t5_kwh exp_t5 3
power_w pwr 0
power_import_w pwr_imp 0
power_export_w pwr_exp 0
power_l1_w pwr_l1 0
power_l2_w pwr_l2 0
power_l3_w pwr_l3 0
voltage_l1_v u1 -
voltage_l2_v u2 -
voltage_l3_v u3 -
current_l1_a i1 -
current_l2_a i2 -
current_l3_a i3 -
average_power_15m_w pwr_15m 0
"""
_ROWS = table.rows(_FIELDS)

_LONGEST_TAG = 64


def write_line(page, reading):
    """Appends the line, its newline included, to a Page; nothing where there is no field. Raises
    Full."""
    start = page.size
    page.put(b"p1")
    _meter(page, reading.text(b"meter_id"))
    blank = page.size
    for at, line in enumerate(table.lines(_FIELDS)):
        number = reading.number(_ROWS[at])
        if number:
            _, field, tens = line.split(b" ")
            if tens == b"-":
                _decimal(page, field, *number)
            else:
                _whole(page, field, number[0], number[1] - int(tens))
    if reading.peak:
        _whole(page, b"peak", *reading.peak)
    if reading.tariff is not None:
        _whole(page, b"tariff", reading.tariff, 0)
    for type, value_key, key, _ in obis.TOP_LEVEL:
        submeter = reading.freshest(type, value_key)
        if submeter:
            _decimal(page, key, submeter.mantissa, submeter.decimals)
    if page.size == blank:
        page.size = start
        return
    page.bytes[blank] = 0x20  # instead of the first field's comma
    if reading.stamp_at is not None:
        page.put(b" ")
        page.number(timestamp.epoch(reading.telegram, reading.stamp_at, reading.profile.winter_h))
    page.put(b"\n")


def _meter(page, meter_id):
    # A backslash cannot be escaped everywhere: at the end it would escape what follows.
    if not meter_id or len(meter_id) > _LONGEST_TAG or b"\\" in meter_id:
        return
    page.put(b",meter=")
    for byte in meter_id:
        if byte in b", =":
            page.put(b"\\")
        page.byte(byte)


def _key(page, field):
    page.put(b",")
    page.put(field)
    page.put(b"=")


def _decimal(page, field, mantissa, decimals):
    _key(page, field)
    page.number(mantissa, decimals)


def _whole(page, field, mantissa, decimals):
    """Leaves out what has a fraction: cut off, it would not be what the meter printed."""
    unit = 10 ** max(decimals, 0)
    if mantissa % unit == 0:
        _key(page, field)
        table.write(page, mantissa // unit, min(decimals, 0))
        page.put(b"i")
