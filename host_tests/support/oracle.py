"""dsmr-parser's view of a telegram beside ours, field by field."""

import logging
import re
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

from dsmr_parser import telegram_specifications as specifications
from dsmr_parser.parsers import TelegramParser

import reference
from reference import Number

# It writes a traceback for every line that it does not know.
logging.getLogger("dsmr_parser").setLevel(logging.CRITICAL + 1)

# By how the name of a kind of meter, or of somebody's telegram, starts; the first counts.
SPECIFICATIONS = {
    "BE-walloon": specifications.ISKRA_IE,
    "BE-rewiskra": specifications.ISKRA_IE,
    "BE": specifications.BELGIUM_FLUVIUS,
    "NL4": specifications.V4,
    "NL-v4": specifications.V4,
    "NL2": specifications.V3,
    "NL-v2v3-1": specifications.V2_2,
    "NL-v2v3": specifications.V3,
    "NL": specifications.V5,
    "CH": specifications.V5,
    "LU": specifications.LUXEMBOURG_SMARTY,
    "AT": specifications.SAGEMCOM_T210_D_R | {"general_global_cipher": False},  # deciphered
    "SE": specifications.SWEDEN,
    "DK": specifications.SWEDEN,
    "HU": specifications.EON_HUNGARY,
    "LT": specifications.EON_HUNGARY,  # it has none; this one has most of its objects
}
NAMES = {
    start: {each["obis_reference"]: each["value_name"] for each in specification["objects"]}
    for start, specification in SPECIFICATIONS.items()
}
PARSERS = {
    start: TelegramParser(specification, apply_checksum_validation=False)
    for start, specification in SPECIFICATIONS.items()
}

# Its names of texts and ours.
TEXTS = {
    "P1_MESSAGE_HEADER": "protocol_version",
    "BELGIUM_VERSION_INFORMATION": "protocol_version",
    "EQUIPMENT_IDENTIFIER": "meter_id",
    "BELGIUM_EQUIPMENT_IDENTIFIER": "meter_id",
    "EQUIPMENT_SERIAL_NUMBER": "meter_id",
    "LUXEMBOURG_EQUIPMENT_IDENTIFIER": "meter_id",
    "EQUIPMENT_IDENTIFIER_GAS": "meter_id",  # where its channel is the meter's own
    "TEXT_MESSAGE": "message_text",
    "TEXT_MESSAGE_CODE": "message_code",
}

# A meter_id where there is no other; never compared.
SECOND_CHOICE = {"COSEM_LOGICAL_DEVICE_NAME"}

WAYS = {"IMPORTED": "import", "EXPORTED": "export"}

# Its names of numbers and ours, whose last word is the unit.
NUMBERS = {
    "ELECTRICITY_ACTIVE_TARIFF": "tariff",
    "ELECTRICITY_IMPORTED_TOTAL": "energy_import_kwh",
    "ELECTRICITY_EXPORTED_TOTAL": "energy_export_kwh",
    "ELECTRICITY_COMBINED": "energy_absolute_kwh",
    **{f"ELECTRICITY_USED_TARIFF_{n}": f"energy_import_t{n}_kwh" for n in range(1, 5)},
    **{f"ELECTRICITY_DELIVERED_TARIFF_{n}": f"energy_export_t{n}_kwh" for n in range(1, 5)},
    **{f"ELECTRICITY_REACTIVE_{w}_TOTAL": f"reactive_{ours}_kvarh" for w, ours in WAYS.items()},
    **{
        f"ELECTRICITY_REACTIVE_{way}_TARIFF_{n}": f"reactive_{ours}_t{n}_kvarh"
        for way, ours in WAYS.items()
        for n in (1, 2)
    },
    **{f"ELECTRICITY_REACTIVE_TOTAL_Q{n}": f"reactive_q{n}_kvarh" for n in range(1, 5)},
    **{f"INSTANTANEOUS_REACTIVE_POWER_Q{n}": f"reactive_q{n}_var" for n in range(1, 5)},
    **{f"CURRENT_REACTIVE_{way}": f"reactive_{ours}_var" for way, ours in WAYS.items()},
    "CURRENT_ELECTRICITY_USAGE": "power_import_w",
    "CURRENT_ELECTRICITY_DELIVERY": "power_export_w",
    "BELGIUM_CURRENT_AVERAGE_DEMAND": "average_power_15m_w",
    "SHORT_POWER_FAILURE_COUNT": "power_failures_count",
    "LONG_POWER_FAILURE_COUNT": "long_power_failures_count",
    "ACTUAL_SWITCH_POSITION": "breaker_state",
    "ACTUAL_TRESHOLD_ELECTRICITY": "limiter_threshold_w",  # or _va or _a: the unit says it
    "FUSE_THRESHOLD_L1": "fuse_threshold_a",
    "FUSE_THRESHOLD_L2": "fuse_threshold_l2_a",
    "FUSE_THRESHOLD_L3": "fuse_threshold_l3_a",
    "FREQUENCY": "frequency_hz",
    "INSTANTANEOUS_POWER_FACTOR_TOTAL": "power_factor",
}
for _phase in ("L1", "L2", "L3"):
    _ours = _phase.lower()
    NUMBERS |= {
        f"INSTANTANEOUS_ACTIVE_POWER_{_phase}_POSITIVE": f"power_import_{_ours}_w",
        f"INSTANTANEOUS_ACTIVE_POWER_{_phase}_NEGATIVE": f"power_export_{_ours}_w",
        f"INSTANTANEOUS_REACTIVE_POWER_{_phase}_POSITIVE": f"reactive_import_{_ours}_var",
        f"INSTANTANEOUS_REACTIVE_POWER_{_phase}_NEGATIVE": f"reactive_export_{_ours}_var",
        f"INSTANTANEOUS_VOLTAGE_{_phase}": f"voltage_{_ours}_v",
        f"INSTANTANEOUS_CURRENT_{_phase}": f"current_{_ours}_a",
        f"INSTANTANEOUS_POWER_FACTOR_{_phase}": f"power_factor_{_ours}",
        f"VOLTAGE_SAG_{_phase}_COUNT": f"voltage_sags_{_ours}_count",
        f"VOLTAGE_SWELL_{_phase}_COUNT": f"voltage_swells_{_ours}_count",
    }

