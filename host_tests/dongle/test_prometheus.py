"""/metrics, read by Prometheus' own parser for Python and held against the readings."""

import socket
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

import reference
from conftest import FIXTURE_NAMES, FIXTURES, Receiver, country_of, fixture, telegram
from exposition_parser import parsed
from household import Household, needs_micropython, wait_for
from p1.render import submeters
from p1.render.exposition import Exposition, reading_samples
from p1.render.page import Page
from p1.render.prometheus import TABLES

SUBMETERS = {
    ("gas", "volume_m3"): ("p1_gas_cubic_meters_total", 1),
    ("water", "volume_m3"): ("p1_water_cubic_meters_total", 1),
    ("warm_water", "volume_m3"): ("p1_warm_water_cubic_meters_total", 1),
    ("heat", "energy_gj"): ("p1_heat_gigajoules_total", 1),
    ("heat", "energy_kwh"): ("p1_heat_watthours_total", 1000),
    ("heat", "energy_mwh"): ("p1_heat_watthours_total", 1_000_000),
    ("cooling", "energy_gj"): ("p1_cooling_gigajoules_total", 1),
    ("electricity", "energy_kwh"): ("p1_submeter_watthours_total", 1000),
}


def expected(reading):
    """What the metrics of a reading, as its JSON says it, have to be: {(name, labels): value}."""
    found = {}

    def add(name, value, factor=1, **labels):
        if value is not None:
            found["p1_" + name, frozenset(labels.items())] = Decimal(str(value)) * factor

    for way in ("import", "export"):
        tariffs = [n for n in range(1, 6) if f"energy_{way}_t{n}_kwh" in reading]
        for n in tariffs:
            value = reading[f"energy_{way}_t{n}_kwh"]
            add(f"energy_{way}_watthours_total", value, 1000, tariff=str(n))
        if not tariffs:
            add(f"energy_{way}_watthours_total", reading.get(f"energy_{way}_kwh"), 1000)
        add(f"power_{way}_watts", reading.get(f"power_{way}_w"))
        for phase in ("l1", "l2", "l3"):
            value = reading.get(f"power_{way}_{phase}_w")
            add("power_watts", value, phase=phase, direction=way)
    for phase in ("l1", "l2", "l3"):
        add("voltage_volts", reading.get(f"voltage_{phase}_v"), phase=phase)
        add("current_amperes", reading.get(f"current_{phase}_a"), phase=phase)
        add("voltage_sags_total", reading.get(f"voltage_sags_{phase}_count"), phase=phase)
        add("voltage_swells_total", reading.get(f"voltage_swells_{phase}_count"), phase=phase)
    add("power_failures_total", reading.get("power_failures_count"), type="short")
    add("power_failures_total", reading.get("long_power_failures_count"), type="long")
    add("frequency_hertz", reading.get("frequency_hz"))
    add("quarter_average_watts", reading.get("average_power_15m_w"))
    add("month_peak_watts", reading.get("monthly_power_peak_w"))
    add("tariff", reading.get("tariff"))
    if "timestamp" in reading:
        stamp = datetime.fromisoformat(reading["timestamp"])
        add("last_telegram_timestamp_seconds", int(stamp.timestamp()))
    for submeter in reading.get("submeters", []):
        for (kind, key), (name, factor) in SUBMETERS.items():
            if submeter["type"] == kind and key in submeter:
                known = "id" in submeter
                labels = {"id": submeter["id"]} if known else {"channel": submeter["channel"]}
                labels = {key: str(value) for key, value in labels.items()}
                add(name.removeprefix("p1_"), submeter[key], factor, **labels)
    names = {"meter": "meter_id", "version": "protocol_version", "model": "meter_model"}
    add("info", 1, **{label: reading[key] for label, key in names.items() if key in reading})
    return found


def rendered(data, country="BE", capacity=8192):
    receiver = Receiver(country)
    receiver.json(data)
    page = Page(capacity)
    out = Exposition(page)
    for _ in reading_samples(out, TABLES, receiver.reading):
        pass
    for _ in submeters.samples(out, receiver.reading):
        pass
    return bytes(page.bytes[: page.size]).decode()


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_every_number_is_that_of_the_reading(name):
    reading = reference.load((FIXTURES / f"{name}.json").read_text())
    assert parsed(rendered(fixture(name), country_of(name))) == expected(reading)


def test_two_meters_that_claim_one_id_do_not_cost_the_scrape():
    lines = []
    for channel in (1, 2):
        lines += [f"0-{channel}:24.1.0(003)", f"0-{channel}:96.1.1(37464C4F)"]
        lines += [f"0-{channel}:24.2.3(260115120000W)(0000{channel}.000*m3)"]
    found = parsed(rendered(telegram(*lines)))
    assert found["p1_gas_cubic_meters_total", frozenset({("id", "7FLO")})] == 1
    assert found["p1_gas_cubic_meters_total", frozenset({("channel", "2")})] == 2


