# How the dongle is: heartbeats of the tasks, their failures, and the watchdog that is fed only
# while every task that owes a heartbeat has given one.

import gc
import json
import sys
import time

_WATCHDOG_MS = 60_000


def pieces(members):
    """Yields members, (name, value) each, as a JSON object, in bytes: as a whole it would take
    more than a kilobyte of memory in one piece."""
    separator = "{"
    for name, value in members:
        yield f'{separator}"{name}":'.encode()
        yield json.dumps(value).encode()
        separator = ","
    yield b"}"


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

    def memory(self):
        """In bytes: of the Python heap, which is as large as heap says, what is used and free; of
        IDF's, from which Wi-Fi, sockets and a growth of the Python heap are taken, what is free,
        the largest piece of that, and the least there has been."""
        import esp32  # here, because who only words a report has none

        used, free = gc.mem_alloc(), gc.mem_free()
        regions = esp32.idf_heap_info(esp32.HEAP_DATA)  # total, free, largest, least ever of each
        largest = max([region[2] for region in regions])
        if sys.platform == "esp32":
            free -= largest  # mem_free() counts what the heap could still grow by
        return {
            "used": used,
            "free": free,
            "heap": used + free,
            "idf_free": sum([region[1] for region in regions]),
            "idf_largest": largest,
            "idf_least": sum([region[3] for region in regions]),
        }


def report(app):
    """(what is wrong, or None; all there is to know: an iterable of (name, value), each made when
    it is its turn, because together they would take three kilobytes)."""
    reason = None
    if app.port is None:
        reason = app.health.problems[-1]
    elif app.latest.age_ms() is None:
        reason = _silence(app)
    return reason, _members(app, reason)


def _members(app, reason):
    off = {"connected": False, "reason": "off"}
    framer = app.framer
    yield "status", "error" if reason else "ok"
    yield "id", app.id
    yield "uptime_s", app.health.uptime_ms() // 1000
    yield "firmware", app.firmware
    yield "reset_cause", app.reset_cause
    yield "starts", app.logbook.report()
    yield (
        "telegrams",
        {
            "good": framer.good,
            "crc": framer.crc,
            "overflow": framer.overflow,
            "framing": framer.framing,
        },
    )
    yield "values_rejected", app.latest.rejected
    yield "rearmed", app.port.rearmed if app.port else 0
    yield "wifi", app.wifi.state() if app.wifi.NAME == "wifi" else off
    yield "mqtt", app.mqtt.state() if app.mqtt else off
    yield "mdns", app.mdns.state() if app.mdns else app.mdns_state
    yield (
        "http",
        {
            "requests": app.server.requests,
            "refused": app.server.refused,
            "wrong_passwords": app.auth.wrong if app.auth else 0,
        },
    )
    yield "tcp", app.stream.state() if app.stream else {"clients": 0, "dropped": 0}
    yield "memory", app.health.memory()
    yield "longest_turn_ms", app.longest_turn_ms
    yield "task_failures", app.health.failures
    yield "config_problems", app.health.problems
    if app.wifi.NAME != "wifi":
        yield app.wifi.NAME, app.wifi.state()
    if app.cipher:
        good, bad, overflow = app.cipher.good, app.cipher.bad, app.cipher.overflow
        yield "frames", {"good": good, "bad": bad, "overflow": overflow}
    for name, push in app.pushes.items():
        yield name, push.state()
    if reason:
        yield "reason", reason
    age_ms = app.latest.age_ms()
    if age_ms is not None:
        yield "telegram_age_ms", age_ms
    if app.health.last_failure:
        yield "last_failure", app.health.last_failure


def _silence(app):
    """Why there is no reading, in words that help."""
    if app.cipher and app.cipher.bad and not app.cipher.good:
        return "encrypted telegrams arrive, but meter.key does not open them"
    if app.port.is_damaged():
        return (
            "telegrams arrive damaged: check the pull-up on the data line and the cable; "
            "/telegram/bad shows the last one"
        )
    return (
        "no telegram: is the port open at the grid operator, the cable plugged in and the "
        "data request wired as in board.json?"
    )
