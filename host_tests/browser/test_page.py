"""The page in a real browser, in front of the dongle itself."""

import re
import signal
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from types import SimpleNamespace

import pytest

import pages
from conftest import FIXTURE_NAMES, FIXTURES
from household import Household, needs_micropython, wait_for
from page_meter import PAST, ScriptedMeter
from rig import ROOT

pytest.importorskip("playwright", reason="no playwright: `make test` installs it")
from axe_playwright_python.sync_playwright import Axe

from page_browser import CHROMIUM, PHONE, Visit, chromium

pytestmark = [
    pytest.mark.slow,
    needs_micropython,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium: apt install chromium"),
]

WHOLE = pages.page(pages.WEB / "index.html")
SOURCE = WHOLE.decode()
PACKED = pages.packed(WHOLE)
SHOTS = ROOT / "build" / "page"
LANGUAGES = list(pages.languages())
EVENING = datetime(2026, 11, 24, 18, 36, 12)

IMPORT, EXPORT, AVERAGE, MESSAGE = "1-0:1.7.0", "1-0:2.7.0", "1-0:1.4.0", "0-0:96.13.0"

TOO_MUCH = {IMPORT: "(14.200*kW)", AVERAGE: "(12.345*kW)"}  # for an alert at once


# --- Dongles, and somebody who looks at them ---


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts a dongle with the page as it is shipped; options as of Household."""
    first = {}
    numbers = count(0xB0)
    with ExitStack() as stack:

        def start(meter=None, **options):
            folder = tmp_path_factory.mktemp("dongle")
            (folder / "web").mkdir()
            (folder / "web" / "index.html.gz").write_bytes(PACKED)
            options = {"dongle_id": f"0200000000{next(numbers):02x}", **first, **options}
            cable = meter.cable if meter else ""
            home = stack.enter_context(Household(folder, meter=None, cable=cable, **options))
            first["broker"] = home.mqtt_port
            home.meter = meter
            return home

        yield start


@pytest.fixture(scope="module")
def street(start):
    """A dongle that has seen two days, one that is going to hang and one to be killed, each with
    a ScriptedMeter; and one without a meter."""
    with ExitStack() as stack:
        meters = [ScriptedMeter(EVENING, past) for past in (PAST, timedelta(), timedelta())]
        for meter in meters:
            stack.callback(meter.stop)
        home, hung, killed = (start(meter) for meter in meters)
        home.meter.taken = lambda: home.health()["telegrams"]["good"]
        yield SimpleNamespace(home=home, hung=hung, killed=killed, alone=start())


@pytest.fixture(scope="module")
def look(street):
    """Makes a Visit. Whatever a test is about: none asks too often or elsewhere, and the page
    never complains."""
    visits = []
    with chromium() as browser:

        def look(household, **options):
            options = {"locale": "en-US", **options}
            visits.append(Visit(browser, f"http://127.0.0.1:{household.http_port}", **options))
            return visits[-1]

        yield look
        for visit in visits:
            visit.close()
            visit.check()


@contextmanager
def looking(look, household, **options):
    """A Visit that ends, so that it does not slow down the others."""
    visit = look(household, **options)
    try:
        yield visit
    finally:
        visit.close()
    visit.check()


def as_usual(household):
    """Once it shows the present, and nothing of a test before."""
    meter = household.meter
    assert meter.is_present.wait(60)
    after = meter.now() if meter.is_odd() else ""
    meter.say({})

    def is_whole():
        reading = household.get("/reading").json()
        return "tariff" in reading and reading["timestamp"] > after

    wait_for(is_whole, "a telegram of now")
    return household


@pytest.fixture(scope="module")
def visits(street, look):
    """What most tests share: of the dongle that has seen two days, in English and on a phone; and
    of each of the others."""
    for household in (street.alone, street.hung, street.killed):
        wait_for(lambda h=household: h.get("/health"), "it answers")
    visits = SimpleNamespace(
        alone=look(street.alone, locale="nl-BE"),
        hung=look(street.hung),
        killed=look(street.killed),
    )
    as_usual(street.home)
    visits.regular = look(street.home)
    visits.phone = look(street.home, viewport=PHONE, locale="nl-BE")
    visits.phone.page.wait_for_selector("#today svg")
    return visits


@pytest.fixture
def home(street, look):
    return as_usual(street.home)


@pytest.fixture
def regular(visits):
    return visits.regular


@pytest.fixture
def on_a_phone(visits):
    return visits.phone


def shown(visit, selector, words):
    """Waits until an element's text has these words, a string or a pattern."""
    words = re.compile(re.escape(words)) if isinstance(words, str) else words
    wait_for(lambda: words.search(visit.text(selector)), f"{selector} shows {words.pattern!r}")


