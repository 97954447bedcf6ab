"""A household's meter as a telegram: the lines of e-MUCS-P1 in the order of real meters."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

from fastcrc import crc16

from meter.civil import stamp
from meter.household import Household

# e-MUCS version: what `0-0:96.1.4` says, and what the version added to the one before.
VERSIONS = {
    50213: "the base set, currents in whole ampere",
    50214: "currents in hundredths",
    50215: "power per phase",
    50216: "water",
    50217: "quarter-hour average, monthly peak and its history",
    50221: "grid voltage, EAN, relays",
}

# Invented ids: hex of 14 characters, DIN 43863-5.
_METER_ID = {1: "1SAG1100000042", 3: "1SAG3100000042"}
_SUBMETER_ID = {"gas": "7SAG0000000042", "water": "8SAG0000000042", "unread-gas": "7SAG0000000041"}
SUBMETERS = tuple(_SUBMETER_ID)
_MESSAGE_BYTES = 1024  # DSMR 5.0.2 §6.12


@dataclass(frozen=True)
class Model:
    """Which meter it is, apart from what it measures.

    `grid` is 400 for 3N400 V or 230 for 3x230 V (three phases only). `submeters` are M-Bus
    channels 1, 2 … in order; `unread-gas` is a gas meter that was never heard, such as an
    exchange leaves behind. `extra_lines` are printed last, as they are.
    """

    version: int = 50221
    grid: int = 400
    submeters: tuple[str, ...] = ("gas", "water")
    ean: str = ""
    message: str = ""
    extra_lines: tuple[str, ...] = ()

    def __post_init__(self):
        if self.version not in VERSIONS:
            raise ValueError(f"e-MUCS version is one of {[*VERSIONS]}, not {self.version}")
        if self.grid not in (230, 400):
            raise ValueError(f"the grid is 230 or 400, not {self.grid}")
        if unknown := set(self.submeters) - set(SUBMETERS):
            raise ValueError(f"sub-meters are {', '.join(SUBMETERS)}, not {', '.join(unknown)}")
        if len(self.submeters) > 4:
            raise ValueError("a meter has four M-Bus channels")
        if len(self.message.encode()) > _MESSAGE_BYTES:
            raise ValueError(f"a text message holds {_MESSAGE_BYTES} bytes")


class Meter:
    """A source for the port: a household's meter of some model."""

    def __init__(self, household: Household, model: Model | None = None):
        self.household = household
        self.model = model or Model()

    def step(self) -> None:
        self.household.step()

    def telegram(self) -> bytes:
        return render(self.household, self.model)

    def __str__(self):
        net_w = self.household.import_w - self.household.export_w
        return f"{stamp(self.household.now_s)} {net_w} W"


def render(household: Household, model: Model) -> bytes:
    """The telegram of this second, from `/` to the CRC's line end."""
    header = _header(household, model)
    body = "\r\n".join((header, "", *_lines(household, model), "!")).encode()
    return b"%s%04X\r\n" % (body, crc16.arc(body))  # DSMR 5.0.2 §6.2


def _header(household: Household, model: Model) -> str:
    """The number is that of a product, not of a meter: these are on every one of its kind."""
    if model.version < 50221:
        product = "253770234_A" if household.phases == 1 else "253769484_A"
    else:
        product = "253972606_B" if household.phases == 1 else "253967035_D"
    return f"/FLU5\\{product}"


def _lines(h: Household, model: Model) -> Iterator[str]:
    version = model.version
    yield f"0-0:96.1.4({version})"
    if version >= 50221 and h.phases == 3:
        yield f"1-0:94.32.1({model.grid})"
    yield f"0-0:96.1.1({_hex(_METER_ID[h.phases])})"
    if version >= 50221:
        yield f"0-0:96.1.2({_hex(model.ean)})"
    yield f"0-0:1.0.0({stamp(h.now_s)})"
    yield from _registers(h)
    if version >= 50217:
        yield from _peaks(h)
    yield from _instantaneous(h, model)
    yield "0-0:96.3.10(1)"
    yield "0-0:17.0.0(99.999*kW)" if version >= 50221 else "0-0:17.0.0(999.9*kW)"
    yield "1-0:31.4.0(999.99*A)" if version >= 50221 else "1-0:31.4.0(999*A)"
    if version >= 50221:
        yield from (f"0-{relay}:96.3.10(0)" for relay in (1, 2, 3, 4))
    yield f"0-0:96.13.0({_hex(model.message)})"
    for channel, kind in enumerate(model.submeters, 1):
        if kind != "water" or version >= 50216:
            yield from _submeter(h, channel, kind, version)
    yield from model.extra_lines


def _registers(h: Household) -> Iterator[str]:
    for direction, energy_ws in ((1, h.import_ws), (2, h.export_ws)):
        for tariff in (1, 2):
            energy_wh = energy_ws[tariff] // 3600
            yield f"1-0:{direction}.8.{tariff}({_fixed(energy_wh, 6, 3)}*kWh)"
    yield f"0-0:96.14.0({h.tariff:04})"


