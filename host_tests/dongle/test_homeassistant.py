"""Home Assistant finds what the meter sends, all of it and nothing else, once; and dsmr-reader's
topics.

The stories take their time, so they are told at once, and the tests look at how they went.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt import publish as paho_publish

import dongle
import hass
import reference
import rig
from conftest import DEVICE, FIXTURE_NAMES, FIXTURES, ROOT, fixture, take_apart, telegram
from household import (
    PATIENCE_S,
    Household,
    Listener,
    needs_micropython,
    run_on_device,
    told_at_once,
    wait_for,
)
from p1 import obis
from p1.decode import decode
from p1.reading import Reading
from p1.render import entities, homeassistant
from p1.render.json import Json
from worlds import is_undisturbed, told_by

pytestmark = pytest.mark.timeout(300)

ID = "02000000002a"
HEALTH = {"wifi_signal", "damaged_telegrams", "uptime"}
QUARTER = {"quarter_forecast_w", "quarter_headroom_w", "quarter_alert"}

# So that nobody has to wait long: the shortest pause before an announcement, and readings that
# are stale after five seconds.
QUICK = """
from dongle import latest
from dongle.mqtt import discovery
class random:
    getrandbits = lambda bits: 0
discovery.random = random
latest._STALE_MS = 5000
"""

# A Python that has Home Assistant, of 2024.3.3 as that is the last for Python 3.11. It needs four
# minutes to install and pins what we pin otherwise, hence no part of `make test`.
HOMEASSISTANT_PYTHON = os.environ.get("HOMEASSISTANT_PYTHON")

# The topics of dsmr-reader with what Home Assistant 2025.4.4 wants there, from its
# components/dsmr_reader/definitions.py -> our key, and the power of ten between them.
DSMR_READER = {
    "reading/electricity_delivered_1": ("energy_import_t1_kwh", 0),
    "reading/electricity_delivered_2": ("energy_import_t2_kwh", 0),
    "reading/electricity_returned_1": ("energy_export_t1_kwh", 0),
    "reading/electricity_returned_2": ("energy_export_t2_kwh", 0),
    "reading/electricity_currently_delivered": ("power_import_w", -3),
    "reading/electricity_currently_returned": ("power_export_w", -3),
    **{
        f"reading/phase_{name}_l{n}": (key.format(n), power)
        for n in (1, 2, 3)
        for name, key, power in (
            ("currently_delivered", "power_import_l{}_w", -3),
            ("currently_returned", "power_export_l{}_w", -3),
            ("voltage", "voltage_l{}_v", 0),
            ("power_current", "current_l{}_a", 0),
        )
    },
    "reading/extra_device_delivered": ("gas_m3", 0),
    "consumption/gas/delivered": ("gas_m3", 0),
    "consumption/gas/read_at": ("gas_timestamp", None),
    "reading/timestamp": ("timestamp", None),
    "meter-stats/electricity_tariff": ("tariff", 0),
    # Not in Home Assistant's, but in dsmr-reader's.
    "reading/extra_device_timestamp": ("gas_timestamp", None),
}


# --- What a telegram should become ---


def expected_states(telegram):
    """Entity's key -> state, by the reference decoder."""
    said = reference.reading(telegram, "auto")
    header, objects = reference.lines(telegram)
    states = {}
    for key, value in said.items():
        if isinstance(value, Decimal) or key.endswith("timestamp") or key == "protocol_version":
            states[key] = str(value)
    country = reference.country_of(header, {code for _, code, _, _ in objects})
    if "tariff" in states and country in reference.TARIFFS:
        states["tariff"] = said.get("tariff_name")
    for key in ("breaker_state", *(f"relay_{n}_state" for n in range(1, 5))):
        if key in states:
            number = int(states[key])
            states[key] = ("off", "on", "ready")[number] if number < 3 else None
    at_top = {"gas": "volume_m3", "water": "volume_m3", "heat": "energy_gj"}
    for meter in said.get("submeters", []):
        for value_key in {"volume_m3", "energy_gj", "energy_kwh", "energy_mwh"} & set(meter):
            if at_top.get(meter["type"]) != value_key:
                key = f"{meter['type']}_{value_key.rpartition('_')[2]}"
                states.setdefault(key, str(meter[value_key]))
    return states


