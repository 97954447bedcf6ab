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
        self._mdns_state = {"responder": "none", "reason": "off"}  # while there is no mdns
        self._memory_errors = 0
        self._noted_ms = 0  # uptime of the last entry in the logbook
        self._noted_failure = None  # what it said
        parts.assemble(self)
        forget("dongle.chip", "dongle.parts", "dongle.uplink", "slots")
        for problem in self.health.problems:
            self.health.say("config: " + problem)

    def listener_failed(self, error):
        """For Latest."""
        self.health.failed("listener", error)

    def metrics(self):
        """GET /metrics."""
        # Takes 8 KiB, and few have a Prometheus: loaded when it is first asked for.
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
                self.health.failed(name, error)
                if isinstance(error, MemoryError):
                    self._memory_errors += 1
                    gc.collect()
            if self.health.uptime_ms() - started_ms > _LONGEST_PAUSE_MS:
                pause_ms = _FIRST_PAUSE_MS
            await asyncio.sleep_ms(pause_ms)
            pause_ms = min(2 * pause_ms, _LONGEST_PAUSE_MS)

    async def _announce(self):
        """Multicast DNS, as long as it is ours to do; most dongles need it for a moment only."""
        await self.mdns.run()
        self._mdns_state = self.mdns.state()
        self.mdns = None
        forget("dongle.mdns")
        raise asyncio.CancelledError  # so that nobody starts it again

    def _stray(self, _, context):
        self.health.failed("stray", context["exception"])

    async def _guard(self):
        """Once a second: the only one who feeds the watchdog, and measures how long the loop is
        held up."""
        late = []
        is_reading = False
        while True:
            before_ms = time.ticks_ms()
            await asyncio.sleep_ms(_GUARD_MS)
            turn_ms = time.ticks_diff(time.ticks_ms(), before_ms) - _GUARD_MS
            self.longest_turn_ms = max(self.longest_turn_ms, turn_ms)
            now_late = self.health.guard()
            if now_late and now_late != late:
                self.health.last_failure = "no heartbeat from " + ", ".join(now_late)
                self.health.say(self.health.last_failure)
            late = now_late
            if self.framer.good and not is_reading:
                is_reading = True
                self.health.say("meter: the first telegram is read")
            self._note()
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
        self.health.say("reset: " + why)
        self.logbook.ends(why)
        machine.reset()

    def report(self):
        """(what is wrong, or None; everything there is to know, as a dict)."""
        framer = self.framer
        age_ms = self.latest.age_ms()
        reason = None
        if self.port is None:
            reason = self.health.problems[-1]
        elif age_ms is None:
            reason = self._silence()
        report = {
            "status": "error" if reason else "ok",
            "id": self.id,
            "uptime_s": self.health.uptime_ms() // 1000,
            "firmware": self.firmware,
            "reset_cause": self.reset_cause,
            "starts": self.logbook.report(),
            "telegrams": {
                "good": framer.good,
                "crc": framer.crc,
                "overflow": framer.overflow,
                "framing": framer.framing,
            },
            "values_rejected": self.latest.rejected,
            "rearmed": self.port.rearmed if self.port else 0,
            "wifi": {"connected": False, "reason": "off"},
            "mqtt": self.mqtt.state() if self.mqtt else {"connected": False, "reason": "off"},
            "mdns": self.mdns.state() if self.mdns else self._mdns_state,
            "http": {
                "requests": self.server.requests,
                "refused": self.server.refused,
                "wrong_passwords": self.auth.wrong if self.auth else 0,
            },
            "tcp": {"clients": self.stream.clients(), "dropped": self.stream.dropped},
            "memory": self.health.memory(),
            "longest_turn_ms": self.longest_turn_ms,
            "task_failures": self.health.failures,
            "config_problems": self.health.problems,
        }
        report[self.wifi.NAME] = self.wifi.state()
        if self.cipher:
            report["frames"] = {
                "good": self.cipher.good,
                "bad": self.cipher.bad,
                "overflow": self.cipher.overflow,
            }
        for name, push in self.pushes.items():
            report[name] = push.state()
        if reason:
            report["reason"] = reason
        if age_ms is not None:
            report["telegram_age_ms"] = age_ms
        if self.health.last_failure:
            report["last_failure"] = self.health.last_failure
        return reason, report

    def _silence(self):
        """Why there is no reading, in words that help."""
        if self.cipher and self.cipher.bad and not self.cipher.good:
            return "encrypted telegrams arrive, but meter.key does not open them"
        if self.port.is_damaged():
            return (
                "telegrams arrive damaged: check the pull-up on the data line and the cable; "
                "/telegram/bad shows the last one"
            )
        return (
            "no telegram: is the port open at the grid operator, the cable plugged in and the "
            "data request wired as in board.json?"
        )


def run():
    """Runs the dongle; never returns."""
    logbook = Logbook(machine.RTC().memory)
    try:
        if logbook.fast > _MOST_FAST:
            from .safe import Safe

            asyncio.run(Safe(logbook).run())
        dongle = App(logbook)
        try:
            asyncio.run(dongle.run())
        finally:  # on Ctrl-C too
            if dongle.mdns:
                dongle.mdns.goodbye()
    except Exception as error:
        # What should never happen. Time to read it on the console, and for Ctrl-C; and where it
        # happens again and again, no reset every few seconds.
        Health().failed("app", error)
        time.sleep(_FATAL_S if logbook.fast <= _MOST_FAST else _FATAL_AGAIN_S)
        machine.reset()
