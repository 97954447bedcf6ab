"""What differs from country to country: recognition, tariffs, clocks, framing, units, codes."""

from datetime import datetime
from decimal import Decimal

import pytest

import reference
from conftest import Receiver, found_telegrams, needs_telegrams, telegram
from make_fixtures import seal
from p1 import country
from reference import Number

HEADERS = {
    "BE": ["FLU5\\253769484_A", "FLU5\\253972606_B", "ISk5\\2MIE5E-200", "ISk5\\2MIE5T-200"],
    "NL": [
        *("ISK5\\2M550T-1012", "KFM5KAIFA-METER", "XMX5LGBBFFB231314239", "KMP5 ZABF0000000042"),
        *("Ene5\\T210-D ESMR5.0", "ISk5\\2MT382-1003", "NWA-WARMTELINK"),
    ],
    "LU": ["Lux5\\253694471_M"],
    "AT": ["EST5\\253710000_A"],
    "CH": ["GRE5\\253967035_A"],
    "LT": ["ESO5"],
    "HU": ["SAG5SAG-METER"],
}
# Made by firms that sell everywhere.
NOBODYS = ["KAM5", "ADN9 7534", "ELL5\\253833635_A", "LGF5E360", "LGZ4ZMF", "AUX59902759", ""]


def read(*lines, header="FLU5\\253769484_A", code=country.AUTO):
    """(what the JSON says besides the model, how many values were unusable)."""
    receiver = Receiver(code)
    data = telegram(*lines, header=f"/{header}\r\n\r\n".encode())
    reading = reference.load(receiver.json(data))
    assert reading == reference.reading(data, code)
    reading.pop("meter_model", None)
    return reading, receiver.reading.rejected


# --- Whose meter it is ---


@pytest.mark.parametrize(
    "code, header", [(code, header) for code, headers in HEADERS.items() for header in headers]
)
def test_a_header_that_says_whose_meter_it_is(code, header):
    for version in ([], ["1-3:0.2.8(50)"]):
        receiver = Receiver(country.AUTO)
        receiver.json(telegram(*version, header=f"/{header}\r\n\r\n".encode()))
        assert receiver.reading.profile.code == code


@pytest.mark.parametrize("header", NOBODYS)
def test_a_header_that_says_nothing(header):
    """Belgium, unless a line says that it is not."""
    receiver = Receiver(country.AUTO)
    for line, code in (("0-0:96.14.0(1)", "BE"), ("1-3:0.2.8(50)", country.AUTO)):
        receiver.json(telegram(line, header=f"/{header}\r\n\r\n".encode()))
        assert receiver.reading.profile.code == code


def test_a_configured_country_is_not_recognised_otherwise():
    for code in country.CODES:
        if code != country.AUTO:
            receiver = Receiver(code)
            receiver.json(telegram("1-3:0.2.8(50)", header=b"/FLU5\\253769484_A\r\n\r\n"))
            assert receiver.reading.profile.code == code


def test_the_meter_is_changed_for_that_of_another_country():
    """One Reading, a header of the same length."""
    receiver = Receiver(country.AUTO)
    for header, name in (("FLU5", "day"), ("XMX5", "night"), ("Lux5", None), ("FLU5", "day")):
        said = receiver.json(telegram("0-0:96.14.0(1)", header=f"/{header}\r\n\r\n".encode()))
        assert reference.load(said).get("tariff_name") == name


def test_the_line_of_each_country():
    for code in country.CODES:
        profile = country.profile(code)
        old = code == "NL3"
        assert profile.line == ((9600, 7, 0) if old else (115200, 8, None))
        assert profile.has_crc is not old


# --- What its tariffs are called ---


@pytest.mark.parametrize("code", country.CODES)
def test_tariff_names(code):
    names = {"NL": ["night", "day"], "NL3": ["night", "day"], "BE": ["day", "night"]}
    header = "KAM5"  # nobody's: AUTO takes it for Belgian
    expected = names.get(code, names["BE"] if code == country.AUTO else [None, None])
    for tariff, name in enumerate([*expected, None, None], start=1):
        reading, _ = read(f"0-0:96.14.0(000{tariff})", header=header, code=code)
        assert reading == {"tariff": Number(tariff)} | ({"tariff_name": name} if name else {})


def test_a_tariff_in_words_is_left_out():
    assert read("0-0:96.14.0(TARIFF 1)", "0-0:96.3.10(ON)", header="SAG5SAG-METER") == ({}, 2)


# --- Its clock ---