def assert_same(state, expected, key):
    if state != expected:  # as numbers: JSON's 229.70 is 229.7 in Home Assistant
        assert state and expected and Decimal(state) == Decimal(expected), key


# --- Every meter ---


def announced(name):
    """(entities by key, the Reading's JSON) of one of our telegrams."""
    telegram = fixture(name)
    reading = Reading("auto")
    decode(telegram, len(telegram), reading)
    page = Json().render(reading)
    names = reading.profile.tariff_names
    found = {}
    rows = [row for row in range(obis.ROWS) if entities.has_row(reading, row)]
    for key in [*map(obis.key, rows), *entities.others(reading)]:
        text = b"".join(homeassistant.members(key, names))
        settings: Any = hass.COMPONENT(
            json.loads(b'{%s"p":"sensor","uniq_id":"x_%s"}' % (text, key))
        )
        found[key.decode()] = hass.Entity("", settings)
    return found, bytes(page.bytes[: page.size])


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_every_value_is_an_entity_with_the_right_state(name):
    found, payload = announced(name)
    expected = expected_states(fixture(name))
    assert found.keys() == expected.keys()
    for key, entity in found.items():
        assert_same(entity.state(payload), expected[key], key)


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_a_value_that_is_missing_makes_its_entity_unknown(name):
    found, _ = announced(name)
    for empty in (b"{}", b'{"submeters":[{"channel":1,"type":"gas"}]}'):
        assert {entity.state(empty) for entity in found.values()} <= {None}


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_names_tell_entities_apart(name):
    names = [entity.settings["name"] for entity in announced(name)[0].values()]
    assert len(names) == len(set(names))


def test_the_energy_dashboard_finds_its_sources():
    found, _ = announced("be-50216-gas-and-water")

    def classes(key):
        settings = found[key].settings
        return settings["dev_cla"], settings["stat_cla"], settings["unit_of_meas"]

    for way in ("import", "export"):
        for tariff in ("", "_t1", "_t2"):
            energy = ("energy", "total_increasing", "kWh")
            assert classes(f"energy_{way}{tariff}_kwh") == energy
    assert classes("gas_m3") == ("gas", "total_increasing", "m³")
    assert classes("water_m3") == ("water", "total_increasing", "m³")
    assert found["energy_import_t1_kwh"].settings["name"] == "Energy import day"
    assert found["energy_import_t2_kwh"].settings["name"] == "Energy import night"


def test_the_version_is_the_project_s():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == dongle.VERSION


@needs_micropython
def test_an_announcement_that_broke_off_is_made_from_its_beginning(tmp_path):
    header, lines = take_apart("be-50221-3n400")
    both_versions = telegram(*lines, "1-3:0.2.8(50)", header=header)
    (tmp_path / "telegram.txt").write_bytes(both_versions)
    result = run_on_device("dongle_announce.py", str(tmp_path / "telegram.txt"))
    assert result.returncode == 0, result.stdout + result.stderr
    packet = bytes.fromhex(result.stdout)
    topic = f"homeassistant/device/{ID}/config"
    # MQTT 3.1.1 §3.3: PUBLISH, QoS 0, retained; a length of two bytes; the topic's length.
    assert packet[0] == 0x31
    assert packet[1] & 0x7F | packet[2] << 7 == len(packet) - 3
    assert packet[3:].startswith(len(topic).to_bytes(2, "big") + topic.encode())
    message = packet[5 + len(topic) :]
    found = {entity.key for entity in hass.entities({topic: message})}
    assert found == expected_states(both_versions).keys() | HEALTH


# --- The stories ---


@dataclass
class Facts:
    """What came of a story. Retained messages are topic -> payload, as a newcomer hears them."""

    retained: list[dict[str, bytes]] = field(default_factory=list)
    heard: list[paho.MQTTMessage] = field(default_factory=list)  # by one who was always there
    seen: dict = field(default_factory=dict)


def retained(port):
    """What the broker keeps, topic -> payload. It answers in order, so that what comes before our
    own message is all of it."""
    newcomer = Listener(port, "#")
    try:
        end = f"end/{id(newcomer)}"
        paho_publish.single(end, port=port)
        wait_for(lambda: newcomer.heard(end), "our own message")
        kept = [message for message in newcomer.messages if message.retain]
    finally:
        newcomer.stop()
    assert len(kept) == len({message.topic for message in kept})
    return {message.topic: bytes(message.payload) for message in kept}


