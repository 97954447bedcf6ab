"""A verified telegram becomes a Reading; each line answers for itself alone."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import reference
from conftest import (
    FIXTURE_NAMES,
    FIXTURES,
    HEADER,
    Dongle,
    Receiver,
    a_little_later,
    country_of,
    fixture,
    found_telegrams,
    needs_telegrams,
    take_apart,
    telegram,
)
from make_fixtures import files, seal
from p1 import obis, timestamp
from p1.render import numbers
from p1.scan import ABSENT, END_OF_RULES, NEGATIVE, PLACES
from reference import Number


def said(data, country="BE"):
    """(what the JSON of a telegram says, how many of its values were unusable)."""
    receiver = Receiver(country)
    assert receiver.feed(data) == [data]
    return reference.load(receiver.json(data)), receiver.reading.rejected


def read(*lines, **options):
    """What the JSON of these lines says, besides the model."""
    reading, _ = said(telegram(*lines), **options)
    assert reading.pop("meter_model") == "FLU5\\253769484_A"
    return reading


# --- Our own telegrams ---


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_says_what_is_written_beside_it(name):
    expected = reference.load((FIXTURES / f"{name}.json").read_text())
    reading, rejected = said(fixture(name), country_of(name))
    assert reading == expected
    assert reference.reading(fixture(name), country_of(name)) == expected
    assert rejected == {"be-bad-lines": 17}.get(name, 0)


def test_the_folder_is_what_the_script_writes():
    assert {path.name: path.read_bytes() for path in FIXTURES.iterdir()} == files()


@needs_telegrams
def test_no_serial_of_a_real_meter_is_in_ours():
    serials = set()
    for found in found_telegrams("OK", "BAD", "NOCRC", "PARTIAL"):
        text = found.data.decode("latin-1")
        serials |= set(re.findall(r":(?:96\.1\.[012]|42\.0\.0)\(([^()*]{6,})\)", text))
    serials = {serial for serial in serials if set(serial) != {"0"}}
    plain = {reference.identity(serial) for serial in serials}
    assert len(serials) > 20
    for name, data in files().items():
        hidden = [serial for serial in serials | plain if serial.encode() in data]
        assert not hidden, name


def test_a_seed_table_has_no_line_that_we_lack():
    """Each of fluvius-p1-seed.txt's objects gives something; none is unknown or unusable."""
    reading, rejected = said(fixture("be-seed"))
    assert "unknown" not in reading and not rejected
    assert reading["message_text"].startswith("0123456789:;<=>?")


# --- Lines in any number and order ---

NAMES = st.sampled_from(FIXTURE_NAMES)


@given(name=NAMES, data=st.data())
def test_any_order_gives_the_same_reading(name, data):
    header, lines = take_apart(name)
    shuffled = telegram(*data.draw(st.permutations(lines)), header=header)
    assert said(shuffled) == said(fixture(name))


@given(name=NAMES, data=st.data())
def test_any_part_of_a_telegram_reads_as_the_reference_says(name, data):
    header, lines = take_apart(name)
    part = telegram(*data.draw(st.lists(st.sampled_from(lines), unique=True)), header=header)
    assert said(part)[0] == reference.reading(part)


def test_a_reading_keeps_nothing_of_the_one_before():
    used = Receiver()
    for name in [*FIXTURE_NAMES, *reversed(FIXTURE_NAMES)]:
        assert used.json(fixture(name)) == Receiver().json(fixture(name))


def everything_in(value):
    yield value
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from everything_in(inner)


def next_digit(line):
    """The line with the last digit of its value another one; None where it has none."""
    match = re.fullmatch(r"(.*\(.*?)(\d)(\D*)", line, re.DOTALL)
    return match and f"{match[1]}{(int(match[2]) + 1) % 10}{match[3]}"


VARIED = ["be-seed", "be-50221-3n400", "be-unknown-lines", "be-iskra-five-tariffs", "lu-smarty"]


@pytest.mark.parametrize("name", VARIED)
def test_each_line_that_changes_is_read_again(name):
    """Of telegrams of the same layout only the lines that differ are read."""
    header, lines = take_apart(name)
    dongle = Dongle()
    dongle.feed(telegram(*lines, header=header))
    for place, line in enumerate(lines):
        lines[place] = next_digit(line) or line
        sent = telegram(*lines, header=header)
        dongle.feed(sent)
        assert dongle.documents[-1] == Receiver().json(sent), lines[place]


