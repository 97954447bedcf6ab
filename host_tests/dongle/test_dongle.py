"""The whole dongle, from the meter's bytes to HTTP, MQTT and TCP, seen by foreign clients."""

import json
import shutil
import socket
import subprocess
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

import fastcrc
import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

import pages
from household import PATIENCE_S, Household, Listener, needs_micropython, wait_for
from worlds import is_undisturbed, told_by

pytestmark = needs_micropython

STALE_S = 30  # an older telegram is none

# What dsmr-parser calls a value, what a reading does, and how many of ours one of its are.
SAME = [
    ("BELGIUM_VERSION_INFORMATION", "protocol_version", None),
    ("ELECTRICITY_USED_TARIFF_1", "energy_import_t1_kwh", 1),
    ("ELECTRICITY_USED_TARIFF_2", "energy_import_t2_kwh", 1),
    ("ELECTRICITY_DELIVERED_TARIFF_1", "energy_export_t1_kwh", 1),
    ("ELECTRICITY_DELIVERED_TARIFF_2", "energy_export_t2_kwh", 1),
    ("ELECTRICITY_ACTIVE_TARIFF", "tariff", 1),
    ("BELGIUM_CURRENT_AVERAGE_DEMAND", "average_power_15m_w", 1000),
    ("BELGIUM_MAXIMUM_DEMAND_MONTH", "monthly_power_peak_w", 1000),
    ("CURRENT_ELECTRICITY_USAGE", "power_import_w", 1000),
    ("CURRENT_ELECTRICITY_DELIVERY", "power_export_w", 1000),
    ("INSTANTANEOUS_ACTIVE_POWER_L1_POSITIVE", "power_import_l1_w", 1000),
    ("INSTANTANEOUS_ACTIVE_POWER_L2_POSITIVE", "power_import_l2_w", 1000),
    ("INSTANTANEOUS_ACTIVE_POWER_L3_NEGATIVE", "power_export_l3_w", 1000),
    ("INSTANTANEOUS_VOLTAGE_L1", "voltage_l1_v", 1),
    ("INSTANTANEOUS_VOLTAGE_L3", "voltage_l3_v", 1),
    ("INSTANTANEOUS_CURRENT_L2", "current_l2_a", 1),
]


class Street:
    """Dongles at one broker, each of which starts when a test first asks for it."""

    def __init__(self, stack, tmp_path_factory):
        self._stack, self._folders = stack, tmp_path_factory

    def _household(self, name, **options):
        return self._stack.enter_context(Household(self._folders.mktemp(name), **options))

    def _neighbour(self, name, dongle_id, meter):
        port = self.home.mqtt_port
        return self._household(name, broker=port, dongle_id=dongle_id, meter=meter)

    @cached_property
    def home(self):
        home = self._household("home")
        self.listener = Listener(home.mqtt_port)
        self._stack.callback(self.listener.stop)
        return home

    @cached_property
    def asked_anew(self):
        return self._neighbour("anew", "02000000005f", ("--fault", "silence=300@3"))

    @cached_property
    def unplugged(self):
        return self._neighbour("none", "0200000000aa", None)

    @cached_property
    def damaged(self):
        return self._neighbour("damaged", "0200000000bb", ("--fault", "wrong-crc"))

    @cached_property
    def hasty(self):
        """Many telegrams, so that buffers fill up while the test is running."""
        return self._neighbour("hasty", "0200000000cc", ("--speed", "20"))


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    with ExitStack() as stack:
        yield Street(stack, tmp_path_factory)


world_told = told_by("world_home.py")


@pytest.fixture(scope="module")
def home(street):
    street.home.wait_until_connected()
    street.home.wait_until_reading()
    return street.home


def same_second(home):
    """(telegram, reading) of one second."""

    def look():
        before, reading, after = (
            home.get(path) for path in ("/telegram", "/reading", "/telegram")
        )
        return (after, reading) if before.content == after.content else None

    return wait_for(look, "two answers within a second")


# --- HTTP ---