def test_labels_are_escaped():
    hostile = 'a"b\\c d,e=}'
    line = f"0-0:96.1.1({hostile.encode().hex()})"
    ((_, labels),) = [key for key in parsed(rendered(telegram(line))) if key[0] == "p1_info"]
    assert dict(labels)["meter"] == hostile


@pytest.mark.parametrize("text", ["000000000*kWh", "123456789*kWh", "999999.999*kWh"])
def test_the_longest_numbers_are_exact(text):
    found = parsed(rendered(telegram(f"1-0:1.8.0({text})")))
    value = Decimal(text.removesuffix("*kWh")) * 1000
    assert found["p1_energy_import_watthours_total", frozenset()] == value


def test_a_page_that_is_too_small_costs_whole_samples_only():
    whole = parsed(rendered(fixture("be-50217-capacity")))
    sizes = []
    for capacity in range(200, 2000, 37):
        part = parsed(rendered(fixture("be-50217-capacity"), capacity=capacity) or "\n")
        assert part.items() <= whole.items()
        sizes.append(len(part))
    assert sizes == sorted(sizes) and len(set(sizes)) > 10, sizes


# --- The dongle ---


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    def household(name, http=None, **options):
        config = {"mqtt": {"host": ""}, "tcp": {"port": 0}, "http": http or {}}
        folder = tmp_path_factory.mktemp(name)
        return stack.enter_context(Household(folder, broker=1, config=config, **options))

    with ExitStack() as stack:
        yield SimpleNamespace(
            home=household("home"),
            unplugged=household("unplugged", meter=None),
            without=household("without", meter=None, http={"metrics": False}),
        )


def scrape(home):
    answer = home.get("/metrics")
    assert answer.is_success
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.text)


@needs_micropython
def test_metrics_of_a_second_are_its_reading(street):
    home = street.home
    home.wait_until_reading()

    def look():
        before, metrics, after = (home.get(path) for path in ("/reading", "/metrics", "/reading"))
        return (metrics, after) if before.content == after.content else None

    metrics, reading = wait_for(look, "three answers within a second")
    found = parsed(metrics.text)
    want = expected(reference.load(reading.text))
    assert len(want) > 20
    assert want.items() <= found.items()


@needs_micropython
def test_the_dongle_counts_too(street):
    home = street.home
    home.wait_until_reading()
    wait_for(lambda: home.health()["wifi"]["connected"], "Wi-Fi")
    before, found, after = home.health(), scrape(home), home.health()

    def value(name, **labels):
        return found["p1_" + name, frozenset(labels.items())]

    good = value("telegrams_total", result="ok")
    assert before["telegrams"]["good"] <= good <= after["telegrams"]["good"]
    assert value("telegrams_total", result="crc") == 0
    assert before["uptime_s"] <= value("uptime_seconds") <= after["uptime_s"]
    assert value("wifi_connected") == 1
    assert value("wifi_rssi_dbm") == after["wifi"]["rssi_dbm"] < 0
    assert 0 < value("heap_used_bytes") < value("heap_size_bytes") < 10_000_000
    assert value("idf_free_bytes") >= value("idf_largest_block_bytes") > 0
    assert value("idf_least_free_bytes") == after["memory"]["idf_least"] > 0
    assert after["memory"]["used"] + after["memory"]["free"] == after["memory"]["heap"]
    longest = Decimal(after["longest_turn_ms"]) / 1000
    assert 0 <= value("longest_turn_seconds") <= longest
    assert not [name for name, _ in found if name.startswith(("p1_mqtt", "p1_push"))]  # both off


@needs_micropython
def test_without_a_meter_there_is_the_dongle_alone(street):
    wait_for(lambda: street.unplugged.get("/health").status_code, "the dongle")
    found = scrape(street.unplugged)
    assert found["p1_telegrams_total", frozenset({("result", "ok")})] == 0
    absent = ("p1_energy", "p1_power", "p1_info", "p1_last")
    assert not [name for name, _ in found if name.startswith(absent)]


@needs_micropython
def test_it_can_be_switched_off(street):
    wait_for(lambda: street.without.get("/health").status_code, "the dongle")
    assert street.without.get("/metrics").status_code == 404


@needs_micropython
def test_head_and_http_1_0(street):
    home = street.home
    home.wait_until_reading()
    assert home.client.head("/metrics").content == b""
    with home.connect() as old:
        old.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: old.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert "p1_uptime_seconds" in {name for name, _ in parsed(body.decode())}


@needs_micropython
def test_a_client_that_leaves_in_the_middle_costs_nothing(street):
    home = street.home
    home.wait_until_reading()
    for _ in range(5):
        with home.connect() as hasty:
            hasty.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            hasty.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert hasty.recv(64).startswith(b"HTTP/1.1 200 ")
    wait_for(lambda: home.get("/metrics").is_success, "whoever comes next is served")
    found = scrape(home)
    assert found["p1_telegrams_total", frozenset({("result", "ok")})] > 0
    assert home.health()["task_failures"] == {}
