# What is done to the world and to the dongle, and undone: each takes the Scene, or makes such a
# function.

import builtins
import io
import json
import os
import random
import socket
import time
from binascii import b2a_base64

from peers import BROKER, Guest, Owner

import _chip
import world

# What safe mode has to leave to the network, and when it is looked at: after the tenth start.
_SAFE_BYTES, _SAFE_MS = 20_000, 600_000


# --- The line ---


def flip(telegram):
    at = random.randrange(len(telegram))
    return telegram[:at] + bytes([telegram[at] ^ (1 << random.randrange(8))]) + telegram[at + 1 :]


def sometimes(spoil, one_in):
    return lambda telegram: telegram if random.randrange(one_in) else spoil(telegram)


def noise(count):
    return bytes([random.randrange(256) for _ in range(count)])


def spoiled(spoil):
    def begin(scene):
        scene.line.spoil = spoil

    return begin


def clean(scene):
    scene.line.spoil = None


def plug(is_in):
    def change(scene):
        scene.line.plugged = is_in

    return change


def skew(seconds):
    def begin(scene):
        scene.line.skew_s += seconds

    return begin


def endless(scene):
    """20 kB without an end, while the meter's own telegrams do not come."""
    scene.line.spoil = lambda telegram: telegram[:-6].replace(b"!", b"?") * 2


# --- The radio ---


def radio(**knobs):
    return lambda scene: world.radio.change(**knobs)


def lose(is_lost):
    def change(scene):
        socket.lost = is_lost

    return change


def wedge(scene):
    """As it was seen: the driver says "no such network" until the radio is switched off."""
    for wlan in world.interfaces:
        wlan._wedged, wlan._up = True, False


def stuck(scene):
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


def name_server(up=True, after_ms=0, address="10.0.0.2"):
    def change(scene):
        world.dns_up, world.dns_ms = up, after_ms
        world.names["broker.lan"] = address

    return change


def moved(scene):
    """The broker restarts at another address."""
    scene.broker.kill()
    scene.broker.start(("10.0.0.3", 1883))
    world.names["broker.lan"] = "10.0.0.3"


def moved_back(scene):
    scene.broker.kill()
    scene.broker.start()
    world.names["broker.lan"] = "10.0.0.2"


# --- The broker ---


def broker_mode(mode):
    def begin(scene):
        scene.broker.mode = mode
        scene.broker.drop()

    return begin


def mode_later(mode):
    """From the next packet on, without a new connection."""

    def begin(scene):
        scene.broker.mode = mode

    return begin


def well(scene):
    scene.broker.mode = "well"
    scene.broker.drop()


def black_hole(scene):
    """Packets to the broker vanish; the connection looks as if it were there."""
    socket.silent.add(BROKER[0])
    for end in scene.broker._ends:
        end.on_data = None
        end.is_reading = False


def no_black_hole(scene):
    socket.silent.discard(BROKER[0])
    scene.broker.drop()


# --- Clients ---

_HEAD = b"%s HTTP/1.1\r\nHost: 10.0.0.1\r\n"
OWNER = _HEAD + b"Authorization: Basic " + b2a_base64(b"owner:owner")[:-1] + b"\r\n"


class _Swarm:
    """Connections that come again and again: each sends `text`, in pieces, and leaves or stays."""

    def __init__(self, port, every_ms, text, leaves=True, caller="10.0.0.66"):
        self._port, self._every_ms, self._text, self._leaves = port, every_ms, text, leaves
        self._caller = caller
        self._is_over = False
        self._ends = []

    def begin(self, scene):
        self._is_over = False
        self._come()

    def _come(self):
        if self._is_over:
            return
        time.later(self._every_ms, self._come)
        end = socket.visit(self._port, caller=self._caller)
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

    def begin(self, scene):
        self.looked_at = _guesses(scene.app)
        super().begin(scene)

    def _come(self):
        # Another one each time: the same as before is no guess.
        guess = b2a_base64(b"owner:%d" % random.getrandbits(30))
        self._text = _HEAD % b"POST /config" + b"Authorization: Basic " + guess[:-1] + b"\r\n\r\n"
        super()._come()


class _BesideTheOwner(_Guesses):
    """The same, and the owner asks for something every three seconds, from elsewhere."""

    def begin(self, scene):
        self.told = []
        super().begin(scene)
        time.later(2_500, self._ask)

    def _ask(self):
        if not self._is_over:
            time.later(3_000, self._ask)
            Owner(OWNER % b"POST /identify", (), lambda status, body: self.told.append(status))


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


def deaf_listener(scene):
    """One that takes no telegrams, beside the one that does."""
    end = socket.visit(1502)
    end.is_reading = False
    scene.deaf = end


def deaf_gone(scene):
    scene.deaf.close()


flood = _Swarm(80, 50, _HEAD % b"GET /reading" + b"\r\n")
guessing = _Guesses(300)
guessing_beside = _BesideTheOwner(300)
rubbish = _Swarm(80, 400, b"\x00\xff\x16\x03\x01" * 300)
churn = _Swarm(1502, 500, b"")
squatters = _Swarm(80, 300, b"", leaves=False)
slow = _Slow(b"GET /reading HTTP/1.1\r\nX: ")
slow_bodies = _Slow(
    OWNER % b"POST /config" + b"Content-Length: 2000\r\n\r\n",
    OWNER % b"POST /update" + b"Content-Length: 200000\r\n\r\nP1UP",
)


