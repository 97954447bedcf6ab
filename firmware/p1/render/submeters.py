# More values of a Reading for Prometheus: the values of sub-meters, and the data that identify the
# meter. See prometheus.py.

from . import table

TEMPORARY = True  # see forget()

# Each sample begins with type.key of the value.
_SUBMETERS = (
    b"""
# gas_cubic_meters_total counter Gas
gas.volume_m3 1
# water_cubic_meters_total counter Water
water.volume_m3 1
""",
    b"""
# warm_water_cubic_meters_total counter Warm water
warm_water.volume_m3 1
# heat_gigajoules_total counter Heat
heat.energy_gj 1
""",
    b"""
# heat_watthours_total counter Heat, of meters that count kWh or MWh
heat.energy_kwh k
heat.energy_mwh M
""",
    b"""
# cooling_gigajoules_total counter Cooling
cooling.energy_gj 1
# submeter_watthours_total counter Energy of electricity sub-meters
electricity.energy_kwh k
""",
)

_INFO = b"""
# info gauge The meter
"""


def samples(out, reading):
    """Writes these values to an Exposition. A generator, which yields after each sample so that a
    small page can be emptied in between."""
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
            # If two samples had the same labels, Prometheus would reject the whole scrape.
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
