"""A second opinion: the Reading of a telegram, by the rules of the Reading and nothing else.

Regular expressions, Decimal and zoneinfo, where firmware/p1 has none of them; no line, table or
idea is shared with it. What it cannot read it leaves out. Slow, and only for tests.
"""

import json
import re
from collections import defaultdict
from collections.abc import Container
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

Said = dict[str, list[str]]  # code -> the texts in its brackets
Line = tuple[str, str, str, str]  # as lines() says

# --- Which line says what ---

TEXTS = {
    **{f"message_text_{n}": [f"0-0:96.13.{n}"] for n in range(2, 6)},
    "meter_id": ["0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0"],
    "ean": ["0-0:96.1.2"],
    "protocol_version": ["0-0:96.1.4", "1-3:0.2.8"],
    "message_text": ["0-0:96.13.0"],
    "message_code": ["0-0:96.13.1"],
}

PHASES = {"l1": 0, "l2": 20, "l3": 40}

# Key -> code. The key's last word is its unit.
NUMBERS = {
    "energy_import_kwh": "1-0:1.8.0",
    "energy_export_kwh": "1-0:2.8.0",
    **{f"energy_import_t{n}_kwh": f"1-0:1.8.{n}" for n in range(1, 6)},
    **{f"energy_export_t{n}_kwh": f"1-0:2.8.{n}" for n in range(1, 6)},
    "power_import_w": "1-0:1.7.0",
    "power_export_w": "1-0:2.7.0",
    **{f"power_import_{name}_w": f"1-0:{21 + step}.7.0" for name, step in PHASES.items()},
    **{f"power_export_{name}_w": f"1-0:{22 + step}.7.0" for name, step in PHASES.items()},
    **{f"voltage_{name}_v": f"1-0:{32 + step}.7.0" for name, step in PHASES.items()},
    **{f"current_{name}_a": f"1-0:{31 + step}.7.0" for name, step in PHASES.items()},
    "average_power_15m_w": "1-0:1.4.0",
    "power_failures_count": "0-0:96.7.21",
    "long_power_failures_count": "0-0:96.7.9",
    **{f"voltage_sags_{name}_count": f"1-0:{32 + step}.32.0" for name, step in PHASES.items()},
    **{f"voltage_swells_{name}_count": f"1-0:{32 + step}.36.0" for name, step in PHASES.items()},
    "breaker_state": "0-0:96.3.10",
    **{f"relay_{n}_state": f"0-{n}:96.3.10" for n in range(1, 5)},
    "limiter_threshold_w": "0-0:17.0.0",
    "limiter_threshold_va": "0-0:17.0.0",
    "limiter_threshold_a": "0-0:17.0.0",
    "fuse_threshold_a": "1-0:31.4.0",
    "fuse_threshold_l2_a": "1-0:51.4.0",
    "fuse_threshold_l3_a": "1-0:71.4.0",
    "grid_voltage_v": "1-0:94.32.1",
    # What the meters of other countries add.
    "energy_absolute_kwh": "1-0:15.8.0",
    **{
        f"reactive_{way}{tariff}_kvarh": f"1-0:{c}.8.{e}"
        for way, c in (("import", 3), ("export", 4))
        for e, tariff in enumerate(("", "_t1", "_t2"))
    },
    "reactive_import_var": "1-0:3.7.0",
    "reactive_export_var": "1-0:4.7.0",
    **{f"reactive_q{n}_kvarh": f"1-0:{n + 4}.8.0" for n in range(1, 5)},
    **{f"reactive_q{n}_var": f"1-0:{n + 4}.7.0" for n in range(1, 5)},
    **{f"reactive_import_{name}_var": f"1-0:{23 + step}.7.0" for name, step in PHASES.items()},
    **{f"reactive_export_{name}_var": f"1-0:{24 + step}.7.0" for name, step in PHASES.items()},
    "apparent_import_va": "1-0:9.7.0",
    "apparent_export_va": "1-0:10.7.0",
    "power_factor": "1-0:13.7.0",
    **{f"power_factor_{name}": f"1-0:{33 + step}.7.0" for name, step in PHASES.items()},
    "frequency_hz": "1-0:14.7.0",
}