def test_a_new_layout_of_the_same_length_is_read_anew():
    lines = [
        "0-0:1.0.0(260330174629S)",
        "0-0:96.14.0(0001)",
        "1-0:1.7.0(00.560*kW)",
        "1-0:2.7.0(00.001*kW)",
        "1-0:3.8.9(000.5)",
        "0-1:24.1.0(003)",
        "0-1:24.2.3(230404180512S)(00641.558*m3)",
    ]
    sent = telegram(*lines)
    for place in range(1, len(lines)):
        before, here = lines[place - 1], lines[place]
        for other in (
            [here, before],
            [before, f"{here[:2]}7{here[3:]}"],
            [before, f"{here[:-1]}?"],
            [f"{before}??{here}"],
            [f"{before}0", here[:-1]],
            [before[:-1], f"0{here}"],
            [before[:-3], here[:3] + "0" + here[3:] + "00"],
            [before[: len(before) // 2], before[len(before) // 2 + 2 :], here],
        ):
            dongle = Dongle()
            changed = telegram(*lines[: place - 1], *other, *lines[place + 1 :])
            assert len(changed) == len(sent)
            for each in (sent, changed, sent):
                dongle.feed(each)
                assert dongle.documents[-1] == Receiver().json(each), other


def test_another_unit_of_the_same_length_is_another_key():
    dongle = Dongle()
    dongle.feed(*(telegram(f"0-0:17.0.0({value})") for value in ("0069.0*kW", "069.0*kVA")))
    assert reference.load(dongle.documents[-1])["limiter_threshold_va"] == Number(69000)
    assert "limiter_threshold_w" not in dongle.documents[-1]


@settings(max_examples=50)
@given(NAMES, st.randoms(use_true_random=False))
def test_what_changed_is_read_again_and_only_then_does_it_change(name, chance):
    """Telegram after telegram, each read as it comes, is each of them read alone."""
    header, lines = take_apart(name)
    dongle = Dongle()
    for _ in range(6):
        sent = telegram(*lines, header=header)
        alone = Receiver()
        dongle.feed(sent)
        assert dongle.documents[-1] == alone.json(sent)
        assert dongle.reading.rejected == alone.reading.rejected
        for _ in range(chance.randrange(4)):
            lines = a_little_later(lines, chance)


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_nothing_stands_empty(name):
    values = list(everything_in(said(fixture(name))[0]))
    assert values and all(value not in (None, "", [], {}) for value in values)


def test_an_empty_telegram_says_its_model_only():
    assert said(telegram()) == ({"meter_model": "FLU5\\253769484_A"}, 0)
    assert said(seal(b"/\r\n\r\n")) == ({}, 0)


def test_line_feeds_alone_are_enough():
    for name in FIXTURE_NAMES:
        lines = fixture(name)[: fixture(name).rindex(b"!")].replace(b"\r\n", b"\n")
        assert said(seal(lines)) == said(fixture(name)), name


# --- A line that is no use ---

LISTS = {"0-0:1.0.0", "1-0:1.6.0"}
NUMERIC = {*reference.NUMBERS.values(), *LISTS}


def damage(line):
    """How the value of a line can be beyond use: of texts, and of lists that may be empty, fewer
    ways than of numbers."""
    code, value = line.split("(", 1)
    ways = [f"{code}(" + value.replace(")", ""), f"{code}((ER11))"]
    if code in NUMERIC or re.fullmatch(r"0-\d:24\.[124]\.\d", code):
        ways += [f"{code}()", f"{code}(1234567890*kW)", f"{code}(00.560*kB)", f"{code}(*kW)"]
        ways += [f"{code}(0O.560*kW)", f"{code}(1.2.3*kW)"]
    return ways


# In be-seed a gas meter has its id and its volume twice: the second is not looked at.
SAID_TWICE = r"0-1:96\.1\.0|0-1:24\.2\.3"

KNOWN_LINES = [
    (name, number)
    for name in FIXTURE_NAMES
    if name not in ("be-bad-lines", "be-unknown-lines", "nl-30-two-line-gas")
    for number, line in enumerate(take_apart(name)[1])
    if not re.match(r"0:|1-0:0\.0\.0", line)
    if not (name == "be-seed" and re.match(SAID_TWICE, line))
]


@given(place=st.sampled_from(KNOWN_LINES), data=st.data())
def test_a_damaged_line_costs_only_itself(place, data):
    """What remains is what the telegram without that line says, and it was counted."""
    name, number = place
    header, lines = take_apart(name)
    without = [*lines[:number], *lines[number + 1 :]]
    damaged = data.draw(st.sampled_from(damage(lines[number])))
    expected, _ = said(telegram(*without, header=header))
    lines[number] = damaged
    if ":24." in damaged or re.match(r"0-[1-4]:96\.1\.", damaged):
        expected = reference.reading(telegram(*lines, header=header))  # its channel stays
    assert said(telegram(*lines, header=header)) == (expected, 1)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "(00.560*kW",
            "(00.560*kV)",
            "(00.560)",
            "(00.560*kWh)",
            "(00.560*kW*kW)",
            "(00.560**kW)",
        ),
        *("(1234567890*W)", "(1000000*kW)", "()", "((ER11))", "(*kW)", "(.*kW)", "(1.2.3*kW)"),
        *("(00,560*kW)", "(0x12*W)", "(12e1*W)"),
    ],
)
def test_an_unusable_value_is_left_out_and_counted(value):
    rest = ["1-0:2.7.0(00.123*kW)", "1-0:32.7.0(229.7*V)"]
    expected, _ = said(telegram(*rest))
    assert said(telegram(rest[0], f"1-0:1.7.0{value}", rest[1])) == (expected, 1)


