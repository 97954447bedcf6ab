# Wires it all and keeps the tasks alive.

import asyncio
import gc
import sys
import time
from binascii import hexlify

import machine

from .health import Health

_LATE_MS = 30_000  # a task's heartbeat
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 30_000  # before a failed task is started again
_GUARD_MS = 1_000

_RESET_CAUSES = {
    machine.PWRON_RESET: "power on",
    machine.HARD_RESET: "hard reset",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep sleep",
    machine.SOFT_RESET: "soft reset",
}


class App:
    """The parts that are missing: see parts.py, which makes them."""

    def __init__(self):
        self.id = hexlify(machine.unique_id()).decode()
        self.longest_turn_ms = 0
        self.is_outdated = False  # config.json has changed since the start
        self.auth = None
        from . import parts

        parts.assemble(self)
        _forget("parts", "config")
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
            return owner.view(self, machine.reset, path, method)
        finally:
            _forget("owner", "settings", "config")

    async def run(self):
        # The last net: for tasks that no _keep looks after, as those of single connections.
        asyncio.get_event_loop().set_exception_handler(self._stray)
        tasks = {
            "wifi": self.wifi.run,
            "http": lambda: self.server.run(self.http_port),
        }
        if self.port:
            sink = self.cipher or self.framer
            tasks["port"] = lambda: self.port.read(sink)
            tasks["rearm"] = lambda: self.port.rearm(sink, self.framer)
        if self.mqtt:
            tasks["mqtt"] = self.mqtt.run
        if self.mdns:
            tasks["mdns"] = self.mdns.run
        if self.relay:
            tasks["relay"] = self.relay.run
        if self.tcp_port:
            tasks["tcp"] = lambda: self.stream.run(self.tcp_port)
        for name, push in self.pushes.items():
            tasks[name] = push.run
        for name in ("port", "wifi", "mqtt"):
            if name in tasks:
                self.health.expect(name, _LATE_MS)
        if self.has_watchdog:
            self.health.watch(machine.WDT)
        for name, make in tasks.items():
            asyncio.create_task(self._keep(name, make))
        await self._guard()

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
                    gc.collect()
            if self.health.uptime_ms() - started_ms > _LONGEST_PAUSE_MS:
                pause_ms = _FIRST_PAUSE_MS
            await asyncio.sleep_ms(pause_ms)
            pause_ms = min(2 * pause_ms, _LONGEST_PAUSE_MS)

    def _stray(self, _, context):
        self.health.failed("stray", context["exception"])

    async def _guard(self):
        """The only one who feeds the watchdog; also measures how long the loop is held up."""
        late = []
        while True:
            before_ms = time.ticks_ms()
            await asyncio.sleep_ms(_GUARD_MS)
            turn_ms = time.ticks_diff(time.ticks_ms(), before_ms) - _GUARD_MS
            self.longest_turn_ms = max(self.longest_turn_ms, turn_ms)
            now_late = self.health.guard()
            if now_late and now_late != late:
                self.health.say("no heartbeat from " + ", ".join(now_late))
            late = now_late

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
            "reset_cause": _RESET_CAUSES.get(machine.reset_cause(), "unknown"),
            "telegrams": {
                "good": framer.good,
                "crc": framer.crc,
                "overflow": framer.overflow,
                "framing": framer.framing,
            },
            "values_rejected": self.latest.rejected,
            "rearmed": self.port.rearmed if self.port else 0,
            "wifi": self.wifi.state(),
            "mqtt": self.mqtt.state() if self.mqtt else {"connected": False, "reason": "off"},
            "mdns": self.mdns.state() if self.mdns else {"responder": "none", "reason": "off"},
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


def _forget(*names):
    """Modules that are needed once or seldom, and take kilobytes."""
    dongle = sys.modules["dongle"]
    for name in names:
        if sys.modules.pop("dongle." + name, None):
            delattr(dongle, name)


def run():
    """Runs the dongle; never returns."""
    try:
        dongle = App()
        try:
            asyncio.run(dongle.run())
        finally:  # on Ctrl-C too
            if dongle.mdns:
                dongle.mdns.goodbye()
    except Exception as error:
        # What should never happen. Time to read it on the console, and for Ctrl-C.
        Health().failed("app", error)
        time.sleep(10)
        machine.reset()