LIMITERS = {"kVA": "limiter_threshold_va", "A": "limiter_threshold_a"}

# What a sub-meter's objects are called, which differs from country to country.
SUBMETER = {
    "DEVICE_TYPE": "device_type",
    "MBUS_DEVICE_TYPE": "device_type",
    "EQUIPMENT_IDENTIFIER_GAS": "id",
    "MBUS_EQUIPMENT_IDENTIFIER": "id",
    "EQUIPMENT_IDENTIFIER": "id",
    "VALVE_POSITION_GAS": "valve_state",
    "MBUS_VALVE_POSITION": "valve_state",
    "HOURLY_GAS_METER_READING": "value",
    "GAS_METER_READING": "value",
    "MBUS_METER_READING": "value",
    "ACTUAL_SWITCH_POSITION": "relay",  # no sub-meter's, but counted by the same digit
}

SCALES = {
    "kW": 3,
    "Wh": -3,
    "varh": -3,
    "kvar": 3,
    "kVAr": 3,
    "kVA": 3,
    "kV": 3,
    "kA": 3,
    "kHz": 3,
}


class Comparison:
    """Compares and counts. compared: our key -> how often; strange_clocks: whether the meter's
    stamps need not fit a central European calendar, so that civil times must do."""

    def __init__(self):
        self.compared = Counter()
        self.telegrams = Counter()  # by kind

    def check(
        self, kind: str, telegram: bytes, reading: dict, strange_clocks: bool = False
    ) -> dict[str, str]:
        """Raises AssertionError where the two disagree on a telegram (bytes) of this kind, of
        which we say `reading`, numbers as Number. Returns dsmr-parser's name -> pattern."""
        start = next(start for start in SPECIFICATIONS if kind.startswith(start))
        text = telegram.decode("latin-1")
        text = re.sub(
            r"(\([\d.]{3,10})(kWh|kW|V|A)(?=\))", r"\1*\2", text
        )  # it insists on the asterisk
        parsed = PARSERS[start].parse(text)
        self._strange = strange_clocks
        patterns = {}
        agreements = []
        for pattern, value in parsed.items():
            name = NAMES[start][pattern]
            patterns[name] = pattern
            agreements += self._compare(name, value, reading)
        for device in getattr(parsed, "MBUS_DEVICES", []):
            agreements += self._compare_submeter(device, reading)
        for key, same in agreements:
            assert same, (kind, key, reading.get(key.split(".")[0]), telegram)
        self.compared.update(key for key, _ in agreements)
        self.telegrams[kind] += 1
        return patterns

    def table(self, title: str) -> None:
        print(f"\n\n  {title}")
        print("  " + ", ".join(f"{n} {kind}" for kind, n in sorted(self.telegrams.items())))
        for key in sorted(self.compared):
            print(f"  {key:34}{self.compared[key]:8}")
        print(f"  {'in all':34}{self.compared.total():8}")

    def _compare(self, name, theirs, reading):
        if getattr(theirs, "is_mbus_reading", False):
            return
        if name in TEXTS:
            key = TEXTS[name]
            decode = {"protocol_version": reference.version, "meter_id": reference.identity}
            text = decode.get(key, reference.message)(str(theirs.value or "")) or None
            yield key, reading.get(key) == text
        elif name in NUMBERS:
            key = NUMBERS[name]
            if name == "ACTUAL_TRESHOLD_ELECTRICITY":
                key = LIMITERS.get(theirs.unit, key)
            yield key, reading.get(key) == amount(theirs)
        elif name in LISTS:
            yield from LISTS[name](self, theirs, reading)

    def _same_time(self, ours, theirs):
        """Whether an ISO 8601 text is the moment (None: no moment) that dsmr-parser names."""
        if not ours or not theirs:
            return ours is theirs
        ours, theirs = datetime.fromisoformat(ours), theirs.astimezone(reference.ZONE)
        if self._strange and ours != theirs:
            ours, theirs = ours.replace(tzinfo=None), theirs.replace(tzinfo=None)
        return ours == theirs

    def _clock(self, theirs, reading):
        yield "timestamp", self._same_time(reading.get("timestamp"), theirs.value)

    def _peak(self, theirs, reading):
        ours = reading.get("monthly_power_peak_timestamp")
        yield "monthly_power_peak_timestamp", self._same_time(ours, theirs.datetime)
        yield "monthly_power_peak_w", reading.get("monthly_power_peak_w") == amount(theirs)

    def _history(self, theirs, reading):
        ours = reading.get("power_peak_history", [])
        theirs = sorted((peak for peak in theirs if peak.occurred), key=lambda peak: peak.datetime)
        yield "power_peak_history", len(ours) == len(theirs)
        for entry, peak in zip(ours, theirs, strict=False):
            at = entry["timestamp"]
            yield "power_peak_history.timestamp", self._same_time(at, peak.occurred)
            yield "power_peak_history.power_w", entry["power_w"] == amount(peak)

    def _failures(self, theirs, reading):
        ours = reading.get("power_failures", [])
        yield "power_failures", len(ours) == theirs.buffer_length
        for entry, failure in zip(ours, theirs.buffer, strict=False):
            at = entry["timestamp"]
            yield "power_failures.timestamp", self._same_time(at, failure.datetime)
            yield "power_failures.duration_s", entry["duration_s"] == amount(failure)

    def _compare_submeter(self, theirs, reading):
        channel = theirs.channel_id
        ours = {int(meter["channel"]): meter for meter in reading.get("submeters", [])}
        ours = ours.get(channel, {})
        for name, value in theirs:
            key = SUBMETER[name]
            if key == "value":
                was_read = value.datetime is not None and value.unit is not None
                shown = [ours[key] for key in reference.CAPTURED.values() if key in ours]
                yield "submeters.value", shown == ([amount(value)] if was_read else [])
                when = value.datetime if was_read else None
                yield "submeters.timestamp", self._same_time(ours.get("timestamp"), when)
            elif key == "id":
                yield "submeters.id", ours.get("id", "") == reference.identity(value.value or "")
            elif key == "relay":
                yield "relay_n_state", reading.get(f"relay_{channel}_state") == amount(value)
            else:
                yield f"submeters.{key}", ours.get(key) == amount(value)


LISTS = {
    "P1_MESSAGE_TIMESTAMP": Comparison._clock,
    "BELGIUM_MAXIMUM_DEMAND_MONTH": Comparison._peak,
    "BELGIUM_MAXIMUM_DEMAND_13_MONTHS": Comparison._history,
    "POWER_EVENT_FAILURE_LOG": Comparison._failures,
}

# What Hungarian meters print where others have a number.
WORDS = ("TARIFF 1", "ON", "OFF")

OURS = {*TEXTS, *NUMBERS, *LISTS, *SUBMETER, *SECOND_CHOICE}


def amount(theirs: Any) -> Number | None:
    """The value of one of its objects in our unit; None where it has none."""
    if theirs.value is None or theirs.value in WORDS:
        return None
    scale = 0 if theirs.unit in ("kWh", "MWh", "GJ", "m3") else SCALES.get(theirs.unit, 0)
    return Number(Decimal(theirs.value).scaleb(scale))