@pytest.mark.parametrize(
    "other, rejected",
    [
        ("(230801000000S)(632525252525W)(00.000*kW)", 0),
        ("(230801000000S)(230711060000S)(06.227*kV)", 1),
        ("(230801000000S)(230711060000S)()", 1),
        ("(230801000000S)()(06.227*kW)", 1),
        ("()(230711060000S)(06.227*kW)", 1),
        ("(230001000000S)(230711060000S)(06.227*kW)", 1),
    ],
)
def test_a_history_entry_without_a_value_is_left_out(other, rejected):
    head = "0-0:98.1.0(2)(1-0:1.6.0)(1-0:1.6.0)"
    entry = "(230901000000S)(230811060000S)(06.227*kW)"
    expected, _ = said(telegram(head + entry))
    assert said(telegram(head + other + entry)) == (expected, rejected)
    assert said(telegram(head + entry + other)) == (expected, rejected)


@pytest.mark.parametrize(
    "line",
    [
        "1-0:1.6.0()(04.509*kW)",
        "1-0:1.6.0()()",
        "1-0:1.6.0(230402191500S)(04.509*kV)",
        "1-0:99.97.0(1)(0-0:96.7.19)()(0000000240*s)",
        "1-0:99.97.0(1)(0-0:96.7.19)(101208152415W)()",
        "1-0:99.97.0(1)(0-0:96.7.19)(101208152415W)(0000000240*h)",
        "0-1:24.2.1()(00003.830*m3)",
        "0-1:24.2.1(230421165102S)()",
        "0-1:24.2.1(230421165102S)",
        "0-1:24.2.1()",
    ],
)
def test_a_list_with_an_unusable_part_is_left_out_and_counted(line):
    assert said(telegram(line, "0-0:96.14.0(1)")) == (said(telegram("0-0:96.14.0(1)"))[0], 1)


@pytest.mark.parametrize("months", [20, 21, 100])
def test_a_line_with_more_brackets_than_there_is_room_for_is_counted(months):
    """Meters print 13 months, which are 42; there is room for 64, and nothing behind it."""
    month = "(230401000000S)(230402191500S)(04.509*kW)"
    line = f"0-0:98.1.0({months})(1-0:1.6.0)(1-0:1.6.0)" + months * month
    reading, rejected = said(telegram(line))
    assert len(reading.get("power_peak_history", [])) == (months if months == 20 else 0)
    assert rejected == (0 if months == 20 else 1)


SHREDS = st.binary(max_size=40) | st.sampled_from([b"0-0:", b"1-0:1.7.0", b"(", b")", b"\r\n"])


