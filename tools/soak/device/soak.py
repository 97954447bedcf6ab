# Weeks of a dongle's life in minutes: fault after fault, and what becomes of each interface.
# Prints a line of JSON for each fault, and one at the end.
#
#   soak.py CALM_S ROUNDS LONGEST_S SEED [NAME]
#
# CALM_S: how long it is left in peace between faults; LONGEST_S: for how long a fault may last,
# those that are about more are left out.

import asyncio
import asyncio.core  # pyright: ignore[reportMissingImports]
import gc
import json
import random
import socket
import sys
import time

import faults
import harm
import peers
from line import Line
from poller import Poller

import _chip
import memory
import world

_START_S = 90  # for everything to be there
_SEARCH_MS = 2500  # for networks
_PATIENCE_S = 7200  # for what does not come back at all
_LONGEST_TURN_MS = 50  # for which the loop may be held up; what is calculated takes no time here
_CONFIG = {
    "wifi": {"ssid": "home", "password": "secret"},
    "mqtt": {"host": "broker.lan"},
    "homeassistant": {"discovery": "off"},
    # Of the password "owner".
    "http": {
        "password_hash": "pbkdf2-sha256$100$0000000000000000$"
        "b913de133d3ee18f24eae2b45735a0497fa9af456e253bbbd6f6bd59c0357379"
    },
}


# What a reset takes out of memory.
_FORGOTTEN = ("boot", "slots", "dongle", "p1", "network", "machine", "umqtt")


class Reset(BaseException):
    """The chip starts anew."""


class _Threads:
    """In the place of _thread, for the one that searches for networks."""

    @staticmethod
    def start_new_thread(work, arguments):
        time.later(_SEARCH_MS, lambda: work(*arguments))


class Over(BaseException):
    """The last fault has been."""


class Scene:
    """The world around one dongle."""

    def __init__(self, calm_s, rounds, longest_s, names):
        self.line = world.cable = Line()
        self.broker = peers.Broker(self.line)
        self.poller = peers.Poller(self.line, 5_000)
        self.listener = peers.Listener(self.line)
        self.peers = (self.broker, self.poller, self.listener)
        self.chip = "esp32"  # of which memory.py knows the figures
        self.app: Any = None  # its parts are set from outside
        self._tale: Any = None  # what happens, in steps
        self.resets = 0
        self.good = self.bad = (
            0  # telegrams that the dongle has taken or refused, over all its runs
        )
        self.failing_starts = 0
        self.memory = []  # the least that was in use, by round of the faults without a reset
        self._fed_ms = None  # when the watchdog was fed last; None: it is not on
        self._bite_ms = 0
        asyncio.new_event_loop()
        self._path = list(sys.path)
        self._problems = []
        self._calm_s, self._rounds = calm_s, rounds
        self._longest_s = longest_s
        self._faults = [fault for fault in faults.FAULTS if not names or fault.name in names]
        if longest_s < faults.HOUR:
            self._faults = [fault for fault in self._faults if fault.hold_s <= faults.HOUR]
        world.radio.change(networks={"home": "secret"}, scan_ms=0)
        world.names["broker.lan"] = "10.0.0.2"
        world.reset_hook = lambda cause: self.reset(cause)
        world.watch, world.feed = self._watch, self._feed

    # --- The chip ---

    def reset(self, cause):
        raise Reset(cause)

    def power_cut(self):
        world.rtc_memory(b"")
        raise Reset("power")

    def _watch(self, timeout_ms):
        self._bite_ms = timeout_ms
        self._fed_ms = time.now_ms

    def _feed(self):
        self._fed_ms = time.now_ms

    def _look_at_watchdog(self):
        time.later(1000, self._look_at_watchdog)
        if self._fed_ms is not None and time.now_ms - self._fed_ms > self._bite_ms:
            raise Reset("watchdog")

    def live(self):
        """Starts the firmware, again after each reset, until all is over."""
        time.later(1000, self._look_at_watchdog)
        time.later(1000 * _START_S, self._go_on)
        while True:
            try:
                memory.begin(self.chip)
                self._run()
            except Reset:
                self.resets += 1
            except Over:
                return
            finally:
                _chip.outside(True)
            self._power_off()

    def _run(self):
        asyncio.core._io_queue.poller = Poller()
        import boot  # noqa: F401  chooses the firmware, as it does on the chip

        gc.threshold(-1)
        try:
            from dongle import start as firmware
        except Exception as error:
            sys.print_exception(error)
            time.sleep(3600)  # the REPL, in which nothing happens
            raise

        whole = firmware._app

        def start(logbook):
            if self.failing_starts:
                self.failing_starts -= 1
                raise ValueError("injected")
            self.app = whole(logbook)
            if self.app.resolver:
                self.app.resolver._ask = lambda name, port: _ask(self.app.resolver, name, port)
            return self.app

        firmware._app = start
        firmware.run()

    def _power_off(self):
        if self.app:
            self.good += self.app.framer.good
            self.bad += self.app.framer.rejected()
        self.app = None
        self._fed_ms = None
        if _chip and "dongle.safe" in sys.modules:
            _chip.was_safe()
        socket.power_off()
        world.interfaces.clear()
        world.pads.clear()
        self.line.requested = world.requested()
        for name in list(sys.modules):
            if name.split(".")[0] in _FORGOTTEN:
                del sys.modules[name]
        sys.path[:] = self._path
        asyncio.core.cur_task = None
        asyncio.new_event_loop()
        gc.collect()

    # --- The story ---

    def _story(self):
        """What happens, one after the other; yields where time has to pass."""
        # As long as nothing resets it, the firmware runs on and on.
        for _ in range(self._rounds):
            self.memory.append(None)
            for fault in self._faults:
                if not fault.resets[1]:
                    yield from self._wait(self._calm_s)
                    yield from self._endure(fault)
                    yield from self._measure_memory()
        for _ in range(self._rounds):
            for fault in self._faults:
                if fault.resets[1]:
                    yield from self._wait(self._calm_s)
                    yield from self._endure(fault)
        yield from self._wait(self._calm_s)
        raise Over

    def _wait(self, seconds):
        time.later(int(1000 * seconds), self._go_on)
        yield

    def _go_on(self):
        next(self._tale)

    def _measure_memory(self):
        # What is loaded for the owner, and stays, is to be there each time.
        peers.Owner(harm.OWNER % b"POST /identify")
        yield from self._wait(2)
        gc.collect()
        used = _chip.heap()[1]
        self.memory[-1] = min(used, self.memory[-1] or used)

    def _taken(self):
        framer = self.app.framer if self.app else None
        return self.good + (framer.good if framer else 0)

    def expect(self, is_so, text):
        """For a fault that wants more than interfaces that come back."""
        if not is_so:
            self._problems.append(text)

    def _endure(self, fault):
        self._problems = problems = []
        resets, sent, taken = self.resets, self.line.good, self._taken()
        begun_ms = time.now_ms
        self.app.longest_turn_ms = 0
        gaps = [_Gap(peer) for peer in self.peers if peer.name in fault.spared]
        yield from self._after(lambda: fault.begin(self))
        yield from self._wait(min(fault.hold_s, self._longest_s))
        yield from self._after(lambda: fault.end(self))
        healed_ms = time.now_ms
        back = {}
        while len(back) < len(self.peers) and time.now_ms - healed_ms < 1000 * _PATIENCE_S:
            yield from self._wait(0.25)
            for peer in self.peers:
                if peer.name not in back and (peer.served_ms or 0) > healed_ms:
                    back[peer.name] = peer.served_ms - healed_ms
        # And it stays so.
        yield from self._wait(20)
        fault.after(self)
        for peer in self.peers:
            if peer.name not in back:
                problems.append(peer.name + " does not come back")
            elif back[peer.name] > 1000 * fault.back_s:
                problems.append(peer.name + " comes back late")
        for gap in gaps:
            longest_s = gap.longest_ms() // 1000
            if longest_s > _LONGEST_GAP_S:
                problems.append("%s paused for %d s" % (gap.peer.name, longest_s))
        least, most = fault.resets
        count = self.resets - resets
        if not least <= count <= most:
            problems.append("%d resets" % count)
        lost = (self.line.good - sent) - (self._taken() - taken)
        if fault.reads and lost > 1:  # one may be under way
            problems.append("%d telegrams were not read" % lost)
        turn_ms = self.app.longest_turn_ms
        if turn_ms > _LONGEST_TURN_MS:
            problems.append("the loop was held up for %d ms" % turn_ms)
        told = {
            "fault": fault.name,
            "held_s": min(fault.hold_s, self._longest_s),
            "back_ms": back,
            "turn_ms": turn_ms,
            "limit_s": fault.back_s,
            "resets": count,
            "lost": lost,
            "problems": problems,
            "day": begun_ms / 86_400_000,
        }
        print(json.dumps(told))

    def _after(self, what):
        """Does it in a turn of its own: it may end this very run."""
        self._pending = what
        time.later(0, self._do)
        yield from self._wait(0.1)

    def _do(self):
        self._pending()


