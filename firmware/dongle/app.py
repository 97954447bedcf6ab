# What is there for as long as the dongle runs: its parts, and who looks after them.

# App gets its parts from parts.py and options.py.
# pyright: reportAttributeAccessIssue=false

import asyncio
import gc
import time

from micropython import const

import machine

from . import forget, room
from .logbook import Logbook

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 30_000  # before a failed task is started again
_GUARD_MS = 1_000
_IDLE_MS = const(2_000)
_NOTE_MS = 60_000  # between entries in the logbook
_LASTING_MS = 300_000  # a start that is no fast one
# The last resort, where neither waiting nor restarting the radio has helped: a reset. Twice as
# much patience after each one that was in vain, up to 16 hours.
_HOPELESS_MS = 1_800_000
_MOST_DOUBLINGS = const(5)
_MOST_MEMORY_ERRORS = const(20)  # of which one a minute is forgiven


class App:
    """Has what all others may ask for. What is None is off, or cannot be."""

    auth = None  # until somebody wants more than to read
    is_outdated = False  # config.json has changed since the start
    longest_turn_ms = 0
    mdns = None
    mdns_state = {"responder": "none", "reason": "off"}  # while there is no mdns
    _memory_errors = 0
    _noted_ms = 0  # uptime of the last entry in the logbook
    _noted_failure = None  # what it said
    _late = ()  # tasks, at the guard's last look
    _is_reading = False  # since the first telegram

    def __init__(self, logbook=None):
        self.logbook = logbook or Logbook(machine.RTC().memory)
        self._memory = room.Watch()
        self.guesses = []  # of all that auth has ever been
        self._assemble()
        for problem in self.health.problems:
            self.health.say("config: " + problem)

    def _assemble(self):
        # One after the other, so that neither is there while the other one is at work.
        config, board = self._basic()
        # dongle.chip is in one file with dongle.uplink.
        forget("dongle.assembly", "dongle.net.uplink", "slots")
        self._optional(config, board)
        forget("dongle.options")

    def _basic(self):
        from .assembly import assemble

        return assemble(self)

    def _optional(self, config, board):
        from .options import add

        add(self, config, board)

    def listener_failed(self, error):
        """For Latest."""
        self.health.failed("listener", error)

    def renew(self, why):
        """A reset that is no failure, however soon after the start it is."""
        self.logbook.lasted()
        self.reset(why)

    async def run(self):
        """Once a second: feeds the watchdog, which nobody else does, and has each part look after
        what is its own; measures how long the loop is held up."""
        # The last net: for tasks that no keep() looks after, as those of single connections.
        asyncio.get_event_loop().set_exception_handler(self._stray)
        self._begin()
        while True:
            before_ms = time.ticks_ms()
            await asyncio.sleep_ms(_GUARD_MS)
            turn_ms = time.ticks_diff(time.ticks_ms(), before_ms) - _GUARD_MS
            self.longest_turn_ms = max(self.longest_turn_ms, turn_ms)
            for name, tick in self.ticks:
                try:
                    tick()
                except Exception as error:  # a MemoryError here must not cost all the rest
                    self._failed(name, error)

    def _begin(self):
        """Makes the tasks."""
        from .tasks import begin

        self.ticks = begin(self)
        self.ticks.append(("guard", self._look))
        forget("dongle.options")  # what is in one file with it

    async def keep(self, name, make, *arguments):
        """Runs a task for ever: none of them ever ends on purpose."""
        pause_ms = _FIRST_PAUSE_MS
        while True:
            started_ms = self.health.uptime_ms()
            try:
                await make(*arguments)
            except Exception as error:
                self._failed(name, error)
            if self.health.uptime_ms() - started_ms > _LONGEST_PAUSE_MS:
                pause_ms = _FIRST_PAUSE_MS
            await asyncio.sleep_ms(pause_ms)
            pause_ms = min(2 * pause_ms, _LONGEST_PAUSE_MS)

    async def announce(self):
        """Multicast DNS, as long as it is ours to do; most dongles need it for a moment only."""
        await self.mdns.run()
        self.mdns_state = self.mdns.state()
        self.mdns = None
        forget("dongle.net.mdns")
        raise asyncio.CancelledError  # so that nobody starts it again

    def _stray(self, _, context):
        self._failed("stray", context["exception"])

    def _failed(self, name, error):
        self.health.failed(name, error)
        if isinstance(error, MemoryError):
            self._memory_errors += 1
            gc.collect()

    def _look(self):
        health = self.health
        late = health.guard()
        if late and late != self._late:
            health.last_failure = "no heartbeat from " + ", ".join(late)
            health.say(health.last_failure)
        self._late = late
        if self.framer.good and not self._is_reading:
            self._is_reading = True
            health.say("meter: the first telegram is read")
        self.spare_auth(_IDLE_MS)
        self._note()
        if self.provision and self.provision.is_due():
            asyncio.create_task(self.provision.serve())
        # What the portal takes comes back; and not one start after the other.
        is_open = self.provision and self.provision.is_open
        is_starved = self._memory.look() and not is_open and health.uptime_ms() > _LASTING_MS
        why = "no memory for the network" if is_starved else self._hopeless()
        if why:
            self.reset(why)

    def spare_auth(self, idle_ms):
        """Forgets who decides what the owner may, where that has been idle for so long. rest.py
        makes another one when it is needed."""
        if self.auth and self.auth.is_idle(idle_ms):
            self.auth = None
            forget("dongle.http.auth")  # and what is in one file with it

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
        framer, failures = self.framer, sum(self.health.failures.values())
        counts = framer.good, framer.rejected(), self.wifi.drops, failures
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
