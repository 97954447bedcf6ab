"""The simulated household against brute force."""

import re
from datetime import datetime
from itertools import pairwise

import pytest

from meter import telegrams
from meter.household import Household
from meter.telegram import Model, render
from meter_bench import BRUSSELS, SUMMER_EVENING, line_of, steps


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = (
        list(telegrams(SUMMER_EVENING, seed, 50, every_s=60)) for seed in (5, 5, 6)
    )
    assert first == again
    assert all(one != another for one, another in zip(first, other, strict=True))


def test_power_depends_on_the_moment_and_not_on_the_start():
    early = Household(datetime(2026, 3, 28, 22), seed=5)
    late = Household(datetime(2026, 3, 29, 9, 30), seed=5)
    steps(early, late.now_s - early.now_s)
    assert early.phase_w == late.phase_w
    assert early.average_w == late.average_w


def quarter_of(begin_s: int) -> tuple:
    """Which quarter of the clock on the wall a second belongs to, by the time it begins."""
    moment = datetime.fromtimestamp(begin_s, BRUSSELS)
    return moment.date(), moment.hour, moment.minute // 15, moment.utcoffset()


@pytest.mark.slow
@pytest.mark.parametrize(
    "start, hours, phases",
    [
        (datetime(2026, 1, 31, 6), 20, 1),  # a month's end
        (datetime(2026, 1, 30, 12), 40, 3),
        (datetime(2026, 3, 28, 20), 20, 3),  # an hour is skipped
        (datetime(2026, 10, 24, 20), 20, 3),  # an hour comes twice
    ],
)
def test_energy_tariff_quarter_and_peak_by_brute_force(start, hours, phases):
    household = Household(start, seed=2, phases=phases)
    imported_ws, exported_ws = dict(household.import_ws), dict(household.export_ws)
    quarter, quarter_ws = quarter_of(household.now_s), 0
    peak_w, peak_s, history = household.peak_w, household.peak_s, list(household.history)
    both_ways = set()
    for _ in range(hours * 3600):
        begin_s = household.now_s
        household.step()
        assert household.now_s == begin_s + 1
        assert sum(household.phase_w) == household.import_w - household.export_w
        assert household.import_w == 0 or household.export_w == 0
        both_ways.add(household.import_w > 0)

        moment = datetime.fromtimestamp(begin_s, BRUSSELS)
        day = moment.strftime("%a") not in ("Sat", "Sun") and "07" <= f"{moment:%H}" < "22"
        imported_ws[1 if day else 2] += household.import_w
        exported_ws[1 if day else 2] += household.export_w
        quarter_ws += household.import_w

        following = quarter_of(household.now_s)
        if following != quarter:
            if quarter_ws // 900 > peak_w:
                peak_w, peak_s = quarter_ws // 900, household.now_s
            if following[0].month != quarter[0].month:
                history = [*history, (household.now_s, peak_s, peak_w)][1:]
                peak_w, peak_s = 0, household.now_s
            quarter, quarter_ws = following, 0
        assert household.average_w == quarter_ws // 900
        assert (household.peak_w, household.peak_s) == (peak_w, peak_s)
    assert household.import_ws == imported_ws
    assert household.export_ws == exported_ws
    assert list(household.history) == history
    assert len(both_ways) == 2, "the day has to see import and export"


@pytest.mark.parametrize(
    "moment, number",
    [
        ("2026-06-12T06:59:59", 2),  # a Friday
        ("2026-06-12T07:00:00", 1),
        ("2026-06-12T21:59:59", 1),
        ("2026-06-12T22:00:00", 2),
        ("2026-06-13T12:00:00", 2),
        ("2026-06-15T06:59:59", 2),
        ("2026-06-15T07:00:00", 1),
    ],
)
def test_tariff_of_the_moment(moment, number):
    telegram = next(telegrams(datetime.fromisoformat(moment)))
    assert line_of(telegram, "0-0:96.14.0") == f"(000{number})"


def test_history_grows_to_thirteen_and_rolls():
    closings = [f"{year}{month:02}" for year in (25, 26) for month in range(1, 13)]
    for months in (0, 12, 13):
        household = Household(datetime(2026, 3, 31, 23, 59, 50), months=months)
        kept = len(household.history)
        steps(household, 20)
        telegram = render(household, Model())
        stamps = re.findall(r"\((\d{6})000000([SW])\)\(", line_of(telegram, "0-0:98.1.0"))
        assert kept == months
        assert [stamp for stamp, _ in stamps] == [
            f"{closing}01" for closing in closings[: closings.index("2604") + 1]
        ][-min(months + 1, 13) :]
        # Each letter is that of the stamp's own date.
        for stamp, letter in stamps:
            assert letter == ("S" if "04" <= stamp[2:4] <= "10" else "W")
        assert line_of(telegram, "1-0:1.6.0") == "(260401000000S)(00.000*kW)"


@pytest.mark.parametrize(
    "start",
    ["2026-06-12T18:31:12", "2026-06-01T00:00:00", "2026-06-01T00:07:00", "2026-06-01T05:10:00"],
)
def test_a_start_in_the_middle_has_a_past(start):
    start = datetime.fromisoformat(start).replace(tzinfo=BRUSSELS)
    household = Household(start)
    now_s = household.now_s
    assert now_s == start.timestamp()
    assert min(household.import_ws.values()) > 1000 * 3_600_000
    month_s = start.replace(day=1, hour=0, minute=0, second=0).timestamp()
    assert month_s <= household.peak_s <= now_s and household.peak_s % 900 == 0
    assert (household.peak_w > 0) == (household.peak_s > month_s)
    assert household.history[-1][0] == month_s
    for (begin_s, _, _), (end_s, peak_s, peak_w) in pairwise(household.history):
        assert begin_s < peak_s <= end_s and peak_s % 900 == 0 and peak_w > 2500
    for submeter in (household.gas, household.water):
        assert 0 <= now_s - submeter.stamp_s < 356 and submeter.volume_l > 0


def test_clock_over_both_nights():
    def clocks(start):
        times = (line_of(telegram, "0-0:1.0.0") for telegram in telegrams(start, count=2))
        return [clock[7:-1] for clock in times]

    assert clocks(datetime(2026, 3, 29, 1, 59, 59)) == ["015959W", "030000S"]
    assert clocks(datetime(2026, 10, 25, 2, 59, 59)) == ["025959S", "020000W"]
    assert clocks(datetime(2026, 10, 25, 2, 59, 59, fold=1)) == ["025959W", "030000W"]


def test_gas_and_water_are_captured_about_every_five_minutes():
    household = Household(datetime(2026, 1, 12))
    seen = {household.gas: [], household.water: []}
    lags = set()
    for _ in range(86400):
        household.step()
        for submeter, captures in seen.items():
            if not captures or submeter.stamp_s != captures[-1][0]:
                if captures:
                    lags.add(household.now_s - submeter.stamp_s)
                captures.append((submeter.stamp_s, submeter.volume_l))
    assert lags == {0, 1}
    for captures in seen.values():
        for (before_s, before_l), (after_s, after_l) in pairwise(captures):
            assert 280 <= after_s - before_s <= 354
            assert after_l >= before_l
        assert captures[-1][1] - captures[0][1] > 50  # somebody was at home
        assert len({stamp_s % 300 for stamp_s, _ in captures}) > 100
