# Multicast DNS (RFC 6762): programs find the dongle and its services without an address.
#
# The official MicroPython firmware has a built-in responder. It uses UDP port 5353 and answers
# only with the dongle's address. In that case this module does nothing and imports nothing more.
# If MicroPython was built without it, our own responder runs, which also announces the services.

import asyncio
import errno
import socket

TEMPORARY = True  # see forget()

_GROUP = ("224.0.0.251", 5353)
_LOOK_MS = 1_000

_TAKEN = "port_taken"
_WAITING = "waiting_for_network"


class Mdns:
    """has_homewizard: whether HomeWizard's local API is served; host: the name without .local."""

    def __init__(self, http_port, has_homewizard, host, dongle_id, wifi, health):
        self._http_port = http_port
        self._has_homewizard = has_homewizard
        self._host = host
        self._id = dongle_id
        self._wifi = wifi
        self._health = health
        self._responder = None  # a Responder while ours is running
        self._code = _WAITING  # why ours is not running, see report_network.py
        self._reason = None  # the same in words, if words.py has none

    def state(self) -> dict:
        """Returns what /health shows of multicast DNS."""
        name = self._host + ".local"
        if self._responder:
            state = {"responder": "own", "name": name}
            state.update(self._responder.state())
            return state
        if self._code == _TAKEN:
            return {"responder": "built-in", "name": name, "code": _TAKEN}
        state = {"responder": "none", "code": self._code}
        if self._reason:
            state["reason"] = self._reason
        return state

    async def run(self) -> None:
        """Serves for ever; returns only if MicroPython's own responder has the port."""
        while True:
            address = self._wifi.address()
            if address:
                await self._respond(address)
            if self._code == _TAKEN:
                return
            await asyncio.sleep_ms(_LOOK_MS)

    async def _respond(self, address):
        """Runs our responder for as long as the dongle has this address."""
        numbers = bytes([int(part) for part in address.split(".")])
        port = self._open(numbers)
        if not port:
            return
        try:
            from .mdns_records import Records, services
            from .mdns_responder import Responder

            served = services(self._http_port, self._has_homewizard, self._id)
            records = Records(self._host, numbers, served)
            self._responder = Responder(port, _GROUP, records, self._health)
            self._health.say(f"mdns: {self._host}.local")
            while self._wifi.address() == address:
                await self._responder.serve_a_second()
        finally:
            self._code, self._reason = _WAITING, None
            self.goodbye()
            self._responder = None
            port.close()

    def goodbye(self) -> None:
        """Announces that the services are gone, if our responder is running."""
        if self._responder:
            self._responder.goodbye()

    def _open(self, numbers):
        """Returns the socket, or None if it cannot be opened."""
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind(("0.0.0.0", _GROUP[1]))
            membership = bytes([int(part) for part in _GROUP[0].split(".")]) + numbers
            port.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            port.setblocking(False)
            return port
        except OSError as error:
            port.close()
            code, reason = _TAKEN, None
            if error.errno != errno.EADDRINUSE:
                code = "no_multicast"
                reason = f"no multicast: {errno.errorcode.get(error.errno) or error}"
        if self._code != code or self._reason != reason:
            self._code, self._reason = code, reason
            self._health.say("mdns: " + (reason or "UDP port 5353 is in use"))
        return None
