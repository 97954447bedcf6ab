"""HomeWizard's local API v1: what their own client and others make of the whole dongle, and the
document of /api/v1/data against a reading that is not ours."""

import asyncio
import json
import random
import re
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from types import SimpleNamespace

import pytest
from homewizard_energy import DisabledError, HomeWizardEnergy, UnsupportedError
from homewizard_energy.models import Data
from hypothesis import given, settings

import reference
from boards import BOARDS
from conftest import (
    FIXTURE_NAMES,
    FIXTURES,
    Receiver,
    country_of,
    fixture,
    found_telegrams,
    needs_telegrams,
    telegram,
)
from conftest import needs_micropython as needs_compiled
from dongle.http.homewizard import Api
from household import Household, needs_micropython, wait_for
from p1.render.homewizard_json import HomeWizard
from telegram_shapes import Meter, meters

# --- The whole dongle ---

FULL = "be-50221-3n400"  # three phases, history, gas and water
ON = {"homewizard": {"enabled": True}, "mqtt": {"host": ""}}

# Tells on the console whenever the LED of boards/esp32_generic is switched.
WATCH_LED = """
import world
set_pad = world.set_pad
def watched(number, mode, pull, latch):
    if number == 2:
        print("LED", latch)
    set_pad(number, mode, pull, latch)
world.set_pad = watched
"""

