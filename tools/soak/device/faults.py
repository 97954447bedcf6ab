# What may go wrong. Each fault: its name, for how long it lasts, what begins and what ends it, and
# within how many seconds after that each interface serves again. Most leave some interfaces alone
# all the while, and reading always goes on where it can; a reset is only where it is said.

import builtins
import io
import json
import os
import random
import socket
import time
from binascii import b2a_base64

from peers import BROKER, Guest, Owner

import world

ALL = ("mqtt", "http", "tcp")


class Fault:
    def __init__(
        self,
        name,
        hold_s,
        begin,
        end=lambda scene: None,
        back_s=30,
        spared=(),
        reads=True,
        resets=(0, 0),
        after=lambda scene: None,
    ):
        """spared: interfaces that serve all the while; reads: every telegram is read; resets: how
        many there may be, least and most; after: what is to be seen when all is back."""
        self.name, self.hold_s, self.begin, self.end = name, hold_s, begin, end
        self.back_s, self.spared, self.reads, self.resets = back_s, spared, reads, resets
        self.after = after


# --- The line ---


def _flip(telegram):
    at = random.randrange(len(telegram))
    return telegram[:at] + bytes([telegram[at] ^ (1 << random.randrange(8))]) + telegram[at + 1 :]


def _sometimes(spoil, one_in):
    return lambda telegram: telegram if random.randrange(one_in) else spoil(telegram)


def _noise(count):
    return bytes([random.randrange(256) for _ in range(count)])


def _spoiled(spoil):
    def begin(scene):
        scene.line.spoil = spoil

    return begin


def _clean(scene):
    scene.line.spoil = None


def _plug(is_in):
    def change(scene):
        scene.line.plugged = is_in

    return change


def _skew(seconds):
    def begin(scene):
        scene.line.skew_s += seconds

    return begin


def _endless(scene):
    """20 kB without an end, while the meter's own telegrams do not come."""
    scene.line.spoil = lambda telegram: telegram[:-6].replace(b"!", b"?") * 2


# --- The radio ---


def _radio(**knobs):
    return lambda scene: world.radio.change(**knobs)


def _lose(is_lost):
    def change(scene):
        socket.lost = is_lost

    return change


def _wedge(scene):
    """As it was seen: the driver says "no such network" until the radio is switched off."""
    for wlan in world.interfaces:
        wlan._wedged, wlan._up = True, False


def _stuck(scene):
    """Connected, and nothing gets through until the radio is switched off."""
    socket.lost = True
    wlan = world.interfaces[0]
    plain = type(wlan).active

    def active(self, on=None):
        if on is False:
            socket.lost = False
            type(wlan).active = plain
        return plain(self, on)

    type(wlan).active = active


# --- Names ---


def _names(up=True, after_ms=0, address="10.0.0.2"):
    def change(scene):
        world.dns_up, world.dns_ms = up, after_ms
        world.names["broker.lan"] = address

    return change


def _moved(scene):
    """The broker restarts at another address."""
    scene.broker.kill()
    scene.broker.start(("10.0.0.3", 1883))
    world.names["broker.lan"] = "10.0.0.3"


def _moved_back(scene):
    scene.broker.kill()
    scene.broker.start()
    world.names["broker.lan"] = "10.0.0.2"


# --- The broker ---


def _mode(mode):
    def begin(scene):
        scene.broker.mode = mode
        scene.broker.drop()

    return begin


def _mode_later(mode):
    """From the next packet on, without a new connection."""

    def begin(scene):
        scene.broker.mode = mode

    return begin


def _well(scene):
    scene.broker.mode = "well"
    scene.broker.drop()


def _black_hole(scene):
    """Packets to the broker vanish; the connection looks as if it were there."""
    socket.silent.add(BROKER[0])
    for end in scene.broker._ends:
        end.on_data = None
        end.is_reading = False


def _no_black_hole(scene):
    socket.silent.discard(BROKER[0])
    scene.broker.drop()


# --- Clients ---