def configs(messages):
    """Announcements, and the ends of them."""
    return [message for message in messages if message.topic.endswith("/config")]


def wait_until_announced(home):
    return wait_for(lambda: home.mqtt()["announced"], "it is announced")


def whole_seconds(home, listener):
    """For three readings: (their telegram, their JSON, what was published with it)."""

    def telegram_of(payload):
        return home.get("/telegram").content if home.get("/reading").content == payload else None

    found = []
    while len(found) < 3:
        count = len(listener.heard("/reading"))
        wait_for(lambda count=count: len(listener.heard("/reading")) > count, "a reading")
        payload = listener.last("/reading")
        telegram = telegram_of(payload)
        if telegram and listener.last("/reading") == payload:
            found.append((telegram, payload))
    wait_for(lambda: listener.last("/reading") != found[-1][1], "the next one")
    seconds = []
    for telegram, payload in found:
        messages = list(listener.messages)
        start = max(at for at, message in enumerate(messages) if message.payload == payload)
        topics = {}
        for message in messages[start + 1 :]:
            if message.topic.endswith("/reading"):
                break
            if message.topic.startswith("dsmr/"):
                topics[message.topic.removeprefix("dsmr/")] = message.payload.decode()
        seconds.append(SimpleNamespace(telegram=telegram, payload=payload, dsmr=topics))
    return seconds


def a_day_at_home(folder):
    """Home Assistant restarts, the meter falls silent and comes back, the broker forgets all."""
    config = {"mqtt": {"dsmr_reader_topics": True}}
    with Household(folder, config=config, before=QUICK) as home:
        listener = Listener(home.mqtt_port, "#")
        facts = Facts(heard=listener.messages)
        meter = f"p1/{ID}/meter"
        try:
            wait_until_announced(home)
            facts.retained.append(retained(home.mqtt_port))
            facts.seen["seconds"] = whole_seconds(home, listener)
            facts.seen["health"] = wait_for(lambda: listener.last("/health"), "health")
            facts.seen["before"] = len(configs(listener.messages))

            def answers():
                return configs(listener.messages)[facts.seen["before"] :]

            health = len(listener.heard("/health"))
            paho_publish.single("homeassistant/status", "online", port=home.mqtt_port)
            wait_for(answers, "it is announced again")
            wait_for(lambda: len(listener.heard("/health")) > health, "and its health")
            facts.seen["after"] = len(configs(listener.messages))

            assert home.meter
            home.meter.process.send_signal(signal.SIGSTOP)
            wait_for(lambda: listener.last(meter) == b"offline", "the meter is offline")
            facts.retained.append(retained(home.mqtt_port))
            home.meter.process.send_signal(signal.SIGCONT)
            wait_for(lambda: listener.last(meter) == b"online", "the meter is online")
        finally:
            listener.stop()
        facts.retained.append(forgotten(home.broker))
        home.wait_until_connected()
        wait_for(lambda: configs_of(home), "it is announced to the new broker")
        facts.retained.append(retained(home.mqtt_port))
        return facts


def forgotten(broker):
    """Restarts the broker with a message that it must not remember; what it kept then."""
    paho_publish.single("old", "old", retain=True, port=broker.port)
    broker.stop()
    broker.start()
    wait_for(lambda: is_up(broker), "the broker is back")
    return {topic: payload for topic, payload in retained(broker.port).items() if topic == "old"}


def is_up(broker):
    try:
        paho_publish.single("up", port=broker.port)
    except OSError:
        return False
    return True


def configs_of(home):
    return [topic for topic in retained(home.mqtt_port) if topic.endswith("/config")]


def changes_of_mind(folder):
    """From one form to the other and back, then off."""
    port = rig.free_port()
    broker = rig.Broker(folder, port)
    facts = Facts()
    listener = Listener(port, "#")
    try:
        for number, form in enumerate(["entity", "device", "entity", "off"]):
            (folder / str(number)).mkdir()
            config = {"homeassistant": {"discovery": form}}
            before = len(listener.messages)
            options = {"broker": port, "config": config, "before": QUICK}
            with Household(folder / str(number), **options) as home:
                home.wait_until_reading()
                if form == "off":
                    wait_for(lambda: configs_of(home) == [], "all of it is gone")
                else:
                    wait_until_announced(home)
                    wait_for(lambda form=form: forms(home) == {form}, "this form alone")
                facts.retained.append(retained(port))
                facts.seen[number] = configs(listener.messages[before:])
        return facts
    finally:
        listener.stop()
        broker.stop()