LISTS = ["0-0:1.0.0", "0-0:96.14.0", "1-0:1.6.0", "0-0:98.1.0", "1-0:99.97.0"]

SUBMETER = re.compile(r"0-[1-4]:(24\.1\.0|96\.1\.[012]|24\.2\.[13]|24\.3\.0|24\.4\.0)")

REGISTERS = set(NUMBERS.values())
KNOWN = {*REGISTERS, *LISTS, *(code for codes in TEXTS.values() for code in codes)}

# Printed unit -> the power of ten that leads to the key's unit.
UNITS = {
    "kwh": {"kWh": 0, "Wh": -3, "MWh": 3},
    "w": {"kW": 3, "W": 0},
    "v": {"V": 0, "kV": 3},
    "a": {"A": 0, "kA": 3},
    "kvarh": {"kvarh": 0, "kVArh": 0, "varh": -3, "VArh": -3},
    "var": {"kvar": 3, "kVAr": 3, "var": 0, "VAr": 0},
    "va": {"kVA": 3, "VA": 0},
    "hz": {"Hz": 0, "kHz": 3},
}
PLAIN = {"": 0}


def units_of(key: str) -> dict[str, int]:
    """How a register's unit may be printed."""
    return PLAIN if key == "grid_voltage_v" else UNITS.get(key.rsplit("_", 1)[-1], PLAIN)


UNITS_OF = {key: units_of(key) for key in NUMBERS}

CAPTURED = {"m3": "volume_m3", "GJ": "energy_gj", "kWh": "energy_kwh", "MWh": "energy_mwh"}

TYPES = defaultdict(
    lambda: "other",
    {2: "electricity", 3: "gas", 4: "heat", 12: "heat", 6: "warm_water", 7: "water"}
    | dict.fromkeys((10, 11, 13), "cooling"),
)

TOP_LEVEL = [("gas", "volume_m3", "m3"), ("water", "volume_m3", "m3"), ("heat", "energy_gj", "gj")]

# --- Countries ---

# Belgium's tariff 1 is the day's, the Dutch one the night's; elsewhere nobody says.
TARIFFS = {"BE": ["day", "night"], "NL": ["night", "day"], "NL3": ["night", "day"]}

ZONES = {"LT": ZoneInfo("Europe/Vilnius")}
ZONE = ZoneInfo("Europe/Brussels")

# Headers that only one country's meters send.
HEADERS = {
    "BE": r"FLU5|ISk5\\2MIE5",
    "NL": r"NWA-WARMTELINK|XMX5|KFM5KAIFA|ISK5\\2M5|ISk5\\2MT382|KMP5|Ene5",
    "LU": "Lux5",
    "AT": "EST5",
    "CH": "GRE5",
    "LT": "ESO",
    "HU": "SAG5SAG-METER",
}


def country_of(header: str, codes: Container[str]) -> str:
    """Whose meter this is; "" where that stays open."""
    for country, pattern in HEADERS.items():
        if re.match(pattern, header):
            return country
    return "" if "1-3:0.2.8" in codes else "BE"


# --- Values ---


class Number(Decimal):
    """A number as printed: 229.70 does not equal 229.7."""

    def __new__(cls, value):
        return super().__new__(cls, format(Decimal(value), "f"))

    def __eq__(self, other):
        return isinstance(other, Decimal) and str(self) == str(other)

    __hash__ = Decimal.__hash__


LARGEST = 2**31 - 1


NUMBER = {
    sign: re.compile(rf"({sign})(\d*)(?:\.(\d*))?\*?([A-Za-z]\w*|)", re.ASCII)
    for sign in ("", "-?")
}


def number(
    text: str, units: dict[str, int], limit: int = LARGEST, sign: str = ""
) -> Number | None:
    """A Number in the key's unit; None where there is none. The * may be missing. The limit is
    for its digits, and for those of what it becomes in the key's unit."""
    match = NUMBER[sign].fullmatch(text)
    if not match or match[4] not in units:
        return None
    sign, whole, places, unit = match.groups(default="")
    if not whole + places:
        return None
    exponent = units[unit] - len(places)
    value = Decimal(f"{sign}{whole}{places}").scaleb(exponent)
    if exponent < -9 or max(int(whole + places), abs(value)) > limit:
        return None
    return Number(value)


