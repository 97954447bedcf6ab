"""The running quarter hour against a model of its own, with datetime and Fraction, that has all of
the past in view and carries nothing; and against the simulated meter's own figures."""

import json
import re
from collections import namedtuple
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import telegram
from exposition_parser import parsed
from household import Household, Listener, needs_micropython, wait_for
from meter import telegrams
from meter.civil import local, stamp
from meter.household import Household as Simulated
from p1 import country, obis
from p1.decode import decode
from p1.quarter import Quarter
from p1.reading import Reading
from p1.render.quarter_json import QuarterJson

BRUSSELS = ZoneInfo("Europe/Brussels")

AVERAGE, POWER = obis.row("average_power_15m_w"), obis.row("power_import_w")

# One second as a meter says it: its clock, then what it has, in W, Wh, W.
Second = namedtuple("Second", "now_s power_w average_w energy_wh peak", defaults=(None,) * 3)


def lines_of(second):
    yield f"0-0:1.0.0({stamp(second.now_s)})"
    if second.energy_wh is not None:
        yield f"1-0:1.8.0({second.energy_wh / 1000:010.3f}*kWh)"
    if second.average_w is not None:
        yield f"1-0:1.4.0({second.average_w / 1000:06.3f}*kW)"
    if second.peak is not None:
        yield f"1-0:1.6.0({stamp(second.peak[0])})({second.peak[1] / 1000:06.3f}*kW)"
    if second.power_w is not None:
        yield f"1-0:1.7.0({second.power_w / 1000:06.3f}*kW)"


class Said:
    """As much of a Reading as a Quarter looks at, for whole days: decoding takes its time here."""

    profile = country.profile("BE")
    stamp_at = 0
    edition = 0
    peak = None

    def take(self, second):
        self.telegram = stamp(second.now_s).encode()
        self._numbers = {AVERAGE: second.average_w, POWER: second.power_w}

    def scaled(self, row):
        return self._numbers[row]


class Engine:
    """A Quarter, with what goes in as telegrams and comes out as JSON."""

    def __init__(self, quarter=None):
        self.quarter = quarter or Quarter()
        self._reading = Reading("BE")
        self._json = QuarterJson()

    def take(self, data):
        decode(data, len(data), self._reading)
        self.quarter.update(self._reading)

    def said(self, data):
        self.take(data)
        page = self._json.render(self.quarter, self._reading)
        return json.loads(bytes(page.bytes[: page.size]))


def said(seconds, quarter=None):
    """A document for each of the seconds."""
    engine = Engine(quarter)
    return [engine.said(telegram(*lines_of(second))) for second in seconds]


# --- The model ---


def round_half_up(value):
    return floor(value + Fraction(1, 2))


