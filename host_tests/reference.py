"""A second opinion: the Reading of a telegram, by the rules of the Reading and nothing else.

Regular expressions, Decimal and zoneinfo, where firmware/p1 has none of them; no line, table or
idea is shared with it. What it cannot read it leaves out. Slow, and only for tests.
"""

import json
import re
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

# --- Which line says what ---

TEXTS = {
    "meter_id": ["0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0"],
    "ean": ["0-0:96.1.2"],
    "protocol_version": ["0-0:96.1.4", "1-3:0.2.8"],
    "message_text": ["0-0:96.13.0"],
    "message_code": ["0-0:96.13.1"],
    **{f"message_text_{n}": [f"0-0:96.13.{n}"] for n in range(2, 6)},
}

PHASES = {"l1": 0, "l2": 20, "l3": 40}

# Key -> code. The key's last word is its unit; where a code has two keys, the unit decides.
NUMBERS = {
    "tariff": "0-0:96.14.0",
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
    "grid_voltage_v": "1-0:94.32.1",
    # Other countries': quadrants are numbered as in IEC 62056-61, import is Q1 + Q2.
    "fuse_threshold_l2_a": "1-0:51.4.0",
    "fuse_threshold_l3_a": "1-0:71.4.0",
    "energy_absolute_kwh": "1-0:15.8.0",
    "reactive_import_kvarh": "1-0:3.8.0",
    "reactive_export_kvarh": "1-0:4.8.0",
    **{f"reactive_import_t{n}_kvarh": f"1-0:3.8.{n}" for n in (1, 2)},
    **{f"reactive_export_t{n}_kvarh": f"1-0:4.8.{n}" for n in (1, 2)},
    **{f"reactive_q{n}_kvarh": f"1-0:{4 + n}.8.0" for n in range(1, 5)},
    "reactive_import_var": "1-0:3.7.0",
    "reactive_export_var": "1-0:4.7.0",
    **{f"reactive_q{n}_var": f"1-0:{4 + n}.7.0" for n in range(1, 5)},
    **{f"reactive_import_{name}_var": f"1-0:{23 + step}.7.0" for name, step in PHASES.items()},
    **{f"reactive_export_{name}_var": f"1-0:{24 + step}.7.0" for name, step in PHASES.items()},
    "apparent_import_va": "1-0:9.7.0",
    "apparent_export_va": "1-0:10.7.0",
    "power_factor": "1-0:13.7.0",
    **{f"power_factor_{name}": f"1-0:{33 + step}.7.0" for name, step in PHASES.items()},
    "frequency_hz": "1-0:14.7.0",
}

LISTS = ["0-0:1.0.0", "1-0:1.6.0", "0-0:98.1.0", "1-0:99.97.0"]

SUBMETER = re.compile(r"0-[1-4]:(24\.1\.0|96\.1\.[012]|24\.2\.[13]|24\.3\.0|24\.4\.0)")

KNOWN = {*NUMBERS.values(), *LISTS, *(code for codes in TEXTS.values() for code in codes)}

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

LARGEST = 2**31 - 1

CAPTURED = {"m3": "volume_m3", "GJ": "energy_gj", "kWh": "energy_kwh", "MWh": "energy_mwh"}

TYPES = defaultdict(
    lambda: "other",
    {2: "electricity", 3: "gas", 4: "heat", 12: "heat", 6: "warm_water", 7: "water"}
    | dict.fromkeys((10, 11, 13), "cooling"),
)

TOP_LEVEL = [("gas", "volume_m3", "m3"), ("water", "volume_m3", "m3"), ("heat", "energy_gj", "gj")]

# Belgium's tariff 1 is the day's, the Dutch one the night's.
TARIFFS = {"BE": ["day", "night"], "NL": ["night", "day"]}

ZONES = {"LT": ZoneInfo("Europe/Vilnius")}
ZONE = ZoneInfo("Europe/Brussels")


# --- Values ---


class Number(Decimal):
    """A number as printed: 229.70 does not equal 229.7."""

    def __new__(cls, value):
        return super().__new__(cls, format(Decimal(value), "f"))

    def __eq__(self, other):
        return isinstance(other, Decimal) and str(self) == str(other)

    __hash__ = Decimal.__hash__


