# Wires it all and keeps the tasks alive.

import asyncio
import gc
import sys
import time
from binascii import hexlify, unhexlify

import machine
from p1 import country
from p1.framer import Framer

from .dns import Resolver
from .health import Health
from .http import Server
from .latest import Latest
from .port import Port
from .stream import Stream
from .web import Web
from .wifi import Wifi

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
    def __init__(self):
        from . import config as config_file

        self.health = Health()
        config, self.health.problems = config_file.load()
        self.id = hexlify(machine.unique_id()).decode()
        self.latest = Latest(
            config["meter"]["country"], lambda error: self.health.failed("listener", error)
        )
        profile = country.PROFILES[config["meter"]["country"]]
        self.framer = Framer(self.latest.take, profile.has_crc)
        self.cipher = self._cipher(config["meter"])
        self.longest_turn_ms = 0
        self._config = config
        # The port first: its ring is taken from memory that Wi-Fi wants too.
        self._board = {}
        self.port = self._port(config_file.load_board, profile.line)
        wifi = config["wifi"]
        hostname = wifi["hostname"] or "p1meter-" + self.id[-6:]
        self.wifi = Wifi(wifi["ssid"], wifi["password"], hostname, self.health)
        self.resolver = Resolver()
        self.capacity = self._capacity()
        self.mqtt = self._mqtt()
        self.mdns = self._mdns(hostname)
        self.stream = Stream(self.latest, self.health)
        self.pushes = self._pushes()
        web = Web(self.latest, self.framer, self.report)
        if config["homewizard"]["enabled"]:
            web.routes.update(self._homewizard())
        if self.capacity:
            web.routes[b"/quarter"] = self.capacity.view
        if config["http"]["metrics"]:
            web.routes[b"/metrics"] = self._metrics
        self.server = Server(web.routes, self.health)
        for problem in self.health.problems:
            self.health.say("config: " + problem)
        # Its tables take kilobytes, and only a start needs them.
        del sys.modules["dongle.config"], sys.modules["dongle"].config

    def _cipher(self, settings):
        if not settings["key"]:
            return None
        from p1.cipher import DEFAULT_AUTHENTICATION_KEY, Cipher

        second = settings["authentication_key"]
        return Cipher(
            unhexlify(settings["key"]),
            unhexlify(second) if second else DEFAULT_AUTHENTICATION_KEY,
            self.framer.feed,
        )

    def _port(self, load_board, line):
        try:
            self._board = load_board()
            return Port(self._board, line, self.health)
        except (OSError, ValueError, KeyError, TypeError) as error:
            # Without a port the rest still comes up and says so.
            self.health.problems.append(
                f"board.json: {type(error).__name__} {error}; run `make deploy`"
            )
            return None

    def _capacity(self):
        if not self._config["quarter"]["enabled"]:
            return None
        from .capacity import Capacity

        return Capacity(self._config["quarter"], self.latest, self.report)

    def _mqtt(self):
        settings = self._config["mqtt"]
        if not settings["host"]:
            return None
        from .discovery import Discovery
        from .mqtt import Mqtt

        discovery = Discovery(
            self._config, self.id, self.latest, self.wifi, self.health, self.capacity
        )
        dsmr_topics = None
        if settings["dsmr_reader_topics"]:
            from .dsmr_topics import DsmrTopics

            dsmr_topics = DsmrTopics(settings["swap_tariffs"])
        return Mqtt(
            settings,
            self.id,
            self.latest,
            self.wifi,
            self.resolver,
            self.health,
            self.report_json,
            discovery,
            dsmr_topics,
            self._tls(),
            self.capacity,
        )

    def _tls(self):
        settings = self._config["mqtt"]
        if not settings["tls"]:
            return None
        from .clock import Clock
        from .tls import Tls

        clock = Clock(self.latest, self.health, machine.RTC().datetime)
        return Tls(settings["ca"], settings["host"], clock)

    def _mdns(self, hostname):
        if not self._config["mdns"]["enabled"]:
            return None
        from .mdns import Mdns

        return Mdns(self._config, hostname, self.id, self.wifi, self.health)

    def _homewizard(self):
        """The routes of HomeWizard's API."""
        from .homewizard import Api

        ssid = self._config["wifi"]["ssid"]
        return Api(self.latest, self.id, ssid, self.wifi.rssi_dbm, self._led()).routes

    def _led(self):
        """The board's LED, with on() and off(); None where it has none."""
        board = self._board
        # Without a port what is wrong with board.json is said already.
        if self.port is None or board.get("led_pin") is None:
            return None
        is_low = not board.get("led_active", 1)
        try:
            pin = machine.Pin(board["led_pin"], machine.Pin.OUT, value=is_low)
        except (ValueError, TypeError) as error:
            self.health.problems.append(f"board.json: led_pin: {error}; run `make deploy`")
            return None
        return machine.Signal(pin, invert=is_low)

    def _pushes(self):
        """What is pushed, by its section in the config."""
        pushes = {}
        rest = self.resolver, self.latest, self.wifi, self.health
        if self._config["influx"]["url"]:
            from .influx import Influx

            pushes["influx"] = Influx(self._config["influx"], *rest)
        if self._config["dsmr_reader"]["url"]:
            from .dsmr_reader import DsmrReader

            pushes["dsmr_reader"] = DsmrReader(self._config["dsmr_reader"], *rest)
        return pushes

    def _metrics(self):
        # Takes 8 KiB, and few have a Prometheus: loaded when it is first asked for.
        from .metrics import Metrics

        return Metrics(self.latest, self.report, self.capacity).view()

    async def run(self):
        # The last net: for tasks that no _keep looks after, as those of single connections.
        asyncio.get_event_loop().set_exception_handler(self._stray)
        tasks = {
            "wifi": self.wifi.run,
            "http": lambda: self.server.run(self._config["http"]["port"]),
        }
        if self.port:
            sink = self.cipher or self.framer
            tasks["port"] = lambda: self.port.read(sink)
            tasks["rearm"] = lambda: self.port.rearm(sink, self.framer)
        if self.mqtt:
            tasks["mqtt"] = self.mqtt.run
        if self.mdns:
            tasks["mdns"] = self.mdns.run
        if self._config["tcp"]["port"]:
            tasks["tcp"] = lambda: self.stream.run(self._config["tcp"]["port"])
        for name, push in self.pushes.items():
            tasks[name] = push.run
        for name in ("port", "wifi", "mqtt"):
            if name in tasks:
                self.health.expect(name, _LATE_MS)
        if self._config["system"]["watchdog"]:
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
            "http": {"requests": self.server.requests, "refused": self.server.refused},
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

    def report_json(self):
        import json

        return json.dumps(self.report()[1]).encode()


def run():
    """Runs the dongle; never returns."""
    try:
        dongle = App()
        gc.threshold(-1)  # from now on when memory runs out, which is seldom
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
