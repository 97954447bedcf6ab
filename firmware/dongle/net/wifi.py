# The Wi-Fi station: what is wanted against what is.
#
# The driver reconnects by itself for ever; this helps only where that does not work: after a
# minute a new attempt, after five the radio is switched off and on. What comes last, a reset, is
# for app.py to decide. Being offline is a state, not an error: the meter is read all the while.
#
# This file looks; what moves the radio is in radio.py, and in memory only meanwhile.

import asyncio

import network

from .. import forget

_LOOK_MS = 1_000
_RETRY_MS = 60_000
_RESTART_MS = 300_000
# Connected, and yet nobody can be reached for so long: the radio is switched off and on, for it
# may only believe so. Once in an hour, for it may as well be the others.
_DOUBT_MS = 600_000
_REST_MS = 3_600_000


class Wifi:
    """tick() is to be called once a second. turn: the Lock of who moves the station. That is this,
    and for as long as it is open the set-up portal; this only looks on then. ssid, password: of
    the configured network; the ssid is empty where there is none."""

    NAME = "wifi"
    up = False
    drops = 0
    down_ms = 0  # since the last attempt
    _is_started = False
    _attempts = 0
    _down_since_ms = 0  # uptime
    _doubt_since_ms = None  # when nobody could be reached for the first time
    _rested_ms = None  # uptime of the last restart for such a doubt

    def __init__(self, settings, hostname, health):
        """settings: the section "wifi" of the config."""
        self.ssid, self.password = settings["ssid"], settings["password"]
        self.delay_ms = 1000 * settings["delay_s"]
        self.txpower_dbm = settings["txpower_dbm"]
        self._health = health
        self.turn = asyncio.Lock()
        network.hostname(hostname)  # counts only before the radio is on
        self.station = network.WLAN(network.STA_IF)

    def address(self):
        return self.station.ifconfig()[0] if self.up else None

    def away_ms(self):
        """For how long a network has been missed; 0 where there is one, or none is configured."""
        if self.up or not self.ssid:
            return 0
        return self._health.uptime_ms() - self._down_since_ms

    def doubt(self):
        """Somebody who should be there could not be reached."""
        if self._doubt_since_ms is None:
            self._doubt_since_ms = self._health.uptime_ms()

    def trust(self):
        """Somebody was reached, or has reached us."""
        self._doubt_since_ms = None

    def rssi_dbm(self):
        """How the network is received; None where there is no connection."""
        return self.station.status("rssi") if self.station.isconnected() else None

    def state(self):
        """For /health: a dict."""
        from .radio import state

        forget("dongle.net.radio")
        return state(self)

    def see(self):
        """Looks whether there is a connection."""
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

    def tick(self):
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
            self.down_ms = _RETRY_MS  # the next attempt as soon as it is ours again
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
        self._health.say("wifi: nobody can be reached, the radio is restarted")
        self._rested_ms = now
        self._doubt_since_ms = None
        return True

    def _move(self, how):
        from .radio import move

        asyncio.create_task(move(self, how, self._health, _RETRY_MS))
        forget("dongle.net.radio")