@pytest.mark.parametrize(
    "stamp, expected",
    [
        ("260115120000W", "2026-01-15T12:00:00+02:00"),
        ("260715120000S", "2026-07-15T12:00:00+03:00"),
        ("260115120000", "2026-01-15T12:00:00+02:00"),
        ("260715120000", "2026-07-15T12:00:00+03:00"),
        ("260329025959", "2026-03-29T02:59:59+02:00"),
        ("260329040000", "2026-03-29T04:00:00+03:00"),
        ("261025025959", "2026-10-25T02:59:59+03:00"),
        ("261025033000", "2026-10-25T03:30:00+02:00"),  # twice there: the later
        ("261025033000S", "2026-10-25T03:30:00+03:00"),
    ],
)
def test_lithuania_is_an_hour_ahead(stamp, expected):
    lines = [f"0-0:1.0.0({stamp})", "0-1:24.1.0(3)", f"0-1:24.2.1({stamp})(1.000*m3)"]
    for code, header in ((country.AUTO, "ESO5"), ("LT", "KAM5")):
        reading, _ = read(*lines, header=header, code=code)
        assert reading["timestamp"] == reading["gas_timestamp"] == expected


def test_sweden_stays_in_winter_time():
    """Its stamps are right as they are: the letter says which time they are in."""
    reading, _ = read("0-0:1.0.0(230715120000W)", header="KAM5", code="SE")
    assert reading["timestamp"] == "2023-07-15T12:00:00+01:00"
    assert datetime.fromisoformat(reading["timestamp"]).utctimetuple().tm_hour == 11


# --- DSMR 2.2 and 3.0: no CRC, gas in two lines ---

OLD = b"""/KMP5 ZABF000000000042\r
\r
0-0:96.1.1(4B4D502D303030303432)\r
1-0:1.8.1(00185.000*kWh)\r
0-0:96.14.0(0001)\r
1-0:1.7.0(0000.98*kW)\r
0-0:17.0.0(999*A)\r
0-1:24.1.0(3)\r
0-1:96.1.0(4B4D472D303030303432)\r
0-1:24.3.0(120517020000)(08)(60)(1)(0-1:24.2.1)(m3)\r
(00124.477)\r
0-1:24.4.0(1)\r
!\r
"""
OTHER = OLD.replace(b"00124.477", b"00124.478").replace(b"0000.98", b"0001.02")


def old(data, *chunks):
    receiver = Receiver("NL3", has_crc=False)
    receiver.feed(data, *chunks)
    return receiver


def test_a_telegram_without_crc_ends_with_its_mark():
    receiver = old(OLD + OTHER)
    assert receiver.telegrams == [OLD, OTHER]
    assert receiver.counters == (2, 0, 0, 0)
    assert old(OLD[:-2]).telegrams == [OLD], "the line end behind it is not waited for"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_without_crc_in_any_chunks(step):
    stream = b"noise!\r\n\x00" + OLD + b"\x00\xff" + OTHER + OLD[:90] + OTHER
    receiver = old(*(stream[at : at + step] for at in range(0, len(stream), step)))
    assert receiver.telegrams == [OLD, OTHER, OTHER]
    assert receiver.counters == (3, 0, 0, 1)


def test_a_crc_is_asked_for_unless_the_country_has_none():
    receiver = Receiver("NL")
    assert receiver.feed(OLD, OTHER) == []
    assert receiver.counters == (0, 0, 0, 2)


def test_gas_in_two_lines():
    receiver = old(OLD)
    reading = reference.load(receiver.json(OLD))
    assert reading == reference.reading(OLD, "NL3")
    assert reading["gas_m3"] == Number("124.477")
    assert reading["gas_timestamp"] == "2012-05-17T02:00:00+02:00"
    assert reading["tariff_name"] == "night"
    assert reading["limiter_threshold_a"] == Number(999)
    assert reading["power_import_w"] == Number(980)
    assert not receiver.reading.rejected
    assert reference.load(receiver.json(OTHER))["gas_m3"] == Number("124.478")


@pytest.mark.parametrize(
    "value", ["(0012x.477)", "(00124.4x7)", "(00124.477*l)", "()", "(00124.4"]
)
def test_gas_in_two_lines_that_cannot_be_read(value):
    """Nothing proves these telegrams, so that a digit may well be no digit."""
    data = OLD.replace(b"(00124.477)", value.encode())
    receiver = old(data)
    reading = reference.load(receiver.json(data))
    assert reading == reference.reading(data, "NL3")
    assert "gas_m3" not in reading and "volume_m3" not in reading["submeters"][0]
    assert receiver.reading.rejected == 1


