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
}

PHASES = {"l1": 0, "l2": 20, "l3": 40}

# Key -> code. The key's last word is its unit.
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
    "fuse_threshold_a": "1-0:31.4.0",
    "grid_voltage_v": "1-0:94.32.1",
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
}
PLAIN = {"": 0}

CAPTURED = {"m3": "volume_m3", "GJ": "energy_gj", "kWh": "energy_kwh", "MWh": "energy_mwh"}

TYPES = defaultdict(
    lambda: "other",
    {2: "electricity", 3: "gas", 4: "heat", 12: "heat", 6: "warm_water", 7: "water"}
    | dict.fromkeys((10, 11, 13), "cooling"),
)

TOP_LEVEL = [("gas", "volume_m3", "m3"), ("water", "volume_m3", "m3"), ("heat", "energy_gj", "gj")]

# Belgium's tariff 1 is the day's, the Dutch one the night's.
TARIFFS = {"BE": ["day", "night"], "NL": ["night", "day"]}

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


def stamp(text):
    """An aware datetime; None where no calendar has it."""
    match = re.fullmatch(r"(\d{12})([SW]?)", text, re.ASCII)
    if not match:
        return None
    try:
        civil = datetime.strptime(match[1], "%y%m%d%H%M%S").replace(year=2000 + int(match[1][:2]))
    except ValueError:
        return None
    if match[2]:
        return civil.replace(tzinfo=timezone(timedelta(hours=2 if match[2] == "S" else 1)))
    offset = civil.replace(tzinfo=ZONE, fold=1).utcoffset()  # the later of two
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
    said, unknown = {}, {}
    for code, text in objects:
        full = code if "-" in code else f"0-{code}"
        if full in KNOWN or SUBMETER.fullmatch(full):
            said[full] = groups(text)
        else:
            unknown[code] = text

    read = {"meter_model": header}
    for key, codes in TEXTS.items():
        decode = {"protocol_version": version, "message_text": message, "message_code": message}
        found = [decode.get(key, identity)(said[code][0]) for code in codes if said.get(code)]
        read[key] = next(filter(None, found), None)
    for key, code in NUMBERS.items():
        unit = UNITS.get(key.rsplit("_", 1)[-1], PLAIN) if key != "grid_voltage_v" else PLAIN
        read[key] = number(said[code][0], unit) if said.get(code) else None

    derive(read, country)
    clock(read, said)
    peaks(read, said)
    failures(read, said)
    submeters(read, said)
    read["unknown"] = unknown
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
    if read["tariff"] in (Number(1), Number(2)):
        read["tariff_name"] = TARIFFS[country][int(read["tariff"]) - 1]


def clock(read, said):
    when = stamp("".join(said.get("0-0:1.0.0", [])[:1]))
    read["timestamp"] = when and when.isoformat()


def peaks(read, said):
    peak = said.get("1-0:1.6.0", [])
    for when, power in (peak, peak[::-1]) if len(peak) == 2 else ():
        if stamp(when) and number(power, UNITS["w"]) is not None:
            read["monthly_power_peak_w"] = number(power, UNITS["w"])
            read["monthly_power_peak_timestamp"] = stamp(when).isoformat()

    history = []
    entries = said.get("0-0:98.1.0", [])[3:]
    for closing, when, power in zip(entries[::3], entries[1::3], entries[2::3], strict=False):
        if stamp(closing) and stamp(when) and number(power, UNITS["w"]) is not None:
            month = (stamp(closing).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
            at, power = stamp(when).isoformat(), number(power, UNITS["w"])
            history.append({"month": month, "timestamp": at, "power_w": power})
    read["power_peak_history"] = sorted(history, key=lambda entry: entry["month"])


def failures(read, said):
    entries = said.get("1-0:99.97.0", [])[2:]
    read["power_failures"] = []
    for end, text in zip(entries[::2], entries[1::2], strict=False):
        duration = number(text, {"s": 0}, limit=2**31 - 1)  # real meters print the limit
        if stamp(end) and duration is not None:
            failure = {"timestamp": stamp(end).isoformat(), "duration_s": duration}
            read["power_failures"].append(failure)


def submeters(read, said):
    found = []
    for channel in range(1, 5):
        meter = submeter({code: said.get(f"0-{channel}:{code}", []) for code in SUBMETER_CODES})
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


def submeter(said):
    def first(code, decode):
        return decode(said[code][0]) if said[code] else None

    device_type = first("24.1.0", lambda text: number(text, PLAIN))
    meter = {
        "type": TYPES[device_type and int(device_type)],
        "device_type": device_type,
        "id": first("96.1.1", identity) or first("96.1.0", identity),
        "ean": first("96.1.2", identity),
        "valve_state": first("24.4.0", lambda text: number(text, PLAIN)),
        **(captured(said["24.2.1"]) or captured(said["24.2.3"]) or captured(said["24.3.0"])),
    }
    meter = {key: value for key, value in meter.items() if value not in (None, "")}
    return meter if {"device_type", "id", "at"} & set(meter) else {}


def captured(parts):
    """(stamp)(value*unit), (value*unit), or DSMR 3's (stamp)(..)(..)(..)(..)(unit)(value)."""
    when, value = (parts[0] if len(parts) > 1 else None), "".join(parts[-1:])
    if len(parts) == 7:
        value = f"{parts[6]}*{parts[5]}"
    unit = "".join(re.findall(r"[A-Za-z]\w*$", value))
    amount = number(value, dict.fromkeys(CAPTURED, 0))
    if amount is None or (when and (is_never(when) or not stamp(when))):
        return {}
    at = stamp(when).timestamp() if when else 0
    return {"at": at, "timestamp": when and stamp(when).isoformat(), CAPTURED[unit]: amount}


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
