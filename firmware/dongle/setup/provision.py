# Decides when the set-up portal opens: while no network is configured, after the board's button
# was held, and after the configured network was away for long. The portal itself is in portal.py,
# which is in memory only while the portal is open.

from micropython import const

from .. import forget, room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device
    from ..net.wifi import Wifi

_HOLD_LOOKS = 3
_AWAY_MS = 900_000
_REST_MS = 30_000

_RADIO_BYTES = const(2_000)  # for room.for_network()
# Of the Python heap; with less, HTTP and TCP on the home network stop while the portal is open.
_BOTH_BYTES = const(40_000)


class Provision:
    """button: a Pin, low while it is pressed; None if the board has no button."""

    def __init__(self, device: "Device", wifi: "Wifi", button):
        self._device = device
        self._wifi = wifi
        self._button = button
        self.is_open = self._is_away = False
        self._held = 0  # calls of is_due() in a row that found the button pressed
        self._closed_ms = 0  # uptime when the portal was last closed
        self._rests_until_ms = 0  # uptime until which it does not open, after a failure

    def is_due(self) -> bool:
        """Must be called once a second. Returns whether the caller must call serve()."""
        now_ms = self._device.health.uptime_ms()
        if self.is_open or now_ms < self._rests_until_ms:
            return False
        wifi = self._wifi
        is_pressed = self._button is not None and not self._button.value()
        self._held = self._held + 1 if is_pressed else 0
        # While the network stays away, opens again after the same time.
        self._is_away = min(wifi.away_ms(), now_ms - self._closed_ms) >= _AWAY_MS
        # == instead of >=: a button that is held for long opens the portal once only.
        held = self._held == _HOLD_LOOKS
        self.is_open = held or self._is_away or not wifi.ssid
        return self.is_open

    async def serve(self) -> None:
        """Opens the portal, and returns when it is closed again."""
        health = self._device.health
        resting = () if room.has(_BOTH_BYTES) else (self._device.server, self._device.stream)
        try:
            for each in resting:
                if each:
                    each.rest(True)
            # Waits for memory for the radio, which aborts if it finds none. The servers that have
            # stopped give some back.
            await room.for_network(_RADIO_BYTES)
            await self._open(self._is_away)
        except Exception as error:
            health.failed("provision", error)
            self._rests_until_ms = health.uptime_ms() + _REST_MS
        finally:
            for each in resting:
                if each:
                    each.rest(False)
            self._closed_ms = health.uptime_ms()
            self.is_open = False

    async def _open(self, is_away):
        from .portal import Portal

        forget()
        await Portal(self._device, self._wifi, is_away).run()