@given(body=st.lists(SHREDS))
def test_whatever_a_crc_proves_decodes(body):
    """No exception, no step outside the telegram (the checking pointers see it), valid JSON."""
    wild = b"1-0:2.7.0(00.123*kW)\r\n" + b"".join(body) + b"\r\n1-0:32.7.0(229.7*V)\r\n"
    data = seal(HEADER + re.sub(rb"/|(?<=\n)!", b"?", wild))
    reading, _ = said(data)
    assert reading["power_export_w"] == Number(123)
    assert reading["voltage_l1_v"] == Number("229.7")


@given(data=st.data())
def test_a_telegram_with_any_byte_changed_and_a_new_crc_decodes(data):
    wild = bytearray(fixture(data.draw(NAMES)))
    for _ in range(data.draw(st.integers(1, 4))):
        wild[data.draw(st.integers(1, len(wild) - 8))] = data.draw(st.integers(0, 255))
    wild = re.sub(rb"/|(?<=\n)!", b"?", bytes(wild[1 : wild.rindex(b"!")]))
    said(seal(b"/" + wild.rstrip(b"\r\n") + b"\r\n"))


# --- Numbers ---


@st.composite
def printed(draw, digits=9, decimals=3, units=("kW", "W")):
    """A number as a meter might print it: leading zeros, a point or none, a unit."""
    mantissa = draw(st.integers(0, 10 ** draw(st.integers(0, digits)) - 1))
    places = draw(st.integers(0, decimals))
    text = str(mantissa).zfill(draw(st.integers(places + 1, 12)))
    text = f"{text[:-places]}.{text[-places:]}" if places else text
    return text, draw(st.sampled_from(units))


def exact(text, exponent=0):
    return Number(Decimal(text).scaleb(exponent))


@given(printed(digits=6))
def test_power_is_exact_to_the_last_printed_digit(number):
    text, unit = number
    reading = read(f"1-0:1.7.0({text}*{unit})")
    assert reading == {"power_import_w": exact(text, 3 if unit == "kW" else 0)}


@given(printed(units=["kWh", "Wh"]))
def test_energy_is_exact_to_the_last_printed_digit(number):
    text, unit = number
    reading = read(f"1-0:1.8.0({text}*{unit})")
    assert reading == {"energy_import_kwh": exact(text, -3 if unit == "Wh" else 0)}


@given(st.dictionaries(st.integers(1, 5), printed(digits=5, units=["kWh"]), min_size=1))
@example({1: ("999999.999", "kWh"), 2: ("999999.999", "kWh")})
def test_the_sum_of_the_tariff_registers_is_exact(registers):
    lines = [f"1-0:2.8.{n}({text}*{unit})" for n, (text, unit) in registers.items()]
    values = [Decimal(text) for text, _ in registers.values()]
    assert read(*lines)["energy_export_kwh"] == Number(sum(values[1:], values[0]))


def test_a_sum_beyond_31_bits_is_not_said():
    nines = ["1-0:1.8.1(999999.999*kWh)", "1-0:1.8.2(999999.999*kWh)"]
    largest = read(*nines, "1-0:1.8.3(147483.649*kWh)")
    assert largest["energy_import_kwh"] == Number("2147483.647")
    assert "energy_import_kwh" not in read(*nines, "1-0:1.8.3(147483.650*kWh)")


def test_a_total_that_the_meter_prints_is_not_summed_again():
    lines = ["1-0:1.8.1(000001.000*kWh)", "1-0:1.8.0(000009.000*kWh)", "1-0:1.8.2(000001.000*kWh)"]
    assert read(*lines)["energy_import_kwh"] == Number("9.000")


@given(
    printed(6, units=["kW"]), printed(6, units=["kW"]), st.sampled_from(["", "_l1", "_l2", "_l3"])
)
def test_net_power_is_exact(taken, given_back, phase):
    first = {"": 1, "_l1": 21, "_l2": 41, "_l3": 61}[phase]
    reading = read(
        f"1-0:{first}.7.0({taken[0]}*{taken[1]})",
        f"1-0:{first + 1}.7.0({given_back[0]}*{given_back[1]})",
    )
    sides = [reading[f"power_{way}{phase}_w"] for way in ("import", "export")]
    assert reading[f"power{phase}_w"] == Number(sides[0] - sides[1])