@lru_cache(10_000)
def register(text: str, key: str) -> Number | None:
    """The number of a line that has no more than that: in its first bracket, with at most nine
    significant digits (999999.999 kWh is the meter's own limit), perhaps negative."""
    first = re.match(r"\(([^()]*)\)", text)
    return number(first[1], UNITS_OF[key], 10**9 - 1, "-?") if first else None


def hexadecimal(text: str) -> bytes | None:
    return bytes.fromhex(text) if re.fullmatch("([0-9A-Fa-f]{2})+", text) else None


def identity(text: str) -> str:
    """Decoded when every byte is printable ASCII, else as printed."""
    plain = hexadecimal(text)
    return plain.decode() if plain and re.fullmatch(rb"[ -~]+", plain) else text


def version(text: str) -> str:
    """Five digits as printed; Iskra's hex of them; Brussels' hex of blanks says nothing."""
    return text if len(text) < 10 else identity(text).strip(" ")


def message(text: str) -> str:
    plain = hexadecimal(text)
    if plain is None:
        return text
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        return plain.decode("latin-1")


@cache
def winter(zone: tzinfo) -> timedelta:
    offset = datetime(2000, 1, 1, tzinfo=zone).utcoffset()
    assert offset is not None
    return offset


@lru_cache(10_000)
def stamp(text: str, zone: tzinfo = ZONE) -> datetime | None:
    """An aware datetime; None where no calendar has it."""
    match = re.fullmatch(r"(\d{12})([SW]?)", text, re.ASCII)
    if not match:
        return None
    try:
        year, month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 12, 2))
        civil = datetime(2000 + year, month, day, hour, minute, second)
    except ValueError:
        return None
    if match[2]:
        offset = winter(zone) + timedelta(hours=match[2] == "S")
    else:
        offset = civil.replace(tzinfo=zone, fold=1).utcoffset()  # the later of two
        assert offset is not None
    return civil.replace(tzinfo=timezone(offset))


def is_never(text: str) -> bool:
    return text[:12] == "632525252525" or text[:6] == "700101"


# --- Lines ---

MOST_UNKNOWN = 64  # lines; more than that no meter sends


OBJECT = re.compile(r"(?:(\d+)-)?(\d+):(\d+)\.(\d+)\.(\d+)(?=\()", re.ASCII)


def lines(telegram: bytes) -> tuple[str, list[Line]]:
    """(header, [(code as printed, code, its line from the bracket on, that and what is wrapped on
    the next line)]) of the lines that are objects. A code without its first group, as the seed
    prints one, is the meter's own; 1-1 is what Swiss meters have for 1-0."""
    text = telegram.decode("latin-1")
    header, *body = text[1 : text.rindex("!")].split("\n")
    objects = []
    for line, after in zip(body, [*body[1:], ""], strict=True):
        match = OBJECT.match(line)
        if not match:
            continue
        a, b, c, d, e = numbers = [*map(int, match.groups(default="0"))]
        if max(numbers) > 255:
            continue
        code = f"{a}-{0 if (a, b) == (1, 1) else b}:{c}.{d}.{e}"
        said = line[match.end() :]
        wrapped = f"{said}\n{after}" if after.startswith("(") else said
        objects.append((match[0], code, said.removesuffix("\r"), wrapped))
    return header.removesuffix("\r"), objects


def groups(said: str) -> list[str]:
    """The texts in the brackets; none at all where a bracket is missing."""
    well_formed = re.fullmatch(r"([\r\n]|\([^)\n]*\))+", said)
    return re.findall(r"\(([^)]*)\)", said) if well_formed else []


# --- The Reading ---


