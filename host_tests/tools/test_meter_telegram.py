"""The simulated meter's telegrams."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

from meter import telegrams
from meter.household import Household
from meter.telegram import VERSIONS, Meter, Model, render
from meter_bench import BRUSSELS, SUMMER_EVENING, crc_is_right, line_of, steps


def test_dsmr_parser_reads_a_day_as_it_was():
    parser = TelegramParser(telegram_specifications.BELGIUM_FLUVIUS, True)
    household = Household(datetime(2026, 6, 14), seed=7)
    meter = Meter(household)
    for _ in range(300):
        telegram: Any = parser.parse(meter.telegram().decode(), throw_ex=True)
        seen = {
            name: getattr(telegram, name).value
            for name in (
                "P1_MESSAGE_TIMESTAMP",
                "ELECTRICITY_USED_TARIFF_1",
                "ELECTRICITY_USED_TARIFF_2",
                "ELECTRICITY_DELIVERED_TARIFF_1",
                "ELECTRICITY_DELIVERED_TARIFF_2",
                "ELECTRICITY_ACTIVE_TARIFF",
                "BELGIUM_CURRENT_AVERAGE_DEMAND",
                "BELGIUM_MAXIMUM_DEMAND_MONTH",
                "CURRENT_ELECTRICITY_USAGE",
                "CURRENT_ELECTRICITY_DELIVERY",
                "INSTANTANEOUS_VOLTAGE_L1",
            )
        }
        assert seen == {
            "P1_MESSAGE_TIMESTAMP": datetime.fromtimestamp(household.now_s, BRUSSELS),
            "ELECTRICITY_USED_TARIFF_1": Decimal(household.import_ws[1] // 3600) / 1000,
            "ELECTRICITY_USED_TARIFF_2": Decimal(household.import_ws[2] // 3600) / 1000,
            "ELECTRICITY_DELIVERED_TARIFF_1": Decimal(household.export_ws[1] // 3600) / 1000,
            "ELECTRICITY_DELIVERED_TARIFF_2": Decimal(household.export_ws[2] // 3600) / 1000,
            "ELECTRICITY_ACTIVE_TARIFF": f"{household.tariff:04}",
            "BELGIUM_CURRENT_AVERAGE_DEMAND": Decimal(household.average_w) / 1000,
            "BELGIUM_MAXIMUM_DEMAND_MONTH": Decimal(household.peak_w) / 1000,
            "CURRENT_ELECTRICITY_USAGE": Decimal(household.import_w) / 1000,
            "CURRENT_ELECTRICITY_DELIVERY": Decimal(household.export_w) / 1000,
            "INSTANTANEOUS_VOLTAGE_L1": Decimal(household.voltage_dv(0)) / 10,
        }
        months = telegram.BELGIUM_MAXIMUM_DEMAND_13_MONTHS
        assert [entry.value for entry in months] == [
            Decimal(peak_w) / 1000 for _, _, peak_w in household.history
        ]
        steps(household, 288)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("phases", [1, 3])
def test_every_model_is_well_formed(version, phases):
    for options in (
        {"months": 0, "submeters": ()},
        {"months": 3, "submeters": ("water", "gas"), "grid": 230},
        {"submeters": ("unread-gas", "gas", "water"), "ean": "541448000000000042"},
        {"message": "Ω" * 512, "extra_lines": ("1-0:99.9.9(1)",)},
    ):
        options = {"phases": phases, "version": version, **options}
        (telegram,) = telegrams(SUMMER_EVENING, seed=3, count=1, **options)
        assert crc_is_right(telegram)
        assert b"\r\n\r\n0-0:96.1.4" in telegram
        assert telegram.count(b"\n") == telegram.count(b"\r") == telegram.count(b"\r\n")
        for line in telegram.decode().split("\r\n")[2:-2]:
            assert re.fullmatch(r"\d-\d:\d+\.\d+\.\d+(\([^()]*\))+", line)


def test_lines_come_in_the_order_of_a_real_meter():
    (telegram,) = telegrams(SUMMER_EVENING, count=1)
    codes = re.findall(r"^[^(\r]+(?=\()", telegram.decode(), re.MULTILINE)
    expected = """
        0-0:96.1.4 1-0:94.32.1 0-0:96.1.1 0-0:96.1.2 0-0:1.0.0
        1-0:1.8.1 1-0:1.8.2 1-0:2.8.1 1-0:2.8.2 0-0:96.14.0 1-0:1.4.0 1-0:1.6.0 0-0:98.1.0
        1-0:1.7.0 1-0:2.7.0 1-0:21.7.0 1-0:41.7.0 1-0:61.7.0 1-0:22.7.0 1-0:42.7.0 1-0:62.7.0
        1-0:32.7.0 1-0:52.7.0 1-0:72.7.0 1-0:31.7.0 1-0:51.7.0 1-0:71.7.0
        0-0:96.3.10 0-0:17.0.0 1-0:31.4.0 0-1:96.3.10 0-2:96.3.10 0-3:96.3.10 0-4:96.3.10
        0-0:96.13.0 0-1:24.1.0 0-1:96.1.1 0-1:96.1.2 0-1:24.4.0 0-1:24.2.3
        0-2:24.1.0 0-2:96.1.1 0-2:96.1.2 0-2:24.2.1
    """
    assert codes == expected.split()


def test_a_version_adds_its_objects():
    def sent(version, **options):
        return next(telegrams(SUMMER_EVENING, version=version, **options))

    assert re.fullmatch(r"\(\d{3}\*A\)", line_of(sent(50213), "1-0:31.7.0"))
    assert re.fullmatch(r"\(\d{3}\.\d\d\*A\)", line_of(sent(50214), "1-0:31.7.0"))
    for object_, since in (
        (b"1-0:21.7.0", 50215),
        (b"0-2:24.1.0(007)", 50216),
        (b"1-0:1.4.0", 50217),
        (b"0-0:98.1.0", 50217),
        (b"1-0:94.32.1(400)", 50221),
        (b"0-4:96.3.10", 50221),
    ):
        assert [object_ in sent(version) for version in VERSIONS] == [
            version >= since for version in VERSIONS
        ]
    assert b"94.32.1" not in sent(50221, phases=1)
    assert b"1-0:51.7.0" not in sent(50221, phases=1)
    assert line_of(sent(50221), "0-0:17.0.0") == "(99.999*kW)"
    assert line_of(sent(50217), "0-0:17.0.0") == "(999.9*kW)"


def test_ids_are_the_invented_ones():
    (telegram,) = telegrams(SUMMER_EVENING, count=1)
    for obis, name in (
        ("0-0:96.1.1", "1SAG3100000042"),
        ("0-1:96.1.1", "7SAG0000000042"),
        ("0-2:96.1.1", "8SAG0000000042"),
    ):
        assert bytes.fromhex(line_of(telegram, obis)[1:-1]).decode() == name


def test_a_young_meter_has_no_history():
    (telegram,) = telegrams(SUMMER_EVENING, count=1, months=0)
    assert line_of(telegram, "0-0:98.1.0") == "(0)(1-0:1.6.0)(1-0:1.6.0)()"


def test_a_gas_meter_that_was_never_heard():
    (telegram,) = telegrams(SUMMER_EVENING, count=1, submeters=("unread-gas", "gas"))
    assert line_of(telegram, "0-1:24.2.3") == "(632525252525W)(00000.000)"
    assert line_of(telegram, "0-2:24.2.3").endswith("*m3)")


def test_a_grid_without_neutral():
    household = Household(SUMMER_EVENING)
    household.phase_w = (2300, 1150, -460)  # between L1-L2, L2-L3 and L3-L1
    household.import_w, household.export_w = 2990, 0
    telegram = render(household, Model(grid=230))
    assert line_of(telegram, "1-0:94.32.1") == "(230)"
    assert line_of(telegram, "1-0:52.7.0") == "(000.0*V)"
    assert line_of(telegram, "1-0:41.7.0") == line_of(telegram, "1-0:42.7.0") == "(00.000*kW)"
    assert line_of(telegram, "1-0:21.7.0") == "(02.070*kW)"  # L1 + L3 is the total
    assert line_of(telegram, "1-0:61.7.0") == "(00.920*kW)"
    assert line_of(telegram, "1-0:51.7.0") != "(000.00*A)"


def test_the_longest_message():
    (telegram,) = telegrams(SUMMER_EVENING, count=1, message="é" * 512)
    assert bytes.fromhex(line_of(telegram, "0-0:96.13.0")[1:-1]).decode() == "é" * 512
    with pytest.raises(ValueError, match="1024 bytes"):
        Model(message="é" * 513)


@pytest.mark.parametrize(
    "options", [{"version": 50218}, {"grid": 110}, {"submeters": ("gas", "oil")}, {"phases": 2}]
)
def test_there_is_no_such_meter(options):
    with pytest.raises(ValueError):
        next(telegrams(SUMMER_EVENING, **options))