def forms(home):
    """In which forms it is announced."""
    kinds = {topic.split("/")[1] for topic in configs_of(home)}
    return {kind if kind == "device" else "entity" for kind in kinds}


def a_small_meter(folder):
    """One phase, no sub-meters."""
    config = {"mqtt": {"dsmr_reader_topics": True, "swap_tariffs": True}}
    meter = ("--phases", "1", "--submeters", "none", "--solar", "0")
    with Household(folder, meter=meter, config=config, before=QUICK) as home:
        listener = Listener(home.mqtt_port, "#")
        try:
            wait_until_announced(home)
            facts = Facts([retained(home.mqtt_port)], listener.messages)
            facts.seen["seconds"] = whole_seconds(home, listener)
            return facts
        finally:
            listener.stop()


def a_gas_meter_is_added(folder):
    """And taken away, and added again."""
    header, lines = take_apart("be-50213-single")
    with_gas = telegram(*lines, header=header)
    without = telegram(*(line for line in lines if line[:4] != "0-1:"), header=header)
    (folder / "telegrams.txt").write_bytes(7 * without + 3 * with_gas)
    meter = ("--replay", str(folder / "telegrams.txt"))
    with Household(folder, meter=meter, before=QUICK) as home:
        listener = Listener(home.mqtt_port, "#")
        try:
            wait_for(lambda: b"gas_m3" in (listener.last("/config") or b""), "gas")
            facts = Facts([], listener.messages)
            count = len(configs(listener.messages))
            wait_for(lambda: b"gas_m3" not in (listener.last("/reading") or b""), "no gas")
            wait_for(lambda: b"gas_m3" in (listener.last("/reading") or b""), "gas again")
            facts.retained.append(retained(home.mqtt_port))
            facts.seen["again"] = len(configs(listener.messages)) - count
            return facts
        finally:
            listener.stop()


