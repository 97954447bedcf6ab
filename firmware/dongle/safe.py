# Safe mode, after several starts in a row that were soon followed by a reset. Only Wi-Fi runs, and
# an HTTP server that reports the safe mode; nothing that could be the cause of the resets. After
# half an hour the dongle restarts and tries the normal mode again.

import asyncio
import json

from micropython import const

import machine

from . import chip, in_words
from . import config as config_file
from .health import Health
from .http.response import Response
from .http.server import Server
from .meter.port import release
from .net.uplink import make as make_uplink

_GUARD_MS = const(1_000)
_LENGTH_MS = 1_800_000


class Safe:
    mdns = None  # start.py reads this attribute, as it does for App

    def __init__(self, logbook):
        self._logbook = logbook
        self._id = chip.number()
        self.health = Health()
        config, self.health.problems = config_file.load()
        wifi = config["wifi"]
        self._has_watchdog = config["system"]["watchdog"]
        self.http_port = config["http"]["port"]
        board = _board()
        if board:
            release(board)
        self._wifi = make_uplink(
            board, wifi, wifi["hostname"] or chip.hostname(self._id), self.health
        )
        self._server = Server({b"/": self._view, b"/health": self._view}, self.health)
        before = logbook.before
        last = before.get("failure") or before.get("why")
        self._last = f"; the last one: {last}" if last else ""

    def _view(self):
        left_min = (_LENGTH_MS - self.health.uptime_ms()) // 60_000 + 1
        report = {
            "status": "error",
            "reason": f"safe mode, because {self._logbook.fast} starts ended soon"
            f"{self._last}: the meter is not read; the next normal start is in {left_min} minutes",
            "code": "safe_mode",
            "id": self._id,
            "uptime_s": self.health.uptime_ms() // 1000,
            "starts": self._logbook.report(),
            self._wifi.NAME: _state(self._wifi),
            "config_problems": self.health.problems,
        }
        return Response(_pieces(report), status=503)

    async def run(self) -> None:
        self.health.say("safe mode: the last starts ended soon")
        if self._has_watchdog:
            self.health.watch(machine.WDT)
        asyncio.create_task(self._server.run(self.http_port))
        while self.health.uptime_ms() < _LENGTH_MS:
            await asyncio.sleep_ms(_GUARD_MS)
            self.health.guard()
            self._wifi.tick()
            self._server.tick()
        try:
            self._logbook.lasted()
        finally:
            machine.reset()


def _state(wifi):
    state = wifi.state()
    if "code" in state and "reason" not in state:
        state["reason"] = in_words(state["code"])
    return state


def _pieces(report):
    """Yields the report as a JSON object, in pieces of bytes."""
    separator = "{"
    for name, value in report.items():
        yield f'{separator}"{name}":'.encode()
        yield json.dumps(value).encode()
        separator = ","
    yield b"}"


def _board():
    try:
        return config_file.load_board()
    except (OSError, ValueError):
        return {}  # without a board profile, Wi-Fi is used
