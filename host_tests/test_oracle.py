"""Other people's telegrams, read by us and by dsmr-parser."""

import re
from collections import Counter
from datetime import datetime
from decimal import Decimal

import pytest
from dsmr_parser import telegram_specifications as specifications
from dsmr_parser.parsers import TelegramParser

import reference
from conftest import Receiver, country_of, found_telegrams, needs_telegrams
from p1.framer import CRC, FRAMING
from reference import Number

pytestmark = needs_telegrams

# The first whose key a telegram's name starts with.
SPECIFICATIONS = {
    "BE-rewiskra": specifications.ISKRA_IE,
    "BE": specifications.BELGIUM_FLUVIUS,
    "NL-v4": specifications.V4,
    "NL-v2v3": specifications.V2_2,
    "NL": specifications.V5,
    # These two come deciphered.
    "LU": specifications.MSN | {"general_global_cipher": False},
    "AT": specifications.SAGEMCOM_T210_D_R | {"general_global_cipher": False},
    "SE": specifications.SWEDEN,
    "DK": specifications.SWEDEN,
    "HU": specifications.EON_HUNGARY,
}

# dsmr-parser's names of texts and ours.
TEXTS = {
    "P1_MESSAGE_HEADER": "protocol_version",
    "BELGIUM_VERSION_INFORMATION": "protocol_version",
    "EQUIPMENT_IDENTIFIER": "meter_id",
    "BELGIUM_EQUIPMENT_IDENTIFIER": "meter_id",
    "EQUIPMENT_SERIAL_NUMBER": "meter_id",
    "LUXEMBOURG_EQUIPMENT_IDENTIFIER": "meter_id",
    "TEXT_MESSAGE": "message_text",
    "TEXT_MESSAGE_CODE": "message_code",
    **{f"MSN_TEXT_MESSAGE_{n}": f"message_text_{n}" for n in range(2, 6)},
}

# A meter_id where there is no other.
SECOND_CHOICE = {"COSEM_LOGICAL_DEVICE_NAME"}

# Its names of numbers and ours, whose last word is the unit.
NUMBERS = {
    "ELECTRICITY_ACTIVE_TARIFF": "tariff",
    "ELECTRICITY_IMPORTED_TOTAL": "energy_import_kwh",
    "ELECTRICITY_EXPORTED_TOTAL": "energy_export_kwh",
    **{f"ELECTRICITY_USED_TARIFF_{n}": f"energy_import_t{n}_kwh" for n in range(1, 5)},
    **{f"ELECTRICITY_DELIVERED_TARIFF_{n}": f"energy_export_t{n}_kwh" for n in range(1, 5)},
    "CURRENT_ELECTRICITY_USAGE": "power_import_w",
    "CURRENT_ELECTRICITY_DELIVERY": "power_export_w",
    "BELGIUM_CURRENT_AVERAGE_DEMAND": "average_power_15m_w",
    "SHORT_POWER_FAILURE_COUNT": "power_failures_count",
    "LONG_POWER_FAILURE_COUNT": "long_power_failures_count",
    "ACTUAL_SWITCH_POSITION": "breaker_state",
    "FUSE_THRESHOLD_L1": "fuse_threshold_a",
    "FUSE_THRESHOLD_L2": "fuse_threshold_l2_a",
    "FUSE_THRESHOLD_L3": "fuse_threshold_l3_a",
    "MSN_CT_RATIO": "fuse_threshold_a",
    "ELECTRICITY_COMBINED": "energy_absolute_kwh",
    "ELECTRICITY_REACTIVE_IMPORTED_TOTAL": "reactive_import_kvarh",
    "ELECTRICITY_REACTIVE_EXPORTED_TOTAL": "reactive_export_kvarh",
    **{f"ELECTRICITY_REACTIVE_IMPORTED_TARIFF_{n}": f"reactive_import_t{n}_kvarh" for n in (1, 2)},
    **{f"ELECTRICITY_REACTIVE_EXPORTED_TARIFF_{n}": f"reactive_export_t{n}_kvarh" for n in (1, 2)},
    **{f"ELECTRICITY_REACTIVE_TOTAL_Q{n}": f"reactive_q{n}_kvarh" for n in range(1, 5)},
    **{f"INSTANTANEOUS_REACTIVE_POWER_Q{n}": f"reactive_q{n}_var" for n in range(1, 5)},
    "CURRENT_REACTIVE_IMPORTED": "reactive_import_var",
    "CURRENT_REACTIVE_EXPORTED": "reactive_export_var",
    "MSN_INSTANTANEOUS_APPARENT_POWER_POSITIVE": "apparent_import_va",
    "MSN_INSTANTANEOUS_APPARENT_POWER_NEGATIVE": "apparent_export_va",
    "INSTANTANEOUS_POWER_FACTOR_TOTAL": "power_factor",
    "FREQUENCY": "frequency_hz",
}
for phase in ("L1", "L2", "L3"):
    ours = phase.lower()
    NUMBERS |= {
        f"INSTANTANEOUS_ACTIVE_POWER_{phase}_POSITIVE": f"power_import_{ours}_w",
        f"INSTANTANEOUS_ACTIVE_POWER_{phase}_NEGATIVE": f"power_export_{ours}_w",
        f"INSTANTANEOUS_REACTIVE_POWER_{phase}_POSITIVE": f"reactive_import_{ours}_var",
        f"INSTANTANEOUS_REACTIVE_POWER_{phase}_NEGATIVE": f"reactive_export_{ours}_var",
        f"INSTANTANEOUS_POWER_FACTOR_{phase}": f"power_factor_{ours}",
        f"INSTANTANEOUS_VOLTAGE_{phase}": f"voltage_{ours}_v",
        f"INSTANTANEOUS_CURRENT_{phase}": f"current_{ours}_a",
        f"VOLTAGE_SAG_{phase}_COUNT": f"voltage_sags_{ours}_count",
        f"VOLTAGE_SWELL_{phase}_COUNT": f"voltage_swells_{ours}_count",
    }