def test_the_reading_says_what_the_telegram_says(home):
    telegram, reading = same_second(home)
    said = reading.json()
    parser = TelegramParser(telegram_specifications.BELGIUM_FLUVIUS)
    theirs: Any = parser.parse(telegram.text)
    for name, key, factor in SAME:
        value = getattr(theirs, name).value
        assert said[key] == (value if factor is None else float(value) * factor), key
    moment = theirs.P1_MESSAGE_TIMESTAMP.value
    assert datetime.fromisoformat(said["timestamp"]) == moment
    gas, water = theirs.MBUS_DEVICES[:2]
    assert said["gas_m3"] == float(gas.MBUS_METER_READING.value)
    assert said["water_m3"] == float(water.MBUS_METER_READING.value)
    assert len(said["power_peak_history"]) == len(theirs.BELGIUM_MAXIMUM_DEMAND_13_MONTHS)


def test_the_reading_is_of_now(home):
    answer = home.get("/reading")
    assert answer.headers["content-type"] == "application/json"
    behind = datetime.now(UTC) - datetime.fromisoformat(answer.json()["timestamp"])
    assert abs(behind.total_seconds()) < 60, "its clock and its zone"
    assert 0 <= int(answer.headers["age"]) <= STALE_S


def test_the_telegram_is_whole_and_byte_exact(home):
    answer = home.get("/telegram")
    telegram = answer.content
    end = telegram.rindex(b"!") + 1
    assert telegram.startswith(b"/FLU5\\")
    assert telegram[end:] == b"%04X\r\n" % fastcrc.crc16.arc(telegram[:end])
    assert telegram.count(b"\n") == telegram.count(b"\r\n") == telegram.count(b"\r") > 30
    assert answer.headers["content-type"].startswith("text/plain")
    assert int(answer.headers["content-length"]) == len(telegram)
    assert 0 <= int(answer.headers["age"]) <= STALE_S


def test_the_page_is_the_one_of_the_sources(home):
    answer = home.get("/")
    assert answer.is_success
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == pages.page(pages.WEB / "index.html").decode()


@pytest.mark.parametrize("path", ["/", "/reading", "/telegram", "/health", "/nothing"])
def test_head_is_get_without_the_body(home, path):
    get, head = home.get(path), home.client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    of_this_moment = {"age", "content-length"}
    assert [each for each in head.headers.items() if each[0] not in of_this_moment] == [
        each for each in get.headers.items() if each[0] not in of_this_moment
    ]
    is_streamed = path == "/health"
    assert ("content-length" in head.headers) is not is_streamed
    assert (head.headers.get("transfer-encoding") == "chunked") is is_streamed


def test_a_query_is_not_part_of_the_path(home):
    assert home.get("/reading?pretty=1").json().keys() == home.get("/reading").json().keys()
    assert home.get("/?/reading").content == home.get("/").content
    assert home.get("/nothing?/reading").status_code == 404