def plain(words):
    """Without the spaces that do not break."""
    return words.replace("\u00a0", " ").replace("\u202f", " ")


# --- What it is ---


def test_it_is_small():
    assert len(PACKED) < 20_000


def test_it_names_no_other_place():
    urls = set(re.findall(r"[a-z]+://[^\s'\"]+", SOURCE))
    assert urls == {"http://www.w3.org/2000/svg"}  # a name, not a place


# --- The numbers ---


def watts(value):
    return f"{value:,} W"


def kilowatts(value):
    return f"{value / 1000:,.3f} kW"


def rows(visit, selector):
    return {row[0]: [plain(cell) for cell in row[1:]] for row in visit.table(selector)}


def same_second(visit, home):
    """(reading, quarter) of /live, with decimals as they are printed, and the page's rows of that
    second: {table: rows} and {element: text}."""

    def look():
        live = home.get("/live").json(parse_float=str)
        wait_for(lambda: live["reading"]["timestamp"][11:19] <= visit.text("#clock"), "its second")
        tables = {
            name: rows(visit, name)
            for name in ("#phases tbody", "#register-rows", "#quarter-rows")
        }
        texts = {name: plain(visit.text(name)) for name in ("#flow", "#tariff", "#forecast")}
        is_same = live["reading"]["timestamp"][11:19] == visit.text("#clock")
        return (live["reading"], live["quarter"], tables, texts) if is_same else None

    return wait_for(look, "the page and /live at the same second")


def test_it_shows_what_the_meter_says(home, regular):
    reading, quarter, tables, texts = same_second(regular, home)
    assert texts["#flow"] == watts(reading["power_w"]) + " import from the grid"
    assert texts["#tariff"] == "day tariff"
    assert tables["#phases tbody"] == {
        f"L{n}": [
            watts(reading[f"power_l{n}_w"]),
            f"{reading[f'voltage_l{n}_v']} V",
            f"{reading[f'current_l{n}_a']} A",
        ]
        for n in (1, 2, 3)
    }

    registers = tables["#register-rows"]
    for direction in ("import", "export"):
        for part, name in {"_t1": "day", "_t2": "night", "": "total"}.items():
            value = Decimal(reading[f"energy_{direction}{part}_kwh"])
            assert registers.pop(f"{direction}, {name}") == [f"{value:,} kWh"]
    for meter in reading["submeters"]:
        name = f"{meter['type'].capitalize()}, Nov 24, {meter['timestamp'][11:16]}"
        assert registers.pop(name) == [f"{Decimal(meter['volume_m3']):,} m³"]
    assert registers == {}

    left = 900 - quarter["elapsed_s"]
    assert texts["#forecast"] == kilowatts(quarter["forecast_power_w"])
    assert tables["#quarter-rows"] == {
        "So far": [kilowatts(quarter["average_power_w"])],
        "Target": [kilowatts(quarter["target_power_w"])],
        "Time left": [f"{left // 60}:{left % 60:02}"],
        "Allowed until then, on average": [kilowatts(quarter["headroom_w"])],
        "Room now": [kilowatts(quarter["spare_w"])],
        "This month's peak": [kilowatts(quarter["month_peak_w"])],
        "Billed: mean of 12 months": [kilowatts(quarter["year_mean_peak_w"])],
    }