def _guesses(app):
    """How many wrong passwords were looked at."""
    return app.guesses[0] if app.guesses else 0


def guessed(scene):
    """Nearly none of a thousand guesses was looked at: pauses of 1, 2, 4 and so on up to 60 s."""
    guesses = _guesses(scene.app) - guessing.looked_at
    scene.expect(1 <= guesses <= 12, "%d guesses were looked at" % guesses)


def owner_passed(scene):
    """He was not slowed down by who guesses elsewhere."""
    told = guessing_beside.told
    scene.expect(len(told) >= 15, "the owner asked %d times only" % len(told))
    is_slowed = 429 in told or 401 in told
    scene.expect(200 in told and not is_slowed, "the owner was answered %s" % told)


# --- The dongle itself ---


def crash(name, error, times):
    """A task of the dongle ends with an error, so many times in a row."""

    def begin(scene):
        app = scene.app
        owner, method = {
            "port": (app.port, "read"),
            "rearm": (app.port, "tick"),
            "wifi": (app.wifi, "see"),
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
        if name == "rearm":  # who calls it has it already
            app.ticks[:] = [(each, faulty if each == name else tick) for each, tick in app.ticks]
        # Those that wait for long begin anew, so that they come across it.
        if name == "port":
            scene.line.bring(b"x")
        if name == "mqtt":
            scene.broker.drop()

    return begin


def hang(scene):
    """The loop itself hangs: only the watchdog is left."""
    scene.app.capacity.quarter.update = lambda reading: time.sleep(3600)


def task_hangs(scene):
    """A task that owes a heartbeat waits for ever."""

    async def forever(*args):
        import asyncio

        await asyncio.Event().wait()

    scene.app.mqtt._session = forever
    scene.broker.drop()


def fails_to_start(scene):
    """Ten starts fail; safe mode keeps that from becoming a loop."""

    def look():
        free = sum([region[1] for region in _chip.regions()])
        is_well = scene.app is None and free > _SAFE_BYTES
        scene.expect(is_well, "safe mode leaves %d bytes to the network" % free)

    time.later(_SAFE_MS, look)
    scene.failing_starts = 10
    scene.reset("injected")


def power(scene):
    scene.power_cut()


# --- Its flash ---


def break_config(broken):
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


def keep_config(scene):
    with open("config.json", "w") as file:
        file.write(scene.config_text)


def right_config(scene):
    """Not before somebody could have set it up."""
    portal = socket.visit(80, world.AP_ADDRESS)
    scene.expect(portal, "the portal is not open")
    if portal:
        portal.close()
    keep_config(scene)
    scene.power_cut()


def other_password(text):
    document = json.loads(text)
    document["wifi"]["password"] = "old secret"
    return json.dumps(document)


def by_phone(*passwords, more=None):
    """Somebody sets it up by its portal, with one password after the other."""

    def end(scene):
        tries = [dict({"ssid": "home", "password": each}, **(more or {})) for each in passwords]
        scene.guest = Guest(*tries)

    return end


ITS_BROKER = {"mqtt_host": "broker.lan"}
_PHONE = by_phone("secret", more=ITS_BROKER)


def is_told(*expected):
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


def change_on_full_flash(scene):
    with open("config.json") as file:
        scene.config_text = file.read()
    _fill_flash(scene)
    _change_config(scene)


def change_again(scene):
    scene.expect(scene.owner.answer[0] == 507, "full, and answered %s" % (scene.owner.answer,))
    _free_flash(scene)
    with open("config.json") as file:
        scene.expect(file.read() == scene.config_text, "config.json has changed")
    _change_config(scene)


def is_changed(scene):
    scene.expect(scene.owner.answer[0] == 200, "changed, and answered %s" % (scene.owner.answer,))
    with open("config.json") as file:
        document = json.load(file)
    scene.expect(document["wifi"].get("hostname") == "other", "config.json has not changed")
    keep_config(scene)


def lose_config_on_full_flash(scene):
    break_config(lambda text: None)(scene)
    time.later(30_000, lambda: (_fill_flash(scene), _PHONE(scene)))


def phone_again(scene):
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


def bundle(name, cut=False):
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


noisy_update = _update(lambda: 100_000, lambda: (noise(1000) for _ in range(100)))


def nothing_came_of_it(scene):
    scene.expect(scene.owner.answer[0] in (0, 400), "answered %s" % (scene.owner.answer,))
    scene.expect(not _is_there("slots.json"), "there is another firmware")
    scene.expect(not _is_there("slot_b"), "there are files of another firmware")


def _is_there(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def rolled_back(why):
    def after(scene):
        scene.expect(scene.owner.answer[0] == 200, "answered %s" % (scene.owner.answer,))
        result = scene.app.firmware["result"]
        is_back = scene.app.firmware["slot"] == "slot_a" and why in result
        scene.expect(is_back, "result: " + result)
        os.remove("slots.json")

    return after