_HEAD = b"%s HTTP/1.1\r\nHost: 10.0.0.1\r\n"
OWNER = _HEAD + b"Authorization: Basic " + b2a_base64(b"owner:owner")[:-1] + b"\r\n"


class _Swarm:
    """Connections that come again and again: each sends `text`, in pieces, and leaves or stays."""

    def __init__(self, port, every_ms, text, leaves=True):
        self._port, self._every_ms, self._text, self._leaves = port, every_ms, text, leaves
        self._is_over = False
        self._ends = []

    def begin(self, scene):
        self._is_over = False
        self._come()

    def _come(self):
        if self._is_over:
            return
        time.later(self._every_ms, self._come)
        end = socket.visit(self._port)
        if end:
            end.send(self._text)
            if self._leaves:
                end.close()
            else:
                end.on_close = lambda end: end.close()
                self._ends.append(end)

    def end(self, scene):
        self._is_over = True
        for end in self._ends:
            end.close()
        self._ends = []


class _Guesses(_Swarm):
    """Somebody who guesses the owner's password, each time another."""

    def __init__(self, every_ms):
        super().__init__(80, every_ms, b"")

    def _come(self):
        # Another one each time: the same as before is no guess.
        guess = b2a_base64(b"owner:%d" % random.getrandbits(30))
        self._text = _HEAD % b"POST /config" + b"Authorization: Basic " + guess[:-1] + b"\r\n\r\n"
        super()._come()


class _Slow:
    """Slowloris: three requests that never end, a byte every two seconds."""

    def __init__(self, *begun):
        """begun: how they begin."""
        self._begun = begun
        self._is_over = False

    def begin(self, scene):
        self._is_over = False
        for number in range(3):
            self._come(self._begun[number % len(self._begun)])

    def _come(self, begun):
        if self._is_over:
            return
        end = socket.visit(80)
        if end is None:
            time.later(500, lambda: self._come(begun))
            return
        end.on_close = lambda end: time.later(10, lambda: self._come(begun))
        end.send(begun)
        self._drip(end)

    def _drip(self, end):
        if self._is_over or end.is_reset or end.has_ended:
            return
        end.send(b"y")
        time.later(2000, lambda: self._drip(end))

    def end(self, scene):
        self._is_over = True


def _deaf_listener(scene):
    """One that takes no telegrams, beside the one that does."""
    end = socket.visit(1502)
    end.is_reading = False
    scene.deaf = end


def _deaf_gone(scene):
    scene.deaf.close()


_flood = _Swarm(80, 50, _HEAD % b"GET /reading" + b"\r\n")
_guesses = _Guesses(300)
_rubbish = _Swarm(80, 400, b"\x00\xff\x16\x03\x01" * 300)
_churn = _Swarm(1502, 500, b"")
_squatters = _Swarm(80, 300, b"", leaves=False)
_slow = _Slow(b"GET /reading HTTP/1.1\r\nX: ")
_slow_bodies = _Slow(
    OWNER % b"POST /config" + b"Content-Length: 2000\r\n\r\n",
    OWNER % b"POST /update" + b"Content-Length: 200000\r\n\r\nP1UP",
)


def _guessed(scene):
    """Nearly none of a thousand guesses was looked at: pauses of 1, 2, 4 and so on up to 60 s."""
    guesses = scene.app.auth.wrong
    scene.expect(1 <= guesses <= 12, "%d guesses were looked at" % guesses)


# --- The dongle itself ---


def _crash(name, error, times):
    """A task of the dongle ends with an error, so many times in a row."""

    def begin(scene):
        app = scene.app
        owner, method = {
            "port": (app.port, "read"),
            "rearm": (app.port, "rearm"),
            "wifi": (app.wifi, "_see"),
            "mqtt": (app.mqtt, "_session"),
            "http": (app.server, "_exchange"),
            "tcp": (app.stream, "_serve"),
            "listener": (app.capacity.quarter, "update"),
        }[name]
        whole = getattr(owner, method)
        left = [times]

        def faulty(*args):
            if left[0]:
                left[0] -= 1
                raise error("injected")
            return whole(*args)

        setattr(owner, method, faulty)
        # Those that wait for long begin anew, so that they come across it.
        if name == "port":
            scene.line.bring(b"x")
        if name == "mqtt":
            scene.broker.drop()

    return begin