def a_broker_that_lets_nobody_subscribe(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=deny, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        with Household(folder, broker=port, before=QUICK) as home:
            problem = wait_for(lambda: home.mqtt().get("discovery_problem"), "it says so")
            wait_until_announced(home)
            return Facts(seen={"problem": problem})


def deny(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(b"\x20\x02\x00\x00")
        while data := connection.recv(65536):
            if b"\x82" in data:  # there is a SUBSCRIBE among it; what we say is ASCII
                connection.sendall(b"\x90\x03\x00\x01\x80")
            if b"\xc0\x00" in data:
                connection.sendall(b"\xd0\x00")


STORIES = (
    a_day_at_home,
    changes_of_mind,
    a_small_meter,
    a_gas_meter_is_added,
    a_broker_that_lets_nobody_subscribe,
)


@pytest.fixture(scope="module")
def told(request, tmp_path_factory):
    """told(story): its Facts, when it is over."""
    yield from told_at_once(STORIES, request, tmp_path_factory)


world_told = told_by("world_home.py")

# --- How they went ---


@needs_micropython
@pytest.mark.parametrize("story", [a_day_at_home, a_small_meter], ids=lambda each: each.__name__)
def test_all_that_the_meter_sends_is_announced_and_nothing_else(told, story):
    facts = told(story)
    entities = {entity.key: entity for entity in hass.entities(facts.retained[0])}
    for second in facts.seen["seconds"]:
        expected = expected_states(second.telegram)
        # A meter without 1.4.0 has a quarter as soon as one has begun.
        assert entities.keys() - QUARTER == expected.keys() | HEALTH
        for key, state in expected.items():
            assert_same(entities[key].state(second.payload), state, key)
    assert all(entity.is_available(facts.retained[0]) for entity in entities.values())


@needs_micropython
def test_the_quarter_has_its_own_topic(told):
    facts = told(a_day_at_home)
    entities = {entity.key: entity for entity in hass.entities(facts.retained[0])}
    assert entities.keys() > QUARTER
    topic = f"p1/{ID}/quarter"
    payload = next(message.payload for message in facts.heard if message.topic == topic)
    document = json.loads(payload)
    for key, expected in (
        ("quarter_forecast_w", str(document["forecast_power_w"])),
        ("quarter_headroom_w", str(document["headroom_w"]) if "headroom_w" in document else None),
        ("quarter_alert", "ON" if document["alert"] else "OFF"),
    ):
        assert entities[key].settings["stat_t"] == topic
        assert entities[key].state(payload) == expected
        assert entities[key].state(b"{}") is None


@needs_micropython
def test_a_small_meter_has_little(told):
    keys = {entity.key for entity in hass.entities(told(a_small_meter).retained[0])}
    assert "voltage_l1_v" in keys
    assert not [key for key in keys if "l2" in key or "l3" in key or "gas" in key]


@needs_micropython
def test_the_device(told):
    kept = told(a_day_at_home).retained[0]
    second = told(a_day_at_home).seen["seconds"][0]
    said = reference.reading(second.telegram, "auto")
    topic = f"homeassistant/device/{ID}/config"
    assert [each for each in kept if each.endswith("config")] == [topic]
    device = json.loads(kept[topic])["dev"]
    assert device["ids"] == [f"p1_{ID}"] and device["cns"] == [["mac", "02:00:00:00:00:2a"]]
    assert device["sn"] == said["meter_id"] and device["mdl"] == said["meter_model"]
    assert device["mf"] == "Fluvius" and device["sw"] == dongle.VERSION


@needs_micropython
def test_the_peaks_of_the_months_are_attributes(told):
    facts = told(a_day_at_home)
    second = facts.seen["seconds"][0]
    peak = next(each for each in hass.entities(facts.retained[0]) if "power_peak_w" in each.key)
    attributes = peak.attributes(second.payload)
    assert attributes == {"history": json.loads(second.payload)["power_peak_history"]}
    assert len(attributes["history"]) > 10
    assert peak.attributes(b"{}") == {"history": []}


@needs_micropython
def test_the_dongle_s_own_health(told):
    facts = told(a_day_at_home)
    health = json.loads(facts.seen["health"])
    states = {
        entity.key: entity.state(facts.seen["health"])
        for entity in hass.entities(facts.retained[0])
        if entity.key in HEALTH
    }
    assert states == {
        "wifi_signal": str(health["wifi"]["rssi_dbm"]),
        "damaged_telegrams": "0",
        "uptime": str(health["uptime_s"]),
    }


@needs_micropython
def test_when_home_assistant_starts_it_is_told_again(told):
    seen = told(a_day_at_home).seen
    assert seen["before"] == 1
    assert seen["after"] == 2


@pytest.mark.slow
def test_many_dongles_do_not_all_tell_it_at_once(world_told):
    facts = world_told("birth")
    is_undisturbed(facts)
    assert facts["unasked"] == 0
    after_ms = facts["after_ms"]
    # Between one second and five, and some until the next second's look and for sending it.
    assert min(after_ms) >= 1_000 and max(after_ms) < 6_500
    assert max(after_ms) - min(after_ms) > 500, "by chance"


@needs_micropython
def test_a_silent_meter_is_not_available_but_the_dongle_is(told):
    kept = told(a_day_at_home).retained[1]
    available = {entity.key for entity in hass.entities(kept) if entity.is_available(kept)}
    assert kept[f"p1/{ID}/status"] == b"online"
    assert available == HEALTH


@needs_micropython
def test_a_broker_that_forgot_everything_is_told_again(told):
    before, _, forgotten, after = told(a_day_at_home).retained
    assert forgotten == {}, "it did not forget"
    assert hass.entities(after) and after.keys() == before.keys()
    assert all(entity.is_available(after) for entity in hass.entities(after))


@needs_micropython
def test_a_dongle_that_goes_takes_its_entities_along(told):
    kept = told(changes_of_mind).retained[1] | {f"p1/{ID}/status": b"offline"}
    assert not any(entity.is_available(kept) for entity in hass.entities(kept))


@needs_micropython
def test_changing_the_form_leaves_no_ghost(told):
    facts = told(changes_of_mind)
    entity, device, again, off = map(hass.entities, facts.retained)

    def ids(entities):
        return {entity.settings["uniq_id"] for entity in entities}

    assert len(entity) > 30
    assert ids(entity) == ids(device) == ids(again)
    assert {each.topic for each in device} == {f"homeassistant/device/{ID}/config"}
    assert {each.topic for each in again} == {each.topic for each in entity}
    for each in entity:
        form = "binary_sensor" if each.key == "quarter_alert" else "sensor"
        assert each.topic == f"homeassistant/{form}/p1_{ID}/{each.key}/config"
    assert off == []


@needs_micropython
def test_the_old_form_goes_before_the_new_one_comes(told):
    """Else Home Assistant would see each entity twice for a moment and refuse the second."""
    for number in (1, 2):
        emptied = [not message.payload for message in told(changes_of_mind).seen[number]]
        assert any(emptied)
        assert emptied == sorted(emptied, reverse=True)


@needs_micropython
def test_both_forms_say_the_same(told):
    def settings(entity):
        return {key: value for key, value in entity.settings.items() if key not in ("p", "o")}

    entity, device, *_ = told(changes_of_mind).retained
    by_id = {each.settings["uniq_id"]: settings(each) for each in hass.entities(device)}
    for each in hass.entities(entity):
        ours, theirs = settings(each), by_id[each.settings["uniq_id"]]
        ours["dev"], theirs["dev"] = ours["dev"] | {"cu": ""}, theirs["dev"] | {"cu": ""}
        if each.key in HEALTH:  # of one topic it does not matter whether all or any
            theirs.pop("avty_mode")
        assert ours == theirs


@needs_micropython
def test_a_new_gas_meter_is_announced_and_stays(told):
    facts = told(a_gas_meter_is_added)
    first = json.loads(configs(facts.heard)[0].payload)["cmps"]
    assert "gas_m3" not in first and "power_w" in first
    assert "gas_m3" in {entity.key for entity in hass.entities(facts.retained[0])}
    assert facts.seen["again"] == 0


@needs_micropython
def test_a_refused_subscription_is_told_and_stops_nothing(told):
    problem = told(a_broker_that_lets_nobody_subscribe).seen["problem"]
    assert "refuses" in problem and "allow this user to read homeassistant/status" in problem


@needs_micropython
@pytest.mark.parametrize("story", [a_day_at_home, a_small_meter], ids=lambda each: each.__name__)
def test_the_topics_of_dsmr_reader(told, story):
    for second in told(story).seen["seconds"]:
        said = reference.reading(second.telegram, "auto")
        if story is a_small_meter:
            said = with_tariffs_swapped(said)
        expected = {
            topic: said[key] if power is None else format(said[key].scaleb(power), "f")
            for topic, (key, power) in DSMR_READER.items()
            if key in said
        }
        assert second.dsmr == expected


def with_tariffs_swapped(said):
    swapped = said | {"tariff": Decimal(3) - said["tariff"]}
    for way in ("import", "export"):
        for here, there in ((1, 2), (2, 1)):
            swapped[f"energy_{way}_t{here}_kwh"] = said[f"energy_{way}_t{there}_kwh"]
    return swapped


@needs_micropython
def test_the_topics_of_dsmr_reader_leave_no_garbage():
    result = run_on_device("dongle_dsmr_topics.py", str(FIXTURES / "be-50221-3n400.txt"))
    assert result.stdout == "ok\n", result.stdout + result.stderr


@needs_micropython
def test_no_topics_of_dsmr_reader_unless_asked_for(told):
    topics = [message.topic for message in told(a_gas_meter_is_added).heard]
    assert any(topic.endswith("/reading") for topic in topics)
    assert not [topic for topic in topics if topic.startswith("dsmr/")]


@needs_micropython
@pytest.mark.skipif(
    not HOMEASSISTANT_PYTHON,
    reason="no Home Assistant: name a Python with homeassistant==2024.3.3 and paho-mqtt==1.6.1 in "
    "the variable HOMEASSISTANT_PYTHON",
)
def test_home_assistant_s_own_schemas_take_every_entity(told):
    kept = told(changes_of_mind).retained[0]
    messages = {topic: kept[topic].decode() for topic in kept if topic.endswith("/config")}
    assert HOMEASSISTANT_PYTHON
    result = subprocess.run(
        [HOMEASSISTANT_PYTHON, DEVICE.with_name("support") / "hass_schemas.py"],
        input=json.dumps(messages),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == len(messages) > 30