def reading(telegram: bytes, country: str = "BE") -> dict[str, Any]:
    header, objects = lines(telegram)
    codes = {code for _, code, _, _ in objects}
    if country == "auto":
        country = country_of(header, codes)
    zone = ZONES.get(country, ZONE)

    said, registers, others, other_history = {}, defaultdict(list), [], {}
    for printed, code, own, wrapped in objects:
        if code in REGISTERS:
            registers[code].append(own)
        elif code in KNOWN or SUBMETER.fullmatch(code):
            said[code] = groups(wrapped)
            if code == "0-0:98.1.0":
                entitled = len(said[code]) >= 3 and ":" in said[code][1]
                other_history = {printed: own} if said[code] and not entitled else {}
        else:
            others.append((printed, own))
    unknown = dict(others[:MOST_UNKNOWN])
    if "0-0:98.1.0" in said and other_history:
        # Hungarian and Swiss meters print something else under this code.
        said["0-0:98.1.0"] = []
        unknown |= other_history

    read: dict[str, Any] = {"meter_model": header}
    for key, sources in TEXTS.items():
        decode = {"protocol_version": version}.get(key, message if "message" in key else identity)
        found = [decode(said[code][0]) for code in sources if said.get(code)]
        read[key] = next(filter(None, found), None)
    read["tariff"] = whole(said["0-0:96.14.0"][0]) if said.get("0-0:96.14.0") else None
    for key, code in NUMBERS.items():
        found = [register(text, key) for text in registers.get(code, ())]
        found = [each for each in found if each is not None]
        read[key] = found[-1] if found else None

    derive(read)
    tariff = read["tariff"]
    if tariff is not None and tariff in (Number(1), Number(2)) and country in TARIFFS:
        read["tariff_name"] = TARIFFS[country][int(tariff) - 1]
    clock(read, objects, zone)
    peaks(read, said, zone)
    failures(read, said, zone)
    submeters(read, said, zone)
    read["unknown"] = unknown
    return {key: value for key, value in read.items() if value or isinstance(value, Number)}


def whole(text: str) -> Number | None:
    """A number without unit and decimals, or None."""
    value = number(text, PLAIN)
    return None if value is None or value.as_tuple().exponent else value


def fits(*values) -> bool:
    """Whether none is negative and all fit in 31 bits with the decimals of the finest."""
    exponent = min(value.as_tuple().exponent for value in values)
    return all(
        0 <= value.scaleb(-exponent) <= LARGEST and not value.is_signed() for value in values
    )


def derive(read: dict[str, Any]) -> None:
    for way in ("import", "export"):
        total = f"energy_{way}_kwh"
        parts = [read[f"energy_{way}_t{n}_kwh"] for n in range(1, 6)]
        parts = [part for part in parts if part is not None]
        if read[total] is None and parts:
            value = Number(sum(parts[1:], parts[0]))
            read[total] = value if fits(value, *parts) else None
    for phase in ("", "_l1", "_l2", "_l3"):
        taken, given = read[f"power_import{phase}_w"], read[f"power_export{phase}_w"]
        if taken is not None and given is not None and fits(taken, given):
            read[f"power{phase}_w"] = Number(taken - given)


def clock(read: dict[str, Any], objects: list[Line], zone: tzinfo) -> None:
    """Of its line only the first bracket counts, and of its lines only the last."""
    for _, code, own, _ in objects:
        if code == "0-0:1.0.0":
            first = re.match(r"\(([^()]*)\)", own)
            when = stamp(first[1], zone) if first else None
            read["timestamp"] = when and when.isoformat()


def peaks(read: dict[str, Any], said: Said, zone: tzinfo) -> None:
    peak = said.get("1-0:1.6.0", [])
    for when, power in (peak, peak[::-1]) if len(peak) == 2 else ():
        at = stamp(when, zone)
        if at and number(power, UNITS["w"]) is not None:
            read["monthly_power_peak_w"] = number(power, UNITS["w"])
            read["monthly_power_peak_timestamp"] = at.isoformat()

    entries = said.get("0-0:98.1.0", [])[3:]
    entries = zip(entries[::3], entries[1::3], entries[2::3], strict=False)
    history = filter(None, (past_peak(*entry, zone) for entry in entries))
    read["power_peak_history"] = sorted(history, key=lambda entry: entry["month"])


