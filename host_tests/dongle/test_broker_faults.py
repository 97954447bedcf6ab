"""What a broker can do to the dongle: whatever it is, readings and HTTP go on, /health says what
is wrong, and MQTT is back soon after the broker is.

Most of these stories take their time, so they are all told at once, each with a dongle of its
own, and the tests look at how they went.
"""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import httpx
import pytest

import rig
from household import PATIENCE_S, Household, Listener, needs_micropython, told_at_once, wait_for

pytestmark = [pytest.mark.slow, needs_micropython, pytest.mark.timeout(300)]

BACK_WITHIN_S = 30
LOOK_S = 0.4  # often enough to see each second's reading
WELCOME = b"\x20\x02\x00\x00"  # CONNACK: come in
WRONG_PASSWORD = b"\x20\x02\x00\x04"

# After a proper welcome, what no broker sends.
NONSENSE = [
    b"\x30\x00",  # a message without a topic
    b"\x34\x07\x00\x01a\x00\x01hi",  # QoS 2, which nobody asked for
    b"\xd0\x01\x00",  # a sign of life with contents
    b"\x30\xff\xff\xff\xff\xff\x7f",  # a length that never ends
    b"\x30\xff\xff\x7f",  # two million bytes
]
# For the dongle that shall be thrown out fifty times within a few seconds.
IMPATIENT = "from dongle import mqtt\nmqtt._FIRST_PAUSE_MS = mqtt._LONGEST_PAUSE_MS = 20"


@dataclass
class Facts:
    """What came of a story."""

    reasons: list[str] = field(default_factory=list)  # what /health said, each once, in order
    back_s: float = 0  # from the broker's return to MQTT's
    stall_ms: int = 0  # the longest turn of the loop
    late_ms: float = 0  # the longest that this computer was late for an appointment of our own
    answers: int = 0  # of HTTP
    slowest_s: float = 0
    errors: list[str] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)  # of the readings, each once
    failures: dict = field(default_factory=dict)  # of tasks
    seen: dict = field(default_factory=dict)  # what only this story is about


class Watch(threading.Thread):
    """Looks at the dongle by HTTP all the while."""

    def __init__(self, home: Household):
        super().__init__(daemon=True)
        self.facts = Facts()
        self._home = home
        self._ended = threading.Event()
        home.wait_until_reading()
        self.start()

    def run(self):
        while not self._ended.is_set():
            due = time.monotonic() + LOOK_S
            self._ended.wait(LOOK_S)
            began = time.monotonic()
            self.facts.late_ms = max(self.facts.late_ms, 1000 * (began - due))
            try:
                stamp = self._home.get("/reading").raise_for_status().json()["timestamp"]
                health = self._home.health()
            except httpx.HTTPError as error:
                self.facts.errors.append(repr(error))
                continue
            self._note(stamp, health, time.monotonic() - began)

    def _note(self, stamp, health, took_s):
        facts = self.facts
        facts.answers += 1
        facts.slowest_s = max(facts.slowest_s, took_s)
        facts.stall_ms = health["longest_turn_ms"]
        facts.failures = health["task_failures"]
        if facts.stamps[-1:] != [stamp]:
            facts.stamps.append(stamp)
        if health["mqtt"]["reason"] not in facts.reasons:
            facts.reasons.append(health["mqtt"]["reason"])

    def stop(self):
        self._ended.set()
        self.join(PATIENCE_S)


class FakeBroker:
    """Listens where the broker should be and treats each connection, once it has greeted, in its
    own way: treat(connection, number), the first being 0."""

    def __init__(self, treat: Callable, read_greeting: bool = True):
        self._treat, self._read_greeting = treat, read_greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.greetings: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            threading.Thread(target=self._host, args=(connection, number), daemon=True).start()

    def _host(self, connection, number):
        with connection:
            try:
                if self._read_greeting:
                    self.greetings.append(connection.recv(1024))
                self._treat(connection, number)
            except OSError:
                pass  # the dongle had enough of it

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def listen(connection):
    """Takes whatever the dongle sends, until it hangs up."""
    while connection.recv(65536):
        pass