def test_net_power_needs_both_sides():
    assert read("1-0:1.7.0(00.560*kW)") == {"power_import_w": Number(560)}
    assert read("1-0:2.7.0(00.560*kW)") == {"power_export_w": Number(560)}


@pytest.mark.parametrize(
    "line, key, value",
    [
        ("1-0:1.7.0(00.560*kW)", "power_import_w", "560"),
        ("1-0:1.7.0(0000.98*kW)", "power_import_w", "980"),
        ("1-0:1.7.0(00.0005*kW)", "power_import_w", "0.5"),
        ("1-0:1.7.0(000000286*W)", "power_import_w", "286"),
        ("1-0:1.8.1(001209.869*kWh)", "energy_import_t1_kwh", "1209.869"),
        ("1-0:1.8.1(123456.789*kWh)", "energy_import_t1_kwh", "123456.789"),
        ("1-0:1.8.1(999999.999*kWh)", "energy_import_t1_kwh", "999999.999"),
        ("1-0:1.8.1(000000.000*kWh)", "energy_import_t1_kwh", "0.000"),
        ("1-0:1.8.0(006545766*Wh)", "energy_import_kwh", "6545.766"),
        ("1-0:1.8.0(00006545.766*kWh)", "energy_import_kwh", "6545.766"),
        ("1-0:1.8.0(0012.345*MWh)", "energy_import_kwh", "12345"),
        ("1-0:32.7.0(229.7*V)", "voltage_l1_v", "229.7"),
        ("1-0:52.7.0(000.0*V)", "voltage_l2_v", "0.0"),
        ("1-0:31.7.0(001*A)", "current_l1_a", "1"),
        ("1-0:51.7.0(000.52*A)", "current_l2_a", "0.52"),
        ("1-0:71.7.0(-00.52*A)", "current_l3_a", "-0.52"),
        ("0-0:17.0.0(999.9*kW)", "limiter_threshold_w", "999900"),
        ("1-0:31.4.0(999.99*A)", "fuse_threshold_a", "999.99"),
        ("1-0:94.32.1(230)", "grid_voltage_v", "230"),
        ("0-0:96.14.0(0002)", "tariff", "2"),
        ("0-0:96.7.21(00099)", "power_failures_count", "99"),
    ],
)
def test_a_value_as_printed(line, key, value):
    assert str(read(line)[key]) == value


SPELLINGS = ["kWh", "Wh", "MWh", "kW", "W", "V", "kV", "A", "kA", "", "s", "m3", "GJ", "Hz"]
SPELLINGS += ["kvarh", "varh", "kvar", "var", "kVA", "VA", "KWH", "kw", "mV", "kWH", "Wh2"]


@pytest.mark.parametrize("unit", SPELLINGS)
def test_a_number_has_a_unit_of_its_own_kind(unit):
    lines = [f"{code}(12*{unit})" for code in sorted(set(reference.NUMBERS.values()))]
    reading, rejected = said(telegram(*lines))
    assert reading == reference.reading(telegram(*lines))
    taken = [key for key in reference.NUMBERS if key in reading]
    assert rejected == len(lines) - len(taken)


# --- Times ---


def tst(when, letter=""):
    return when.strftime("%y%m%d%H%M%S") + letter


def clock(stamp):
    return read(f"0-0:1.0.0({stamp})").get("timestamp")


def epoch(stamp, winter_h=1):
    return timestamp.epoch(f"{stamp})".encode(), 0, winter_h)


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59))


@given(MOMENTS, st.sampled_from("SW"))
def test_a_stamp_has_the_offset_of_its_own_letter(when, letter):
    when = when.replace(microsecond=0)
    offset = {"S": "+02:00", "W": "+01:00"}[letter]
    expected = when.isoformat() + offset
    assert clock(tst(when, letter)) == expected
    assert epoch(tst(when, letter)) == datetime.fromisoformat(expected).timestamp()


def check_against_the_time_zone_database(when):
    for winter_h, zone in ((1, reference.ZONE), (2, reference.ZONES["LT"])):
        if winter_h == 2 and when.year < 2004:
            continue  # Lithuania had ideas of its own
        aware = reference.stamp(tst(when), zone)
        assert aware
        offset_h = timestamp.utc_offset_h(f"{tst(when)})".encode(), 0, winter_h)
        assert timedelta(hours=offset_h) == aware.utcoffset(), (when, zone)
        assert epoch(tst(when), winter_h) == aware.timestamp(), (when, zone)


