# When the set-up portal opens: while no network is configured, once the board's button has been
# held, and when the configured network has stayed away. What it does is in portal.py, and that is
# in memory only as long as it is open.

from micropython import const

from .. import forget, room

_HOLD_LOOKS = 3
_AWAY_MS = 900_000
_REST_MS = 30_000

# Of the Python heap; with less, HTTP and TCP on the home network rest while the portal is open.
_RADIO_BYTES = const(2_000)
_BOTH_BYTES = const(40_000)

# What only the portal needs.
_MODULES = (
    "dongle.setup.portal",
    "dongle.net.radio",
    "dongle.http.resource",
    "dongle.setup.captive",
    "dongle.http.seldom",
    "dongle.store",
)


class Provision:
    """button: a Pin, low while it is pressed; None where the board has none."""

    def __init__(self, app, button):
        self._app = app
        self._button = button
        self.is_open = self._is_away = False
        self._held = 0  # looks in a row at which the button was pressed
        self._closed_ms = 0  # uptime
        self._rests_until_ms = 0  # the same, after a failure

    def is_due(self):
        """To be asked once a second: whether serve() is to be called."""
        now_ms = self._app.health.uptime_ms()
        if self.is_open or now_ms < self._rests_until_ms:
            return False
        wifi = self._app.wifi
        is_pressed = self._button is not None and not self._button.value()
        self._held = self._held + 1 if is_pressed else 0
        # If the network stays away, again after as long.
        self._is_away = min(wifi.away_ms(), now_ms - self._closed_ms) >= _AWAY_MS
        # By the button once only, however long it is held.
        held = self._held == _HOLD_LOOKS
        self.is_open = held or self._is_away or not wifi.ssid
        return self.is_open

    async def serve(self):
        """Returns when the portal is closed again."""
        health = self._app.health
        resting = () if room.has(_BOTH_BYTES) else (self._app.server, self._app.stream)
        try:
            for each in resting:
                if each:
                    each.rest(True)
            # For the radio, which aborts where it finds no memory; who rests gives some back.
            await room.for_network(_RADIO_BYTES)
            await self._open(self._is_away)
        except Exception as error:
            health.failed("provision", error)
            self._rests_until_ms = health.uptime_ms() + _REST_MS
        finally:
            forget(*_MODULES)
            for each in resting:
                if each:
                    each.rest(False)
            self._closed_ms = health.uptime_ms()
            self.is_open = False

    async def _open(self, is_away):
        from .portal import Portal

        await Portal(self._app, self._app.hostname, is_away).run()
