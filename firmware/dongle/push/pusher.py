# Pushing readings to a server by HTTP, at an interval. What is pushed, and what becomes of it
# when the server does not take it, is up to the kinds: influx.py, dsmr_reader.py.
#
# A server that is dead, slow or unreachable never stops the loop; after a failure there are
# growing pauses, or the one that the server asks for.

import asyncio
import random

from micropython import const

from .client import Failed

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 60_000
_LONGEST_ASKED_S = const(3_600)  # of what a server may ask for
_WIFI_MS = const(1_000)
_EARLY_MS = 500  # telegrams do not come to the millisecond


class Push:
    """A kind defines `taken`, the status of success; `useless`, those that say that this will
    never be taken; `words` for statuses; and the methods below that raise NotImplementedError.
    client: a Client."""

    words = {}
    useless = ()

    def __init__(self, name, interval_s, client, latest, wifi, health):
        self._name = name
        self._interval_ms = 1000 * interval_s
        self._client = client
        self._latest = latest
        self._wifi = wifi
        self._health = health
        self._due_ms = 0  # uptime
        self._wake = asyncio.Event()
        self._said = None
        self.result = "nothing sent yet"
        self.sent = 0  # readings
        latest.listeners.append(self._on_reading)

    # What a kind does.

    def note(self):
        """A reading is due to be sent."""
        raise NotImplementedError

    def is_waiting(self):
        """Whether there is anything to send."""
        raise NotImplementedError

    def body(self):
        """What to send now, as Client.post() takes it; raises Failed where there is nothing any
        more."""
        raise NotImplementedError

    def arrived(self):
        """The server has taken it; returns how many readings that were."""
        raise NotImplementedError

    def failed(self, is_useless):
        """The server has not taken it, or, is_useless, never will."""
        raise NotImplementedError

    # What is common.

    def state(self):
        """For /health: a dict."""
        return {"result": self.result, "sent": self.sent}

    def _on_reading(self):
        now = self._health.uptime_ms()
        if now >= self._due_ms:
            self._due_ms = now + self._interval_ms - _EARLY_MS
            self.note()
            self._wake.set()

    async def run(self):
        pause_ms = 0
        while True:
            if not self.is_waiting():
                self._wake.clear()
                await self._wake.wait()
            elif not self._wifi.up:
                self._tell("waiting for Wi-Fi")
                await asyncio.sleep_ms(_WIFI_MS)
            else:
                pause_ms = await self._push(pause_ms)
                if pause_ms:
                    # Not all dongles of a street at once when the server comes back.
                    await asyncio.sleep_ms(pause_ms * (1024 + random.getrandbits(9)) // 1024)

    async def _push(self, pause_ms):
        """One exchange. pause_ms: after the one before; returns that after this one."""
        longer_ms = min(2 * pause_ms or _FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        try:
            answer = await self._client.post(self.body)
        except Failed as failure:
            self.failed(False)
            self._tell(str(failure))
            return longer_ms
        status = answer.status
        if status == self.taken:  # pyright: ignore[reportAttributeAccessIssue]
            self.sent += self.arrived()
            self._tell("ok")
            return 0
        is_useless = status in self.useless
        self.failed(is_useless)
        words = self.words.get(status) or f"expected {self.taken}: is the url right?"  # pyright: ignore[reportAttributeAccessIssue]
        self._tell(f"{status}: {words}", answer.text)
        if is_useless:
            return _FIRST_PAUSE_MS
        return max(longer_ms, 1000 * min(answer.wait_s, _LONGEST_ASKED_S))

    def _tell(self, result, details=""):
        # The details may differ each time; the console is told once.
        if result != self._said:
            self._health.say(f"{self._name}: {result} {details}")
            self._said = result
        self.result = f"{result} ({details})" if details else result