@given(MOMENTS)
def test_without_a_letter_the_time_zone_says_it(when):
    check_against_the_time_zone_database(when.replace(microsecond=0))
    when = when.replace(microsecond=0)
    aware = reference.stamp(tst(when))
    assert aware and clock(tst(when)) == aware.isoformat()


def test_without_a_letter_around_every_change_of_the_clocks():
    for year in range(2000, 2100):
        for month in (3, 10):
            sunday = max(
                datetime(year, month, day)
                for day in range(25, 32)
                if datetime(year, month, day).weekday() == 6
            )
            for second in (-1, 0, 7199, 7200, 10799, 10800, 14399, 14400, 86399, 86400):
                check_against_the_time_zone_database(sunday + timedelta(seconds=second))


def test_of_the_hour_that_exists_twice_the_later_is_meant():
    assert clock("251026023000") == "2025-10-26T02:30:00+01:00"
    assert clock("251026023000S") == "2025-10-26T02:30:00+02:00"


def check_length(digits):
    for letter in ("S", "W", ""):
        expected = len(digits + letter) if reference.stamp(digits + letter) else 0
        assert timestamp.length(f"{digits}{letter})".encode(), 0) == expected, digits


@given(st.from_regex(r"[0-9]{2}([01][0-9][0-3][0-9][0-2]|[0-9]{5})[0-9]{5}", fullmatch=True))
def test_a_stamp_is_one_that_a_calendar_has(digits):
    check_length(digits)


def test_a_stamp_is_one_that_a_calendar_has_in_every_part():
    for year in range(4):
        for month in range(20):
            for day in range(40):
                check_length(f"{year:02}{month:02}{day:02}120000")
    for part in range(6):
        for value in range(100):
            digits = "240229202020"
            check_length(f"{digits[: 2 * part]}{value:02}{digits[2 * part + 2 :]}")


@pytest.mark.parametrize(
    "stamp",
    ["", "S", "26033017462", "26033017462S", "260330174629X", "260330174629SW", "2603301746290"],
)
def test_what_is_no_stamp_is_left_out_and_counted(stamp):
    assert said(telegram(f"0-0:1.0.0({stamp})")) == ({"meter_model": "FLU5\\253769484_A"}, 1)


@given(MOMENTS.filter(lambda when: when.year > 2000))
def test_the_month_of_a_peak_is_the_one_before_its_closing_stamp(when):
    line = f"0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)({tst(when, 'W')})(230811060000S)(06.227*kW)"
    [entry] = read(line)["power_peak_history"]
    assert entry["month"] == f"{when.replace(day=1) - timedelta(days=1):%Y-%m}"


# --- Names and texts ---


@pytest.mark.parametrize(
    "country, names",
    [
        ("BE", ["day", "night", None]),
        ("NL", ["night", "day", None]),
        ("NL3", ["night", "day", None]),
        ("HU", [None, None, None]),
    ],
)
def test_tariff_names(country, names):
    for tariff, name in enumerate(names, start=1):
        reading = read(f"0-0:96.14.0(000{tariff})", country=country)
        assert reading.get("tariff_name") == name
        assert reading["tariff"] == Number(tariff)


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_the_country_shows_in_the_telegram(name):
    """Of Kamstrup's Swedes it does not, but there nothing depends on it."""
    assert said(fixture(name), "auto") == said(fixture(name), country_of(name))


ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)


@given(ASCII)
def test_an_id_in_hex_is_decoded(id):
    said = read(f"0-0:96.1.1({id.encode().hex().upper()})", f"0-3:96.1.0({id.encode().hex()})")
    assert said["meter_id"] == id
    assert said["submeters"] == [{"channel": Number(3), "type": "other", "id": id}]


@given(st.binary(min_size=1, max_size=12).filter(lambda raw: min(raw) < 0x20 or max(raw) > 0x7E))
@example(b"\x1f")
@example(b"\x7f")
@example(b"\x80")
def test_an_id_that_is_not_printable_stays_hex(raw):
    assert read(f"0-0:96.1.2({raw.hex().upper()})") == {"ean": raw.hex().upper()}


