# When the set-up portal opens: while no network is configured, once the board's button has been
# held, and when the configured network has stayed away. What it does is in portal.py, and that is
# in memory only as long as it is open.

import asyncio

from .seldom import forget

_LOOK_MS = 250
_HOLD_MS = 3_000
_AWAY_MS = 900_000

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
            is_away = min(wifi.away_ms(), idle_ms) >= _AWAY_MS
            # Once only, however long it is held; and if the network stays away, again after as
            # long.
            if not wifi.credentials()[0] or held_ms == _HOLD_MS or is_away:
                idle_ms = 0
                try:
                    await self._open(is_away)
                finally:
                    forget(*_MODULES)

    async def _open(self, is_away):
        from .portal import Portal

        await Portal(self._app, self._hostname, is_away).run()