def _peaks(h: Household) -> Iterator[str]:
    entries = "".join(
        f"({stamp(end_s)})({stamp(peak_s)})({_kw(peak_w)})" for end_s, peak_s, peak_w in h.history
    )
    yield f"1-0:1.4.0({_kw(h.average_w)})"
    yield f"1-0:1.6.0({stamp(h.peak_s)})({_kw(h.peak_w)})"
    yield f"0-0:98.1.0({len(h.history)})(1-0:1.6.0)(1-0:1.6.0){entries or '()'}"


def _instantaneous(h: Household, model: Model) -> Iterator[str]:
    phases = _delta(h) if model.grid == 230 and h.phases == 3 else _star(h)
    yield f"1-0:1.7.0({_kw(h.import_w)})"
    yield f"1-0:2.7.0({_kw(h.export_w)})"
    if model.version >= 50215:
        for phase, (power_w, _, _) in enumerate(phases):
            yield f"1-0:{21 + 20 * phase}.7.0({_kw(max(power_w, 0))})"
        for phase, (power_w, _, _) in enumerate(phases):
            yield f"1-0:{22 + 20 * phase}.7.0({_kw(max(-power_w, 0))})"
    for phase, (_, voltage_dv, _) in enumerate(phases):
        yield f"1-0:{32 + 20 * phase}.7.0({_fixed(voltage_dv, 3, 1)}*V)"
    for phase, (_, _, current_ca) in enumerate(phases):
        if model.version >= 50214:
            yield f"1-0:{31 + 20 * phase}.7.0({_fixed(current_ca, 3, 2)}*A)"
        else:
            yield f"1-0:{31 + 20 * phase}.7.0({(current_ca + 50) // 100:03}*A)"


def _submeter(h: Household, channel: int, kind: str, version: int) -> Iterator[str]:
    yield f"0-{channel}:24.1.0({'007' if kind == 'water' else '003'})"
    yield f"0-{channel}:96.1.1({_hex(_SUBMETER_ID[kind])})"
    if version >= 50221:
        yield f"0-{channel}:96.1.2(000000000000000000)"  # so it is sent in the field
    if kind == "water":
        # 24.2.1 also at 50221, whose example prints 24.2.3: so real meters have it.
        yield f"0-{channel}:24.2.1({stamp(h.water.stamp_s)})({_fixed(h.water.volume_l, 5, 3)}*m3)"
        return
    yield f"0-{channel}:24.4.0(1)"
    if kind == "gas":
        yield f"0-{channel}:24.2.3({stamp(h.gas.stamp_s)})({_fixed(h.gas.volume_l, 5, 3)}*m3)"
    else:
        yield f"0-{channel}:24.2.3({stamp(None)})(00000.000)"  # without unit, as in the field


def _star(h: Household) -> list[tuple[int, int, int]]:
    """Per phase: power in W, voltage in 0.1 V, current in 0.01 A."""
    voltages_dv = [h.voltage_dv(phase) for phase in range(h.phases)]
    return [
        (power_w, voltage_dv, _current_ca(abs(power_w), voltage_dv))
        for power_w, voltage_dv in zip(h.phase_w, voltages_dv, strict=True)
    ]


def _delta(h: Household) -> list[tuple[int, int, int]]:
    """As `_star` on a grid without neutral, where the loads hang between the lines.

    Two wattmeters with L2 as reference: L2 has neither power nor voltage, but does have a
    current. The load between L3 and L1 counts half in each (e-MUCS-P1 1.7.1 notes 5 and 6).
    """
    l12_w, l23_w, l31_w = h.phase_w
    power_w = (l12_w + l31_w // 2, 0, l23_w + l31_w - l31_w // 2)
    voltage_dv = (h.voltage_dv(0), 0, h.voltage_dv(2))
    # The two currents that meet in a line are 60 degrees apart.
    pairs = ((l12_w, l31_w), (l12_w, l23_w), (l23_w, l31_w))
    apparent_w = [isqrt(a * a + b * b + a * b) for a, b in pairs]
    current_ca = (_current_ca(load_w, 2300) for load_w in apparent_w)
    return list(zip(power_w, voltage_dv, current_ca, strict=True))


def _current_ca(power_w: int, voltage_dv: int) -> int:
    """In hundredths of an ampere, at a power factor of 0.95."""
    return power_w * 100_000 // (voltage_dv * 95)


def _kw(power_w: int) -> str:
    return f"{_fixed(power_w, 2, 3)}*kW"


def _fixed(value: int, digits: int, decimals: int) -> str:
    """F(n, d) of DSMR 5.0.2 §6.4 from an integer in units of the last decimal."""
    whole, part = divmod(value, 10**decimals)
    return f"{whole:0{digits}}.{part:0{decimals}}"


def _hex(text: str) -> str:
    return text.encode().hex().upper()
