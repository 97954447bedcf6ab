# Keeps the Wi-Fi station connected.
#
# The driver reconnects by itself, without end. This module helps if that does not work: after a
# minute it makes a new attempt, after five minutes it switches the radio off and on. The last
# resort, a reset, is up to app.py. Being offline is a normal state and not an error: the meter is
# read all the time.
#
# This module only watches the connection. radio.py controls the radio and is in memory only while
# it does so.

import asyncio

import network

from .. import forget

_LOOK_MS = 1_000
_RETRY_MS = 60_000
_RESTART_MS = 300_000
# If the radio reports a connection but no server can be reached for so long, the radio is switched
# off and on, because its report may be wrong. At most once an hour, because the servers may be
# down as well.
_DOUBT_MS = 600_000
_REST_MS = 3_600_000


class Wifi:
    """tick() is to be called once a second. turn: a Lock, held by the code that controls the
    station: radio.py, or the set-up portal for as long as it is open. Meanwhile Wifi only watches
    the connection. ssid, password: of the configured network; ssid is empty without one."""

    NAME = "wifi"
    up = False
    drops = 0
    down_ms = 0  # time without a connection since the last attempt
    _is_started = False
    _attempts = 0
    _down_since_ms = 0  # uptime
    _doubt_since_ms = None  # uptime of the first server in a row that could not be reached
    _rested_ms = None  # uptime of the last restart of the radio for that reason

    def __init__(self, settings, hostname, health):
        """settings: the section "wifi" of the config."""
        self.ssid, self.password = settings["ssid"], settings["password"]
        self.delay_ms = 1000 * settings["delay_s"]
        self.txpower_dbm = settings["txpower_dbm"]
        self._health = health
        self.turn = asyncio.Lock()
        network.hostname(hostname)  # works only before the radio is switched on
        self.station = network.WLAN(network.STA_IF)

    def address(self) -> str | None:
        return self.station.ifconfig()[0] if self.up else None

    def away_ms(self) -> int:
        """Returns for how long there has been no network; 0 if there is one or none is
        configured."""
        if self.up or not self.ssid:
            return 0
        return self._health.uptime_ms() - self._down_since_ms

    def doubt(self) -> None:
        """Notes that a server could not be reached."""
        if self._doubt_since_ms is None:
            self._doubt_since_ms = self._health.uptime_ms()

    def trust(self) -> None:
        """Notes that a server was reached, or a client has reached the dongle."""
        self._doubt_since_ms = None

    def rssi_dbm(self) -> int | None:
        """Returns the signal strength; None without a connection."""
        return self.station.status("rssi") if self.station.isconnected() else None

    def state(self) -> dict:
        """Returns what /health shows of the network; words.py explains the code."""
        from .radio import state

        forget()
        return state(self)

    def see(self) -> None:
        """Checks whether there is a connection."""
        up = self.station.isconnected()
        if up != self.up:
            self.up = up
            if up:
                self._doubt_since_ms = None
                self._health.say(f"wifi: connected to {self.ssid} as {self.address()}")
            else:
                self.drops += 1
                self._down_since_ms = self._health.uptime_ms()
                self._health.say("wifi: connection lost")

    def tick(self) -> None:
        """Watches the connection and starts what it needs. To be called once a second."""
        if not self._is_started:
            self._is_started = True
            if not self.ssid:
                self._health.say("wifi: no network configured; run `make configure`")
            elif not self.turn.locked():
                self._move("begin")
            return
        self.see()
        if self.up:
            self.down_ms = self._attempts = 0
            if not self.turn.locked() and self._is_doubtful():
                self._move("restart")
        elif self.turn.locked() or not self.ssid:
            self.down_ms = _RETRY_MS  # an attempt as soon as the lock is free again
        else:
            self.down_ms += _LOOK_MS
            if self.down_ms >= _RETRY_MS:
                self._attempts += 1
                is_late = self._attempts % (_RESTART_MS // _RETRY_MS) == 0
                self._move("restart" if is_late else "reconnect")

    def _is_doubtful(self):
        now = self._health.uptime_ms()
        if self._doubt_since_ms is None or now - self._doubt_since_ms < _DOUBT_MS:
            return False
        if self._rested_ms is not None and now - self._rested_ms < _REST_MS:
            return False
        self._health.say("wifi: no server can be reached; the radio is restarted")
        self._rested_ms = now
        self._doubt_since_ms = None
        return True

    def _move(self, how):
        from .radio import move

        asyncio.create_task(move(self, how, self._health, _RETRY_MS))
        forget()