def test_it_shows_the_past(home, regular):
    page = regular.page
    past = home.get("/history").json()
    peak = home.get("/reading").json()["monthly_power_peak_w"]
    months = [plain(month) for month in page.locator("#peaks .sr").all_text_contents()]
    assert [month.split(": ")[1] for month in months] == [
        kilowatts(month["power_w"]) for month in [*past["months"], {"power_w": peak}]
    ]
    assert months[0].startswith("October 2025") and months[-1].startswith("November 2026")
    assert kilowatts(peak) in plain(regular.text("#peak-now"))

    # Newest first, from the last complete quarter hour back to yesterday's midnight.
    page.focus("summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#quarter-table td")
    table = regular.table("#quarter-table tbody")
    page.click("summary")
    assert len(table) == 24 * 4 + 18 * 4 + 2
    assert table[0][0] == "Nov 24, 18:15" and table[-1][0] == "Nov 23, 00:00"
    quarters = past["quarters"]
    for at, row in enumerate(table, 1):
        values = [quarters[key][-at] for key in ("import_w", "export_w", "peak_w")]
        assert [plain(cell) for cell in row[1:]] == [watts(value) for value in values]

    assert page.locator("#yesterday rect.out").count() > 0, "there was sun"
    assert page.locator("rect.above title").text_content().startswith("00:45"), "the peak"
    assert kilowatts(peak) in plain(regular.text("#legend"))
    highest = max(quarters["import_w"][-len(table) + 24 * 4 :])
    assert kilowatts(highest) in plain(page.get_attribute("#today svg", "aria-label"))

    def is_of_this_hour():  # which goes on while we look
        power_w = home.get("/history").json()["hour"]["power_w"]
        hour = plain(page.get_attribute("#spark", "aria-label"))
        return hour == f"Last hour: {watts(min(power_w))} to {watts(max(power_w))}"

    wait_for(is_of_this_hour, "the hour's least and most")
    windows = len(past["hour"]["power_w"])
    assert page.get_attribute("#spark path:last-of-type", "d").count("L") >= windows - 1


def test_it_follows(home, regular):
    changes = (("04.321", "00.000"), ("00.000", "02.468"), ("11.004", "00.000"))
    words = ("4,321 W import from the grid", "2,468 W export to the grid", "11,004 W import")
    for (bought, sold), expected in zip(changes, words, strict=True):
        net_w = round(1000 * (float(bought) - float(sold)))
        home.meter.say({IMPORT: f"({bought}*kW)", EXPORT: f"({sold}*kW)"})
        wait_for(lambda w=net_w: home.get("/reading").json()["power_w"] == w, "the change")
        wait_for(lambda e=expected: e in plain(regular.text("#flow")), expected)
    assert "11,004 W import" in plain(regular.page.title())


def test_words_of_the_meter_are_only_words(home, regular):
    words = "<img src=x onerror=alert(1)> & </p><script>fetch('//elsewhere')</script>"
    home.meter.say({MESSAGE: f"({words.encode().hex().upper()})"})
    shown(regular, "#message-text", words)
    assert regular.page.locator("main img, main script").count() == 0


CARDS = ("#power", "#quarter", "#days", "#months", "#registers")
SHOW = "live => takeLive({status: 200, ageS: 0, body: parse(live)})"


def live(name, quarter=""):
    """The document of /live for a fixture."""
    reading = (FIXTURES / f"{name}.json").read_text()
    return f'{{"reading": {reading}{quarter and ", "}{quarter}}}'


def test_what_a_meter_does_not_send_is_not_there(home, look):
    with looking(look, home) as visit:
        shown(visit, "#watts", "W")
        visit.hide(True)
        show_all = f"all => all.map(live => {{ ({SHOW})(live); return document.body.innerText }})"
        texts = visit.page.evaluate(show_all, [live(name) for name in FIXTURE_NAMES])
        for name, text in zip(FIXTURE_NAMES, texts, strict=True):
            assert not re.search(r"undefined|NaN|null|Invalid", text), name

        def show(document):
            visit.page.evaluate(SHOW, document)
            return [card for card in CARDS if visit.shows(card)]

        # No power by phase and no peaks.
        quarter = '"quarter": {"elapsed_s": 1, "target_power_w": 2500, "estimated": true}'
        assert show(live("be-50213-single", quarter)) == ["#power", "#quarter", "#registers"]
        assert rows(visit, "#phases tbody") == {"L1": ["229.7 V", "2 A"]}
        names = visit.page.locator("#phases thead th").all_text_contents()
        assert names == ["Phase", "Voltage", "Current"]
        assert list(rows(visit, "#quarter-rows")) == ["Target", "Time left"]
        assert not visit.shows("#prospect") and not visit.shows("#gauge")

        assert show(live("be-seed-thermal")) == ["#registers"]
        assert rows(visit, "#register-rows") == {"Gas": ["12.34 GJ"]}
        assert visit.text("#clock") == ""

        show(live("nl-42"))  # where tariff 1 is the night's
        assert rows(visit, "#register-rows")["import, night"] == ["4,726.494 kWh"]
        assert plain(visit.text("#flow")) == "1,869 W export to the grid"

        show(live("be-iskra-five-tariffs"))  # which have no names
        assert visit.text("#tariff") == "tariff 3"
        assert rows(visit, "#register-rows")["import, tariff 1"] == ["120.406 kWh"]

        show(live("be-other-media"))
        registers = rows(visit, "#register-rows")
        assert registers["Heat, Jan 15, 11:59"] == ["12.340 GJ"]
        assert registers["Cooling, Jan 15, 11:57"] == ["1.050 MWh"]

        show(live("be-message-utf-8-and-latin-1"))
        assert visit.text("#message-text") == '3 ‰ kans, "binnenkort" \\ België'


