# The application: keeps the tasks of the dongle's parts running and checks them once a second.

import asyncio
import gc
import time

from micropython import const

import machine

from . import forget, room
from .device import Device
from .logbook import Logbook

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 30_000  # before a failed task is started again
_GUARD_MS = 1_000
_IDLE_MS = const(2_000)
_NOTE_MS = 60_000  # between entries in the logbook
_LASTING_MS = 300_000  # a run that reaches this uptime does not count as a fast start
# The last resort is a reset, when neither waiting nor restarting the radio has helped. The time
# before it doubles after each reset that did not help, up to 16 hours.
_HOPELESS_MS = 1_800_000
_MOST_DOUBLINGS = const(5)
_MOST_MEMORY_ERRORS = const(20)  # the count goes down by one each minute


class App(Device):
    """A Device with its tasks and its guard. logbook: that of the chip if none is given."""

    _memory_errors = 0
    _noted_ms = 0  # uptime of the last entry in the logbook
    _noted_failure = None  # the failure in that entry
    _late = ()  # the tasks that were late at the last check
    _is_reading = False  # True from the first telegram on

    def __init__(self, logbook=None):
        super().__init__(logbook or Logbook(machine.RTC().memory))
        self._memory = room.Watch()
        config, board = self._basic()
        forget("slots")
        self._optional(config, board)

    # Each in a method of its own, so that its module leaves memory before the next one is loaded.

    def _basic(self):
        from .assembly import assemble

        forget()
        return assemble(self)

    def _optional(self, config, board):
        from .options import add

        forget()
        add(self, config, board)

    async def run(self) -> None:
        """Once a second, calls the tick functions of the parts and the guard, the only place that
        feeds the watchdog; measures how long the loop was blocked."""
        # For tasks that keep() does not restart, such as those of single connections.
        asyncio.get_event_loop().set_exception_handler(self._stray)
        ticks = self._begin()
        while True:
            before_ms = time.ticks_ms()
            await asyncio.sleep_ms(_GUARD_MS)
            turn_ms = time.ticks_diff(time.ticks_ms(), before_ms) - _GUARD_MS
            self.longest_turn_ms = max(self.longest_turn_ms, turn_ms)
            for name, tick in ticks:
                try:
                    tick()
                except Exception as error:  # a MemoryError here must not stop the other parts
                    self._failed(name, error)

    def _begin(self):
        """Creates the tasks; returns what to call once a second."""
        from .tasks import begin

        forget()
        return begin(self)

    async def keep(self, name: str, make, *arguments) -> None:
        """Runs a task for ever and restarts it when it ends: no task ends on purpose."""
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

    async def announce(self) -> None:
        """Runs multicast DNS while this code has to do it. On most dongles that is a short time,
        because official firmware has a responder built in."""
        await self.mdns.run()
        self.mdns_state = self.mdns.state()
        self.mdns = None
        raise asyncio.CancelledError  # so that keep() does not start it again

    def _stray(self, _, context):
        self._failed("stray", context["exception"])

    def _failed(self, name, error):
        self.health.failed(name, error)
        if isinstance(error, MemoryError):
            self._memory_errors += 1
            gc.collect()

    def look(self) -> None:
        """The guard. Must be called once a second."""
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
        # No reset while the portal is open, because it gives its memory back, and no reset soon
        # after a start, because resets must not follow each other quickly.
        is_open = self.provision and self.provision.is_open
        is_starved = self._memory.look() and not is_open and health.uptime_ms() > _LASTING_MS
        why = "no memory for the network" if is_starved else self._hopeless()
        if why:
            self.reset(why)

    def _note(self):
        """Writes new failures and counts to the logbook."""
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
        """Returns why only a reset can help, or None. Waits long enough first."""
        now = self.health.uptime_ms()
        if now < _HOPELESS_MS << min(self.logbook.vain, _MOST_DOUBLINGS):
            return None
        # Not while the portal is open: the owner may be setting up the dongle.
        is_open = self.provision and self.provision.is_open
        if self.wifi.away_ms() > _HOPELESS_MS and not is_open:
            return "no network for %d minutes" % (self.wifi.away_ms() // 60_000)
        if self._memory_errors > _MOST_MEMORY_ERRORS:
            return "out of memory %d times" % self._memory_errors
        return None