@lru_cache(10_000)
def past_peak(closing: str, when: str, printed: str, zone: tzinfo) -> dict[str, Any] | None:
    power = number(printed, UNITS["w"])
    closed, at = stamp(closing), stamp(when, zone)
    if not closed or not at or power is None:
        return None
    month = (closed.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    return {"month": month, "timestamp": at.isoformat(), "power_w": power}


def failures(read: dict[str, Any], said: Said, zone: tzinfo) -> None:
    entries = said.get("1-0:99.97.0", [])[2:]
    read["power_failures"] = []
    for end, text in zip(entries[::2], entries[1::2], strict=False):
        duration = number(text, {"s": 0})
        at = stamp(end, zone)
        if at and duration is not None and not duration.as_tuple().exponent:
            failure = {"timestamp": at.isoformat(), "duration_s": duration}
            read["power_failures"].append(failure)


def submeters(read: dict[str, Any], said: Said, zone: tzinfo) -> None:
    found = []
    for channel in range(1, 5):
        said_of = {code: said.get(f"0-{channel}:{code}", []) for code in SUBMETER_CODES}
        meter = submeter(said_of, zone)
        if meter:
            found.append({"channel": Number(channel)} | meter)
    read["submeters"] = [
        {key: value for key, value in meter.items() if key != "at"} for meter in found
    ]
    for type, value_key, unit in TOP_LEVEL:
        meters = [meter for meter in found if meter["type"] == type and value_key in meter]
        if meters:
            freshest = max(meters, key=lambda meter: meter["at"])
            read[f"{type}_{unit}"] = freshest[value_key]
            read[f"{type}_timestamp"] = freshest.get("timestamp")


CAPTURE_CODES = ["24.2.1", "24.2.3", "24.3.0"]
SUBMETER_CODES = ["24.1.0", "96.1.1", "96.1.0", "96.1.2", "24.4.0", *CAPTURE_CODES]


def submeter(said: Said, zone: tzinfo) -> dict[str, Any]:
    def first(code, decode):
        return decode(said[code][0]) if said[code] else None

    device_type = first("24.1.0", whole)
    meter = {
        "type": TYPES[0 if device_type is None else int(device_type)],
        "device_type": device_type,
        "id": first("96.1.1", identity) or first("96.1.0", identity),
        "ean": first("96.1.2", identity),
        "valve_state": first("24.4.0", whole),
        **next(filter(None, (captured(said[code], zone) for code in CAPTURE_CODES)), {}),
    }
    meter = {key: value for key, value in meter.items() if value not in (None, "")}
    return meter if {"device_type", "id", "at"} & set(meter) else {}


def captured(parts: list[str], zone: tzinfo) -> dict[str, Any]:
    """(stamp)(value*unit), (value*unit), or DSMR 3's (stamp)(..)(..)(..)(..)(unit)(value)."""
    if not parts:
        return {}
    when, value = (parts[0] if len(parts) > 1 else None), parts[-1]
    if len(parts) > 5 and re.fullmatch(r"[\d.]*\*?", value, re.ASCII):
        value = f"{value.rstrip('*')}*{parts[-2]}"
    unit = "".join(re.findall(r"[A-Za-z]\w*$", value, re.ASCII))
    amount = number(value, dict.fromkeys(CAPTURED, 0))
    at = stamp(when, zone) if when else None
    if amount is None or (when is not None and (is_never(when) or not at)):
        return {}
    return {
        "at": at.timestamp() if at else 0,
        "timestamp": at and at.isoformat(),
        CAPTURED[unit]: amount,
    }


# --- JSON with exact numbers ---


def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    assert len(read) == len(pairs), "a key twice"
    return read


def load(text: str | bytes) -> dict[str, Any]:
    return json.loads(text, parse_float=Number, parse_int=Number, object_pairs_hook=unambiguous)


def dump(read: dict[str, Any]) -> str:
    """JSON for people to check. A Decimal goes through as a marked string, because the json
    module would make a float of it."""
    text = json.dumps(read, indent=1, ensure_ascii=False, default=lambda value: f"\x00{value}\x00")
    return re.sub(r'"\\u0000(-?[\d.]+)\\u0000"', r"\1", text) + "\n"