def _hang(scene):
    """The loop itself hangs: only the watchdog is left."""
    scene.app.capacity.quarter.update = lambda reading: time.sleep(3600)


def _task_hangs(scene):
    """A task that owes a heartbeat waits for ever."""

    async def forever(*args):
        import asyncio

        await asyncio.Event().wait()

    scene.app.mqtt._session = forever
    scene.broker.drop()


def _fails_to_start(scene):
    """Ten starts fail; safe mode keeps that from becoming a loop."""
    scene.failing_starts = 10
    scene.reset("injected")


def _power(scene):
    scene.power_cut()


# --- Its flash ---


def _break_config(broken):
    """broken(text): what is in config.json from now on, None for no file at all; and soon the
    power is cut."""

    def begin(scene):
        with open("config.json") as file:
            scene.config_text = file.read()
        text = broken(scene.config_text)
        if text is None:
            os.remove("config.json")
        else:
            with open("config.json", "w") as file:
                file.write(text)
        time.later(20_000, scene.power_cut)

    return begin


def _keep_config(scene):
    with open("config.json", "w") as file:
        file.write(scene.config_text)


def _right_config(scene):
    """Not before somebody could have set it up."""
    portal = socket.visit(80, world.AP_ADDRESS)
    scene.expect(portal, "the portal is not open")
    if portal:
        portal.close()
    _keep_config(scene)
    scene.power_cut()


def _other_password(text):
    document = json.loads(text)
    document["wifi"]["password"] = "old secret"
    return json.dumps(document)


def _by_phone(*passwords, more=None):
    """Somebody sets it up by its portal, with one password after the other."""

    def end(scene):
        tries = [dict({"ssid": "home", "password": each}, **(more or {})) for each in passwords]
        scene.guest = Guest(*tries)

    return end


_BROKER = {"mqtt_host": "broker.lan"}
_PHONE = _by_phone("secret", more=_BROKER)


def _told(*expected):
    """What the portal said."""

    def after(scene):
        scene.expect(scene.guest.told == list(expected), "told: %s" % scene.guest.told)

    return after


class _FullFile(io.IOBase):
    def write(self, data):
        raise OSError(28)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def _fill_flash(scene):
    plain = scene.open = open

    def full(path, mode="r"):
        return _FullFile() if "w" in mode else plain(path, mode)

    builtins.open = full


def _free_flash(scene):
    builtins.open = scene.open


def _change_config(scene):
    """By HTTP, to what it already is but for one thing."""
    body = b'{"wifi": {"hostname": "other"}}'
    scene.owner = Owner(OWNER % b"POST /config" + b"Content-Length: %d\r\n" % len(body), (body,))


def _change_on_full_flash(scene):
    with open("config.json") as file:
        scene.config_text = file.read()
    _fill_flash(scene)
    _change_config(scene)


def _change_again(scene):
    scene.expect(scene.owner.answer[0] == 507, "full, and answered %s" % (scene.owner.answer,))
    _free_flash(scene)
    with open("config.json") as file:
        scene.expect(file.read() == scene.config_text, "config.json has changed")
    _change_config(scene)


def _is_changed(scene):
    scene.expect(scene.owner.answer[0] == 200, "changed, and answered %s" % (scene.owner.answer,))
    with open("config.json") as file:
        document = json.load(file)
    scene.expect(document["wifi"].get("hostname") == "other", "config.json has not changed")
    _keep_config(scene)


def _lose_config_on_full_flash(scene):
    _break_config(lambda text: None)(scene)
    time.later(30_000, lambda: (_fill_flash(scene), _PHONE(scene)))


def _phone_again(scene):
    _free_flash(scene)
    told = scene.guest.told
    scene.expect(told and "cannot be written" in told[0], "full, and told %s" % told)
    _PHONE(scene)


# --- Updates ---


