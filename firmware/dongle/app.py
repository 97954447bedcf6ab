# Wires it all and keeps the tasks alive.

# App gets its parts from parts.py.
# pyright: reportAttributeAccessIssue=false

import asyncio
import gc
import sys
import time

from micropython import const

import machine

from . import forget
from .health import Health
from .logbook import Logbook

_LATE_MS = 30_000  # a task's heartbeat
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 30_000  # before a failed task is started again
_GUARD_MS = 1_000
_NOTE_MS = 60_000  # between entries in the logbook
_LASTING_MS = 300_000  # a start that is no fast one
_MOST_FAST = const(5)  # starts in a row, then safe mode
# The last resort, where neither waiting nor restarting the radio has helped: a reset. Twice as
# much patience after each one that was in vain, up to 16 hours.
_HOPELESS_MS = 1_800_000
_MOST_DOUBLINGS = const(5)
_FATAL_S, _FATAL_AGAIN_S = 10, 600  # before a reset where nothing works at all
_OF_UPDATE = ("dongle.update", "dongle.bundle", "dongle.ecdsa", "dongle.fetch", "slots")
_POLL_AGAIN_MS = const(50)  # after a poll that failed
_MOST_MEMORY_ERRORS = const(20)  # of which one a minute is forgiven


class App:
    """The parts that are missing: see parts.py, which makes them."""

    def __init__(self, logbook=None):
        self.logbook = logbook or Logbook(machine.RTC().memory)
        from . import chip, parts

        self.id = chip.number()
        self.hostname = chip.hostname(self.id)
        self.reset_cause = chip.reset_cause()
        self.longest_turn_ms = 0
        self.is_outdated = False  # config.json has changed since the start
        self.auth = None
        self.mdns_state = {"responder": "none", "reason": "off"}  # while there is no mdns
        self._memory_errors = 0
        self._noted_ms = 0  # uptime of the last entry in the logbook
        self._noted_failure = None  # what it said
        self._late = []  # tasks, at the guard's last look
        self._is_reading = False  # since the first telegram
        parts.assemble(self)
        forget("dongle.chip", "dongle.parts", "dongle.uplink", "slots")
        for problem in self.health.problems:
            self.health.say("config: " + problem)

    def listener_failed(self, error):
        """For Latest."""
        self.health.failed("listener", error)

    def metrics(self):
        """GET /metrics."""
        # Takes 8 KiB: it takes itself out of memory again.
        from .metrics import Metrics

        return Metrics(self.latest, self.report, self.capacity).view()

    async def update(self, take):
        """(HTTP status, dict) of what take(update) comes to, update being an Update."""
        # Takes 10 KiB, and is seldom: loaded while there is one.
        if "dongle.update" in sys.modules:
            return 409, {"error": "an update is under way"}
        status = 0
        try:
            from .update import Update

            update = Update(self.firmware, self.resolver, self.health, self.renew)
            status, answer = await take(update)
        except MemoryError:
            answer = {"error": "no memory for an update now, try again"}
        finally:
            if status != 200:
                forget(*_OF_UPDATE)
        return status or 503, answer

    def renew(self, why):
        """A reset that is no failure, however soon after the start it is."""
        self.logbook.lasted()
        self.reset(why)

    async def _prove(self):
        try:
            from .trial import prove

            await prove(self.firmware, self.framer, self.wifi, self.health, self.reset)
        except Exception as error:
            self.health.failed("trial", error)
            self.reset("the trial failed")  # that was one of its starts
        forget("dongle.trial", "slots")
        if not self.has_watchdog:
            self.renew("the trial is over")  # nothing else stops the trial's

    async def refuse(self, request, needs_password):
        """See auth.Auth."""
        # Most dongles are only read.
        if self.auth is None:
            from .auth import Auth

            self.auth = Auth(self.password_hash, self.health)
        return await self.auth.refuse(request, needs_password)

    def owner(self, path, method):
        """For http.Later."""
        from . import owner

        try:
            return owner.view(self, path, method)
        finally:
            forget("dongle.owner", "dongle.settings", "dongle.config")

    async def run(self):
        # The last net: for tasks that no _keep looks after, as those of single connections.
        asyncio.get_event_loop().set_exception_handler(self._stray)
        self._start()
        await self._guard()

    def _start(self):
        """A task for each part that has something to do."""
        tasks = {
            self.wifi.NAME: self.wifi.run,
            "http": lambda: self.server.run(self.http_port),
        }
        if self.port:
            sink = self.cipher or self.framer
            tasks["port"] = lambda: self.port.read(sink)
            tasks["rearm"] = lambda: self.port.rearm(sink, self.framer)
        if self.mqtt:
            tasks["mqtt"] = self.mqtt.run
        if self.mdns:
            tasks["mdns"] = self._announce
        if self.relay:
            tasks["relay"] = self.relay.run
        if self.tcp_port:
            tasks["tcp"] = lambda: self.stream.run(self.tcp_port)
        for name, push in self.pushes.items():
            tasks[name] = push.run
        for name in ("port", self.wifi.NAME, "mqtt"):
            if name in tasks:
                self.health.expect(name, _LATE_MS)
        is_trial = self.firmware["state"] == "trial"
        if self.has_watchdog or is_trial:
            self.health.watch(machine.WDT)
        for name, make in tasks.items():
            asyncio.create_task(self._keep(name, make))
        if is_trial:
            asyncio.create_task(self._prove())

    async def _keep(self, name, make):
        """Runs a task for ever: none of them ever ends on purpose."""
        pause_ms = _FIRST_PAUSE_MS
        while True:
            started_ms = self.health.uptime_ms()
            try:
                await make()
            except Exception as error:
                self._failed(name, error)
            if self.health.uptime_ms() - started_ms > _LONGEST_PAUSE_MS:
                pause_ms = _FIRST_PAUSE_MS
            await asyncio.sleep_ms(pause_ms)
            pause_ms = min(2 * pause_ms, _LONGEST_PAUSE_MS)

    async def _announce(self):
        """Multicast DNS, as long as it is ours to do; most dongles need it for a moment only."""
        await self.mdns.run()
        self.mdns_state = self.mdns.state()
        self.mdns = None
        forget("dongle.mdns")
        raise asyncio.CancelledError  # so that nobody starts it again

    def _stray(self, _, context):
        self._failed("stray", context["exception"])

    def _failed(self, name, error):
        self.health.failed(name, error)
        if isinstance(error, MemoryError):
            self._memory_errors += 1
            gc.collect()

    async def _guard(self):
        """Once a second: the only one who feeds the watchdog, and measures how long the loop is
        held up."""
        while True:
            before_ms = time.ticks_ms()
            await asyncio.sleep_ms(_GUARD_MS)
            turn_ms = time.ticks_diff(time.ticks_ms(), before_ms) - _GUARD_MS
            self.longest_turn_ms = max(self.longest_turn_ms, turn_ms)
            try:
                self._look()
            except Exception as error:  # a MemoryError here must not cost all the rest
                self._failed("guard", error)

    def _look(self):
        late = self.health.guard()
        if late and late != self._late:
            self.health.last_failure = "no heartbeat from " + ", ".join(late)
            self.health.say(self.health.last_failure)
        self._late = late
        if self.framer.good and not self._is_reading:
            self._is_reading = True
            self.health.say("meter: the first telegram is read")
        self._note()
        if self.mqtt:
            self.mqtt.look()
        if self.provision and self.provision.is_due():
            asyncio.create_task(self.provision.serve())
        why = self._hopeless()
        if why:
            self.reset(why)

    def _note(self):
        """Writes in the logbook what is new."""
        now = self.health.uptime_ms()
        if self.logbook.fast and now >= _LASTING_MS:
            self.logbook.lasted()
        failure = self.health.last_failure
        if failure == self._noted_failure and now < self._noted_ms + _NOTE_MS:
            return
        self._noted_ms, self._noted_failure = now, failure
        self._memory_errors = max(self._memory_errors - 1, 0)
        framer = self.framer
        counts = {
            "good": framer.good,
            "rejected": framer.rejected(),
            "wifi_drops": self.wifi.drops,
            "failures": sum(self.health.failures.values()),
        }
        self.logbook.note(now // 1000, failure, counts)
        if self.wifi.up and self.latest.age_ms() is not None:
            self.logbook.helped()

    def _hopeless(self):
        """Why only a reset is left, or None. Not before it has been tried long enough without."""
        now = self.health.uptime_ms()
        if now < _HOPELESS_MS << min(self.logbook.vain, _MOST_DOUBLINGS):
            return None
        # Not while somebody may be setting it up.
        is_open = self.provision and self.provision.is_open
        if self.wifi.away_ms() > _HOPELESS_MS and not is_open:
            return "no network for %d minutes" % (self.wifi.away_ms() // 60_000)
        if self._memory_errors > _MOST_MEMORY_ERRORS:
            return "out of memory %d times" % self._memory_errors
        return None

    def reset(self, why):
        """Starts the chip anew, and lets the next run know why."""
        try:
            self.health.say("reset: " + why)
            self.logbook.ends(why)
        finally:  # also where there is no memory to say it
            machine.reset()

    def report(self):
        """A Report, of report.py."""
        # Takes 4 KiB: its pieces() take it out of memory again.
        from .report import Report

        return Report(self)

    def why(self):
        """Why there is no reading, in words; None where there is one."""
        try:
            return self.report().reason
        finally:
            forget("dongle.report")


def outlast_poll(health):
    """asyncio ends where its poll fails, as on the chip when lwIP has no memory for one. From now
    on that is told instead, and the tasks go on whose time has come: the deadlines among them give
    memory back."""
    queue = asyncio.core._io_queue
    wait = queue.wait_io_event

    def wait_io_event(left_ms):
        try:
            wait(left_ms)
        except (OSError, MemoryError) as error:
            health.failed("poll", error)
            time.sleep_ms(min(left_ms, _POLL_AGAIN_MS) if left_ms >= 0 else _POLL_AGAIN_MS)

    queue.wait_io_event = wait_io_event


def run():
    """Runs the dongle; never returns."""
    logbook = Logbook(machine.RTC().memory)
    try:
        if logbook.fast > _MOST_FAST:
            from .safe import Safe

            safe = Safe(logbook)
            outlast_poll(safe.health)
            asyncio.run(safe.run())
        dongle = App(logbook)
        outlast_poll(dongle.health)
        try:
            asyncio.run(dongle.run())
        finally:  # on Ctrl-C too
            if dongle.mdns:
                dongle.mdns.goodbye()
    except Exception as error:
        # What should never happen. Time to read it on the console, and for Ctrl-C; and where it
        # happens again and again, no reset every few seconds.
        try:
            Health().failed("app", error)
        except MemoryError:
            pass
        time.sleep(_FATAL_S if logbook.fast <= _MOST_FAST else _FATAL_AGAIN_S)
        machine.reset()