_LONGEST_GAP_S = 12  # of an interface that a fault is to spare; HTTP is asked every 5 s


class _Gap:
    """The longest time for which somebody is not served."""

    def __init__(self, peer):
        self.peer = peer
        self._longest_ms = 0
        plain = type(peer).is_served
        self._last_ms = time.now_ms

        def is_served():
            self._see()
            plain(peer)

        peer.is_served = is_served

    def _see(self):
        self._longest_ms = max(self._longest_ms, time.now_ms - self._last_ms)
        self._last_ms = time.now_ms

    def longest_ms(self):
        self._see()
        del self.peer.is_served
        return self._longest_ms


def _ask(resolver, name, port):
    """As dns.Resolver's own, with later() in the place of a thread."""
    resolver._done = resolver._done or asyncio.ThreadSafeFlag()
    resolver._done.clear()
    resolver._busy = True

    def answer():
        try:
            if world.offline() or socket.lost or not world.dns_up:
                raise OSError(-202)
            found = (world.names[name], port)
        except Exception as error:
            found = error
        resolver._answer = (name, port), found
        resolver._busy = False
        resolver._done.set()

    time.later(world.dns_ms or 20, answer)


def prepare(config):
    """Before the dongle's first start."""
    sys.modules["_thread"] = _Threads  # pyright: ignore[reportArgumentType]
    with open("config.json", "w") as file:
        json.dump(config, file)


def _main():
    calm_s, rounds, longest_s, seed, *names = sys.argv[1:]
    random.seed(int(seed))
    prepare(_CONFIG)
    scene = Scene(int(calm_s), int(rounds), int(longest_s), names)
    scene._tale = scene._story()
    try:
        scene.live()
        wrong = None
    except peers.Wrong as error:
        wrong = str(error)
    told = {
        "days": time.now_ms / 86_400_000,
        "sent": scene.line.good,
        "taken": scene._taken(),
        "bad": scene.bad,
        "served": {peer.name: peer.served for peer in scene.peers},
        "resets": scene.resets,
        "memory": [used for used in scene.memory if used],
        "wrong": wrong,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    _main()