# --- How it asks ---


def test_how_often_it_asks(regular):
    wait_for(lambda: len(regular.polls()) >= 8, "requests")
    polls = regular.polls()
    assert polls[:4] == ["/live", "/history", "/live", "/health"]
    assert set(polls[4:8]) == {"/live"}
    for path in {"/history", "/health"}:
        assert f"{path} {path}" not in " ".join(polls)
    assert regular.complaints["network"] == []


@pytest.fixture
def clocked(look, home):
    """A Visit whose page has a clock of its own, which stands still unless a test lets it run."""
    with looking(look, home, has_clock=True) as visit:
        yield visit


def answered_polls(visit):
    """How many requests there have been, when each has its answer and the page has dealt with
    it."""

    def count():
        polls = len(visit.polls())
        return polls if visit.is_idle() and polls == len(visit.polls()) else None

    return wait_for(count, "its requests are answered")


def test_it_asks_once_a_second(clocked):
    answered_polls(clocked)
    clocked.hide(True)
    clocked.page.clock.run_for(5_000)
    clocked.hide(False)  # and so it asks now
    clocked.page.clock.run_for(1)
    for _ in range(10):
        before = answered_polls(clocked)
        clocked.page.clock.run_for(980)
        assert answered_polls(clocked) == before
        clocked.page.clock.run_for(20)
        assert answered_polls(clocked) == before + 1


def test_it_asks_nothing_while_it_is_hidden(clocked):
    answered_polls(clocked)
    clocked.hide(True)
    before = answered_polls(clocked)
    clocked.page.clock.run_for(60_000)
    assert answered_polls(clocked) == before
    clocked.hide(False)
    clocked.page.clock.run_for(1)
    assert answered_polls(clocked) == before + 1, "at once"
    # Whoever goes to and fro makes it ask no more often.
    clocked.hide(True)
    clocked.hide(False)
    clocked.page.clock.run_for(950)
    assert answered_polls(clocked) == before + 1
    clocked.page.clock.run_for(50)
    assert answered_polls(clocked) == before + 2


def feed(visit, first, powers):
    """Lets the page have a /live a second, from this one on, without asking for it."""
    visit.page.evaluate(
        """([first, powers]) => powers.forEach((power_w, at) => {
            const timestamp = new Date(1000 * (first + at)).toISOString()
            takeLive({status: 200, ageS: 0, body: {reading: {timestamp, power_w}}})
        })""",
        [first, powers],
    )


def test_the_hour_goes_on_by_itself(home, look):
    with looking(look, home) as visit:
        page = visit.page
        page.wait_for_selector("#today svg")
        visit.hide(True)
        end = page.evaluate("past.hour.end")
        # In the window that runs it may have asked for one or two itself.
        feed(visit, end, [300] * 10 + [100] * 10 + [-250] * 10 + [700])
        assert page.evaluate("past.hour.power_w.slice(-2)") == [100, -250]
        assert page.evaluate("past.hour.end") == end + 30
        assert page.evaluate("past.hour.power_w.length") == 360
        assert "250 W export" in plain(page.get_attribute("#spark", "aria-label"))
        # A window that nobody saw is a gap in the curve, not a value.
        feed(visit, end + 55, [700])
        assert page.evaluate("past.hour.power_w.slice(-2)") == [700, None]
        known = page.evaluate("past.hour.power_w.filter(value => value !== null).length")
        curve = page.get_attribute("#spark path:last-of-type", "d")
        assert curve.count("M") == 2 and curve.count("M") + curve.count("L") == known + 1
        # What it has missed it asks for, and what it cannot know: a new quarter hour.
        assert page.evaluate("due['/history'] > Date.now()")
        feed(visit, end + 900, [100])
        assert page.evaluate("due['/history'] <= Date.now()")


