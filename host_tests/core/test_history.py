"""The rings of the past against a model that keeps everything, and against the simulated meter;
then over HTTP."""

import json
from collections import defaultdict, namedtuple
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from household import Household, needs_micropython, run_on_device, wait_for
from meter.civil import BRUSSELS, stamp
from meter.household import Household as Simulated
from p1 import country, obis
from p1.past import QUARTERS, WINDOWS, Past
from p1.quarter import Quarter
from p1.render.past_json import pieces

# One second: its clock, then import and export in W, 1.4.0 in W, the export register in Wh.
Second = namedtuple("Second", "now_s import_w export_w average_w export_wh")

ROWS = {
    obis.row("power_import_w"): lambda second: second.import_w,
    obis.row("power_w"): lambda second: second.import_w - second.export_w,
    obis.row("average_power_15m_w"): lambda second: second.average_w,
    obis.row("energy_export_kwh"): lambda second: second.export_wh,
}


class Said:
    """As much of a Reading as is looked at, for whole days: decoding takes its time here."""

    profile = country.profile("BE")
    stamp_at: int | None = 0
    edition = 0
    peak = None
    history: Sequence[tuple] = ()

    def take(self, second):
        self.telegram = stamp(second.now_s).encode()
        self._second = second

    def scaled(self, row, decimals=0):
        return ROWS[row](self._second)


class Kept:
    """A Past with what goes in and what comes out."""

    def __init__(self):
        self.quarter, self.history, self.reading = Quarter(), Past(), Said()

    def take(self, second):
        self.reading.take(second)
        self.quarter.update(self.reading)
        self.history.update(self.reading, self.quarter)

    def document(self):
        return json.loads(b"".join(map(bytes, pieces(self.history, self.reading))))


def by_end(part, key, step_s):
    """The known values of a part of the document, by the second at which each ends."""
    values = part[key]
    ends = range(part["end"] - step_s * (len(values) - 1), part["end"] + 1, step_s)
    return {end: value for end, value in zip(ends, values, strict=True) if value is not None}


# --- The model ---


def unbroken(seconds, step_s, most):
    """Those since the clock last went back, or on by more than the ring holds, in steps."""
    first = 0
    for at, (before, second) in enumerate(pairwise(seconds), 1):
        if not 0 <= second.now_s // step_s - before.now_s // step_s < most:
            first = at
    return seconds[first:]