def test_of_several_ids_the_usual_one_is_the_meters():
    lines = ["0-0:42.0.0(424C)", "0-0:96.1.0(4230)", "0-0:96.1.1(4231)"]
    assert read(*lines) == {"meter_id": "B1"}
    assert read(*lines[:2]) == {"meter_id": "B0"}
    assert read(*lines[:1]) == {"meter_id": "BL"}
    assert read("0-1:96.1.0(4230)", "0-1:96.1.1(4231)")["submeters"][0]["id"] == "B1"
    assert read("1-3:0.2.8(42)", "0-0:96.1.4(50217)") == {"protocol_version": "50217"}


@pytest.mark.parametrize("printed", ["50", "42", "5021", "50217", "502171"])
def test_a_version_is_not_taken_for_hex(printed):
    assert read(f"0-0:96.1.4({printed})") == {"protocol_version": printed}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_a_message_in_utf_8(text):
    assert read(f"0-0:96.13.0({text.encode().hex()})") == {"message_text": text}


@given(st.binary(min_size=1, max_size=300))
def test_a_message_in_anything_else_is_latin_1(raw):
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    assert read(f"0-0:96.13.1({raw.hex().upper()})") == {"message_code": text}


@pytest.mark.parametrize("raw", [b"\x01", b'"', b"\\", b"\xff", "‰".encode()])
def test_the_longest_message_never_costs_the_rest(raw):
    """1024 characters, DSMR 5.0.2 P1 table 6-3: as JSON some need six bytes each."""
    lines = ["0-0:96.1.1(31534147)", f"0-0:96.13.0({(raw * 1024)[:1024].hex()})", "0-0:96.14.0(1)"]
    reading = read(*lines)
    assert reading["meter_id"] == "1SAG"
    assert reading["tariff"] == Number(1)