def number(text, units, limit=10**9 - 1):
    """A Number in the key's unit; None where there is none. The * may be missing, and a number
    has at most nine significant digits: 999999.999 kWh is the meter's own limit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\*?([A-Za-z]\w*|)", text, re.ASCII)
    if not match or match[2] not in units:
        return None
    value = Decimal(match[1]).scaleb(units[match[2]])
    digits = int(match[1].replace(".", ""))
    return Number(value) if max(digits, value) <= limit else None


def hexadecimal(text):
    return bytes.fromhex(text) if re.fullmatch("([0-9A-Fa-f]{2})+", text) else None


def identity(text):
    """Decoded when every byte is printable ASCII, else as printed."""
    plain = hexadecimal(text)
    return plain.decode() if plain and re.fullmatch(rb"[ -~]+", plain) else text


def version(text):
    """Five digits as printed; Iskra's hex of them; Brussels' hex of blanks says nothing."""
    return text if len(text) < 10 else identity(text).strip()


def message(text):
    plain = hexadecimal(text)
    if plain is None:
        return text
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        return plain.decode("latin-1")


def stamp(text, zone=ZONE):
    """An aware datetime; None where no calendar has it."""
    match = re.fullmatch(r"(\d{12})([SW]?)", text, re.ASCII)
    if not match:
        return None
    try:
        civil = datetime.strptime(match[1], "%y%m%d%H%M%S").replace(year=2000 + int(match[1][:2]))
    except ValueError:
        return None
    if match[2]:
        offset = datetime(2024, 7 if match[2] == "S" else 1, 1, tzinfo=zone).utcoffset()
    else:
        offset = civil.replace(tzinfo=zone, fold=1).utcoffset()  # the later of two
    return civil.replace(tzinfo=timezone(offset))


def is_never(text):
    return text[:12] in ("632525252525", "700101010000")


# --- Lines ---


def lines(telegram):
    """(header, [(code, text from its first bracket)]) of the lines that are objects."""
    text = telegram.decode("latin-1").replace("\r\n", "\n")
    header, body = text[1 : text.rindex("!")].split("\n", 1)
    body = body.replace("\n(", "(")  # a value on a line of its own
    objects = re.findall(r"^(?:(\d+)-)?(\d+):(\d+\.\d+\.\d+)(\(.*)$", body, re.MULTILINE)
    # A code without its first group, as the seed prints one, is the meter's own.
    return header, [(f"{a}-{b}:{cde}" if a else f"{b}:{cde}", said) for a, b, cde, said in objects]


def groups(said):
    """The texts in the brackets; none at all where a bracket is missing."""
    return re.findall(r"\(([^()]*)\)", said) if re.fullmatch(r"(\([^()]*\))+", said) else []


# --- The Reading ---


def reading(telegram, country="BE"):
    header, objects = lines(telegram)
    zone = ZONES.get(country, ZONE)
    said, unknown = {}, {}
    for code, text in objects:
        full = re.sub("^1-1:", "1-0:", code if "-" in code else f"0-{code}")  # Swiss 1-1
        if full == "0-0:98.1.0" and groups(text) and not re.match(r"\(\d*\)\([\d:.-]+\)", text):
            unknown[code] = text  # Hungary's list of another kind
        elif full in KNOWN or SUBMETER.fullmatch(full):
            said[full] = groups(text)
        else:
            unknown[code] = text

    read = {"meter_model": header, "unknown": unknown}
    for key, codes in TEXTS.items():
        decode = message if key.startswith("message") else identity
        decode = version if key == "protocol_version" else decode
        found = [decode(said[code][0]) for code in codes if said.get(code)]
        read[key] = next(filter(None, found), None)
    for key, code in NUMBERS.items():
        unit = PLAIN if key == "grid_voltage_v" else UNITS.get(key.rsplit("_", 1)[-1], PLAIN)
        read[key] = number(said[code][0], unit) if said.get(code) else None

    derive(read, country)
    clock(read, said, zone)
    peaks(read, said, zone)
    failures(read, said, zone)
    submeters(read, said, zone)
    return {key: value for key, value in read.items() if value not in (None, "", [], {})}


def derive(read, country):
    for way in ("import", "export"):
        total = f"energy_{way}_kwh"
        parts = [read[f"energy_{way}_t{n}_kwh"] for n in range(1, 6)]
        parts = [part for part in parts if part is not None]
        if read[total] is None and parts:
            read[total] = Number(sum(parts[1:], parts[0]))
    for phase in ("", "_l1", "_l2", "_l3"):
        taken, given = read[f"power_import{phase}_w"], read[f"power_export{phase}_w"]
        if taken is not None and given is not None:
            read[f"power{phase}_w"] = Number(taken - given)
    if read["tariff"] in (Number(1), Number(2)) and country in TARIFFS:
        read["tariff_name"] = TARIFFS[country][int(read["tariff"]) - 1]


def clock(read, said, zone):
    when = stamp("".join(said.get("0-0:1.0.0", [])[:1]), zone)
    read["timestamp"] = when and when.isoformat()


def peaks(read, said, zone):
    peak = said.get("1-0:1.6.0", [])
    for when, text in (peak, peak[::-1]) if len(peak) == 2 else ():
        power = number(text, UNITS["w"], LARGEST)
        if stamp(when) and power is not None:
            read["monthly_power_peak_w"] = power
            read["monthly_power_peak_timestamp"] = stamp(when, zone).isoformat()

    history = []
    entries = said.get("0-0:98.1.0", [])[3:]
    for closing, when, text in zip(entries[::3], entries[1::3], entries[2::3], strict=False):
        power = number(text, UNITS["w"], LARGEST)
        if stamp(closing) and stamp(when) and power is not None:
            month = (stamp(closing).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
            at = stamp(when, zone).isoformat()
            history.append({"month": month, "timestamp": at, "power_w": power})
    read["power_peak_history"] = sorted(history, key=lambda entry: entry["month"])


def failures(read, said, zone):
    entries = said.get("1-0:99.97.0", [])[2:]
    read["power_failures"] = []
    for end, text in zip(entries[::2], entries[1::2], strict=False):
        duration = number(text, {"s": 0}, LARGEST)  # real meters print it: a lost clock
        if stamp(end) and duration is not None:
            failure = {"timestamp": stamp(end, zone).isoformat(), "duration_s": duration}
            read["power_failures"].append(failure)


def submeters(read, said, zone):
    found = []
    for channel in range(1, 5):
        lines = {code: said.get(f"0-{channel}:{code}", []) for code in SUBMETER_CODES}
        meter = submeter(lines, zone)
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


SUBMETER_CODES = ["24.1.0", "96.1.1", "96.1.0", "96.1.2", "24.4.0", "24.2.1", "24.2.3", "24.3.0"]


def submeter(said, zone):
    def first(code, decode):
        return decode(said[code][0]) if said[code] else None

    device_type = first("24.1.0", lambda text: number(text, PLAIN))
    values = [captured(said[code], zone) for code in ("24.2.1", "24.2.3", "24.3.0")]
    meter = {
        "type": TYPES[device_type and int(device_type)],
        "device_type": device_type,
        "id": first("96.1.1", identity) or first("96.1.0", identity),
        "ean": first("96.1.2", identity),
        "valve_state": first("24.4.0", lambda text: number(text, PLAIN)),
        **next(filter(None, values), {}),
    }
    meter = {key: value for key, value in meter.items() if value not in (None, "")}
    return meter if {"device_type", "id", "at"} & set(meter) else {}


def captured(parts, zone):
    """(stamp)(value*unit), (value*unit), or DSMR 3's (stamp)(..)(..)(..)(..)(unit)(value)."""
    when, value = (parts[0] if len(parts) > 1 else None), "".join(parts[-1:])
    if len(parts) == 7:
        value = f"{parts[6]}*{parts[5]}"
    unit = "".join(re.findall(r"[A-Za-z]\w*$", value))
    amount = number(value, dict.fromkeys(CAPTURED, 0), LARGEST)
    if amount is None or (when is not None and (is_never(when) or not stamp(when))):
        return {}
    at = stamp(when, zone) if when else None
    moment = {"at": at.timestamp(), "timestamp": at.isoformat()} if at else {"at": 0}
    return moment | {CAPTURED[unit]: amount}


# --- JSON with exact numbers ---


def unambiguous(pairs):
    read = dict(pairs)
    assert len(read) == len(pairs), "a key twice"
    return read


def load(text):
    return json.loads(text, parse_float=Number, parse_int=Number, object_pairs_hook=unambiguous)


def dump(read):
    """JSON for people to check. A Decimal goes through as a marked string, because the json
    module would make a float of it."""
    text = json.dumps(read, indent=1, ensure_ascii=False, default=lambda value: f"\x00{value}\x00")
    return re.sub(r'"\\u0000(-?[\d.]+)\\u0000"', r"\1", text) + "\n"