def grouped(seconds, step_s, most):
    """Seconds by the end of the step they are in: those steps that are over, not too long ago."""
    groups = defaultdict(list)
    for second in unbroken(seconds, step_s, most):
        groups[second.now_s // step_s * step_s + step_s].append(second)
    running = seconds[-1].now_s // step_s * step_s + step_s
    return {end: each for end, each in groups.items() if running - most * step_s <= end < running}


def check(seconds, document):
    powers = by_end(document["hour"], "power_w", 10)
    groups = grouped(seconds, 10, WINDOWS)
    assert powers.keys() == groups.keys()
    for end, group in groups.items():
        mean_w = Fraction(sum(each.import_w - each.export_w for each in group), len(group))
        assert abs(powers[end] - mean_w) <= Fraction(1, 2)

    quarters = document["quarters"]
    found = {key: by_end(quarters, key, 900) for key in ("import_w", "export_w", "peak_w")}
    groups = grouped(seconds, 900, QUARTERS)
    assert found["peak_w"] == {
        end: max(each.import_w for each in group) for end, group in groups.items()
    }
    whole = {end: group for end, group in groups.items() if group[-1].now_s >= end - 15}
    assert found["import_w"].keys() == whole.keys()
    for end, group in whole.items():
        last = group[-1]
        to_come_w = Fraction(last.import_w * (end - last.now_s), 900)
        assert abs(found["import_w"][end] - last.average_w - to_come_w) <= Fraction(1, 2)
    from_start = {end: group for end, group in whole.items() if group[0].now_s <= end - 885}
    assert found["export_w"] == {
        end: 4 * (group[-1].export_wh - group[0].export_wh) for end, group in from_start.items()
    }


STARTS = [
    int(datetime(*moment, tzinfo=BRUSSELS).timestamp())
    for moment in ((2026, 11, 16, 18, 10), (2026, 3, 29, 1, 40), (2026, 10, 25, 2, 40))
]
STEPS = st.one_of(
    st.sampled_from((1, 1, 7, 10, 10, 100, 280)),
    st.sampled_from((0, -1, -10, 900, 1800, 3590, 3600, 3610, 86400, 172_700, 172_800, -3600)),
)


@st.composite
def lives(draw):
    """Seconds of which groups lie close together and far from the others."""
    now_s = draw(st.sampled_from(STARTS)) + draw(st.integers(0, 900))
    export_wh = 5_000_000
    seconds = []
    for step_s, import_w, export_w in draw(
        st.lists(
            st.tuples(STEPS, st.integers(0, 40_000), st.integers(0, 9_000)),
            min_size=1,
            max_size=60,
        )
    ):
        now_s += step_s
        export_wh += export_w * max(step_s, 0) // 3600
        seconds.append(Second(now_s, import_w, export_w, import_w // 3, export_wh))
    return seconds


@given(lives())
@settings(max_examples=50)
def test_the_rings_hold_what_the_model_says(seconds):
    past = Kept()
    for second in seconds:
        past.take(second)
    check(seconds, past.document())


def test_values_at_the_edges_of_the_rings():
    """Every number of steps around the lengths of the rings, one Reading each."""
    for step_s, count in ((10, WINDOWS), (900, QUARTERS)):
        past, seconds = Kept(), []
        for at in range(count + 3):
            seconds.append(Second(STARTS[0] // 900 * 900 + at * step_s, at, 0, at, 1000))
            past.take(seconds[-1])
            if at > count - 3:
                check(seconds, past.document())


def test_a_power_that_no_household_has_is_unknown_rather_than_another():
    most_w = 2**23 - 1
    powers_w = (most_w, -most_w, most_w + 1, -most_w - 1, 999_999_999, -999_999_999, 5)
    past = Kept()
    for at, power_w in enumerate([*powers_w, 0]):
        import_w, export_w = max(power_w, 0), max(-power_w, 0)
        past.take(Second(STARTS[0] + 10 * at, import_w, export_w, 0, 1000))
    known = [power_w if abs(power_w) <= most_w else None for power_w in powers_w]
    assert past.document()["hour"]["power_w"] == known


@pytest.mark.slow
def test_days_of_the_simulated_meter():
    """Over more than two days, and the night in which an hour comes twice: each quarter is what
    the meter's own registers say."""
    simulated = Simulated(datetime(2026, 10, 24, 14, tzinfo=BRUSSELS), seed=3)
    past = Kept()
    closed, highest_w, start_ws = {}, 0, None
    for _ in range(52 * 3600):
        before_ws = simulated.quarter_ws
        simulated.step()
        exported_ws = sum(simulated.export_ws.values())
        if simulated.now_s % 900 == 0:
            if start_ws is not None:
                import_w = (before_ws + simulated.import_w) / 900
                closed[simulated.now_s] = import_w, (exported_ws - start_ws) / 900, highest_w
            highest_w, start_ws = 0, exported_ws
        highest_w = max(highest_w, simulated.import_w)
        past.take(
            Second(
                simulated.now_s,
                simulated.import_w,
                simulated.export_w,
                simulated.average_w,
                exported_ws // 3600,
            )
        )
    quarters = past.document()["quarters"]
    found = {key: by_end(quarters, key, 900) for key in ("import_w", "export_w", "peak_w")}
    wanted = sorted(closed)[-QUARTERS:]
    assert all(list(values) == wanted for values in found.values())
    for end in wanted:
        import_w, export_w, highest_w = closed[end]
        # The last second's power stands for itself; the register counts in 4 W.
        assert abs(found["import_w"][end] - import_w) < 25
        assert abs(found["export_w"][end] - export_w) < 25
        assert found["peak_w"][end] == highest_w
    exported = [export_w for _, export_w, _ in closed.values()]
    assert max(exported) > 1000 and min(exported) == 0, "there were sun and night"


def test_the_first_quarter_hour_where_the_meter_keeps_months():
    """However full the page is where no quarter is known yet."""
    past = Kept()
    past.reading.history = [(2025, month, None, 12345678, 3) for month in range(1, 13)]
    for at in range(0, 900, 10):
        past.take(Second(STARTS[0] // 900 * 900 + at, 10 ** (at // 10 % 5), 0, 0, 1000))
        document = past.document()
        assert len(document["hour"]["power_w"]) == at // 10
        assert len(document["months"]) == 12


def test_a_meter_without_a_clock_has_no_past():
    past = Kept()
    past.reading.stamp_at = None
    past.quarter.update(past.reading)
    past.history.update(past.reading, past.quarter)
    assert past.history.window is past.history.quarter is None


# --- By HTTP ---


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flash")
    with Household(folder, meter=("--speed", "60", "--start", "2026-11-16T18:10:00")) as household:
        household.wait_until_reading()
        yield household


@needs_micropython
def test_history_over_http(home):
    def look():
        document = home.get("/history").json()
        return document if document["quarters"]["peak_w"] else None

    document = wait_for(look, "a quarter is over")
    reading = home.get("/reading").json()
    months = [
        {key: each[key] for key in ("month", "power_w")} for each in reading["power_peak_history"]
    ]
    assert document["months"] == months
    assert document["hour"]["step_s"] == 10 and document["hour"]["end"] % 10 == 0
    now_s = datetime.fromisoformat(reading["timestamp"]).timestamp()
    assert 0 <= now_s - document["hour"]["end"] < 120
    assert 0 <= now_s - document["quarters"]["end"] < 900 + 120
    assert 0 < len(document["hour"]["power_w"]) <= WINDOWS


@needs_micropython
def test_live_is_reading_and_quarter_of_one_second(home):
    def look():
        before, live, quarter, after = (
            home.get(path) for path in ("/reading", "/live", "/quarter", "/reading")
        )
        return (before, live, quarter) if before.content == after.content else None

    reading, live, quarter = wait_for(look, "three answers within a second")
    assert live.content == b'{"reading":%s,"quarter":%s}' % (reading.content, quarter.content)
    assert live.headers["content-type"] == "application/json" and "age" in live.headers


@needs_micropython
def test_before_the_first_telegram(tmp_path):
    with Household(tmp_path, meter=None) as household:
        wait_for(lambda: household.get("/health").status_code == 503, "it is there")
        for path in ("/live", "/history"):
            answer = household.get(path)
            assert answer.status_code == 503 and "no telegram" in answer.json()["error"]


@needs_micropython
def test_without_quarter_hours(tmp_path):
    with Household(tmp_path, config={"quarter": {"enabled": False}}) as household:
        household.wait_until_reading()
        assert household.get("/live").json().keys() == {"reading"}
        assert household.get("/history").status_code == 404


@needs_micropython
def test_the_relay_follows_the_alert_and_is_off_without_a_meter():
    result = run_on_device("dongle_relay.py")
    assert result.stdout == "ok\n", result.stdout + result.stderr


@needs_micropython
@pytest.mark.parametrize(
    "pin, why",
    [
        (27, "the board uses this pin"),
        (26, "the board uses this pin"),
        (34, "pin can only be input"),
        (47, "invalid pin"),
    ],
    ids=["rx", "tx", "input only", "not there"],
)
def test_a_relay_on_a_pin_that_cannot_be_is_told(tmp_path, pin, why):
    with Household(tmp_path, config={"quarter": {"relay_pin": pin}}) as household:
        household.wait_until_reading()
        [problem] = household.health()["config_problems"]
        assert problem == f"quarter.relay_pin: {pin}: {why}"
