# A Reading in Prometheus' text format 0.0.4: base units, a family of samples after the other,
# HELP and TYPE in front of each. A sample that the telegram does not say is absent.
# https://prometheus.io/docs/instrumenting/exposition_formats/ and .../practices/naming/

from .. import timestamp
from . import table
from .page import Full

# "# name type help" begins a family. Below it, its samples: the key of a number, the power of ten
# from its unit to the family's, and labels; "-": none, and only where no other line has given the
# family a sample, because a total beside its parts would be counted twice.
# Watt-hours and gigajoules rather than joules: what the meter counts stays what it printed.
_NUMBERS = b"""
# energy_import_watthours_total counter Energy taken from the grid
energy_import_t1_kwh 3 tariff="1"
energy_import_t2_kwh 3 tariff="2"
energy_import_t3_kwh 3 tariff="3"
energy_import_t4_kwh 3 tariff="4"
energy_import_t5_kwh 3 tariff="5"
energy_import_kwh 3 -
# energy_export_watthours_total counter Energy fed into the grid
energy_export_t1_kwh 3 tariff="1"
energy_export_t2_kwh 3 tariff="2"
energy_export_t3_kwh 3 tariff="3"
energy_export_t4_kwh 3 tariff="4"
energy_export_t5_kwh 3 tariff="5"
energy_export_kwh 3 -
# power_import_watts gauge Power taken from the grid
power_import_w 0 -
# power_export_watts gauge Power fed into the grid
power_export_w 0 -
# power_watts gauge Power by phase and direction
power_import_l1_w 0 phase="l1",direction="import"
power_import_l2_w 0 phase="l2",direction="import"
power_import_l3_w 0 phase="l3",direction="import"
power_export_l1_w 0 phase="l1",direction="export"
power_export_l2_w 0 phase="l2",direction="export"
power_export_l3_w 0 phase="l3",direction="export"
# voltage_volts gauge Voltage
voltage_l1_v 0 phase="l1"
voltage_l2_v 0 phase="l2"
voltage_l3_v 0 phase="l3"
# current_amperes gauge Current, without direction
current_l1_a 0 phase="l1"
current_l2_a 0 phase="l2"
current_l3_a 0 phase="l3"
# frequency_hertz gauge Frequency of the grid
frequency_hz 0 -
# quarter_average_watts gauge Energy since the last quarter hour, spread over a whole one
average_power_15m_w 0 -
# voltage_sags_total counter Times that the voltage was too low
voltage_sags_l1_count 0 phase="l1"
voltage_sags_l2_count 0 phase="l2"
voltage_sags_l3_count 0 phase="l3"
# voltage_swells_total counter Times that the voltage was too high
voltage_swells_l1_count 0 phase="l1"
voltage_swells_l2_count 0 phase="l2"
voltage_swells_l3_count 0 phase="l3"
# power_failures_total counter Power failures
power_failures_count 0 type="short"
long_power_failures_count 0 type="long"
"""
_ROWS = table.rows(_NUMBERS)

# The same for what sub-meters count: type, key of the value, power of ten.
_SUBMETERS = b"""
# gas_cubic_meters_total counter Gas
gas volume_m3 0
# water_cubic_meters_total counter Water
water volume_m3 0
# warm_water_cubic_meters_total counter Warm water
warm_water volume_m3 0
# heat_gigajoules_total counter Heat
heat energy_gj 0
# heat_watthours_total counter Heat, of meters that count kWh or MWh
heat energy_kwh 3
heat energy_mwh 6
# cooling_gigajoules_total counter Cooling
cooling energy_gj 0
# submeter_watthours_total counter Energy of electricity sub-meters
electricity energy_kwh 3
"""

_PREFIX = b"p1_"


class Exposition:
    """Writes families onto a Page. A sample that finds no room there is left out, whole."""

    def __init__(self, page):
        self.page = page
        self._family = None  # (name, type, help)
        self._is_empty = True  # whether the family has no sample yet

    def family(self, line):
        """Begins a family: b"name type help", the name without the prefix."""
        self._family = line.split(b" ", 2)
        self._is_empty = True

    def sample(self, labels, mantissa, decimals=0):
        """Appends a sample, mantissa / 10^decimals; labels: bytes without their braces."""
        page = self.page
        start = page.size
        name, type, help = self._family
        try:
            if self._is_empty:
                for part in (b"# HELP ", _PREFIX, name, b" ", help, b"\n"):
                    page.put(part)
                for part in (b"# TYPE ", _PREFIX, name, b" ", type, b"\n"):
                    page.put(part)
            page.put(_PREFIX)
            page.put(name)
            if labels:
                page.put(b"{")
                page.put(labels)
                page.put(b"}")
            page.put(b" ")
            table.write(page, mantissa, decimals)
            page.put(b"\n")
            self._is_empty = False
        except Full:
            page.size = start


def table_samples(out, lines, number):
    """Writes the families of a table as above onto an Exposition; a generator that stops after
    each sample. number(line's place, key) gives (mantissa, decimals), or None where unknown."""
    has_parts = False
    for at, line in enumerate(table.lines(lines)):
        if line.startswith(b"# "):
            out.family(line[2:])
            has_parts = False
            continue
        key, tens, labels = line.split(b" ")
        found = number(at, key)
        if not found or (labels == b"-" and has_parts):
            continue
        has_parts = True
        out.sample(labels if labels != b"-" else b"", found[0], found[1] - int(tens))
        yield


def reading_samples(out, reading):
    """Writes a Reading onto an Exposition; a generator that stops after each sample, so that a
    small page can be emptied on the way."""
    yield from table_samples(out, _NUMBERS, lambda at, _: reading.number(_ROWS[at]))
    if reading.peak:
        out.family(b"month_peak_watts gauge Highest quarter hour of this month")
        out.sample(b"", *reading.peak)
        yield
    if reading.tariff is not None:
        out.family(b"tariff gauge Number of the tariff that is on")
        out.sample(b"", reading.tariff)
        yield
    yield from _submeter_samples(out, reading)
    if reading.stamp_at is not None:
        out.family(b"last_telegram_timestamp_seconds gauge The meter's clock")
        out.sample(
            b"", timestamp.epoch(reading.telegram, reading.stamp_at, reading.profile.winter_h)
        )
        yield
    out.family(b"info gauge The meter")
    out.sample(_info(reading), 1)
    yield


def _submeter_samples(out, reading):
    for line in table.lines(_SUBMETERS):
        if line.startswith(b"# "):
            out.family(line[2:])
            continue
        type, value_key, tens = line.split(b" ")
        seen = []
        for submeter in reading.submeters:
            if submeter.value_key != value_key or submeter.type.encode() != type:
                continue
            # Two samples with the same labels would cost the whole scrape.
            if submeter.id and submeter.id not in seen:
                labels = _label(b"id", submeter.id)
                seen.append(submeter.id)
            else:
                labels = _label(b"channel", b"%d" % submeter.channel)
            out.sample(labels, submeter.mantissa, submeter.decimals - int(tens))
            yield


def _info(reading):
    names = ((b"meter", b"meter_id"), (b"version", b"protocol_version"))
    labels = [_label(label, reading.text(key)) for label, key in names if reading.text(key)]
    if reading.model:
        labels.append(_label(b"model", reading.model))
    return b",".join(labels)


def _label(name, text):
    text = bytes(text).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'%s="%s"' % (name, text)