# What limits the power, by the unit that it has.
LIMITER = {"kW": "limiter_threshold_w", "kVA": "limiter_threshold_va", "A": "limiter_threshold_a"}

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
    "MBUS_METER_READING": "value",
    "GAS_METER_READING": "value",
    # No sub-meter's, but counted by the same digit.
    "ACTUAL_SWITCH_POSITION": "relay",
    "MSN_MBUS_SWITCH_POSITION": "relay",
}

SCALES = {"kW": 3, "kVA": 3, "kvar": 3, "kVAr": 3, "Wh": -3, "varh": -3}

# It takes a stamp's offset from the calendar, we from the stamp's own letter. These have stamps
# whose letter is out of season, so that only the civil times can agree.
OUT_OF_SEASON = {"DK-amsreader-1.txt", "BE-dsmrparser-1.txt", "BE-emucs171-2.txt"}

compared = Counter()  # our key -> how often it was compared


def parse(found):
    """(objects by name, M-Bus devices, codes by name) that dsmr-parser finds."""
    text = found.data.decode("latin-1")
    text = re.sub(r"(?<=\d)(kWh|kW|V|A)(?=\))", r"*\1", text)  # it insists on the asterisk
    specification = next(
        specification
        for start, specification in SPECIFICATIONS.items()
        if found.name.startswith(start)
    )
    telegram = TelegramParser(specification, apply_checksum_validation=False).parse(text)
    names = {each["obis_reference"]: each["value_name"] for each in specification["objects"]}
    objects, codes = {}, {}
    for pattern, value in telegram.items():
        objects[names[pattern]] = value
        codes[names[pattern]] = re.search(pattern, text, re.MULTILINE)[0].split("(")[0]
    return objects, getattr(telegram, "MBUS_DEVICES", []), codes


@pytest.mark.parametrize("found", found_telegrams("OK", "NOCRC"), ids=str)
def test_agrees_with_dsmr_parser(found):
    receiver = Receiver(country_of(found.name), has_crc=found.verdict == "OK")
    [telegram] = receiver.feed(found.data)
    reading = reference.load(receiver.json(telegram))
    assert reading == reference.reading(telegram, country_of(found.name))

    objects, devices, codes = parse(found)
    agreements = [
        *(each for name in objects for each in compare(name, objects[name], reading, found.name)),
        *(each for device in devices for each in compare_submeter(device, reading, found.name)),
    ]
    for key, same in agreements:
        assert same, (key, reading.get(key), {name: str(each) for name, each in objects.items()})
    compared.update(key for key, _ in agreements)
    assert len(agreements) >= 5

    ours = {*TEXTS, *NUMBERS, *LISTS, *SUBMETER, *SECOND_CHOICE, "ACTUAL_TRESHOLD_ELECTRICITY"}
    unread = {code for name, code in codes.items() if name not in ours}
    assert unread <= set(reading.get("unknown", ())), "neither read nor unknown to us"