def be_a_broker(connection):
    """Enough of one: it welcomes and gives signs of life."""
    connection.sendall(WELCOME)
    while data := connection.recv(65536):
        if data.endswith(b"\xc0\x00"):
            connection.sendall(b"\xd0\x00")


@contextmanager
def no_answer_to_syn():
    """A port where connecting neither succeeds nor fails: its queue is full, nobody accepts."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


# --- The stories ---


def with_watch(folder, story, **options) -> Facts:
    with Household(folder, **options) as home:
        watch = Watch(home)
        try:
            story(home, watch.facts)
            wait_for(lambda: len(watch.facts.stamps) >= 4, "readings meanwhile")
        finally:
            watch.stop()
        return watch.facts


def with_fake(folder, treat, story, read_greeting=True, **options) -> Facts:
    fake = FakeBroker(treat, read_greeting)
    try:
        return with_watch(
            folder, lambda home, facts: story(home, facts, fake), broker=fake.port, **options
        )
    finally:
        fake.stop()


def wait_for_reason(home, *words):
    def look():
        mqtt = home.mqtt()
        return not mqtt["connected"] and any(word in mqtt["reason"].lower() for word in words)

    wait_for(look, f"a reason with one of {words}")


def come_back(home, facts, bring_back):
    """bring_back() returns the broker; how long until a foreign client hears readings again?"""
    bring_back()
    began = time.monotonic()
    home.wait_until_connected()
    facts.back_s = time.monotonic() - began
    listener = Listener(home.mqtt_port)
    try:
        wait_for(lambda: len(listener.heard("/reading")) >= 2, "readings again")
        facts.seen["status"] = listener.last("/status")
    finally:
        listener.stop()


def killed(folder):
    def story(home, facts):
        home.wait_until_connected()
        home.broker.process.kill()
        home.broker.process.wait()
        wait_for_reason(home, "refused")
        time.sleep(8)  # an outage in which the pauses between attempts grow
        come_back(home, facts, home.broker.start)

    return with_watch(folder, story)


def stopped(folder):
    def story(home, facts):
        home.wait_until_connected()
        home.broker.process.send_signal(signal.SIGSTOP)
        wait_for_reason(home, "stopped answering")
        wait_for_reason(home, "no answer")
        come_back(home, facts, lambda: home.broker.process.send_signal(signal.SIGCONT))

    return with_watch(folder, story)


def absent(folder):
    def story(home, facts):
        wait_for_reason(home, "refused")
        time.sleep(10)
        come_back(home, facts, lambda: stack.callback(rig.Broker(folder, home.mqtt_port).stop))

    with ExitStack() as stack:
        return with_watch(folder, story, broker=rig.free_port())


def unreachable(folder):
    def story(home, facts):
        wait_for_reason(home, "no answer")
        time.sleep(8)  # a second attempt, which hangs too
        nowhere.close()
        come_back(home, facts, lambda: stack.callback(rig.Broker(folder, home.mqtt_port).stop))

    with ExitStack() as stack, ExitStack() as nowhere:
        port = nowhere.enter_context(no_answer_to_syn())
        return with_watch(folder, story, broker=port)


def no_broker(folder):
    def treat(connection, number):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n" * 9)
        listen(connection)

    def story(home, facts, fake):
        wait_for_reason(home, "not an mqtt broker")

    return with_fake(folder, treat, story)


def nonsense(folder):
    def treat(connection, number):
        if number >= len(NONSENSE):
            return be_a_broker(connection)
        connection.sendall(WELCOME + NONSENSE[number])
        listen(connection)

    def story(home, facts, fake):
        wait_for(lambda: fake.connections > len(NONSENSE), "it has heard all of it")
        home.wait_until_connected()

    return with_fake(folder, treat, story)


def wrong_password(folder):
    def treat(connection, number):
        connection.sendall(WRONG_PASSWORD)
        listen(connection)

    def story(home, facts, fake):
        wait_for_reason(home, "password")
        facts.seen["greeting"] = fake.greetings[0]
        facts.seen["health"] = home.get("/health").text

    config = {"mqtt": {"user": "the user", "password": "a wrong secret"}}
    return with_fake(folder, treat, story, config=config)


def hangs_up(folder):
    def story(home, facts, fake):
        wait_for_reason(home, "closed", "reset", "epipe")

    return with_fake(folder, lambda *_: None, story, read_greeting=False)


def stops_in_its_welcome(folder):
    def treat(connection, number):
        connection.sendall(WELCOME[:2])
        listen(connection)

    def story(home, facts, fake):
        wait_for_reason(home, "no answer")

    return with_fake(folder, treat, story)


def stops_in_mid_packet(folder):
    def treat(connection, number):
        if number:
            return be_a_broker(connection)
        connection.sendall(WELCOME + b"\x30\x10\x00")
        listen(connection)

    def story(home, facts, fake):
        wait_for_reason(home, "middle of a packet")
        home.wait_until_connected()

    return with_fake(folder, treat, story)


def throws_out_fifty_times(folder):
    def treat(connection, number):
        if number % 3 == 0:
            connection.sendall(WELCOME)
            connection.recv(1024)  # "online"
        elif number % 3 == 1:
            connection.sendall(WRONG_PASSWORD)

    def story(home, facts, fake):
        def count_after(connections):
            wait_for(lambda: fake.connections >= connections, "so many connections", 180)
            return home.descriptors_at_rest()

        facts.seen["descriptors"] = [count_after(5), count_after(30), count_after(60)]
        facts.seen["connects"] = home.mqtt()["connects"]

    return with_fake(folder, treat, story, before=IMPATIENT)


STORIES = (
    killed,
    stopped,
    absent,
    unreachable,
    no_broker,
    nonsense,
    wrong_password,
    hangs_up,
    stops_in_its_welcome,
    stops_in_mid_packet,
    throws_out_fifty_times,
)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """told(story): its Facts, when it is over."""
    yield from told_at_once(STORIES, tmp_path_factory)


every_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)


# --- What holds for all of them ---


@every_story
def test_the_loop_is_never_held_up(told, story):
    facts = told(story)
    print(f"{story.__name__}: longest turn {facts.stall_ms} ms, back in {facts.back_s:.1f} s")
    # On a computer with time to spare it is below 100; a busy one makes us late too.
    assert facts.stall_ms < 1000 + facts.late_ms


@every_story
def test_http_goes_on_answering(told, story):
    facts = told(story)
    assert facts.errors == []
    assert facts.answers > 3
    assert facts.slowest_s < 10


@every_story
def test_readings_go_on(told, story):
    moments = [datetime.fromisoformat(stamp) for stamp in told(story).stamps]
    assert max((late - early).total_seconds() for early, late in pairwise(moments)) < 5


@every_story
def test_it_is_no_failure_of_the_task(told, story):
    assert told(story).failures == {}


@every_story
def test_every_reason_is_in_words(told, story):
    for reason in told(story).reasons:
        assert not reason.split()[-1].isdigit(), reason  # the number of an error, say


@pytest.mark.parametrize(
    "story", [killed, stopped, absent, unreachable], ids=lambda story: story.__name__
)
def test_mqtt_is_back_soon_after_the_broker_is(told, story):
    facts = told(story)
    assert facts.back_s < BACK_WITHIN_S
    assert facts.seen["status"] == b"online"


# --- What each is about ---


def test_a_wrong_password_stays_between_the_two(told):
    seen = told(wrong_password).seen
    assert b"the user" in seen["greeting"] and b"a wrong secret" in seen["greeting"]
    assert "secret" not in seen["health"]
    assert json.loads(seen["health"])["mqtt"]["reason"] == "wrong user or password"
    assert json.loads(seen["health"])["mqtt"]["code"] == "wrong_login"


def test_nonsense_is_called_so(told):
    reasons = told(nonsense).reasons
    assert any("malformed" in reason for reason in reasons), reasons
    assert any("too long" in reason for reason in reasons), reasons


def test_fifty_reconnects_leave_no_descriptor_behind(told):
    seen = told(throws_out_fifty_times).seen
    assert seen["connects"] >= 20
    early, later, late = seen["descriptors"]
    assert early >= later >= late