@pytest.mark.parametrize("path", ["/nothing", "/reading/", "/%2e%2e/config.json", "/config.json"])
def test_what_is_not_there(home, path):
    answer = home.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert "/reading" in answer.json()["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method(home, method):
    answer = home.client.request(method, "/reading")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert "GET" in answer.json()["error"]


def test_health_of_a_healthy_dongle(home):
    answer = home.get("/health")
    health = answer.json()
    assert answer.status_code == 200
    assert health["status"] == "ok" and "reason" not in health
    assert health["id"] == home.id
    assert health["telegrams"]["good"] > 0
    assert health["telegrams"]["crc"] == health["telegrams"]["overflow"] == 0
    assert health["wifi"]["connected"] and health["mqtt"]["connected"]
    assert health["memory"]["used"] > 0
    assert health["config_problems"] == [] and health["task_failures"] == {}
    assert 0 <= health["telegram_age_ms"] <= 1_000 * STALE_S


def test_health_tells_no_secret(home):
    assert "secret" in (home.dongle.folder / "config.json").read_text()
    assert "secret" not in home.get("/health").text


# --- MQTT ---


def test_a_reading_a_second(street, home):
    def heard():
        return street.listener.heard(f"p1/{home.id}/reading")

    def seconds_between():
        stamps = [json.loads(message.payload)["timestamp"] for message in heard()]
        moments = [datetime.fromisoformat(stamp) for stamp in stamps]
        return [(late - early).total_seconds() for early, late in pairwise(moments)]

    wait_for(lambda: seconds_between()[-4:] == [1, 1, 1, 1], "five readings, a second apart")
    assert min(seconds_between()) >= 1
    assert not any(message.retain for message in heard())


def test_the_published_reading_is_the_one_of_http(street, home):
    topic = f"p1/{home.id}/reading"
    wait_for(
        lambda: home.get("/reading").content == street.listener.last(topic), "the same reading"
    )


def test_a_newcomer_hears_online_and_no_old_reading(street, home):
    newcomer = Listener(home.mqtt_port, f"p1/{home.id}/#")
    try:
        wait_for(lambda: newcomer.heard("/status") and newcomer.heard("/reading"), "both")
        assert [(m.payload, m.retain) for m in newcomer.heard("/status")][:1] == [
            (b"online", True)
        ]
        assert not any(message.retain for message in newcomer.heard("/reading"))
    finally:
        newcomer.stop()


def test_health_is_published_too(street, home):
    topic = f"p1/{home.id}/health"
    # It goes out once a minute, and with the connection, which the listener may have missed.
    published = json.loads(wait_for(lambda: street.listener.last(topic), "health", 120))
    now = home.health()
    assert published["id"] == now["id"]
    assert published["uptime_s"] <= now["uptime_s"]
    assert set(published) >= set(now) - {"telegram_age_ms"}


@pytest.mark.skipif(
    not shutil.which("mosquitto_sub"), reason="no mosquitto_sub: apt install mosquitto-clients"
)
def test_mosquitto_sub_hears_readings(home):
    topic = f"p1/{home.id}/reading"
    command = ["mosquitto_sub", "-v", "-p", str(home.mqtt_port), "-t", topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        lines = (line for line in client.stdout if line.startswith(topic))
        first, second = (json.loads(next(lines).removeprefix(topic)) for _ in range(2))
        client.terminate()
    assert first["timestamp"] < second["timestamp"]


def what_a_newcomer_hears(port, topic):
    """(payload, whether it was retained) of the first message."""
    newcomer = Listener(port, topic)
    try:
        message = wait_for(lambda: newcomer.messages, "a message")[0]
        return message.payload, message.retain
    finally:
        newcomer.stop()


def test_a_killed_dongle_is_offline_by_its_last_will(street, tmp_path):
    port = street.home.mqtt_port
    with Household(tmp_path, meter=None, broker=port, dongle_id="0200000000dd") as doomed:
        status = f"p1/{doomed.id}/status"
        wait_for(lambda: street.listener.last(status) == b"online", "it is online")
        doomed.dongle.kill()
        wait_for(lambda: street.listener.last(status) == b"offline", "it is offline")
    wait_for(lambda: what_a_newcomer_hears(port, status) == (b"offline", True), "it is retained")


# --- Raw telegrams over TCP ---


class Reader(threading.Thread):
    """A client of the TCP port, which keeps what every single recv() gave it."""

    def __init__(self, home):
        super().__init__(daemon=True)
        self.socket = home.connect(home.tcp_port)
        self.pieces: list[bytes] = []
        self.start()

    def run(self):
        while piece := self.socket.recv(65536):
            self.pieces.append(piece)

    def leave(self):
        if self.is_alive():
            self.socket.shutdown(socket.SHUT_RDWR)
            self.join(PATIENCE_S)
        self.socket.close()


@pytest.fixture
def readers(home):
    """Makes clients, after those of the test before have been noticed to be gone."""

    def no_clients():
        return home.health()["tcp"]["clients"] == 0

    made = []
    wait_for(no_clients, "nobody is left")
    yield lambda: made.append(Reader(home)) or made[-1]
    for reader in made:
        reader.leave()


def is_whole(piece):
    return piece.startswith(b"/") and piece[-7:-6] == b"!" and piece.endswith(b"\r\n")


def test_a_telegram_comes_in_one_piece(home, readers):
    reader = readers()
    wait_for(lambda: len(reader.pieces) >= 4, "four telegrams")
    assert all(is_whole(piece) for piece in reader.pieces)
    wait_for(lambda: home.get("/telegram").content == reader.pieces[-1], "the same as HTTP's")


def test_the_latest_comes_at_once(home, readers):
    def greeted_with_an_old_one():
        known = list(reader.pieces)
        with home.connect(home.tcp_port) as newcomer:
            return newcomer.recv(65536) in known  # or another has come just now

    reader = readers()
    wait_for(lambda: reader.pieces, "a telegram")
    wait_for(greeted_with_an_old_one, "the telegram that the other one had before")


def test_four_clients_and_no_fifth(home, readers):
    four = [readers() for _ in range(4)]
    wait_for(lambda: home.health()["tcp"]["clients"] == 4, "four clients")
    with home.connect(home.tcp_port) as fifth:
        assert fifth.recv(65536) == b""
    wait_for(lambda: all(len(reader.pieces) >= 3 for reader in four), "three telegrams each")
    four[0].leave()
    wait_for(lambda: home.health()["tcp"]["clients"] == 3, "one has left")
    another = readers()
    wait_for(lambda: another.pieces, "there is room again")


def test_what_a_client_says_is_ignored(home, readers):
    reader = readers()
    reader.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    wait_for(lambda: len(reader.pieces) >= 3, "telegrams")
    assert all(is_whole(piece) for piece in reader.pieces)


def test_a_client_that_takes_nothing_is_dropped(street):
    hasty = street.hasty
    hasty.wait_until_reading()
    reader = Reader(hasty)
    with socket.socket() as stalled:
        # Small buffers, on the dongle's side too, as on the chip.
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stalled.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        stalled.connect(("127.0.0.1", hasty.tcp_port))
        wait_for(lambda: hasty.health()["tcp"]["dropped"] == 1, "it is dropped")
        assert hasty.health()["tcp"]["clients"] == 1
        seen = len(reader.pieces)
        wait_for(lambda: len(reader.pieces) > seen + 3, "the other one hears more")
    assert all(is_whole(piece) for piece in reader.pieces)
    reader.leave()


@pytest.mark.slow
def test_a_client_that_takes_nothing_slows_nobody(world_told):
    facts = world_told("takes_nothing")
    is_undisturbed(facts)
    # Some telegrams fit into what may be under way; three seconds later it is dropped.
    assert 3_000 <= facts["took_ms"] < 10_000
    assert facts["tcp"] == {"clients": 1, "dropped": 1}


# --- No telegram ---


def refusal(answer):
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["error"]


@pytest.mark.parametrize("path", ["/reading", "/telegram"])
def test_before_the_first_telegram(street, path):
    assert "cable plugged in" in refusal(wait_for(lambda: street.unplugged.get(path), "answer"))
    health = street.unplugged.get("/health")
    assert health.status_code == 503
    assert health.json()["status"] == "error"
    assert "cable plugged in" in health.json()["reason"]
    assert health.json()["code"] == "no_telegram"
    assert "telegram_age_ms" not in health.json()


def test_when_all_telegrams_are_damaged(street):
    damaged = street.damaged
    wait_for(lambda: "damaged" in refusal(damaged.get("/reading")), "bad telegrams")
    assert damaged.get("/reading").json()["code"] == "damaged"
    assert damaged.health()["telegrams"]["crc"] >= 1
    assert damaged.health()["telegrams"]["good"] == 0
    bad = damaged.get("/telegram/bad")
    end = bad.content.rindex(b"!") + 1
    computed = f"{fastcrc.crc16.arc(bad.content[:end]):04X}"
    assert bad.headers["x-reason"] == f"crc; computed {computed}"
    assert bad.content[end : end + 4] != computed.encode()


def test_a_meter_that_falls_silent_is_asked_anew(street):
    """Its silence would last five minutes; letting go of the request line ends it."""
    wait_for(lambda: street.asked_anew.health()["rearmed"], "it asks anew")
    good = street.asked_anew.health()["telegrams"]["good"]
    wait_for(lambda: street.asked_anew.health()["telegrams"]["good"] > good, "it sends again")
    # Both readings are of after the silence.
    first = street.asked_anew.get("/reading").json()["timestamp"]
    wait_for(lambda: street.asked_anew.get("/reading").json()["timestamp"] > first, "another")


@pytest.mark.slow
def test_a_reading_of_half_a_minute_ago_is_none(world_told):
    facts = world_told("silence")
    assert facts["last_ms"] >= 29_500, "a second or two more is no silence"
    assert facts["stale_ms"] <= 30_500
    assert facts["error"].startswith("no telegram")
    assert facts["answered_with"] == [503, 503]
    health = facts["health"]
    assert health["status"] == 503 and health["reason"] == facts["error"]
    assert health["rearmed"] >= 1
    assert facts["heard"] == 0, "nor does the TCP port give an old telegram"
    assert facts["turn_ms"] < 50