# The client's names and those of /reading.
SAME = {
    **{f"total_energy_{way}_kwh": f"energy_{way}_kwh" for way in ("import", "export")},
    **{
        f"total_energy_{way}_t{n}_kwh": f"energy_{way}_t{n}_kwh"
        for way in ("import", "export")
        for n in (1, 2)
    },
    "active_tariff": "tariff",
    "active_power_w": "power_w",
    **{f"active_power_l{n}_w": f"power_l{n}_w" for n in (1, 2, 3)},
    **{f"active_voltage_l{n}_v": f"voltage_l{n}_v" for n in (1, 2, 3)},
    **{f"active_current_l{n}_a": f"current_l{n}_a" for n in (1, 2, 3)},
    "active_power_average_w": "average_power_15m_w",
    "monthly_power_peak_w": "monthly_power_peak_w",
    "meter_model": "meter_model",
    "unique_meter_id": "meter_id",
    "total_gas_m3": "gas_m3",
}


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Several dongles, which start all at once."""

    def board(led_pin):
        profile = json.loads((BOARDS / "esp32_generic" / "board.json").read_text())
        return {"board.json": json.dumps({**profile, "led_pin": led_pin})}

    def household(name, config=ON, replay=None, **options):
        meter = ("--replay", str(FIXTURES / f"{replay}.txt")) if replay else None
        options = {"meter": meter, "broker": 1, "config": config, **options}
        home = Household(tmp_path_factory.mktemp(name), **options)
        return stack.enter_context(home)

    with ExitStack() as stack:
        yield SimpleNamespace(
            home=household("home", replay=FULL, before=WATCH_LED),
            unplugged=household("unplugged"),
            never_read=household("never", replay="be-never-read", files=board(None)),
            two_gas=household("two", replay="be-two-gas-stale-first", files=board(99)),
            living=household("living", config={**ON, "wifi": {"ssid": ""}}, meter=()),
            off=household("off", {"mqtt": {"host": ""}}),
        )


@pytest.fixture
def home(street):
    street.home.wait_until_reading()
    yield street.home
    assert street.home.health()["task_failures"] == {}


def ask(home, *questions):
    """What their client answers; questions are functions of a client, asked at once."""

    async def answers():
        async with HomeWizardEnergy(f"127.0.0.1:{home.http_port}") as client:
            return await asyncio.gather(*[question(client) for question in questions])

    return asyncio.run(answers())


def data_of(home):
    [data] = ask(home, HomeWizardEnergy.data)
    return data


def civil(stamp):
    return datetime.fromisoformat(stamp).replace(tzinfo=None)


@needs_micropython
def test_their_client_reads_all_that_the_reading_says(home):
    wait_for(lambda: data_of(home).wifi_strength, "Wi-Fi")
    data, read = data_of(home), home.get("/reading").json()
    for theirs, ours in SAME.items():
        assert getattr(data, theirs) == read[ours], theirs
    assert data.smr_version == 50
    assert data.wifi_ssid == "home" and data.wifi_strength == 80  # at -60 dBm
    assert data.monthly_power_peak_timestamp == civil(read["monthly_power_peak_timestamp"])
    gas, water = read["submeters"]
    assert data.gas_unique_id == gas["id"]
    assert data.gas_timestamp == civil(read["gas_timestamp"])
    assert set(data.external_devices) == {f"gas_meter_{gas['id']}", f"water_meter_{water['id']}"}
    for device, ours in zip(data.external_devices.values(), (gas, water), strict=True):
        assert device.value == ours["volume_m3"] and device.unit == "m3"
        assert device.timestamp == civil(ours["timestamp"])
    assert data.active_current_a == 5.02  # 1.61, 2.72 and 0.69
    said = {key for key, value in asdict(data).items() if value is not None}
    assert said == {
        *SAME,
        "active_current_a",
        *("smr_version", "wifi_ssid", "wifi_strength", "monthly_power_peak_timestamp"),
        *("gas_unique_id", "gas_timestamp", "external_devices"),
    }


@needs_micropython
def test_as_home_assistant_polls(home):
    """Three requests at once, again and again; none is turned away."""
    refused = home.health()["http"]["refused"]
    rest = home.descriptors_at_rest()
    for _ in range(8):
        wait_for(lambda: home.descriptors() <= rest, "those before have left")
        device, data, system = ask(
            home, HomeWizardEnergy.device, HomeWizardEnergy.data, HomeWizardEnergy.system
        )
        assert (device.product_type, device.api_version) == ("HWE-P1", "v1")
        assert device.product_name == "P1 Meter" and device.firmware_version
        assert device.serial == home.id and re.fullmatch("[0-9a-f]{12}", device.serial)
        assert data.active_power_w == 988
        assert system.cloud_enabled is False
    assert home.health()["http"]["refused"] == refused


@needs_micropython
def test_their_client_identifies_and_sets(home):
    def blinks():
        return [line for line in home.said if line.startswith("LED")][1:]  # first: switched off

    assert blinks() == []
    identified, again, set_ = ask(
        home,
        HomeWizardEnergy.identify,
        HomeWizardEnergy.identify,
        lambda client: client.system_set(cloud_enabled=False),
    )
    assert identified and again and set_
    wait_for(lambda: len(blinks()) == 12, "six blinks")
    assert blinks() == ["LED 1", "LED 0"] * 6, "one after the other"


@needs_micropython
def test_a_board_without_a_light_and_one_with_an_impossible_one(street):
    for home in (street.never_read, street.two_gas):
        home.wait_until_reading()
        assert ask(home, HomeWizardEnergy.identify) == [True]
        assert home.health()["task_failures"] == {}
    assert street.never_read.health()["config_problems"] == []
    [problem] = street.two_gas.health()["config_problems"]
    assert problem.startswith("board.json: led_pin: ")


@needs_micropython
def test_their_client_takes_no_state_of_a_meter(home):
    with pytest.raises(UnsupportedError):
        ask(home, HomeWizardEnergy.state)


@needs_micropython
def test_the_documents_are_as_theirs(home):
    answer = home.get("/api/v1/data")
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    document = json.loads(answer.content)
    # As printed, undecoded; a number of twelve digits.
    assert document["unique_id"] == "3153414733323030303030303432"
    assert document["gas_unique_id"] == "37464C4F32323030303030303432"
    assert document["montly_power_peak_timestamp"] == 260309191500
    assert "compatible" in home.get("/api").json()["note"]
    telegram = home.get("/api/v1/telegram")
    assert telegram.headers["content-type"] == "text/plain"
    assert telegram.content == fixture(FULL)


@needs_micropython
def test_each_telegram_s_own(street):
    """Of telegrams that differ, and without a network."""
    living, seen = street.living, set()

    def five_seconds():
        before, data, after = (
            living.get(path) for path in ("/reading", "/api/v1/data", "/reading")
        )
        if before.is_success and before.content == after.content:
            read, document = before.json(), data.json()
            assert document["wifi_ssid"] is None and "wifi_strength" not in document
            assert document["active_power_w"] == read["power_w"]
            assert document["total_power_import_kwh"] == read["energy_import_kwh"]
            seen.add(read["timestamp"])
        return len(seen) == 5

    wait_for(five_seconds, "five telegrams")


@needs_micropython
def test_before_the_first_telegram(street):
    def look():
        data = data_of(street.unplugged)
        return data if data and data.wifi_strength else None

    data = wait_for(look, "an answer, with Wi-Fi")
    said = {key: value for key, value in asdict(data).items() if value is not None}
    assert said == {"wifi_ssid": "home", "wifi_strength": 80}
    telegram = street.unplugged.get("/api/v1/telegram")
    assert telegram.status_code == 503
    assert error_of(telegram)["id"] == 901


@needs_micropython
def test_a_submeter_that_was_never_read(street):
    street.never_read.wait_until_reading()
    data = data_of(street.never_read)
    assert data.active_power_w == 1234
    assert data.total_gas_m3 is data.gas_timestamp is data.external_devices is None


@needs_micropython
def test_two_gas_meters(street):
    street.two_gas.wait_until_reading()
    data = data_of(street.two_gas)
    assert data.total_gas_m3 == 77.802 and data.gas_unique_id == "7FLO2100000051"
    assert [device.value for device in data.external_devices.values()] == [2841.114, 77.802]
    assert list(data.external_devices) == [f"gas_meter_7FLO21000000{n}" for n in (50, 51)]


# --- What is refused ---


def error_of(answer):
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["description"]
    return error


PATHS = ["/api", "/api/v1/data", "/api/v1/telegram", "/api/v1/system", "/api/v1/identify"]


@needs_micropython
@pytest.mark.parametrize("path", PATHS)
def test_switched_off(street, path):
    wait_for(lambda: street.off.get("/health"), "it is up")
    for method in ("GET", "PUT"):
        answer = street.off.client.request(method, path)
        assert answer.status_code == 403
        assert error_of(answer) == {"id": 202, "description": "API not enabled"}


@needs_micropython
def test_their_client_says_that_it_is_switched_off(street):
    wait_for(lambda: street.off.get("/health"), "it is up")
    for question in (HomeWizardEnergy.device, HomeWizardEnergy.data, HomeWizardEnergy.identify):
        with pytest.raises(DisabledError):
            ask(street.off, question)


@needs_micropython
@pytest.mark.parametrize(
    "body, number",
    [
        (b"", 2),
        (b'{"cloud_enabled": maybe}', 2),
        (b"\xff\x00", 2),
        (b"[" * 2048, 2),
        (b"false", 201),
        (b"[]", 201),
        (b"{}", 201),
        (b'{"power_on": true}', 201),
        (b'{"cloud_enabled": false, "power_on": true}', 201),
        (b'{"cloud_enabled": null}', 8),
        (b'{"cloud_enabled": 0}', 8),
        (b'{"cloud_enabled": "false"}', 8),
    ],
)
def test_a_body_that_is_none_of_theirs(home, body, number):
    answer = home.client.put("/api/v1/system", content=body)
    assert answer.status_code == 400
    assert error_of(answer)["id"] == number


@needs_micropython
def test_there_is_no_cloud_whatever_is_wanted(home):
    for wanted in (True, False):
        answer = home.client.put("/api/v1/system", json={"cloud_enabled": wanted})
        assert answer.status_code == 200
        assert answer.json() == {"cloud_enabled": False}


@needs_micropython
@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("PUT", "/api", "GET, HEAD"),
        ("PUT", "/api/v1/data", "GET, HEAD"),
        ("POST", "/api/v1/system", "GET, HEAD, PUT"),
        ("GET", "/api/v1/identify", "PUT"),
        ("HEAD", "/api/v1/identify", "PUT"),
    ],
)
def test_a_wrong_method(home, method, path, allowed):
    answer = home.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    if method != "HEAD":
        assert error_of(answer)["id"] == 7


@needs_micropython
def test_head_is_get_without_the_body(home):
    for path in ("/api", "/api/v1/data", "/api/v1/system"):
        get, head = home.get(path), home.client.head(path)
        assert head.status_code == 200 and head.content == b""
        assert head.headers["content-length"] == get.headers["content-length"]


@needs_micropython
def test_a_body_that_is_too_large_or_of_unknown_size(home):
    assert home.client.put("/api/v1/system", content=b" " * 2049).status_code == 413
    chunked = home.client.put("/api/v1/system", content=iter([b'{"cloud_enabled":', b" false}"]))
    assert chunked.status_code == 400 and "Content-Length" in chunked.json()["error"]


@needs_micropython
def test_a_body_that_comes_in_pieces(home):
    body = b'{"cloud_enabled": false}'
    head = b"PUT /api/v1/system HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body)
    for cut in (len(head), len(head) - 2, len(head) + 5):
        with home.connect() as client, client.makefile("rb") as answer:
            for piece in ((head + body)[:cut], (head + body)[cut:-1], body[-1:]):
                home.wait_until_taken(client)
                client.sendall(piece)
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"


@needs_micropython
def test_a_client_that_leaves_in_the_middle_of_its_body(home):
    before = home.descriptors_at_rest()
    for _ in range(5):
        with home.connect() as client:
            client.sendall(b"PUT /api/v1/system HTTP/1.0\r\nContent-Length: 24\r\n\r\n{")
    wait_for(lambda: home.descriptors() <= before, "all of them are closed")
    assert home.client.put("/api/v1/identify").json() == {"identify": "ok"}


# --- The document, against a reading that is not ours ---

# Their key, ours; and by unit how many decimals theirs has at most.
KEYS = {
    "active_tariff": "tariff",
    **{f"total_power_{way}_kwh": f"energy_{way}_kwh" for way in ("import", "export")},
    **{
        f"total_power_{way}_t{n}_kwh": f"energy_{way}_t{n}_kwh"
        for way in ("import", "export")
        for n in (1, 2, 3, 4)
    },
    "active_power_w": "power_w",
    **{
        f"active_{what}_l{n}_{unit}": f"{what}_l{n}_{unit}"
        for what, unit in (("power", "w"), ("voltage", "v"), ("current", "a"))
        for n in (1, 2, 3)
    },
    "active_frequency_hz": "frequency_hz",
    **{
        f"voltage_{what}_l{n}_count": f"voltage_{what}s_l{n}_count"
        for what in ("sag", "swell")
        for n in (1, 2, 3)
    },
    "any_power_fail_count": "power_failures_count",
    "long_power_fail_count": "long_power_failures_count",
    "active_power_average_w": "average_power_15m_w",
    "montly_power_peak_w": "monthly_power_peak_w",
    "meter_model": "meter_model",
}
PLACES = {"kwh": 3, "w": 0, "v": 1, "a": 3, "hz": 3}
TYPES = {
    3: "gas_meter",
    4: "heat_meter",
    6: "warm_water_meter",
    7: "water_meter",
    12: "inlet_heat_meter",
}


def cut(value, places):
    if value.as_tuple().exponent < -places:
        value = value.quantize(Decimal(1).scaleb(-places), ROUND_DOWN)
    return reference.Number(value if value else abs(value))


def stamp_of(read, key):
    """YYMMDDhhmmss as a number; None for what is absent and before 2010."""
    text = f"{civil(read[key]):%y%m%d%H%M%S}" if key in read else "0"
    return None if text.startswith("0") else reference.Number(text)


def hexed(text):
    return text and text.encode().hex().upper()


def expected(read):
    """The document that these words make of a reading, a dict of Decimals and texts."""
    document = {"wifi_ssid": "home", "wifi_strength": reference.Number(80)}
    for theirs, ours in KEYS.items():
        value = read.get(ours)
        if isinstance(value, Decimal):
            value = cut(value, PLACES.get(theirs.rsplit("_", 1)[-1], 0))
        document[theirs] = value
    currents = [document[f"active_current_l{n}_a"] for n in (1, 2, 3)]
    currents = [abs(current) for current in currents if current is not None]
    exponents = {current.as_tuple().exponent for current in currents}
    if len(exponents) == 1 and sum(currents).scaleb(-min(exponents)) < 2**31:
        document["active_current_a"] = reference.Number(sum(currents))
    for n in (1, 2, 3):
        current = document[f"active_current_l{n}_a"]
        if current and read.get(f"power_l{n}_w", 0) < 0:
            document[f"active_current_l{n}_a"] = reference.Number(-abs(current))
    version = re.match(r"\d\d", read.get("protocol_version", ""), re.ASCII)
    document["smr_version"] = version and reference.Number(int(version[0]))
    document["unique_id"] = hexed(read.get("meter_id"))
    document["montly_power_peak_timestamp"] = stamp_of(read, "monthly_power_peak_timestamp")
    if "gas_m3" in read:
        same = [
            meter
            for meter in read["submeters"]
            if meter["type"] == "gas"
            and meter.get("volume_m3") == read["gas_m3"]
            and meter.get("timestamp") == read.get("gas_timestamp")
        ]
        document["total_gas_m3"] = read["gas_m3"]
        document["gas_timestamp"] = stamp_of(read, "gas_timestamp")
        document["gas_unique_id"] = hexed(same[0].get("id"))
    document["external"] = [
        {
            "unique_id": hexed(meter["id"]),
            "type": TYPES[int(meter["device_type"])],
            "timestamp": stamp_of(meter, "timestamp"),
            "value": meter.get("volume_m3", meter.get("energy_gj")),
            "unit": "m3" if "volume_m3" in meter else "GJ",
        }
        for meter in read.get("submeters", [])
        if int(meter.get("device_type", 0)) in TYPES
        if meter.get("id") and stamp_of(meter, "timestamp")
        if {"volume_m3", "energy_gj"} & set(meter)
    ]
    return {key: value for key, value in document.items() if value not in (None, "", [])}


def rendered(data, country="BE", homewizard=None, **options):
    """The document (bytes) of a telegram."""
    receiver = Receiver(country, **options)
    [each] = receiver.feed(data)
    receiver.json(each)
    page = (homewizard or HomeWizard()).render(receiver.reading, b'"home"', 80)
    return bytes(page.bytes[: page.size])


def check(data, country="BE", **options):
    text = rendered(data, country, **options).decode()
    document = reference.load(text)
    assert document == expected(reference.reading(data, country))
    client = Data.from_dict(json.loads(text))  # their client takes it
    for device in (client.external_devices or {}).values():
        assert device.timestamp.year >= 2010
    return document


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_the_document_of_every_fixture(name):
    country = country_of(name)
    has_crc = not name.startswith("nl-30")
    data = fixture(name)
    if country == "NL" and not has_crc:
        country = "NL3"
    check(data, country, has_crc=has_crc)


@settings(max_examples=60)
@given(meter=meters())
def test_the_document_of_every_shape(meter):
    check(meter.telegram(), "auto" if meter.has_crc else "NL3", has_crc=meter.has_crc)


@needs_telegrams
@pytest.mark.parametrize("found", found_telegrams("OK"), ids=str)
def test_the_document_of_the_telegrams_of_others(found):
    check(found.data, "auto")


def test_one_page_for_all():
    """Nothing of the document before is left over."""
    homewizard = HomeWizard()
    chance = random.Random(5)
    for number in range(60):
        meter = Meter(chance)
        country = "auto" if meter.has_crc else "NL3"
        data = meter.telegram()
        fresh = rendered(data, country, has_crc=meter.has_crc)
        assert rendered(data, country, homewizard, has_crc=meter.has_crc) == fresh, number


ID = "0-1:96.1.1(37464C4F32313030303030303436)"


@pytest.mark.parametrize(
    "lines, key, value",
    [
        # A clock that stands at 2005: no number has a leading zero.
        (["1-0:1.6.0(050101000000W)(01.000*kW)"], "montly_power_peak_timestamp", None),
        (["0-1:24.1.0(003)", ID, "0-1:24.2.3(050101000000W)(00001.000*m3)"], "external", None),
        (["0-1:24.1.0(003)", ID, "0-1:24.2.3(050101000000W)(00001.000*m3)"], "total_gas_m3", 1),
        # No stamp, no id, no word for the type or for the unit.
        (["0-1:24.1.0(003)", ID, "0-1:24.2.3(00001.000*m3)"], "external", None),
        (["0-1:24.1.0(003)", "0-1:24.2.3(240105000000W)(00001.000*m3)"], "external", None),
        (["0-1:24.1.0(010)", ID, "0-1:24.2.1(240105000000W)(00001.000*GJ)"], "external", None),
        (["0-1:24.1.0(004)", ID, "0-1:24.2.1(240105000000W)(00001.000*kWh)"], "external", None),
        # Finer than a watt, than a tenth of a volt.
        (["1-0:1.7.0(00.0019*kW)", "1-0:2.7.0(00.0000*kW)"], "active_power_w", 1),
        (["1-0:1.7.0(00.0000*kW)", "1-0:2.7.0(00.0009*kW)"], "active_power_w", 0),
        (["1-0:32.7.0(230.19*V)"], "active_voltage_l1_v", 230.1),
        # The sign of a current.
        (["1-0:31.7.0(001.5*A)"], "active_current_l1_a", 1.5),
        (
            ["1-0:31.7.0(001.5*A)", "1-0:21.7.0(00.000*kW)", "1-0:22.7.0(00.345*kW)"],
            "active_current_l1_a",
            -1.5,
        ),
        (
            ["1-0:31.7.0(000*A)", "1-0:21.7.0(00.000*kW)", "1-0:22.7.0(00.045*kW)"],
            "active_current_l1_a",
            0,
        ),
        # Their example: 2, 3 and -1 make 6.
        (
            [f"1-0:{code}.7.0({amps}*A)" for code, amps in ((31, 2), (51, 3), (71, 1))]
            + ["1-0:61.7.0(00.000*kW)", "1-0:62.7.0(00.230*kW)"],
            "active_current_a",
            6,
        ),
        (["1-0:31.7.0(002*A)", "1-0:51.7.0(003.0*A)"], "active_current_a", None),
        ([f"1-0:{code}.7.0(999999999*A)" for code in (31, 51, 71)], "active_current_a", None),
        (["0-0:96.1.4(50217)"], "smr_version", 50),
        (["0-0:96.1.4(x0217)"], "smr_version", None),
        (["0-0:96.1.4(5)"], "smr_version", None),
    ],
)
def test_what_is_rare(lines, key, value):
    data = telegram(*lines)
    got = check(data).get(key)
    assert (None if got is None else float(got)) == value
    assert b"-0," not in rendered(data) and b"-0}" not in rendered(data)


class _Latest:
    """What dongle/latest.py has, with an age as a test wants it."""

    def __init__(self, data):
        self.receiver = Receiver()
        self.receiver.json(*self.receiver.feed(data))
        self.reading = self.receiver.reading
        self.age: int | None = None
        self.taken = 1

    def age_ms(self):
        return self.age


def test_rendered_when_asked_and_once_a_telegram(monkeypatch):
    renders = []
    render = HomeWizard.render
    monkeypatch.setattr(
        HomeWizard, "render", lambda self, *args: renders.append(args) or render(self, *args)
    )
    latest = _Latest(fixture(FULL))
    rssi_dbm = -120
    api = Api(latest, "02000000002a", "home", lambda: rssi_dbm, None)

    def document():
        return json.loads(bytes(api.routes[b"/api/v1/data"].views[b"GET"]().body))

    assert document() == {"wifi_ssid": "home", "wifi_strength": 0}
    latest.age, rssi_dbm = 0, -20
    latest.taken += 1
    assert len(renders) == 1, "nobody has asked"
    assert document() == document() and document()["active_power_w"] == 988
    assert document()["wifi_strength"] == 100
    assert len(renders) == 2
    latest.taken += 1
    assert document() and len(renders) == 3
    latest.age, rssi_dbm = None, None  # stale
    assert document() == {"wifi_ssid": "home"}
    latest.age = 0
    assert document()["active_power_w"] == 988


def test_without_a_reading_or_a_network():
    page = HomeWizard().render(None, b"null", None)
    assert json.loads(bytes(page.bytes[: page.size])) == {"wifi_ssid": None}


def test_what_finds_no_room_is_left_out_as_a_whole():
    lines = ["1-0:1.7.0(00.123*kW)", "1-0:2.7.0(00.000*kW)"]
    for channel in range(1, 5):
        serial = f"{channel}" * 150
        lines += [f"0-{channel}:24.1.0(007)", f"0-{channel}:96.1.1({serial.encode().hex()})"]
        lines += [f"0-{channel}:24.2.1(240105000000W)(00001.000*m3)"]
    for header in (b"/" + b"\x01" * 2000 + b"\r\n\r\n", b"/short\r\n\r\n"):
        document = json.loads(rendered(telegram(*lines, header=header)))
        assert document["active_power_w"] == 123
        assert ("meter_model" in document) is (header == b"/short\r\n\r\n")
        ids = [meter["unique_id"] for meter in document["external"]]
        assert 0 < len(ids) <= 4 and {len(each) for each in ids} == {300}


@needs_compiled
def test_in_micropython_it_leaves_no_garbage(micropython):
    names = [name for name in FIXTURE_NAMES if country_of(name) == "BE"]
    printed = micropython(
        "core_homewizard.py", "BE", *(str(FIXTURES / f"{name}.txt") for name in names)
    ).splitlines()
    assert len(printed) == len(names) > 20
    for name, line in zip(names, printed, strict=True):
        used, document = line.split(b" ", 1)
        assert (name, int(used)) == (name, 0)
        assert document == rendered(fixture(name)), name
