# What a configuration takes of the chip's memory, at rest and at its highest, moment by moment.
# Prints a line of JSON for each.
#
#   census.py CHIP CONFIG TELEGRAMS
#
# CONFIG: JSON, merged into the usual one by section. TELEGRAMS: how many the meter sends, with all
# that happens at a home in between, hour after hour; 0: a start and what is usual after it.

import gc
import json
import sys
import time

import harm
import peers
import soak
from harm import OWNER

import _chip
import world

_USUAL = {
    "wifi": {"ssid": "home", "password": "secret"},
    "mqtt": {"host": "broker.lan"},
    "http": soak._CONFIG["http"],
}
_START_S = 60
_HEAD = b" HTTP/1.1\r\nHost: 10.0.0.1\r\n"
_PATHS = ("/", "/live", "/reading", "/quarter", "/history", "/telegram", "/telegram/bad")
_PATHS += ("/health", "/metrics", "/config", "/nothing")


class Life(soak.Scene):
    """The same world, in which nothing goes wrong."""

    def __init__(self, chip, telegrams):
        soak.Scene.__init__(self, 0, 0, 0, ())
        self.chip = chip
        self._telegrams = telegrams
        self._usual = list(sys.modules)  # once it has started, what it has then

    def _story(self):
        yield from self._wait(_START_S)
        yield from self._step("start", 0)
        self._usual = list(sys.modules)
        _tell_files(self.app)
        yield from self._step("announcement", 30, self._bear)
        for path in _PATHS:
            yield from self._step("GET " + path, 3, lambda path=path: self._ask(path))
        for path, every_ms in (("/live", 1000), ("/reading", 1000), ("/metrics", 15_000)):
            self._poll(path, every_ms)
        peers.Listener(self.line)
        yield from self._step("three clients poll, two listen", 120)
        hour = 0
        while self.line.good < self._telegrams:
            hour += 1
            yield from self._hour(hour)
        if self._telegrams:
            yield from self._update()
        yield from self._step("at rest", 60)
        raise soak.Over

    def _hour(self, number):
        name = "hour %d: " % number
        yield from self._step(name + "Home Assistant restarts", 60, self._bear)
        yield from self._step(name + "clients that read nothing", 60, self._stuck)
        change = b'{"quarter": {"target_w": %d}}' % (3000 + number)
        yield from self._step(name + "POST /config", 5, lambda: self._post("/config", change))
        yield from self._step(name + "the portal opens", 90, self._press)
        yield from self._step(name + "the portal closes", 1000)
        yield from self._step(name + "the broker is killed", 60, self.broker.kill)
        yield from self._step(name + "the broker is back", 60, self.broker.start)
        harm.radio(on_air=False)(self)
        yield from self._step(name + "no Wi-Fi", 300)
        harm.radio(on_air=True)(self)
        yield from self._step(name + "Wi-Fi is back", 120)
        yield from self._step(name + "peace", 1845)

    def _update(self):
        with open("../silent.bundle", "rb") as file:
            bundle = file.read()
        pieces = [bundle[at : at + 512] for at in range(0, len(bundle), 512)]
        yield from self._wait(0.5)  # when those who poll are not there
        owner = OWNER % b"POST /update" + b"Content-Length: %d\r\n" % len(bundle)
        yield from self._step(
            "an update", 90, lambda: peers.Owner(owner, pieces), until=self._is_updated
        )
        yield from self._step("its trial and the way back", 1000)

    def _is_updated(self):
        return "in place" in str(self.app.firmware["result"])

    def _step(self, name, seconds, begin=None, until=lambda: False):
        """until: what ends it sooner."""
        _chip.begin_again()
        self._status = None
        if begin:
            begin()
        if seconds and until():
            raise AssertionError(name + ": it is so already")
        while seconds > 0 and not until():
            yield from self._wait(min(1, seconds))
            seconds -= 1
        most = _chip.heap()[2]
        gc.collect()
        total, used, last, grown, gap = _chip.heap()
        regions = _chip.regions()
        told = {
            "step": name,
            "status": self._status,
            "used": used,
            "most": max(most, last),
            "heap": total,
            "grown": grown,
            "gap": gap,
            "names": _chip.names(),
            "idf_free": sum([region[1] for region in regions]),
            "idf_least": sum([region[3] for region in regions]),
            "idf_least_largest": _chip.least(),
            "resets": self.resets,
            "failures": self.app.health.failures if self.app else None,
            "loaded": sorted([name for name in sys.modules if name not in self._usual]),
        }
        print(json.dumps(told))

    def _bear(self):
        """Home Assistant has started."""
        for end in self.broker._ends:
            end.send(b"\x30\x1c\x00\x14homeassistant/statusonline")

    def _ask(self, path):
        def then(status, _):
            self._status = status

        peers.Owner(b"GET " + path.encode() + _HEAD, then=then)

    def _post(self, path, body):
        head = OWNER % (b"POST " + path.encode()) + b"Content-Length: %d\r\n" % len(body)
        peers.Owner(head, (body,))

    def _poll(self, path, every_ms):
        def again():
            time.later(every_ms, again)
            self._ask(path)

        again()

    def _press(self):
        pin = world.board["button_pin"]
        world.inputs[pin] = 0
        time.later(4000, lambda: world.inputs.update({pin: 1}))
        for path in (b"/", b"/status", b"/scan"):
            head = b"GET " + path + b" HTTP/1.1\r\nHost: 192.168.4.1\r\n"
            time.later(20_000, lambda head=head: peers.Owner(head, address=world.AP_ADDRESS))

    def _stuck(self):
        for _ in range(3):
            end = peers.socket.visit(80)
            if end:
                end.is_reading = False
                end.send(b"GET /health" + _HEAD + b"\r\n")


def _tell_files(app):
    """What is in memory because of each file: what it defines, and the module itself. app: the
    App, whose objects are no file's. What the collector sees may be a pointer that nobody uses any
    more, so they are seen before the modules, which have room for more names than they define."""
    _chip.reach(None)
    loaded = [(name, each) for name, each in sys.modules.items() if type(each) is type(sys)]
    loaded = [pair for pair in loaded if pair[0].split(".")[0] in ("p1", "dongle")]
    for _, module in loaded:
        _chip.reach(module, True)
    told = {}
    for name, module in loaded:
        told[name] = 0
        for value in module.__dict__.values():
            if value is not None and not isinstance(value, int) and type(value) is not type(sys):
                told[name] += _chip.reach(value)
    _chip.reach(app)
    for name, module in loaded:
        told[name] += _chip.reach(module, False)
    print(json.dumps({"files": told}))


def _main():
    chip, more, telegrams = sys.argv[1:]
    config = dict(_USUAL)
    for section, values in json.loads(more).items():
        config[section] = dict(config.get(section, {}), **values)
    soak.prepare(config)
    life = Life(chip, int(telegrams))
    life._tale = life._story()
    life.live()


_main()
