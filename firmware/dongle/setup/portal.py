# The set-up portal: the dongle's own access point, with a page where the owner chooses a network.
# The dongle tries the network first, with station and access point at the same time, and saves it
# only if it works. The meter is read all the time.
#
# A connected station stays connected. Otherwise it does not try to connect while the page is in
# use, because an attempt takes the radio off the access point's channel for seconds. While the
# page is not in use, it tries the configured network from time to time. A phone that has only
# joined does not count as use: phones do so by themselves when the home network is gone.

import asyncio
import json

from micropython import const

import network

from .. import forget
from ..http.resource import Resource
from ..http.response import Response, refusal
from ..http.server import Server
from . import captive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device
    from ..net.wifi import Wifi

TEMPORARY = True  # see forget()

_ADDRESS = "192.168.4.1"  # the ESP32's own choice for its access point
_NETWORK = "192.168.4."
_HOSTS = (b"192.168.4.1", b"192.168.4.1:80")
_ORIGIN = b"http://192.168.4.1"
_PORT = const(80)
_PAGE = "web/setup.html"
_CLIENTS = const(4)  # browsers open some connections in advance

_LOOK_MS = const(250)
_LOOKS_A_SECOND = const(4)
_SHOWN_MS = 60_000  # after success: how long the page can still show the dongle's new address
_LONELY_MS = 900_000  # the portal closes after this time without a request
_VISIT_MS = 60_000  # the page is in use for so long after a request; it sends one every 10 s
_RETRY_MS = 60_000


class Portal:
    """is_away: it opens because the configured network has been away for long."""

    def __init__(self, device: "Device", wifi: "Wifi", is_away: bool):
        self._is_for_away = is_away
        self.device = device
        self.wifi = wifi
        self.health = device.health
        self.hostname = device.hostname  # also the name of the access point
        self.station = network.WLAN(network.STA_IF)
        self.access_point = network.WLAN(network.AP_IF)
        self._networks = b"[]"
        self._wants_scan = True
        self._wanted = None  # the changes to the config that will be tried
        self.state = {"state": "ready"}
        self.restarts = False  # True if more than Wi-Fi has changed
        self.saved_ms = None
        self._visited_ms = self.tried_ms = self.health.uptime_ms()
        self._routes = {
            b"/": _page,
            b"/status": self._status,
            b"/scan": Resource({b"GET": self._scan, b"POST": self._scan_anew}),
            b"/try": Resource({b"POST": self._try}),
        }

    async def run(self) -> None:
        """Opens the portal, and returns when it is closed again."""
        async with self.wifi.turn:
            server = Server(
                self._routes,
                self.health,
                gate=self._gate,
                most=_CLIENTS,
                free=self.device.server.free,
            )
            tasks = []
            try:
                await _errand().start(self, _ADDRESS)
                tasks.append(asyncio.create_task(server.run(_PORT, _ADDRESS, _NETWORK)))
                tasks.append(asyncio.create_task(captive.answer(_ADDRESS)))
                await self._serve(tasks, server)
            finally:
                for task in tasks:
                    task.cancel()
                server.close()
                self.access_point.active(False)
                self.health.say("portal: closed")
        if self.restarts:
            self.device.renew("new settings")

    async def _serve(self, tasks, server):
        looks = 0
        while not self._is_over():
            looks += 1
            if looks % _LOOKS_A_SECOND == 0:
                server.tick()
            for task in tasks:
                if task.done():
                    await task  # raises the error: these tasks never end without one
            if self._wanted:
                await _errand().join(self, self._wanted)
                self._wanted = None
            elif self._wants_scan:
                self._networks = await _errand().look(self)
                self._wants_scan = False
            elif self._may_retry():
                await _errand().retry(self)
            await asyncio.sleep_ms(_LOOK_MS)

    def _is_over(self):
        if self.is_mistakable():
            return True
        if self.saved_ms is not None:
            return self._since(self.saved_ms) >= _SHOWN_MS
        if not self.wifi.ssid:
            return False
        if self._is_for_away and self.wifi.up and not self._is_visited():
            return True
        return self._since(self._visited_ms) >= _LONELY_MS

    def is_mistakable(self) -> bool:
        """Whether the home network uses the same addresses as the access point. Then devices in
        the home could be mistaken for clients of the access point."""
        is_connected = self.station.isconnected()
        return is_connected and self.station.ifconfig()[0].startswith(_NETWORK)

    def _may_retry(self):
        return (
            self.wifi.ssid
            and not self.wifi.up
            and not self._is_visited()
            and self._since(self.tried_ms) >= _RETRY_MS
        )

    def _is_visited(self):
        return self._since(self._visited_ms) < _VISIT_MS

    def _since(self, moment_ms):
        return self.health.uptime_ms() - moment_ms

    # ---- What it serves ----

    def _gate(self, request):
        """Redirects requests for another host, such as a phone's check for internet access, to the
        portal. A page of another site may not change anything."""
        if request.host in _HOSTS and request.path in self._routes:
            if request.method == b"POST" and request.header(b"origin") not in (None, _ORIGIN):
                return refusal(403, "foreign_page", "a page of another site may not do this")
            self._visited_ms = self.health.uptime_ms()
            return None
        if request.method == b"GET":
            location = b"Location: %s/\r\n" % _ORIGIN
            return Response(b"", "text/plain", status=302, headers=location)
        return refusal(403, "unknown_host", f"the set-up page is at http://{_ADDRESS}/")

    def _status(self):
        return Response(json.dumps(dict(self.state, hostname=self.hostname)).encode())

    def _scan(self):
        searching = b"true" if self._wants_scan else b"false"
        return Response((b'{"searching":', searching, b',"networks":', self._networks, b"}"))

    def _scan_anew(self, _):
        self._wants_scan = True
        return self._scan()

    async def _try(self, body):
        await asyncio.sleep_ms(0)  # leaves the stack: old values on it keep garbage alive
        if self._wanted:
            return refusal(503, "busy", "another network is being tried")
        if self.saved_ms is not None:
            return refusal(503, "busy", "a network has already been chosen")
        try:
            changes = await _wish().changes(json.load(body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return refusal(
                400, "wrong_value", str(error) or "expected an object with ssid and password"
            )
        self._wanted = changes
        self.state = {"state": "trying", "ssid": changes["wifi"]["ssid"]}
        return self._status()


# These modules are forgotten as soon as they are imported. So each is freed after its last use
# here.


def _errand():
    from . import errand

    forget()
    return errand


def _page():
    from ..http.seldom import page

    forget()
    return page(_PAGE)


def _wish():
    from . import wish

    forget()
    return wish
