# What the stories of world_*.py share: one dongle in the world of tools/soak/device, whose clock
# waits for nobody, and somebody who looks at it all the while.

import json
import sys
import time

import peers

import memory
import soak
import world

# With room for all that is asked: a plain ESP32 has none for a push, nor always for a second
# client of HTTP.
memory.CHIPS["roomy"] = dict(memory.CHIPS["esp32c3"], heap=256 * 1024)
_LOOK_MS = 1_000
_FIRST_LOOK_MS = 10_000  # when it is on the network
_PASSWORD = {"password_hash": soak._CONFIG["http"]["password_hash"]}  # "owner"


class Tale(soak.Scene):
    """tell() is a generator that yields where time has to pass. It begins a minute and a half
    after the dongle was switched on; what has to be so before that is done in begin()."""

    config = {}  # what differs from a usual one, by section
    chip_kind = "esp32"  # see memory.py
    tell: Any

    def __init__(self):
        soak.Scene.__init__(self, 0, 0, 0, ())
        self.chip = self.chip_kind
        self.facts = {}
        self.reasons = []  # of MQTT, as /health said them, each once, in order
        self.statuses = []  # of /reading, each once
        self.attempts_ms = {}  # (address, port) -> when the dongle tried to connect
        self._answered = self._slowest_ms = 0
        self._failures = {}
        self._note_attempts()

    def begin(self):
        pass

    def run(self):
        """Prints the facts."""
        config = {
            "wifi": {"ssid": "home", "password": "secret"},
            "mqtt": {"host": "broker.lan"},
            "homeassistant": {"discovery": "off"},
            "http": _PASSWORD,
        }
        for section, values in self.config.items():
            config[section] = dict(config.get(section, {}), **values)
        soak.prepare(config)
        self.begin()
        time.later(_FIRST_LOOK_MS, self._look)
        self._tale = self._whole()
        self.live()
        print(json.dumps(self.facts))

    def _whole(self):
        self.app.longest_turn_ms = 0
        gap = soak._Gap(self.listener)
        yield from self.tell()
        self.facts.update(
            {
                "reasons": self.reasons,
                "statuses": self.statuses,
                "answered": self._answered,
                "slowest_ms": self._slowest_ms,
                "failures": self._failures,
                "turn_ms": self.app.longest_turn_ms,
                "gap_ms": gap.longest_ms(),  # between two telegrams on the TCP port
                "resets": self.resets,
            }
        )
        raise soak.Over

    def wait_until(self, is_so, what, within_s=600):
        """Time passes until it is so. Returns after how many ms that was."""
        begun_ms = time.now_ms
        while not is_so():
            if time.now_ms - begun_ms > 1000 * within_s:
                raise AssertionError("%s: not within %d s" % (what, within_s))
            yield from self._wait(0.01)
        return time.now_ms - begun_ms

    def _note_attempts(self):
        plain, attempts_ms = peers.socket.socket._connect, self.attempts_ms

        def noting(self, address):
            attempts_ms.setdefault(tuple(address), []).append(time.now_ms)
            plain(self, address)

        peers.socket.socket._connect = noting

    def pauses_ms(self, address, first=0):
        """Between the dongle's attempts to connect there, from the first of these on."""
        moments = self.attempts_ms.get(address, [])[first:]
        return [moments[at] - moments[at - 1] for at in range(1, len(moments))]

    def ask(self, path, then, method="GET", body=b"", more=b""):
        """then(status, body) hears the answer; HTTP/1.0 gives it in one piece."""
        head = b"%s %s HTTP/1.0\r\n%s" % (method.encode(), path.encode(), more)
        if body:
            head += b"Content-Length: %d\r\n" % len(body)
        peers.Owner(head, (body,) if body else (), then)

    def _look(self):
        time.later(_LOOK_MS, self._look)
        asked_ms = time.now_ms

        def timed(note):
            def then(status, body):
                self._slowest_ms = max(self._slowest_ms, time.now_ms - asked_ms)
                note(status, body)

            return then

        self.ask("/reading", timed(self._note_reading))
        self.ask("/health", timed(self._note_health))

    def _note_reading(self, status, body):
        self._answered += status == 200
        if status not in self.statuses:
            self.statuses.append(status)

    def _note_health(self, status, body):
        if status not in (200, 503) or b'"status"' not in body:
            return  # turned away
        self.health = health = json.loads(body)
        self._failures = health["task_failures"]
        if "mqtt" in health and health["mqtt"]["reason"] not in self.reasons:
            self.reasons.append(health["mqtt"]["reason"])


class Host:
    """Somebody else's computer, where the dongle connects to: treat(end, number) hears the first
    data of each connection, the first of which has the number 0."""

    def __init__(self, address, treat, name=None):
        self.heard = []  # (when, what) of each connection
        self.ends_ms = {}  # number -> when its connection was over
        self._address, self._treat = address, treat
        if name:
            world.names[name] = address[0]
        peers.socket.hosts[address] = self._take

    def _take(self, end):
        number = len(self.heard)
        self.heard.append([time.now_ms, b""])
        is_new = [True]

        def hear(end):
            self.heard[number][1] += end.take()
            if is_new[0]:
                is_new[0] = False
                self._treat(end, number)
            elif hasattr(end, "then"):
                end.then(end)

        def over(end):
            self.ends_ms[number] = time.now_ms
            end.close()

        end.on_data, end.on_close = hear, over

    def leave(self):
        peers.socket.hosts.pop(self._address, None)


def tell(tales):
    """Tells the one that the command names; tales: {name: class}."""
    tales[sys.argv[1]]().run()
