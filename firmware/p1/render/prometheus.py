# What Prometheus gets of a Reading, as exposition.py writes it. In base units, but watt-hours and
# gigajoules rather than joules: what the meter counts stays what it printed.

from . import table
from .exposition import samples

# Several tables, because a chip's memory has no long pieces. One without a family goes on with
# that of the one before.
_NUMBERS = (
    b"""
# energy_import_watthours_total counter Energy taken from the grid
energy_import_t1_kwh k tariff="1"
energy_import_t2_kwh k tariff="2"
energy_import_t3_kwh k tariff="3"
""",
    b"""
energy_import_t4_kwh k tariff="4"
energy_import_t5_kwh k tariff="5"
energy_import_kwh k -
""",
    b"""
# energy_export_watthours_total counter Energy fed into the grid
energy_export_t1_kwh k tariff="1"
energy_export_t2_kwh k tariff="2"
energy_export_t3_kwh k tariff="3"
""",
    b"""
energy_export_t4_kwh k tariff="4"
energy_export_t5_kwh k tariff="5"
energy_export_kwh k -
# power_import_watts gauge Power taken from the grid
power_import_w 1 -
""",
    b"""
# power_export_watts gauge Power fed into the grid
power_export_w 1 -
# power_watts gauge Power by phase and direction
power_import_l1_w 1 phase="l1",direction="import"
""",
    b"""
power_import_l2_w 1 phase="l2",direction="import"
power_import_l3_w 1 phase="l3",direction="import"
power_export_l1_w 1 phase="l1",direction="export"
""",
    b"""
power_export_l2_w 1 phase="l2",direction="export"
power_export_l3_w 1 phase="l3",direction="export"
# voltage_volts gauge Voltage
voltage_l1_v 1 phase="l1"
""",
    b"""
voltage_l2_v 1 phase="l2"
voltage_l3_v 1 phase="l3"
# current_amperes gauge Current, without direction
current_l1_a 1 phase="l1"
current_l2_a 1 phase="l2"
""",
    b"""
current_l3_a 1 phase="l3"
# frequency_hertz gauge Frequency of the grid
frequency_hz 1 -
""",
    b"""
# quarter_average_watts gauge Energy since the last quarter hour, spread over a whole one
average_power_15m_w 1 -
""",
    b"""
# voltage_sags_total counter Times that the voltage was too low
voltage_sags_l1_count 1 phase="l1"
voltage_sags_l2_count 1 phase="l2"
voltage_sags_l3_count 1 phase="l3"
""",
    b"""
# voltage_swells_total counter Times that the voltage was too high
voltage_swells_l1_count 1 phase="l1"
voltage_swells_l2_count 1 phase="l2"
""",
    b"""
voltage_swells_l3_count 1 phase="l3"
# power_failures_total counter Power failures
power_failures_count 1 type="short"
long_power_failures_count 1 type="long"
""",
    b"""
# month_peak_watts gauge Highest quarter hour of this month
monthly_power_peak 1 -
# tariff gauge Number of the tariff that is on
tariff 1 -
""",
    b"""
# last_telegram_timestamp_seconds gauge The meter's clock
timestamp 1 -
""",
)
_ROWS = [table.rows(lines) for lines in _NUMBERS]

# The same for what sub-meters count, by type and key of the value.
_SUBMETERS = (
    b"""
# gas_cubic_meters_total counter Gas
gas.volume_m3 1
# water_cubic_meters_total counter Water
water.volume_m3 1
# warm_water_cubic_meters_total counter Warm water
warm_water.volume_m3 1
# heat_gigajoules_total counter Heat
heat.energy_gj 1
""",
    b"""
# heat_watthours_total counter Heat, of meters that count kWh or MWh
heat.energy_kwh k
heat.energy_mwh M
# cooling_gigajoules_total counter Cooling
cooling.energy_gj 1
# submeter_watthours_total counter Energy of electricity sub-meters
electricity.energy_kwh k
""",
)

_INFO = b"""
# info gauge The meter
"""


def reading_samples(out, reading):
    """Writes a Reading onto an Exposition; a generator that stops after each sample, so that a
    small page can be emptied on the way."""
    for lines, rows in zip(_NUMBERS, _ROWS):
        yield from samples(
            out, lines, lambda line, _, rows=rows: table.number(reading, rows[line])
        )
    if any([submeter.value_key for submeter in reading.submeters]):
        for lines in _SUBMETERS:
            yield from _submeter_samples(out, lines, reading)
    out.family(_INFO, 1)
    labels = _info(reading)
    out.sample(1, 0, labels, 0, len(labels))
    yield


def _submeter_samples(out, lines, reading):
    for at in table.lines(lines):
        if lines[at] == 0x23:  # "#"
            out.family(lines, at)
            seen = []
            continue
        letter = table.letter(lines, at)
        type, value_key = lines[at : letter - 1].split(b".")
        for submeter in reading.submeters:
            if submeter.value_key != value_key or submeter.type.encode() != type:
                continue
            # Two samples with the same labels would cost the whole scrape.
            if submeter.id and submeter.id not in seen:  # pyright: ignore[reportPossiblyUnboundVariable]
                labels = _label(b"id", submeter.id)
                seen.append(submeter.id)  # pyright: ignore[reportPossiblyUnboundVariable]
            else:
                labels = _label(b"channel", b"%d" % submeter.channel)
            decimals = submeter.decimals - table.tens(lines[letter])
            out.sample(submeter.mantissa, decimals, labels, 0, len(labels))
            yield


def _info(reading):
    names = ((b"meter", b"meter_id"), (b"version", b"protocol_version"))
    labels = [
        _label(label, table.text(reading, key)) for label, key in names if table.text(reading, key)
    ]
    if reading.model:
        labels.append(_label(b"model", reading.model))
    return b",".join(labels)


def _label(name, text):
    text = bytes(text).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'%s="%s"' % (name, text)