# --- Languages ---


@pytest.mark.parametrize(
    "wanted, chosen, words",
    [
        (["nl-BE"], "nl", "Vermogen nu"),
        (["pt", "de-AT", "en"], "de", "Leistung jetzt"),
        (["pt"], "en", "Power now"),
    ],
)
def test_the_browser_s_language(home, look, wanted, chosen, words):
    script = f"Object.defineProperty(navigator, 'languages', {{get: () => {wanted}}})"
    with looking(look, home, script=script) as visit:
        assert visit.text("#power-title") == words
        assert visit.page.get_attribute("html", "lang") == chosen


def test_another_language_by_keyboard_and_for_good(home, look):
    with looking(look, home) as visit:
        page = visit.page
        shown(visit, "#watts", "W")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "language"
        assert page.get_by_label("Language").evaluate("node => node.id") == "language"
        page.keyboard.type("N")  # with a second letter a slow machine would take that for a first
        assert page.get_attribute("html", "lang") == "nl"
        assert visit.text("#power-title") == "Vermogen nu"
        assert visit.text("#direction") == "afname van het net"
        assert re.search(r"\d\.\d{3},\d{3}\u00a0kWh", visit.text("#register-rows"))
        visit.open()
        assert visit.text("#power-title") == "Vermogen nu"


def test_without_a_place_to_remember(home, look):
    script = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})"
    with looking(look, home, script=script) as visit:
        visit.page.select_option("#language", "de")
        assert visit.text("#power-title") == "Leistung jetzt"


def test_every_text_in_every_language(regular):
    texts = regular.page.evaluate("TEXTS")
    assert regular.page.evaluate("LANGUAGES") == LANGUAGES
    options = regular.page.locator("#language option")
    values = options.evaluate_all("nodes => nodes.map(node => node.value)")
    assert sorted(values) == sorted(LANGUAGES)
    for key, words in texts.items():
        assert len(words) == len(LANGUAGES) and all(words), key
        assert len({tuple(sorted(re.findall(r"{\w+}", each))) for each in words}) == 1, key
    of_submeters = {"gas", "water", "warm_water", "heat", "cooling", "electricity", "other"}
    for key in texts.keys() - of_submeters:
        if key.startswith("code_"):
            continue  # those of the dongle's codes are in test_codes.py
        assert re.search(rf'"{key}"', SOURCE), f"{key} is used nowhere"
    named = re.findall(r'(?:\btext\(|data-text=)"(\w+)"', SOURCE)
    assert set(named) <= texts.keys()


# --- How it looks ---


def violations(visit, **options):
    results = Axe().run(visit.page, options={"resultTypes": ["violations"], **options})
    return results.generate_report() if results.violations_count else ""


