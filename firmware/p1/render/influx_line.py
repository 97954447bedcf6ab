# A Reading as a line of InfluxDB's line protocol. Its time is the meter's clock, in seconds.
# https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/

from micropython import const

from .. import obis
from . import table

# The names of the fields. "." instead of a power of ten means a decimal number; all other fields
# are integers. A field that was once an integer must always be one, or InfluxDB refuses the line.
# Energy is in Wh, power in W.
_FIELDS = b"""
energy_import_kwh k imp
energy_import_t1_kwh k imp_t1
energy_import_t2_kwh k imp_t2
energy_import_t3_kwh k imp_t3
energy_import_t4_kwh k imp_t4
energy_import_t5_kwh k imp_t5
energy_export_kwh k exp
energy_export_t1_kwh k exp_t1
energy_export_t2_kwh k exp_t2
energy_export_t3_kwh k exp_t3
energy_export_t4_kwh k exp_t4
energy_export_t5_kwh k exp_t5
power_w 1 pwr
power_import_w 1 pwr_imp
power_export_w 1 pwr_exp
power_l1_w 1 pwr_l1
power_l2_w 1 pwr_l2
power_l3_w 1 pwr_l3
voltage_l1_v . u1
voltage_l2_v . u2
voltage_l3_v . u3
current_l1_a . i1
current_l2_a . i2
current_l3_a . i3
average_power_15m_w 1 pwr_15m
monthly_power_peak 1 peak
tariff 1 tariff
"""
_ROWS = table.rows(_FIELDS)
_CLOCK = obis.row("timestamp")

_DECIMAL = const(0x2E)  # "."
_LONGEST_TAG = const(64)


def write_line(page, reading) -> None:
    """Appends the line with its newline to a Page, or nothing if there is no field. Raises Full
    if the line does not fit."""
    start = page.size
    page.put(b"p1")
    _meter(page, table.text(reading, b"meter_id"))
    blank = page.size
    line = -1
    for at in table.lines(_FIELDS):
        line += 1
        number = table.number(reading, _ROWS[line])
        if number:
            _field(page, table.letter(_FIELDS, at), *number)
    for type, value_key, key, _ in obis.top_level():
        submeter = reading.freshest(type, value_key)
        if submeter:
            _key(page, key, 0, len(key))
            page.number(submeter.mantissa, submeter.decimals)
    if page.size == blank:
        page.size = start
        return
    page.bytes[blank] = 0x20  # instead of the first field's comma
    now = table.number(reading, _CLOCK)
    if now:
        page.put(b" ")
        page.number(*now)
    page.put(b"\n")


def _meter(page, meter_id):
    # A backslash cannot always be escaped: at the end it would escape the next character.
    if not meter_id or len(meter_id) > _LONGEST_TAG or b"\\" in meter_id:
        return
    page.put(b",meter=")
    for byte in meter_id:
        if byte in b", =":
            page.put(b"\\")
        page.byte(byte)


def _field(page, letter, mantissa, decimals):
    name, end = letter + 2, table.end(_FIELDS, letter)
    if _FIELDS[letter] == _DECIMAL:
        _key(page, _FIELDS, name, end)
        page.number(mantissa, decimals)
        return
    decimals -= table.tens(_FIELDS[letter])
    unit = 10 ** max(decimals, 0)
    # A number with a fraction is left out: truncated, it would not be what the meter printed.
    if mantissa % unit == 0:
        _key(page, _FIELDS, name, end)
        table.write(page, mantissa // unit, min(decimals, 0))
        page.put(b"i")


def _key(page, text, start, end):
    page.put(b",")
    page.copy(text, start, end)
    page.put(b"=")