CODES = st.from_regex(r"[0-9]-[0-9]{1,2}:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="/"))


def is_known(code):
    canonical = re.sub(r"\d+", lambda match: str(int(match[0])), code)
    canonical = re.sub("^1-1:", "1-0:", canonical)
    return canonical in reference.KNOWN or reference.SUBMETER.fullmatch(canonical)


@given(CODES.filter(lambda code: not is_known(code)), VALUES)
def test_an_unknown_line_keeps_its_text(code, value):
    groups = [int(group) for group in re.findall(r"\d+", code)]
    reading = read("1-0:1.7.0(00.560*kW)", f"{code}({value})")
    assert reading["power_import_w"] == Number(560)
    if max(groups) <= 255:
        assert reading["unknown"] == {code: f"({value})"}


@pytest.mark.parametrize(
    "code",
    [
        *("5-0:1.7.0", "9-0:1.7.0", "1-2:1.7.0", "1-16:1.7.0", "1-32:1.7.0", "1-0:1.7.1"),
        *("1-0:1.6.256", "1-0:0.263.0", "1-0:257.7.0", "257-0:1.7.0", "1-0:11.7.0", "1-0:1.7"),
        *("1-0:1.7.0.0", "1-0:1.0.7.0", "1.7.0", "-0:1.7.0", "1-:1.7.0", "1-0:.7.0", "1-0:1.7."),
        *("1:0:1.7.0", "1-0-1.7.0", "1-0:1:7.0", "1-0:1.7.0 ", " 1-0:1.7.0", "1-0:1.7.x", ""),
    ],
)
def test_a_code_that_looks_alike_is_another(code):
    assert not {"power_import_w", "power_w"} & set(read(f"{code}(00.560*kW)"))


def test_an_unknown_line_that_comes_twice_is_said_once():
    assert read("1-0:3.8.9(1)", "1-0:3.8.9(2)") == {"unknown": {"1-0:3.8.9": "(2)"}}


def test_a_flood_of_unknown_lines_costs_nothing_else():
    lines = [f"1-0:{c}.{d}.9(00000000)" for c in range(100, 120) for d in range(10)]
    reading = read("1-0:1.7.0(00.560*kW)", *lines, "1-0:2.7.0(00.001*kW)")
    assert reading["power_w"] == Number(559)
    assert 60 <= len(reading["unknown"]) <= 200


# --- Sub-meters ---


def gas(channel, stamp, value="00107.812*m3"):
    return [f"0-{channel}:24.1.0(003)", f"0-{channel}:24.2.3({stamp})({value})"]


@given(st.lists(MOMENTS, min_size=2, max_size=4, unique=True), st.integers(0, 2))
def test_the_freshest_gas_meter_is_the_gas_meter(moments, tie):
    """Of two that are equally fresh it is that of the lower channel."""
    moments += moments[tie : tie + 4 - len(moments)]
    stamps = [tst(when, "W") for when in moments]
    lines = [line for n, stamp in enumerate(stamps, 1) for line in gas(n, stamp, f"{n}.000*m3")]
    freshest = max(range(len(stamps)), key=lambda n: (epoch(stamps[n]), -n))
    assert read(*lines)["gas_m3"] == Number(f"{freshest + 1}.000")


@pytest.mark.parametrize(
    "value, fits",
    [
        ("2147483.647", True),
        ("2147483.648", False),
        ("9999999999", False),
        ("0000000000002147483647", True),
        ("0.123456789", True),
        ("0.1234567890", False),
        (".5", True),
        ("5.", True),
        ("1.2.3", False),
        (".", False),
    ],
)
def test_what_a_submeter_counts_has_31_bits_and_9_decimals(value, fits):
    reading, rejected = said(telegram(*gas(1, "260330174500S", f"{value}*m3")))
    assert reading.get("gas_m3") == (Number(value) if fits else None)
    assert rejected == (0 if fits else 1)


# Telegrams with these are of one length. The first become documents of one length too.
CAPTURES = st.sampled_from(
    [
        "(260330174500S)(00107.812*m3)",
        "(260330175000S)(00107.912*m3)",
        "(260330175500S)(00207.812*m3)",
    ]
) | st.sampled_from(
    [
        "(260330174500S)(10107.812*m3)",
        "(260330174500S)(001078.12*m3)",
        "(632525252525W)(00000.000*m3)",
        "(260330174500S)(00107.812*GJ)",
        "(260330174500S)(00107.812*??)",
    ]
)


@settings(max_examples=100)
@given(st.lists(st.lists(CAPTURES, min_size=3, max_size=3), max_size=8))
def test_captures_that_follow_each_other_are_those_of_each_telegram_alone(seconds):
    """Two gas meters and one of water: which is the freshest, longer and shorter values, some that
    are not there."""
    dongle = Dongle()
    for captures in seconds:
        lines = ["0-0:1.0.0(260330180000S)"]
        for channel, (device, capture) in enumerate(zip((3, 3, 7), captures, strict=True), 1):
            lines += [f"0-{channel}:24.1.0(00{device})", f"0-{channel}:24.2.1{capture}"]
        sent = telegram(*lines)
        dongle.feed(sent)
        assert dongle.documents[-1] == Receiver().json(sent)


@pytest.mark.parametrize("never", ["632525252525W", "632525252525S", "700101010000W"])
@pytest.mark.parametrize("value", ["00000.000", "00000.000*m3", "00000000", ""])
def test_a_submeter_that_was_never_read_has_neither_value_nor_time(never, value):
    reading, rejected = said(telegram(*gas(2, never, value)))
    assert reading["submeters"] == [
        {"channel": Number(2), "type": "gas", "device_type": Number(3)}
    ]
    assert not rejected and "gas_m3" not in reading


def test_no_number_tells_what_a_submeter_counts_but_its_device_type():
    for code in ("24.2.1", "24.2.3"):
        for channel in range(1, 5):
            reading = read(
                f"0-{channel}:24.1.0(7)", f"0-{channel}:{code}(230421165102S)(00003.830*m3)"
            )
            assert reading["water_m3"] == Number("3.830") and "gas_m3" not in reading


def test_the_relays_are_no_submeters():
    assert read("0-2:96.3.10(1)") == {"relay_2_state": Number(1)}


def test_the_flags_are_the_same_in_all_viper_code():
    """numbers.py has copies of scan.py's, and obis.py's rules end with scan.py's mark."""
    assert (numbers._ABSENT, numbers._NEGATIVE, numbers._PLACES) == (ABSENT, NEGATIVE, PLACES)
    assert obis.UNIT_RULES[-1] == END_OF_RULES