def photograph(visit, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    visit.page.evaluate("scrollTo(0, 0)")
    visit.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def check_looks(visit, name):
    """In light and in dark: a picture for us, and nothing that axe-core minds."""
    assert not visit.overflows()
    visit.page.emulate_media(color_scheme="light")
    photograph(visit, f"{name}-light")
    assert violations(visit) == ""
    visit.page.emulate_media(color_scheme="dark")
    photograph(visit, f"{name}-dark")
    # Nothing but the colours is different.
    assert violations(visit, runOnly=["color-contrast"]) == ""


def test_on_a_desktop(home, regular):
    shown(regular, "#dongle-rows", "MQTT")
    check_looks(regular, "desktop")


def test_on_a_phone(home, on_a_phone):
    shown(on_a_phone, "#dongle-rows", "MQTT")
    check_looks(on_a_phone, "phone")
    on_a_phone.page.click("summary")
    for language in LANGUAGES:
        on_a_phone.page.select_option("#language", language)
        assert not on_a_phone.overflows(), language
    on_a_phone.page.click("summary")


def test_nothing_moves(regular):
    """Whether or not somebody prefers that."""
    styles = regular.page.locator("*").evaluate_all(
        "nodes => nodes.map(node => getComputedStyle(node))"
        ".map(style => style.transitionDuration + ' ' + style.animationName)"
    )
    assert set(styles) == {"0s none"}


def test_the_alert(home, on_a_phone):
    home.meter.say(TOO_MUCH)
    on_a_phone.page.select_option("#language", "de")
    shown(on_a_phone, "#alert", "Achtung: Diese Viertelstunde wird das Ziel überschreiten.")
    shown(on_a_phone, "#verdict", "Das Ziel ist überschritten.")
    assert on_a_phone.page.locator("#quarter.alarmed [role=alert]").is_visible()
    check_looks(on_a_phone, "alert")


# --- When something is wrong ---


def test_a_dongle_that_is_busy(home, regular):
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(home.connect())
        wait_for(lambda: regular.page.evaluate("failure") == "busy", "it is refused")
        assert regular.text("#trouble") == "", "a moment is no trouble"
    wait_for(lambda: regular.page.evaluate("failure") is None, "it goes on")


@pytest.fixture(scope="module")
def trouble(street, visits):
    """All of it at once, for each takes its time: a dongle is killed in mid alert, one hangs, and
    a meter falls silent in mid alert."""
    street.home.meter.say(TOO_MUCH)
    street.killed.meter.say(TOO_MUCH)
    for visit in (visits.phone, visits.killed):
        wait_for(lambda v=visit: v.shows("#alert"), "the alert")
    street.killed.dongle.kill()
    street.hung.dongle.process.send_signal(signal.SIGSTOP)
    street.home.meter.fall_silent()
    yield visits
    street.hung.dongle.process.send_signal(signal.SIGCONT)


def test_a_cable_that_is_not_plugged_in(trouble):
    visit = trouble.alone
    shown(visit, "#trouble", "Geen telegram van de meter: is de poort geopend bij de netbeheerder")
    shown(visit, "#dongle-rows", "Geen telegram")
    assert visit.text("#since") == ""
    assert not any(visit.shows(card) for card in CARDS)


def test_a_dongle_that_restarts(trouble, street, start):
    visit, meter = trouble.killed, street.killed.meter
    shown(visit, "#trouble", "The dongle does not answer.")
    shown(visit, "#since", re.compile(r"numbers are of 18:3\d:\d\d, \d+ seconds ago"))
    assert visit.page.locator("body.old.away").count() == 1
    assert visit.page.title() == "P1 dongle"
    assert visit.text("#alert") == "" and not visit.page.locator(".alarmed").count()

    meter.fall_silent()
    start(meter, http_port=street.killed.http_port)
    shown(visit, "#trouble", "No telegram from the meter: is the port open")
    shown(visit, "#dongle-rows", "No telegram from the meter")
    assert "numbers are of 18:3" in visit.text("#since")
    assert visit.page.locator("body.old:not(.away)").count() == 1

    meter.say({})
    wait_for(lambda: visit.text("#trouble") == "", "all is well")
    assert visit.text("#since") == "" and visit.page.locator("body.old, body.away").count() == 0
    assert visit.complaints["network"], "the browser's own words of what happened"


def test_a_dongle_that_hangs(trouble, street):
    visit = trouble.hung
    shown(visit, "#trouble", "The dongle does not answer.")
    assert visit.page.locator("body.old.away").count() == 1
    answered = visit.page.evaluate("answeredAt")
    wait_for(lambda: visit.page.evaluate("failures") > 0, "it gives up, and asks anew")
    assert visit.page.evaluate("answeredAt") == answered
    street.hung.dongle.process.send_signal(signal.SIGCONT)
    wait_for(lambda: visit.text("#trouble") == "", "all is well")


def test_a_meter_that_falls_silent(trouble):
    visit = trouble.phone
    shown(visit, "#trouble", "Kein Telegramm vom Zähler")
    shown(visit, "#since", re.compile(r"Zahlen sind von \d\d:\d\d:\d\d, vor \d+ Sekunden"))
    assert visit.page.locator("body.old:not(.away)").count() == 1
    assert visit.text("#alert") == "" and not visit.page.locator(".alarmed").count()
    grey, ink = (
        visit.page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
        for selector in ("#watts", "body")
    )
    assert grey != ink
    check_looks(visit, "old")