def _update(size, pieces, leaves=False):
    """By HTTP: size() bytes are said, pieces() come."""

    def begin(scene):
        head = OWNER % b"POST /update" + b"Content-Length: %d\r\n" % size()
        scene.owner = Owner(head, pieces(), leaves=leaves)

    return begin


def _bundle(name, cut=False):
    """cut: the connection ends half-way."""
    path = "../%s.bundle" % name

    def size():
        return os.stat(path)[6]

    def pieces():
        left = size() // 2 if cut else size()
        with open(path, "rb") as file:
            while left > 0:
                piece = file.read(min(left, 4096))
                left -= len(piece)
                yield piece

    return _update(size, pieces, leaves=cut)


_noisy_update = _update(lambda: 100_000, lambda: (_noise(1000) for _ in range(100)))


def _nothing_came_of_it(scene):
    scene.expect(scene.owner.answer[0] in (0, 400), "answered %s" % (scene.owner.answer,))
    scene.expect(not _is_there("slots.json"), "there is another firmware")
    scene.expect(not _is_there("slot_b"), "there are files of another firmware")


def _is_there(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _rolled_back(why):
    def after(scene):
        scene.expect(scene.owner.answer[0] == 200, "answered %s" % (scene.owner.answer,))
        result = scene.app.firmware["result"]
        is_back = scene.app.firmware["slot"] == "slot_a" and why in result
        scene.expect(is_back, "result: " + result)
        os.remove("slots.json")

    return after


MINUTE, HOUR = 60, 3600

FAULTS = (
    # They start five minutes before they wrap, see time.py; after that they do every 12.4 days.
    Fault("ticks wrap", 5 * MINUTE, lambda scene: None, back_s=10, spared=ALL),
    Fault(
        "noise between telegrams",
        10 * MINUTE,
        _spoiled(lambda telegram: _noise(40) + telegram),
        _clean,
        10,
        ALL,
        reads=False,
    ),
    Fault(
        "one bit wrong in one telegram of three",
        10 * MINUTE,
        _spoiled(_sometimes(_flip, 3)),
        _clean,
        10,
        ALL,
        reads=False,
    ),
    Fault(
        "telegrams cut short",
        10 * MINUTE,
        _spoiled(lambda telegram: telegram[: random.randrange(len(telegram))]),
        _clean,
        10,
    ),
    Fault(
        "telegrams glued together, the first cut",
        10 * MINUTE,
        _spoiled(lambda telegram: telegram[:300] + telegram),
        _clean,
        10,
        ALL,
        reads=False,
    ),
    Fault("an endless telegram", 10 * MINUTE, _endless, _clean, 10),
    Fault(
        "garbage, as without inversion",
        10 * MINUTE,
        _spoiled(lambda telegram: _noise(len(telegram) // 8) * 8),
        _clean,
        10,
    ),
    Fault("cable out for 10 minutes", 10 * MINUTE, _plug(False), _plug(True), 20),
    Fault("cable out for 6 hours", 6 * HOUR, _plug(False), _plug(True), 20),
    Fault("the meter's clock goes on by an hour", MINUTE, _skew(3600), _skew(-3600), 5, ALL),
    Fault("the meter's clock goes back by a day", MINUTE, _skew(-86400), _skew(86400), 5, ALL),
    Fault("Wi-Fi gone for 5 seconds", 5, _radio(on_air=False), _radio(on_air=True), 30),
    Fault("Wi-Fi gone for 20 minutes", 20 * MINUTE, _radio(on_air=False), _radio(on_air=True), 90),
    Fault(
        "another Wi-Fi password, then the right one",
        10 * MINUTE,
        _radio(networks={"home": "other"}),
        _radio(networks={"home": "secret"}),
        90,
    ),
    Fault("no address from DHCP", 10 * MINUTE, _radio(dhcp=False), _radio(dhcp=True), 90),
    Fault(
        "the access point turns everybody away",
        10 * MINUTE,
        _radio(refuse=203),
        _radio(refuse=0),
        90,
    ),
    Fault("the radio's driver is wedged", 1, _wedge, back_s=330),
    Fault("connected, and nothing gets through", 1, _stuck, back_s=700),
    Fault("nothing gets through for a minute", MINUTE, _lose(True), _lose(False), 60),
    Fault("the name server is dead", 10 * MINUTE, _names(up=False), _names(), 5, ALL),
    Fault(
        "the name server is dead, and the broker restarts",
        10 * MINUTE,
        lambda scene: (_names(up=False)(scene), scene.broker.drop()),
        _names(),
        30,
        ("http", "tcp"),
    ),
    Fault(
        "the name server takes 14 seconds",
        10 * MINUTE,
        lambda scene: (_names(after_ms=14_000)(scene), scene.broker.drop()),
        _names(),
        30,
        ("http", "tcp"),
    ),
    Fault("the broker moves to another address", HOUR, _moved, _moved_back, 60, ("http", "tcp")),
    Fault(
        "the broker is killed",
        10 * MINUTE,
        lambda scene: scene.broker.kill(),
        lambda scene: scene.broker.start(),
        30,
        ("http", "tcp"),
    ),
    Fault(
        "the broker is stopped", 10 * MINUTE, _mode_later("stopped"), _well, 30, ("http", "tcp")
    ),
    Fault(
        "the broker is in a black hole",
        10 * MINUTE,
        _black_hole,
        _no_black_hole,
        30,
        ("http", "tcp"),
    ),
    Fault("the broker denies", 10 * MINUTE, _mode("denies"), _well, 30, ("http", "tcp")),
    Fault("the broker talks nonsense", 10 * MINUTE, _mode("nonsense"), _well, 30, ("http", "tcp")),
    Fault("the broker hangs up at once", 10 * MINUTE, _mode("closes"), _well, 30, ("http", "tcp")),
    Fault(
        "the broker stops in the middle of a packet",
        10 * MINUTE,
        _mode("half"),
        _well,
        30,
        ("http", "tcp"),
    ),
    Fault(
        "the broker reads nothing any more", 10 * MINUTE, _mode("deaf"), _well, 30, ("http", "tcp")
    ),
    Fault("a flood of HTTP requests", 5 * MINUTE, _flood.begin, _flood.end, 20, ("mqtt", "tcp")),
    Fault(
        "rubbish at the HTTP port", 5 * MINUTE, _rubbish.begin, _rubbish.end, 20, ("mqtt", "tcp")
    ),
    Fault(
        "connections to HTTP that say nothing",
        5 * MINUTE,
        _squatters.begin,
        _squatters.end,
        20,
        ("mqtt", "tcp"),
    ),
    Fault("slowloris", 5 * MINUTE, _slow.begin, _slow.end, 20, ("mqtt", "tcp")),
    Fault(
        "slowloris with bodies",
        5 * MINUTE,
        _slow_bodies.begin,
        _slow_bodies.end,
        30,
        ("mqtt", "tcp"),
    ),
    Fault(
        "a flood of wrong passwords",
        5 * MINUTE,
        _guesses.begin,
        _guesses.end,
        20,
        ("mqtt", "tcp"),
        after=_guessed,
    ),
    Fault(
        "an update that is noise",
        MINUTE,
        _noisy_update,
        spared=ALL,
        after=_nothing_came_of_it,
    ),
    Fault(
        "an update that breaks off half-way",
        MINUTE,
        _bundle("silent", cut=True),
        spared=ALL,
        after=_nothing_came_of_it,
    ),
    Fault(
        "the flash is full when a setting is changed",
        MINUTE,
        _change_on_full_flash,
        _change_again,
        10,
        ALL,
        after=_is_changed,
    ),
    Fault(
        "TCP clients that come and go", 5 * MINUTE, _churn.begin, _churn.end, 20, ("mqtt", "http")
    ),
    Fault("a TCP client that takes nothing", 5 * MINUTE, _deaf_listener, _deaf_gone, 20, ALL),
    Fault("the port's task crashes", 1, _crash("port", ValueError, 2), back_s=20, reads=False),
    Fault("the Wi-Fi's task crashes", 1, _crash("wifi", ValueError, 3), back_s=20, spared=ALL),
    Fault(
        "the MQTT task crashes",
        1,
        _crash("mqtt", ValueError, 3),
        back_s=30,
        spared=("http", "tcp"),
    ),
    Fault(
        "exchanges of HTTP crash",
        1,
        _crash("http", ValueError, 3),
        back_s=60,
        spared=("mqtt", "tcp"),
    ),
    Fault(
        "TCP clients' tasks crash",
        1,
        lambda scene: (_crash("tcp", ValueError, 3)(scene), scene.listener._end.close()),
        back_s=30,
        spared=("mqtt", "http"),
    ),
    Fault(
        "a listener to readings crashes",
        1,
        _crash("listener", ValueError, 30),
        back_s=10,
        spared=ALL,
    ),
    Fault(
        "out of memory in the port's task",
        1,
        _crash("port", MemoryError, 2),
        back_s=20,
        reads=False,
    ),
    Fault(
        "out of memory in the MQTT task",
        1,
        _crash("mqtt", MemoryError, 3),
        back_s=30,
        spared=("http", "tcp"),
    ),
    Fault(
        "out of memory in exchanges of HTTP",
        1,
        _crash("http", MemoryError, 3),
        back_s=60,
        spared=("mqtt", "tcp"),
    ),
    Fault(
        "out of memory in a listener to readings",
        1,
        _crash("listener", MemoryError, 15),
        back_s=10,
        spared=ALL,
    ),
    # Those that end in a reset come last: before them the firmware runs on and on.
    Fault(
        "Wi-Fi gone for 8 hours",
        8 * HOUR,
        _radio(on_air=False),
        _radio(on_air=True),
        90,
        resets=(1, 4),
        reads=False,
    ),
    Fault("a task hangs", 1, _task_hangs, back_s=180, resets=(1, 1), reads=False),
    Fault("the loop hangs", 1, _hang, back_s=120, resets=(1, 1), reads=False),
    Fault(
        "ten starts in a row fail",
        1,
        _fails_to_start,
        back_s=2 * HOUR,
        resets=(8, 14),
        reads=False,
    ),
    Fault("the power is cut", 1, _power, back_s=40, resets=(1, 1), reads=False),
    Fault(
        "the portal saves on a full flash, then has room",
        5 * MINUTE,
        _lose_config_on_full_flash,
        _phone_again,
        120,
        resets=(2, 2),
        reads=False,
        after=lambda scene: (_told("connected")(scene), _keep_config(scene)),
    ),
    Fault(
        "no config.json, and set up by phone: first a wrong Wi-Fi password",
        5 * MINUTE,
        _break_config(lambda text: None),
        _by_phone("guess", "secret", more=_BROKER),
        120,
        resets=(2, 2),
        reads=False,
        after=lambda scene: (_told("wrong password", "connected")(scene), _keep_config(scene)),
    ),
    Fault(
        "half a config.json",
        10 * MINUTE,
        _break_config(lambda text: text[: len(text) // 2]),
        _right_config,
        60,
        resets=(2, 2),
        reads=False,
    ),
    Fault(
        "garbage in config.json",
        10 * MINUTE,
        _break_config(lambda text: "\x00[" * 99),
        _right_config,
        60,
        resets=(2, 2),
        reads=False,
    ),
    Fault(
        "an old Wi-Fi password; the portal opens, and a phone tells the new one",
        20 * MINUTE,
        _break_config(_other_password),
        _by_phone("guess", "secret"),
        20 * MINUTE,
        resets=(1, 1),
        reads=False,
        after=_told("wrong password", "connected"),
    ),
    Fault(
        "an update whose firmware reads no telegram",
        20,
        _bundle("silent"),
        back_s=11 * MINUTE,
        resets=(2, 2),
        reads=False,
        after=_rolled_back("0 good telegrams in 10 minutes"),
    ),
    Fault(
        "an update whose firmware does not start",
        20,
        _bundle("broken"),
        back_s=5 * MINUTE,
        resets=(4, 4),
        reads=False,
        after=_rolled_back("did not prove itself in 3 starts"),
    ),
)
