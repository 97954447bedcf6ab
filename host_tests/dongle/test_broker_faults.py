"""What a broker can do to the dongle: whatever it is, readings and HTTP go on, /health says what
is wrong, and MQTT is back soon after the broker is.

These stories are told in a world in memory (host_tests/device/tales/world_broker.py), where the
clock waits for nobody; one is told over real sockets, with a real broker."""

import json

import pytest

from household import Household, Listener, needs_micropython, wait_for
from worlds import is_undisturbed, told_by

pytestmark = pytest.mark.slow

BACK_WITHIN_MS = 30_000
AWAY = ("killed", "stopped", "absent", "unreachable")
STORIES = (
    *AWAY,
    "no_broker",
    "nonsense",
    "wrong_password",
    "hangs_up",
    "stops_in_its_welcome",
    "stops_in_mid_packet",
    "throws_out_fifty_times",
)

told = told_by("world_broker.py")
every_story = pytest.mark.parametrize("story", STORIES)


# --- What holds for all of them ---


@every_story
def test_the_loop_is_never_held_up_and_readings_go_on(told, story):
    is_undisturbed(told(story))


@every_story
def test_http_goes_on_answering(told, story):
    facts = told(story)
    assert facts["statuses"] == [200]
    assert facts["answered"] > 40
    assert facts["slowest_ms"] < 1_000


@every_story
def test_every_reason_is_in_words(told, story):
    for reason in told(story)["reasons"]:
        assert not reason.split()[-1].isdigit(), reason  # the number of an error, say


@pytest.mark.parametrize("story", AWAY)
def test_mqtt_is_back_soon_after_the_broker_is(told, story):
    assert told(story)["back_ms"] < BACK_WITHIN_MS


# --- What each is about ---


@pytest.mark.parametrize(
    "story, words",
    [
        ("killed", ["ECONNREFUSED"]),
        ("stopped", ["has stopped answering", "no answer"]),
        ("absent", ["ECONNREFUSED"]),
        ("unreachable", ["no answer"]),
        ("no_broker", ["not an MQTT broker"]),
        ("nonsense", ["malformed", "too long"]),
        ("wrong_password", ["wrong user or password"]),
        ("hangs_up", ["closed the connection"]),
        ("stops_in_its_welcome", ["no answer"]),
        ("stops_in_mid_packet", ["middle of a packet", "connected"]),
    ],
)
def test_it_says_what_is_wrong(told, story, words):
    reasons = told(story)["reasons"]
    for each in words:
        assert any(each in reason for reason in reasons), reasons


def test_the_pauses_between_attempts_double_up_to_twenty_seconds(told):
    pauses_ms = told("killed")["pauses_ms"]
    for pause_ms, least_ms in zip(pauses_ms, [2_000, 4_000, 8_000, 16_000, 20_000], strict=False):
        assert least_ms <= pause_ms < least_ms + 600, pauses_ms
    assert len(pauses_ms) > 5 and max(pauses_ms) < 20_600


@pytest.mark.parametrize("story", ["unreachable", "stops_in_its_welcome"])
def test_an_answer_is_waited_for_five_seconds(told, story):
    for pause_ms in told(story)["pauses_ms"]:
        assert 25_000 <= pause_ms < 25_600  # after a pause of twenty


def test_a_wrong_password_stays_between_the_two(told):
    facts = told("wrong_password")
    greeting = bytes.fromhex(facts["greeting"])
    assert b"the user" in greeting and b"a wrong secret" in greeting
    assert "secret" not in facts["health"]
    assert json.loads(facts["health"])["mqtt"]["reason"] == "wrong user or password"
    assert json.loads(facts["health"])["mqtt"]["code"] == "wrong_login"


def test_fifty_reconnects_leave_no_socket_behind(told):
    facts = told("throws_out_fifty_times")
    assert facts["connects"] >= 20
    assert len(set(facts["sockets"])) == 1


# --- Over real sockets ---


@needs_micropython
def test_a_broker_that_is_killed_and_comes_back(tmp_path):
    with Household(tmp_path) as home:
        home.wait_until_connected()
        assert home.broker
        home.broker.process.kill()
        home.broker.process.wait()

        def is_refused():
            mqtt = home.mqtt()
            return "REFUSED" in mqtt["reason"] and not mqtt["connected"]

        wait_for(is_refused, "a reason")
        stamp = home.get("/reading").json()["timestamp"]
        wait_for(lambda: home.get("/reading").json()["timestamp"] > stamp, "readings meanwhile")
        home.broker.start()
        home.wait_until_connected()
        listener = Listener(home.mqtt_port)
        try:
            wait_for(lambda: len(listener.heard("/reading")) >= 2, "readings again")
            wait_for(lambda: listener.last("/status") == b"online", "its status")
        finally:
            listener.stop()
        assert home.health()["task_failures"] == {}
