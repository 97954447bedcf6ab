# How the dongle is: heartbeats of the tasks, their failures, and the watchdog that is fed only
# while every task that owes a heartbeat has given one.

import sys
import time

_WATCHDOG_MS = 60_000


class Health:
    """Time comes in as ticks (time.ticks_ms on the dongle), which wrap after 12.4 days there."""

    def __init__(self, ticks_ms=time.ticks_ms):
        self._ticks_ms = ticks_ms
        self._last_tick = ticks_ms()
        self._uptime_ms = 0
        self._owed = {}  # task -> how long it may go without a heartbeat, in ms
        self._beats = {}  # task -> uptime in ms of its last one
        self.failures = {}  # task -> how often it ended with an exception
        self.last_failure = None  # str
        self.problems = []  # of the config, str
        self._watchdog = None

    def uptime_ms(self):
        """Milliseconds since start; called at least once in six days, it never wraps."""
        now = self._ticks_ms()
        self._uptime_ms += time.ticks_diff(now, self._last_tick)
        self._last_tick = now
        return self._uptime_ms

    def expect(self, task, within_ms):
        """From now on this task owes a heartbeat at least every within_ms."""
        self._owed[task] = within_ms
        self.beat(task)

    def beat(self, task):
        self._beats[task] = self.uptime_ms()

    def late(self):
        """The tasks whose heartbeat is overdue."""
        now = self.uptime_ms()
        return [task for task, within in self._owed.items() if now - self._beats[task] > within]

    def failed(self, task, error):
        """Takes down that a task ended with an exception; it will be started again. Raises
        nothing: what fails for want of memory may find none here either."""
        try:
            self.failures[task] = self.failures.get(task, 0) + 1
            self.last_failure = f"{task}: {type(error).__name__}: {error}"
            # The first of a kind with its traceback; a task that fails every minute for a month
            # would otherwise do nothing but print.
            if self.failures[task] == 1:
                self.say("task failed: " + self.last_failure)
                sys.print_exception(error)
        except MemoryError:
            pass

    def say(self, text):
        """One line on the serial console."""
        print(f"{self.uptime_ms() // 1000:8d} s  {text}")

    def watch(self, watchdog_class):
        """Starts the hardware watchdog; from now on guard() must be called."""
        self._watchdog = watchdog_class(timeout=_WATCHDOG_MS)

    def guard(self):
        """Feeds the watchdog, unless a task is late. Returns the late ones."""
        late = self.late()
        if self._watchdog and not late:
            self._watchdog.feed()
        return late