def compare(name, theirs, reading, file):
    """(our key, whether it agrees) of one of dsmr-parser's objects."""
    if getattr(theirs, "is_mbus_reading", False):
        return
    if name in TEXTS:
        key = TEXTS[name]
        decode = {"protocol_version": str, "meter_id": reference.identity}
        text = decode.get(key, reference.message)(str(theirs.value or "")) or None
        yield key, reading.get(key) == text
    elif name in NUMBERS or name == "ACTUAL_TRESHOLD_ELECTRICITY":
        key = NUMBERS.get(name) or LIMITER[theirs.unit]
        yield key, reading.get(key) == amount(theirs)
    elif name in LISTS:
        yield from LISTS[name](theirs, reading, file)


def amount(theirs):
    """The value of one of its objects in our unit; None where it has none."""
    exponent = SCALES.get(theirs.unit, 0)
    return theirs.value if theirs.value is None else Number(Decimal(theirs.value).scaleb(exponent))


def same_time(ours, theirs, file):
    """Whether an ISO 8601 text is the moment (None: no moment) that dsmr-parser names."""
    if not ours or not theirs:
        return ours is theirs
    ours, theirs = datetime.fromisoformat(ours), theirs.astimezone(reference.ZONE)
    if file in OUT_OF_SEASON and ours != theirs:
        ours, theirs = ours.replace(tzinfo=None), theirs.replace(tzinfo=None)
    return ours == theirs


def compare_clock(theirs, reading, file):
    yield "timestamp", same_time(reading.get("timestamp"), theirs.value, file)


def compare_peak(theirs, reading, file):
    ours = reading.get("monthly_power_peak_timestamp")
    yield "monthly_power_peak_timestamp", same_time(ours, theirs.datetime, file)
    yield "monthly_power_peak_w", reading.get("monthly_power_peak_w") == amount(theirs)


def compare_history(theirs, reading, file):
    ours = reading.get("power_peak_history", [])
    theirs = sorted((peak for peak in theirs if peak.occurred), key=lambda peak: peak.datetime)
    yield "power_peak_history", len(ours) == len(theirs)
    for entry, peak in zip(ours, theirs, strict=False):
        yield "power_peak_history.timestamp", same_time(entry["timestamp"], peak.occurred, file)
        yield "power_peak_history.power_w", entry["power_w"] == amount(peak)


def compare_failures(theirs, reading, file):
    ours = reading.get("power_failures", [])
    yield "power_failures", len(ours) == theirs.buffer_length
    for entry, failure in zip(ours, theirs.buffer, strict=False):
        yield "power_failures.timestamp", same_time(entry["timestamp"], failure.datetime, file)
        yield "power_failures.duration_s", entry["duration_s"] == amount(failure)


LISTS = {
    "P1_MESSAGE_TIMESTAMP": compare_clock,
    "BELGIUM_MAXIMUM_DEMAND_MONTH": compare_peak,
    "BELGIUM_MAXIMUM_DEMAND_13_MONTHS": compare_history,
    "POWER_EVENT_FAILURE_LOG": compare_failures,
}


def compare_submeter(theirs, reading, file):
    """The same for one of its M-Bus devices."""
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
            yield "submeters.timestamp", same_time(ours.get("timestamp"), when, file)
        elif key == "id":
            yield "submeters.id", ours.get("id", "") == reference.identity(value.value or "")
        elif key == "relay":
            yield "relay_n_state", reading.get(f"relay_{channel}_state") == amount(value)
        else:
            yield f"submeters.{key}", ours.get(key) == amount(value)


@pytest.mark.parametrize("found", found_telegrams("BAD"), ids=str)
def test_a_wrong_crc_is_rejected_as_such(found):
    receiver = Receiver()
    assert receiver.feed(found.data) == []
    assert receiver.framer.bad_reason == CRC


@pytest.mark.parametrize("found", found_telegrams("NOCRC"), ids=str)
def test_where_a_crc_belongs_nothing_is_proven_without(found):
    receiver = Receiver()
    assert receiver.feed(found.data) == []
    assert receiver.framer.bad_reason == FRAMING


@pytest.mark.parametrize("found", found_telegrams("PARTIAL"), ids=str)
def test_a_part_of_a_telegram_is_none(found):
    receiver = Receiver()
    assert receiver.feed(found.data, found.data) == []
    receiver.framer.reset()
    assert receiver.framer.good == 0


def test_what_was_compared(capsys):
    if not compared:
        pytest.skip("nothing was")
    with capsys.disabled():
        print("\n\n  compared with dsmr-parser")
        for key in sorted(compared):
            print(f"  {key:32}{compared[key]:5}")
        print(f"  {'in all':32}{compared.total():5}")
    never = {*TEXTS.values(), *NUMBERS.values(), *LIMITER.values()} - set(compared)
    assert not never, "no telegram has these"