@needs_telegrams
@pytest.mark.parametrize("found", found_telegrams("NOCRC"), ids=str)
def test_old_telegrams_of_others(found):
    receiver = Receiver("NL3", has_crc=False)
    [data] = receiver.feed(found.data)
    reading = reference.load(receiver.json(data))
    assert reading == reference.reading(data, "NL3")
    assert {"gas_m3", "energy_import_kwh", "power_w", "meter_id"} <= set(reading)
    assert not receiver.reading.rejected


# --- Units ---


@pytest.mark.parametrize(
    "line, key, value",
    [
        ("0-0:17.0.0(069.0*kVA)", "limiter_threshold_va", "69000"),
        ("0-0:17.0.0(999*A)", "limiter_threshold_a", "999"),
        ("0-0:17.0.0(0016.00*kW)", "limiter_threshold_w", "16000"),
        ("0-0:17.0.0(500*VA)", "limiter_threshold_va", "500"),
        ("1-0:9.7.0(00.021*kVA)", "apparent_import_va", "21"),
        ("1-0:10.7.0(00.021kVA)", "apparent_export_va", "21"),
        ("1-0:3.8.0(000000747*varh)", "reactive_import_kvarh", "0.747"),
        ("1-0:3.8.0(00000369.429*kVArh)", "reactive_import_kvarh", "369.429"),
        ("1-0:4.8.0(000303.131*kvarh)", "reactive_export_kvarh", "303.131"),
        ("1-0:4.8.2(000000012*VArh)", "reactive_export_t2_kvarh", "0.012"),
        ("1-0:3.7.0(0000.022*kVAr)", "reactive_import_var", "22"),
        ("1-0:4.7.0(000000166*var)", "reactive_export_var", "166"),
        ("1-0:23.7.0(00.013*kvar)", "reactive_import_l1_var", "13"),
        ("1-0:64.7.0(12*VAr)", "reactive_export_l3_var", "12"),
        ("1-0:5.8.0(000000.668*kvarh)", "reactive_q1_kvarh", "0.668"),
        ("1-0:8.7.0(00.504*kvar)", "reactive_q4_var", "504"),
        ("1-0:15.8.0(000800.817*kWh)", "energy_absolute_kwh", "800.817"),
        ("1-0:32.7.0(0.2350*kV)", "voltage_l1_v", "235.0"),
        ("1-0:31.7.0(0.0012*kA)", "current_l1_a", "1.2"),
        ("1-0:14.7.0(0.04998*kHz)", "frequency_hz", "49.98"),
        ("1-0:14.7.0(50.00*Hz)", "frequency_hz", "50.00"),
        ("1-0:13.7.0(4.556)", "power_factor", "4.556"),
        ("1-0:73.7.0(1)", "power_factor_l3", "1"),
        ("1-0:1.8.0(006545766*Wh)", "energy_import_kwh", "6545.766"),
        ("1-0:1.7.0(000000286*W)", "power_import_w", "286"),
        ("1-0:71.4.0(200.00*A)", "fuse_threshold_l3_a", "200.00"),
        ("1-1:31.4.0(100*A)(-063*A)", "fuse_threshold_a", "100"),
    ],
)
def test_a_value_in_the_unit_of_its_key(line, key, value):
    reading, rejected = read(line)
    assert {name: str(each) for name, each in reading.items()} == {key: value}
    assert not rejected
    printed = reference.re.search(r"\((-?[\d.]+)\*?([A-Za-z]*)\)", line)
    assert printed
    ratio = Decimal(value) / Decimal(printed[1])
    assert ratio.normalize() in (1, 1000, Decimal("0.001"))


@pytest.mark.parametrize(
    "line",
    [
        *("0-0:17.0.0(069.0*kvar)", "0-0:17.0.0(069.0)", "0-0:17.0.0(069.0*kAA)"),
        *("1-0:3.8.0(1*kWh)", "1-0:3.8.0(1*Kvarh)", "1-0:1.8.0(1*kvarh)", "1-0:3.7.0(1*kVA)"),
        *("1-0:9.7.0(1*kW)", "1-0:14.7.0(50)", "1-0:13.7.0(1*Hz)", "1-0:32.7.0(1*mV)"),
    ],
)
def test_another_unit_is_none(line):
    assert read(line) == ({}, 1)


def test_limiters_of_several_units_do_not_disturb_each_other():
    reading, _ = read("0-0:17.0.0(5*A)", "0-0:17.0.0(6*kW)", "0-0:17.0.0(7*VA)", "0-0:17.0.0(8*A)")
    assert reading == {
        "limiter_threshold_w": Number(6000),
        "limiter_threshold_va": Number(7),
        "limiter_threshold_a": Number(8),
    }


