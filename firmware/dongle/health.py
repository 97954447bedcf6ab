# The state of the dongle: the heartbeats of its tasks, their failures, and the watchdog. The
# watchdog is fed only while no heartbeat is late.

import sys
import time

_WATCHDOG_MS = 60_000


class Health:
    """ticks_ms: a clock. time.ticks_ms on the dongle wraps after 12.4 days."""

    def __init__(self, ticks_ms=time.ticks_ms):
        self._ticks_ms = ticks_ms
        self._last_tick = ticks_ms()
        self._uptime_ms = 0
        self._owed = {}  # task -> the longest time between two heartbeats, in ms
        self._beats = {}  # task -> uptime in ms of its last heartbeat
        self.failures = {}  # task -> how often it ended with an exception
        self.last_failure = None  # str
        self.problems = []  # of the config, str
        self._watchdog = None

    def uptime_ms(self) -> int:
        """Returns the milliseconds since the start. Never wraps if it is called at least once in
        six days."""
        now = self._ticks_ms()
        self._uptime_ms += time.ticks_diff(now, self._last_tick)
        self._last_tick = now
        return self._uptime_ms

    def expect(self, task: str, within_ms: int) -> None:
        """From now on this task must call beat() at least every within_ms."""
        self._owed[task] = within_ms
        self.beat(task)

    def beat(self, task: str) -> None:
        self._beats[task] = self.uptime_ms()

    def late(self) -> list:
        """Returns the tasks whose heartbeat is late."""
        now = self.uptime_ms()
        return [task for task, within in self._owed.items() if now - self._beats[task] > within]

    def failed(self, task: str, error: Exception) -> None:
        """Records that a task ended with an exception; App.keep() starts it again. Raises nothing:
        after a MemoryError there may be no memory here either."""
        try:
            self.failures[task] = self.failures.get(task, 0) + 1
            self.last_failure = f"{task}: {type(error).__name__}: {error}"
            # Prints only the first failure of each task: a task that fails every minute for a
            # month would otherwise print all the time.
            if self.failures[task] == 1:
                self.say("task failed: " + self.last_failure)
                sys.print_exception(error)
        except MemoryError:
            pass

    def say(self, text: str) -> None:
        """Prints one line on the serial console."""
        print(f"{self.uptime_ms() // 1000:8d} s  {text}")

    def watch(self, watchdog_class) -> None:
        """Starts the hardware watchdog. From now on guard() must be called again and again."""
        self._watchdog = watchdog_class(timeout=_WATCHDOG_MS)

    def guard(self) -> list:
        """Feeds the watchdog unless a task is late. Returns the late tasks."""
        late = self.late()
        if self._watchdog and not late:
            self._watchdog.feed()
        return late
