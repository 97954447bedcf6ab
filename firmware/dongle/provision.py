# When the set-up portal opens: while no network is configured, once the board's button has been
# held, and when the configured network has stayed away. What it does is in portal.py, and that is
# in memory only as long as it is open.

import asyncio
import gc
import sys

_LOOK_MS = 250
_HOLD_MS = 3_000
_AWAY_MS = 900_000

# Why it is open.
UNCONFIGURED, BUTTON, AWAY = "no network is configured", "the button", "the network stays away"

# What only the portal needs.
_MODULES = ("portal", "station", "captive", "label", "config", "dns_packet")


class Provision:
    """button: a Pin, low while it is pressed; None where the board has none."""

    def __init__(self, app, button, hostname):
        self._app = app
        self._button = button
        self._hostname = hostname

    async def run(self):
        wifi = self._app.wifi
        held_ms = idle_ms = 0
        while True:
            await asyncio.sleep_ms(_LOOK_MS)
            idle_ms += _LOOK_MS
            is_pressed = self._button is not None and not self._button.value()
            held_ms = held_ms + _LOOK_MS if is_pressed else 0
            if not wifi.credentials()[0]:
                await self._open(UNCONFIGURED)
            elif held_ms == _HOLD_MS:  # once only, however long it is held
                await self._open(BUTTON)
            elif min(wifi.away_ms(), idle_ms) >= _AWAY_MS:
                await self._open(AWAY)
                idle_ms = 0  # if it stays away, again after as long

    async def _open(self, why):
        resident = [name for name in _MODULES if "dongle." + name in sys.modules]
        try:
            await self._serve(why)
        finally:
            forget([name for name in _MODULES if name not in resident])

    async def _serve(self, why):
        from .portal import Portal

        await Portal(why, self._app, self._hostname).run()


def forget(names):
    """Takes these modules of the dongle out of memory, as far as nobody uses them."""
    dongle = sys.modules["dongle"]
    for name in names:
        if sys.modules.pop("dongle." + name, None):
            delattr(dongle, name)
    gc.collect()