def start_of_quarter(now_s):
    moment = local(now_s)
    return moment.replace(minute=moment.minute // 15 * 15, second=0)


def elapsed_s(now_s):
    return int(now_s - start_of_quarter(now_s).timestamp())


def with_power(average_w, power_w, now_s):
    return average_w + power_w * Fraction(900 - elapsed_s(now_s), 900)


def smoothed(seconds):
    """The exponential mean over 60 s, from the last break of the clock on, at the last of them."""
    first = len(seconds) - 1
    while first and 0 <= seconds[first].now_s - seconds[first - 1].now_s <= 60:
        first -= 1
    mean_w = Fraction(seconds[first].power_w)
    for before, second in zip(seconds[first:], seconds[first + 1 :], strict=False):
        step_s = second.now_s - before.now_s
        mean_w = (mean_w * 60 + second.power_w * step_s) / (60 + step_s)
    return mean_w


def headroom(seconds, target_w):
    """Of the last second of the quarter's run that was before 890 s; None where there is none."""
    # As instants: in October two quarters have the same civil time, which == takes for the same.
    here = start_of_quarter(seconds[-1].now_s).timestamp()
    for second in reversed(seconds):
        if start_of_quarter(second.now_s).timestamp() != here or second.average_w is None:
            return None
        past_s = elapsed_s(second.now_s)
        if past_s < 890:
            return floor((target_w - second.average_w) * Fraction(900, 900 - past_s))
    return None


# Where it may go wrong: an ordinary day, both nights of the clocks, a month's and a year's end.
STARTS = [
    int(datetime(*moment, tzinfo=BRUSSELS).timestamp())
    for moment in (
        (2026, 11, 16, 18, 10),
        (2026, 3, 29, 1, 58),
        (2026, 10, 25, 1, 58),
        (2026, 10, 25, 2, 58),
        (2026, 10, 31, 23, 50),
        (2026, 12, 31, 23, 59),
    )
]
STEPS = st.one_of(
    st.just(1),
    st.sampled_from((1, 2, 10, 30, 59, 60)),
    st.sampled_from((0, -1, -30, 61, 400, 900, 3600, 4500, -900, -3600, 86400)),
)
POWERS = st.one_of(st.sampled_from((0, 150, 9200)), st.integers(0, 99_999))


@st.composite
def lives(draw):
    """Seconds with gaps and a clock that is set; averages as if by chance."""
    now_s = draw(st.sampled_from(STARTS)) + draw(st.integers(0, 900))
    seconds = []
    for step_s, power_w, average_w in draw(
        st.lists(st.tuples(STEPS, POWERS, st.integers(0, 12_000)), min_size=1, max_size=40)
    ):
        now_s += step_s
        seconds.append(Second(now_s, power_w, average_w))
    return seconds


@given(lives(), st.sampled_from((2500, 7000)))
@settings(max_examples=60)
def test_each_second_is_what_the_model_says(seconds, target_w):
    documents = said(seconds, Quarter(target_w if target_w != 2500 else 0))
    for number, (second, document) in enumerate(zip(seconds, documents, strict=True), 1):
        now_s, power_w, average_w, *_ = second
        assert document["timestamp"] == local(now_s).isoformat()
        assert document["start"] == start_of_quarter(now_s).isoformat()
        assert document["elapsed_s"] == elapsed_s(now_s)
        assert document["average_power_w"] == average_w
        assert document["target_power_w"] == target_w
        assert document["estimated"] is False
        forecast_w = round_half_up(with_power(average_w, power_w, now_s))
        assert document["forecast_power_w"] == forecast_w
        # Kept in 1/256 W, and rounded to a whole one twice.
        exact_w = with_power(average_w, smoothed(seconds[:number]), now_s)
        assert abs(document["forecast_smoothed_power_w"] - exact_w) < Fraction(5, 4)
        headroom_w = headroom(seconds[:number], target_w)
        assert document.get("headroom_w") == headroom_w
        if headroom_w is not None:
            assert document["spare_w"] == headroom_w - power_w
        absent = {"month_peak_w", "year_mean_peak_w", "new_peak_cost_ct"}
        assert not absent & document.keys()


@st.composite
def registers(draw):
    """Seconds of a meter without 1.4.0, with what really happened: energy in W.s."""
    now_s = draw(st.sampled_from(STARTS)) + draw(st.integers(600, 900))
    energy_ws = draw(st.integers(0, 10**12))
    seconds, energies = [], []
    for step_s, power_w in draw(
        st.lists(st.tuples(STEPS, st.integers(0, 17_000)), min_size=2, max_size=60)
    ):
        now_s += step_s
        energy_ws += power_w * max(step_s, 0)
        seconds.append(Second(now_s, power_w, None, energy_ws // 3600))
        energies.append(energy_ws)
    return seconds, energies


def integrated(seconds, energies):
    """The energy since the quarter's start over a quarter, in W, at the last second; None where
    the start was not seen."""
    last = len(seconds) - 1
    start_s = start_of_quarter(seconds[last].now_s).timestamp()
    first = last
    while first >= 0 and start_of_quarter(seconds[first].now_s).timestamp() == start_s:
        first -= 1
    if first < 0:
        return None
    before_s, after_s = seconds[first].now_s, seconds[first + 1].now_s
    if not before_s < start_s <= after_s <= before_s + 60 or before_s < start_s - 900:
        return None
    power_w = seconds[first + 1].power_w  # since the second before
    return (energies[last] - energies[first] - power_w * Fraction(start_s - before_s)) / 900


@given(registers())
@settings(max_examples=60)
def test_without_1_4_0_the_registers_tell_within_their_resolution(life):
    seconds, energies = life
    for number, document in enumerate(said(seconds), 1):
        assert document["estimated"] is True
        exact_w = integrated(seconds[:number], energies[:number])
        if exact_w is None:
            silent = {"average_power_w", "forecast_power_w", "headroom_w", "alert"}
            assert not silent & document.keys()
        else:
            # Two counts of whole Wh, one of them perhaps between two telegrams: 4 W each.
            assert abs(document["average_power_w"] - exact_w) <= 12
            forecast_w = with_power(
                document["average_power_w"], seconds[number - 1].power_w, seconds[number - 1].now_s
            )
            assert document["forecast_power_w"] == round_half_up(forecast_w)


def test_other_registers_are_silent_until_the_next_quarter():
    start_s = STARTS[0] + 300  # 18:15

    def second(at_s, energy_wh):
        return Second(start_s + at_s, 1000, None, energy_wh)

    for other_wh in (7, 900_000_000):  # it was reset; another meter
        documents = said(
            [
                *(second(-5, 5000), second(0, 5000), second(100, 5028), second(101, other_wh)),
                *(second(500, other_wh + 110), second(899, other_wh + 220)),
                *(second(900, other_wh + 221), second(930, other_wh + 230)),
            ]
        )
        known = [document.get("average_power_w") for document in documents]
        assert known == [None, 0, 112, None, None, None, 0, 36]


def test_what_the_meter_does_not_say_is_not_known():
    start_s = STARTS[0]
    (no_power,) = said([Second(start_s, None, 1000)])
    assert no_power["headroom_w"] == 4500  # 1500 W for 900 s, in 300 s
    assert not {"forecast_power_w", "spare_w", "alert"} & no_power.keys()
    engine = Engine()
    engine.take(telegram("1-0:1.4.0(01.000*kW)", "1-0:1.7.0(01.000*kW)"))
    quarter = engine.quarter
    assert quarter.elapsed_s is quarter.forecast_w is quarter.alert is quarter.target_w is None


def test_export_does_not_count():
    lines = [*lines_of(Second(STARTS[0], 0, 321)), "1-0:2.7.0(04.000*kW)"]
    document = Engine().said(telegram(*lines))
    assert document["forecast_power_w"] == document["average_power_w"] == 321
    assert document["headroom_w"] == document["spare_w"] == 3 * (2500 - 321)


# --- The months ---


def peak_w_of(data):
    found = re.search(rb"1\.6\.0\((\d+).\)\(([\d.]+)\*kW", data)
    assert found
    end, power_kw = found.groups()
    return end, round(float(power_kw) * 1000)


def months_of(data):
    """{(year, month): W}, what 98.1.0 says: an entry is closed at the start of the next month."""
    (entries,) = re.findall(rb"98\.1\.0\(\d+\)\([^)]*\)\([^)]*\)(.*)\r\n", data)
    months = {}
    for closed, power_kw in re.findall(rb"\((\d{12}).\)\(\d{12}.\)\(([\d.]+)\*kW\)", entries):
        last = datetime.strptime(closed.decode(), "%y%m%d%H%M%S") - timedelta(days=1)
        months[last.year, last.month] = round(float(power_kw) * 1000)
    return months


@pytest.mark.parametrize("months", [0, 3, 13])
def test_the_months_that_count_are_this_one_and_eleven_before(months):
    engine = Engine(Quarter(rate_ct_per_kw_year=5000))
    start = datetime(2026, 10, 31, 23, 55, 0, tzinfo=BRUSSELS)
    seen = set()
    for data in telegrams(start, 3, 110, every_s=15, months=months, submeters=()):
        document = engine.said(data)
        moment = datetime.fromisoformat(document["timestamp"])
        _, peak_w = peak_w_of(data)
        if peak_w:
            assert document["month_peak_w"] == peak_w
        else:
            assert moment.day == 1 and moment.minute < 15
            assert "month_peak_w" not in document
        this_month = max(peak_w, 2500)
        assert document["target_power_w"] == this_month
        year_ago = (moment.year - 1, moment.month)
        counted = [max(w, 2500) for month, w in months_of(data).items() if month > year_ago]
        assert len(counted) == min(months + (moment.day == 1), 11)
        counted.append(this_month)
        mean_w = round_half_up(Fraction(sum(counted), len(counted)))
        assert document["year_mean_peak_w"] == mean_w
        more_w = max(document["forecast_power_w"] - this_month, 0)
        assert document["new_peak_cost_ct"] == round_half_up(Fraction(more_w * 50, 12 * 10))
        seen.add((moment.day, bool(peak_w)))
    assert seen == {(31, True), (1, False), (1, True)}


def test_last_months_peak_is_no_target():
    midnight_s = int(datetime(2026, 11, 1, tzinfo=BRUSSELS).timestamp())
    for end_s in (midnight_s, midnight_s - 900):
        (document,) = said([Second(midnight_s + 3, 100, 0, None, (end_s, 6000))])
        assert document["target_power_w"] == 2500
        assert "month_peak_w" not in document
    before, after = said(
        [
            Second(now_s, 100, 0, None, (midnight_s - 900, 6000))
            for now_s in (midnight_s - 2, midnight_s)
        ]
    )
    assert before["month_peak_w"] == before["target_power_w"] == 6000
    assert after["target_power_w"] == 2500 and "month_peak_w" not in after


# --- The simulated meter ---


def power_w_of(data):
    found = re.search(rb"1-0:1\.7\.0\(([\d.]+)", data)
    assert found
    return round(float(found[1]) * 1000)


OURS = re.compile(rb"0-0:1\.0\.0|1-0:(1\.8\.\d|1\.4\.0|1\.7\.0)|[/!]")


@pytest.mark.parametrize(
    "start, count",
    [
        (datetime(2026, 11, 16, 18, 13), 1080),
        (datetime(2026, 3, 29, 1, 58), 1080),
        (datetime(2026, 10, 25, 2, 58), 1080),
    ],
    ids=["evening", "hour skipped", "hour twice"],
)
def test_the_forecast_meets_the_quarter_and_estimates_meet_1_4_0(start, count):
    meter, without = Engine(), Engine()
    forecasts = []  # of this quarter: (W, the power of the second)
    quarters = estimates = 0
    previous = None
    for whole in telegrams(start, 2, count, submeters=()):
        # What it is not about takes time to read.
        data = b"".join(line for line in whole.splitlines(True) if OURS.match(line))
        document = meter.said(data)
        average_w = document["average_power_w"]
        printed = re.search(rb"1\.4\.0\(([\d.]+)", data)
        assert printed and average_w == round(float(printed[1]) * 1000)
        estimate = without.said(re.sub(rb"1-0:1\.4\.0.*\n", b"", data))
        assert estimate["estimated"]
        if quarters and previous:
            # The registers have whole Wh, 1.4.0 whole W.
            assert abs(estimate["average_power_w"] - average_w) <= 5
            estimates += 1
        elif not document["elapsed_s"]:
            assert estimate["average_power_w"] == 0
        else:
            assert "average_power_w" not in estimate
        if previous and not document["elapsed_s"]:
            quarters += 1
            # 1.4.0 as it would be with the power of the second that ends with the quarter.
            now_w = power_w_of(whole)
            final_w = previous["average_power_w"] + Fraction(now_w, 900)
            # It errs by what the power still changes, for the time that is left: at last by 0.
            for number, (forecast_w, at_w) in enumerate(forecasts):
                powers_w = [power_w for _, power_w in forecasts[number:]] + [now_w]
                most_w = max(max(powers_w) - at_w, at_w - min(powers_w))
                left_s = len(forecasts) - number
                assert abs(forecast_w - final_w) <= 2 + Fraction(most_w * left_s, 900)
            forecasts = []
        forecasts.append((document["forecast_power_w"], power_w_of(whole)))
        previous = document
    assert quarters >= 2 and estimates > 900


def household_day(seed=2):
    """A Monday: (second, of the quarter that ends then what it came to or None)."""
    simulated = Simulated(datetime(2026, 11, 16), seed)
    for _ in range(86400):
        before_ws = simulated.quarter_ws
        simulated.step()
        closed_w = (before_ws + simulated.import_w) // 900 if simulated.now_s % 900 == 0 else None
        yield Second(simulated.now_s, simulated.import_w, simulated.average_w), closed_w


def test_the_alert_comes_before_each_quarter_that_breaks_the_target(capsys):
    targets_w = (2500, 3500, 5000)
    quarters = [Quarter(target_w) for target_w in targets_w]
    reading = Said()
    alerted_s: list[int | None] = [None for _ in targets_w]  # when in this quarter
    notices_s = [[] for _ in targets_w]
    false_alarms = [0] * len(targets_w)
    on_since_s: list[int | None] = [None for _ in targets_w]
    switches = [0] * len(targets_w)
    for second, closed_w in household_day():
        if closed_w is not None:
            for at, target_w in enumerate(targets_w):
                noticed_s = alerted_s[at]
                if closed_w > target_w:
                    assert noticed_s is not None, f"{local(second.now_s)}: {closed_w} W"
                    notices_s[at].append(900 - noticed_s)
                elif noticed_s is not None:
                    false_alarms[at] += 1
            alerted_s = [None for _ in targets_w]
        reading.take(second)
        for at, quarter in enumerate(quarters):
            quarter.update(reading)
            forecast_w, smoothed_w = quarter.forecast_w, quarter.forecast_smoothed_w
            assert forecast_w is not None and smoothed_w is not None
            assert quarter.target_w is not None and quarter.elapsed_s is not None
            low_w = min(forecast_w, smoothed_w)
            since_s = on_since_s[at]
            if quarter.alert and since_s is None:
                on_since_s[at] = second.now_s
                switches[at] += 1
                assert low_w > quarter.target_w
            elif not quarter.alert and since_s is not None:
                assert second.now_s - since_s >= 60
                assert low_w * 100 < quarter.target_w * 95
                on_since_s[at] = None
            # An alert that is still on from the quarter before does not count as one.
            if quarter.alert and low_w > quarter.target_w and quarter.elapsed_s >= 30:
                alerted_s[at] = quarter.elapsed_s if alerted_s[at] is None else alerted_s[at]
    assert any(notices_s)
    with capsys.disabled():
        print("\nalert over a household's day of 96 quarters; notice in minutes")
        print("target W  broken  least  median  false alarms  switched on")
        for at, target_w in enumerate(targets_w):
            notices = sorted(notices_s[at])
            least, median = (
                f"{notices[place] / 60:6.1f}" if notices else "     -"
                for place in (0, len(notices) // 2)
            )
            print(
                f"{target_w:8}  {len(notices):6} {least}  {median}  {false_alarms[at]:12}"
                f"  {switches[at]:11}"
            )


def test_the_alert_waits_for_the_quarter_holds_and_has_a_hysteresis():
    start_s = STARTS[0] + 300

    def alerts(powers_w, from_s=0, average_w=0):
        return [
            document["alert"]
            for document in said(
                [Second(start_s + from_s + at, w, average_w) for at, w in enumerate(powers_w)]
            )
        ]

    # Not in the first half minute, whatever the meter still shows of the quarter before.
    assert alerts([9000] * 31, average_w=9000).index(True) == 30
    # A minute of hold, then off: 95 % of 2500 W is 2375 W.
    ended = alerts([3000] * 10 + [0] * 120, from_s=300, average_w=2374)
    assert ended[0] and ended.index(False) == 60
    assert all(alerts([3000] * 10 + [0] * 120, from_s=300, average_w=2375))
    # Half a minute of a kettle is no reason, though the power of the moment would be one.
    assert not any(alerts([300] * 60 + [4000] * 30 + [300] * 60, from_s=60))
    # A clock that is set ends the hold, not the alert.
    seconds = [Second(start_s + 300, 5000, 0), Second(start_s + 100, 5000, 0)]
    assert [document["alert"] for document in said(seconds)] == [True, True]


# --- The dongle ---


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    config = {"quarter": {"rate_ct_per_kw_year": 5000}}
    with Household(tmp_path_factory.mktemp("quarter"), config=config) as household:
        listener = Listener(household.mqtt_port)
        household.wait_until_connected()
        household.wait_until_reading()
        yield household, listener
        listener.stop()


def agrees(document, reading):
    """Whether a document is of the quarter of this reading."""
    for key, theirs in (
        ("timestamp", "timestamp"),
        ("average_power_w", "average_power_15m_w"),
        ("month_peak_w", "monthly_power_peak_w"),
    ):
        assert document[key] == reading[theirs]
    left_s = 900 - document["elapsed_s"]
    forecast_w = reading["average_power_15m_w"] + Fraction(reading["power_import_w"] * left_s, 900)
    assert document["forecast_power_w"] == round_half_up(forecast_w)
    assert document["alert"] in (True, False) and "new_peak_cost_ct" in document
    return True


@needs_micropython
def test_http_and_metrics_are_of_one_second(home):
    household, _ = home

    def look():
        before, answer, metrics, after = (
            household.get(path) for path in ("/reading", "/quarter", "/metrics", "/reading")
        )
        return (answer, metrics, after) if before.content == after.content else None

    answer, metrics, reading = wait_for(look, "four answers within a second")
    document = answer.json()
    assert agrees(document, reading.json())
    assert answer.headers["content-type"] == "application/json" and "age" in answer.headers
    found = parsed(metrics.text)
    assert {"average_power_w", "forecast_power_w", "alert"} <= document.keys()
    for name, key in (
        ("average_watts", "average_power_w"),
        ("forecast_watts", "forecast_power_w"),
        ("forecast_smoothed_watts", "forecast_smoothed_power_w"),
        ("headroom_watts", "headroom_w"),
        ("target_watts", "target_power_w"),
        ("alert", "alert"),
    ):
        # Absent is absent in both.
        assert found.get(("p1_quarter_" + name, frozenset())) == document.get(key), name


@needs_micropython
def test_mqtt_has_one_with_each_reading(home):
    _, listener = home
    wait_for(lambda: len(listener.heard("/quarter")) > 2, "quarters")
    readings = {
        json.loads(message.payload)["timestamp"]: json.loads(message.payload)
        for message in listener.heard("/reading")
    }
    quarters = [json.loads(message.payload) for message in listener.heard("/quarter")]
    assert all(agrees(document, readings[document["timestamp"]]) for document in quarters)
    assert len(quarters) >= len(readings) - 1
    assert not [message for message in listener.heard("/quarter") if message.retain]


@needs_micropython
def test_off_there_is_nothing_and_without_a_meter_a_reason(tmp_path):
    for name in ("off", "unplugged"):
        (tmp_path / name).mkdir()
    off = {"quarter": {"enabled": False}, "mqtt": {"host": ""}}
    with (
        Household(tmp_path / "off", broker=1, meter=None, config=off) as without,
        Household(tmp_path / "unplugged", broker=1, meter=None) as unplugged,
    ):
        wait_for(lambda: without.get("/health").status_code, "an answer")
        assert without.get("/quarter").status_code == 404
        answer = wait_for(
            lambda: unplugged.get("/quarter").status_code and unplugged.get("/quarter"),
            "an answer",
        )
        assert answer.status_code == 503 and "no telegram" in answer.json()["error"]