def test_a_limiter_that_changes_its_unit_leaves_nothing_behind():
    receiver = Receiver()
    for unit, key in (("kW", "w"), (" A", None), ("VA", "va"), ("kW", "w")):
        data = telegram(f"0-0:17.0.0(005*{unit})")
        reading = reference.load(receiver.json(data))
        assert set(reading) - {"meter_model"} == ({f"limiter_threshold_{key}"} if key else set())


# --- Codes ---


def test_swiss_codes():
    reading, rejected = read(
        "1-1:1.7.0(00.560*kW)",
        "1-1:2.7.0(00.000*kW)",
        "1-1:1.8.1(000123.456*kWh)",
        "0-1:96.1.0(53455249414C)",
        "0-0:98.1.0(12)",
        "0-0:96.1.2(" + " " * 18 + ")",
        header="GRE5",
    )
    assert reading["power_w"] == Number(560)
    assert reading["energy_import_t1_kwh"] == Number("123.456")
    assert reading["unknown"] == {"0-0:98.1.0": "(12)"}
    assert reading["submeters"][0]["id"] == "SERIAL"
    assert not rejected


@pytest.mark.parametrize(
    "code", ["1-2:1.7.0", "0-1:1.7.0", "2-1:1.7.0", "1-17:1.7.0", "11-1:1.7.0"]
)
def test_no_other_code_means_the_same(code):
    assert read(f"{code}(00.560*kW)") == ({"unknown": {code: "(00.560*kW)"}}, 0)


HUNGARIAN = "(230701000000S)(000040.777*kWh)(000008.950*kWh)(00.503*kW)"


@pytest.mark.parametrize("said", ["(12)", HUNGARIAN, "()", "(1)(2)"])
def test_another_history_is_unknown(said):
    reading, rejected = read("1-0:1.7.0(00.560*kW)", f"0-0:98.1.0{said}", "1-0:99.99.9(1)")
    unknown = {"0-0:98.1.0": said, "1-0:99.99.9": "(1)"}
    assert reading == {"power_import_w": Number(560), "unknown": unknown}
    assert not rejected


def test_another_history_is_said_again_each_second():
    """It is not among the lines that the quick pass finds unknown, so that it must be kept."""
    receiver = Receiver(country.AUTO)
    for second in range(5):
        data = telegram(
            f"0-0:1.0.0(23072415073{second}S)",
            f"1-0:1.7.0(00.56{second}*kW)",
            "0-0:96.99.9(x)",
            f"0-0:98.1.0{HUNGARIAN}",
            f"0-0:96.13.0({'41' * (second // 2)})",
            header=b"/SAG5SAG-METER\r\n\r\n",
        )
        reading = reference.load(receiver.json(data))
        assert reading["unknown"] == {"0-0:96.99.9": "(x)", "0-0:98.1.0": HUNGARIAN}
        assert reading == reference.reading(data, country.AUTO)


def test_the_messages_of_luxembourg():
    lines = [f"0-0:96.13.{n}(4{n}4{n})" for n in (0, 2, 3, 4, 5)]
    reading, _ = read(*lines, header="Lux5")
    assert reading.pop("message_text") == "@@"
    assert reading == {f"message_text_{n}": chr(0x40 + n) * 2 for n in range(2, 6)}


@needs_telegrams
def test_the_countries_of_others_telegrams():
    """AUTO takes none for another country's."""
    for found in found_telegrams("OK"):
        receiver = Receiver(country.AUTO)
        [data] = receiver.feed(found.data)
        receiver.json(data)
        code = found.name[:2]
        likely = {code}
        if code in ("SE", "DK"):  # nothing in them says so; none has a tariff or an hour ahead
            likely.add("BE")
        assert receiver.reading.profile.code in likely, found.name


def test_each_number_of_the_registry_is_read():
    """One line for every row with a unit; the key's name and the reference's agree."""
    for key, code in reference.NUMBERS.items():
        unit = key.rsplit("_", 1)[-1]
        units = reference.UNITS.get(unit) if key != "grid_voltage_v" else None
        for spelling in units or [""]:
            reading, rejected = read(f"{code}(123*{spelling})" if spelling else f"{code}(123)")
            assert key in reading and not rejected, (key, spelling)
            assert set(reading) <= {key, key.replace("_t1", "").replace("_t2", "")} | SUMS


SUMS = {"energy_import_kwh", "energy_export_kwh"}


def test_sealed_or_not():
    """Where no CRC is expected, its digits are noise behind the mark."""
    sealed = seal(OLD[: OLD.rindex(b"!")])
    receiver = old(sealed, sealed)
    assert receiver.telegrams == [OLD, OLD]
