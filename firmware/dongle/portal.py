# The set-up portal: an access point of the dongle's own, and on it a page on which the owner
# chooses a network. What is chosen is tried first, with station and access point at once, and kept
# only if it works. The meter is read all the while.
#
# The station stays where it is if it is connected. If not, it rests while somebody uses the page
# and tries the configured network now and then while nobody does: an attempt takes the radio off
# the access point's channel for seconds. A phone that has joined and does nothing is nobody: it
# may have come back by itself, as phones do when the network at home is gone.

import asyncio
import json

from micropython import const

import network

from . import captive, forget, label
from .http import Response, Server, refusal
from .radio import adopt, switch_on
from .resource import Resource
from .seldom import page
from .station import join, rest, scan

_ADDRESS = "192.168.4.1"  # the ESP32's own choice for its access point
_NETWORK = "192.168.4."
_HOSTS = (b"192.168.4.1", b"192.168.4.1:80")
_ORIGIN = b"http://192.168.4.1"
_PORT = const(80)
_PAGE = "web/setup.html"
_GUESTS = const(2)
_CLIENTS = const(5)  # browsers open some in advance
_MOST_NETWORKS = const(20)

_LOOK_MS = const(250)
_LOOKS_A_SECOND = const(4)
_SHOWN_MS = 60_000  # how long the page may still tell where the dongle is
_LONELY_MS = 900_000  # without anybody
_VISIT_MS = 60_000  # since a request for the page or by it, which asks every ten seconds
_RETRY_MS = 60_000


