# Pushes readings to a server by HTTP, at an interval. The subclasses, in influx.py and
# dsmr_reader.py, decide what is sent and what happens if the server does not accept it.
#
# A server that is dead, slow or unreachable never stops the event loop. After a failure there are
# growing pauses, or the pause that the server asks for.

import asyncio
import random

from micropython import const

from .. import in_words
from .client import Failed

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 60_000
_LONGEST_ASKED_S = const(3_600)  # the longest pause that a server may ask for
_WIFI_MS = const(1_000)
_EARLY_MS = 500  # telegrams do not come at exact intervals


class Push:
    """A subclass defines `taken`, the HTTP status of success; `useless`, the statuses after which
    sending the same again is of no use; `codes`, a code for each status; and the methods below
    that raise NotImplementedError. client: a Client."""

    codes = {}
    useless = ()

    def __init__(self, name, interval_s, client, latest, wifi, health):
        self._name = name
        self._interval_ms = 1000 * interval_s
        self._client = client
        self._latest = latest
        self._wifi = wifi
        self._health = health
        self._due_ms = 0  # uptime at which the next reading is due
        self._wake = asyncio.Event()
        self._said = None  # the result that was last written to the console
        self.code = "nothing_sent_yet"  # of the last result
        self.result = "nothing sent yet"
        self.sent = 0  # number of readings
        latest.listeners.append(self._on_reading)

    # What a subclass has to define.

    def note(self) -> None:
        """Keeps the latest reading for sending; called when one is due."""
        raise NotImplementedError

    def is_waiting(self) -> bool:
        """Returns whether there is anything to send."""
        raise NotImplementedError

    def body(self) -> tuple:
        """Returns what to send now, as Client.post() needs it; raises Failed if there is no longer
        anything."""
        raise NotImplementedError

    def arrived(self) -> int:
        """Called when the server has accepted the body; returns how many readings it had."""
        raise NotImplementedError

    def failed(self, is_useless: bool) -> None:
        """Called when the server has not accepted the body. is_useless: it never will."""
        raise NotImplementedError

    # What all subclasses share.

    def state(self) -> dict:
        """Returns what /health shows of this push."""
        return {"result": self.result, "code": self.code, "sent": self.sent}

    def _on_reading(self):
        now = self._health.uptime_ms()
        if now >= self._due_ms:
            self._due_ms = now + self._interval_ms - _EARLY_MS
            self.note()
            self._wake.set()

    async def run(self) -> None:
        """Sends what is due; never returns."""
        pause_ms = 0
        while True:
            if not self.is_waiting():
                self._wake.clear()
                await self._wake.wait()
            elif not self._wifi.up:
                self._tell("waiting_for_network", "waiting for the network")
                await asyncio.sleep_ms(_WIFI_MS)
            else:
                pause_ms = await self._push(pause_ms)
                if pause_ms:
                    # A random part, so that not all dongles send at once when the server is back.
                    await asyncio.sleep_ms(pause_ms * (1024 + random.getrandbits(9)) // 1024)

    async def _push(self, pause_ms):
        """Sends once and returns the pause until the next attempt. pause_ms: the pause before this
        attempt."""
        longer_ms = min(2 * pause_ms or _FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        try:
            answer = await self._client.post(self.body)
        except Failed as failure:
            self.failed(False)
            self._tell(*failure.args)
            return longer_ms
        status = answer.status
        if status == self.taken:  # pyright: ignore[reportAttributeAccessIssue]
            self.sent += self.arrived()
            self._tell("ok", "ok")
            return 0
        is_useless = status in self.useless
        self.failed(is_useless)
        code = self.codes.get(status, "unexpected_status")
        self._tell(code, f"{status}: {in_words(code)}", answer.text)
        if is_useless:
            return _FIRST_PAUSE_MS
        return max(longer_ms, 1000 * min(answer.wait_s, _LONGEST_ASKED_S))

    def _tell(self, code, result, details=""):
        # The details may be different each time, so only a new result is written to the console.
        if result != self._said:
            self._health.say(f"{self._name}: {result} {details}")
            self._said = result
        self.code = code
        self.result = f"{result} ({details})" if details else result