class Portal:
    """hostname: the access point's name too; is_away: it opens because the network stays away."""

    def __init__(self, app, hostname, is_away):
        self._is_for_away = is_away
        self._app = app
        self._wifi = app.wifi
        self._health = app.health
        self._hostname = hostname
        self._station = network.WLAN(network.STA_IF)
        self._access_point = network.WLAN(network.AP_IF)
        self._networks = b"[]"
        self._wants_scan = True
        self._wanted = None  # the changes to the config that are to be tried
        self._state = {"state": "ready"}
        self._restarts = False  # because not only Wi-Fi has changed
        self._saved_ms = None
        self._visited_ms = self._tried_ms = self._health.uptime_ms()
        self._routes = {
            b"/": lambda: page(_PAGE),
            b"/status": self._status,
            b"/scan": Resource({b"GET": self._scan, b"POST": self._scan_anew}),
            b"/try": Resource({b"POST": self._try}),
        }

    async def run(self):
        """Returns when it is closed again."""
        async with self._wifi.turn:
            server = Server(self._routes, self._health, gate=self._gate, most=_CLIENTS)
            tasks = []
            try:
                await self._open()
                tasks.append(asyncio.create_task(server.run(_PORT, _ADDRESS, _NETWORK)))
                tasks.append(asyncio.create_task(captive.answer(_ADDRESS)))
                await self._serve(tasks, server)
            finally:
                for task in tasks:
                    task.cancel()
                server.close()
                self._access_point.active(False)
                self._health.say("portal: closed")
        if self._restarts:
            self._app.renew("new settings")

    async def _open(self):
        if not self._station.isconnected() or self._is_mistakable():
            self._station.active(True)
            await rest(self._station)
            switch_on(self._wifi)
        self._access_point.active(True)
        password = label.password()
        self._access_point.config(
            ssid=self._hostname,
            key=password,
            security=network.AUTH_WPA2_PSK,
            max_clients=_GUESTS,
        )
        self._health.say(
            f"portal: open: Wi-Fi {self._hostname}, password {password}, http://{_ADDRESS}/"
        )

    async def _serve(self, tasks, server):
        looks = 0
        while not self._is_over():
            looks += 1
            if looks % _LOOKS_A_SECOND == 0:
                server.tick()
            for task in tasks:
                if task.done():
                    await task  # which raises why: neither ends by itself
            if self._wanted:
                await self._join(self._wanted)
                self._wanted = None
            elif self._wants_scan:
                await self._look()
                self._wants_scan = False
            elif self._may_retry():
                await join(self._station, self._wifi.ssid, self._wifi.password, attempts=1)
                self._tried_ms = self._health.uptime_ms()
            await asyncio.sleep_ms(_LOOK_MS)

    def _is_over(self):
        if self._is_mistakable():
            return True
        if self._saved_ms is not None:
            return self._since(self._saved_ms) >= _SHOWN_MS
        if not self._wifi.ssid:
            return False
        if self._is_for_away and self._wifi.up and not self._is_visited():
            return True
        return self._since(self._visited_ms) >= _LONELY_MS

    def _is_mistakable(self):
        """Whether the home has the addresses of our guests: its people could pass for them."""
        is_connected = self._station.isconnected()
        return is_connected and self._station.ifconfig()[0].startswith(_NETWORK)

    def _may_retry(self):
        return (
            self._wifi.ssid
            and not self._wifi.up
            and not self._is_visited()
            and self._since(self._tried_ms) >= _RETRY_MS
        )

    def _is_visited(self):
        return self._since(self._visited_ms) < _VISIT_MS

    def _since(self, moment_ms):
        return self._health.uptime_ms() - moment_ms

    async def _look(self):
        found = await scan(self._station)
        self._networks = json.dumps(
            [
                {"ssid": name, "rssi_dbm": rssi_dbm, "secured": is_secured}
                for name, rssi_dbm, is_secured in found[:_MOST_NETWORKS]
            ]
        ).encode()

    async def _join(self, changes):
        ssid, password = changes["wifi"]["ssid"], changes["wifi"]["password"]
        reason = await join(self._station, ssid, password)
        self._tried_ms = self._health.uptime_ms()
        if reason is None:
            adopt(self._wifi, ssid, password)
            try:
                has_homewizard = _using_config(_save, changes)
                self._saved_ms = self._health.uptime_ms()
                # HomeWizard's API tells the network's name, which it was given at the start.
                self._restarts = len(changes) > 1 or has_homewizard
            except OSError as error:
                reason = f"config.json cannot be written: {error}"
        if reason:
            self._health.say(f"portal: {ssid}: {reason}")
            self._state = {"state": "failed", "ssid": ssid, "reason": reason}
            return
        port = "" if self._app.http_port == _PORT else f":{self._app.http_port}"
        self._state = {
            "state": "connected",
            "ssid": ssid,
            "url": f"http://{self._wifi.address()}{port}/",
            "named_url": f"http://{self._hostname}.local{port}/",
            "restarts": self._restarts,
        }

    # ---- What it serves ----

    def _gate(self, request):
        """Only for who means us: a phone that asks for another host, as its check for the internet
        does, is sent here, and a page of another host may not change anything."""
        if request.host in _HOSTS and request.path in self._routes:
            if request.method == b"POST" and request.header(b"origin") not in (None, _ORIGIN):
                return refusal(403, "this is for the dongle's own page")
            self._visited_ms = self._health.uptime_ms()
            return None
        if request.method == b"GET":
            location = b"Location: %s/\r\n" % _ORIGIN
            return Response(b"", "text/plain", status=302, headers=location)
        return refusal(403, f"this is http://{_ADDRESS}/")

    def _status(self):
        return Response(json.dumps(dict(self._state, hostname=self._hostname)).encode())

    def _scan(self):
        searching = b"true" if self._wants_scan else b"false"
        return Response((b'{"searching":', searching, b',"networks":', self._networks, b"}"))

    def _scan_anew(self, _):
        self._wants_scan = True
        return self._scan()

    def _try(self, body):
        if self._wanted:
            return refusal(503, "another network is being tried")
        if self._saved_ms is not None:
            return refusal(503, "a network has been chosen")
        try:
            changes = _using_config(_changes, json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return refusal(400, str(error) or "expected an object with ssid and password")
        self._wanted = changes
        self._state = {"state": "trying", "ssid": changes["wifi"]["ssid"]}
        return self._status()


def _using_config(work, *arguments):
    """work(config, *arguments). That module is large, and in memory only for as long as this."""
    from . import config

    try:
        return work(config, *arguments)
    finally:
        forget("dongle.config")


def _changes(config, wanted):
    """What the page sends, as changes to the config. Raises ValueError with what is wrong, or
    anything where it is no object."""
    changes = {"wifi": {"ssid": wanted["ssid"], "password": wanted["password"]}}
    if wanted.get("mqtt_host"):
        changes["mqtt"] = {
            "host": wanted["mqtt_host"],
            "user": wanted.get("mqtt_user", ""),
            "password": wanted.get("mqtt_password", ""),
        }
    _, problems = config.validate(changes)
    if not changes["wifi"]["ssid"]:
        problems.append("wifi.ssid: a network must have a name")
    if problems:
        raise ValueError("; ".join(problems))
    return changes


def _save(config, changes):
    """Keeps the changes; whether HomeWizard's API is on."""
    document, _ = config.read()
    if not isinstance(document, dict):
        document = {}
    for section, values in changes.items():
        kept = document.get(section)
        document[section] = dict(kept if isinstance(kept, dict) else {}, **values)
    config.save(document)
    return config.validate(document)[0]["homewizard"]["enabled"]
