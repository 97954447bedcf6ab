# The Wi-Fi station: what is wanted against what is.
#
# The driver reconnects by itself for ever; this helps only where that does not work: after a
# minute a new attempt, after five the radio is switched off and on. What comes last, a reset, is
# for app.py to decide. Being offline is a state, not an error: the meter is read all the while.

import asyncio
import random

import network

_LOOK_MS = 1_000
_RETRY_MS = 60_000
_RESTART_MS = 300_000
# Connected, and yet nobody can be reached for so long: the radio is switched off and on, for it
# may only believe so. Once in an hour, for it may as well be the others.
_DOUBT_MS = 600_000
_REST_MS = 3_600_000
# connect() straight after disconnect() can leave the driver saying "no such network" for ever.
PAUSE_MS = 1_000

WRONG_PASSWORD = "wrong password"


class Wifi:
    """turn: the Lock of who moves the station. That is run(), and for as long as it is open the
    set-up portal; run() only looks on then."""

    NAME = "wifi"

    def __init__(self, settings, hostname, health):
        """settings: the section "wifi" of the config."""
        self._ssid, self._password = settings["ssid"], settings["password"]
        self._delay_ms = 1000 * settings["delay_s"]
        self._txpower_dbm = settings["txpower_dbm"]
        self._health = health
        self.turn = asyncio.Lock()
        self.up = False
        self.drops = 0
        self._down_since_ms = 0  # uptime
        self._doubt_since_ms = None  # when nobody could be reached for the first time
        self._rested_ms = None  # uptime of the last restart for such a doubt
        network.hostname(hostname)  # counts only before the radio is on
        self._station = network.WLAN(network.STA_IF)

    def credentials(self):
        """(SSID, password) of the configured network; the SSID is empty where there is none."""
        return self._ssid, self._password

    def adopt(self, ssid, password):
        """The network that the station has just joined is the configured one from now on."""
        self._ssid, self._password = ssid, password
        self._see()

    def address(self):
        return self._station.ifconfig()[0] if self.up else None

    def away_ms(self):
        """For how long a network has been missed; 0 where there is one, or none is configured."""
        if self.up or not self._ssid:
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
        return self._station.status("rssi") if self._station.isconnected() else None

    def state(self):
        """For /health: a dict."""
        # Asked of the radio itself: the connection may have gone since the last look.
        connected = self._station.isconnected()
        state = {"connected": connected, "drops": self.drops}
        if not self._ssid:
            state["reason"] = "no network configured"
        elif connected:
            state["address"] = self._station.ifconfig()[0]
            state["rssi_dbm"] = self._station.status("rssi")
        else:
            state["reason"] = in_words(self._station.status())
        return state

    async def run(self):
        if not self._ssid:
            self._health.say("wifi: no network configured; run `make configure`")
        # Up: this task has failed, and the radio is well. Locked: to wait is to give no heartbeat.
        if not self.up and not self.turn.locked():
            async with self.turn:
                # The port's ring and request come first; the radio's first breath is what a weak
                # supply does not survive.
                await asyncio.sleep_ms(self._delay_ms)
                if self._ssid:
                    await self._start()
        down_ms = 0  # since the last attempt
        attempts = 0
        while True:
            self._health.beat("wifi")
            self._see()
            if self.up:
                down_ms = attempts = 0
                if not self.turn.locked() and self._is_doubtful():
                    async with self.turn:
                        await self._start()
            elif self.turn.locked() or not self._ssid:
                down_ms = _RETRY_MS  # the next attempt as soon as it is ours again
            else:
                down_ms += _LOOK_MS
                if down_ms >= _RETRY_MS:
                    # Not all dongles of a street at once when the power is back; earlier rather
                    # than later, so that it is back within the time that is stated.
                    down_ms = _RETRY_MS * random.getrandbits(4) // 128
                    attempts += 1
                    async with self.turn:
                        if attempts % (_RESTART_MS // _RETRY_MS):
                            await self._reconnect()
                        else:
                            await self._start()
            await asyncio.sleep_ms(_LOOK_MS)

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

    def _see(self):
        up = self._station.isconnected()
        if up and not self.up:
            self.up = True
            self._doubt_since_ms = None
            self._health.say(f"wifi: connected to {self._ssid} as {self.address()}")
        elif self.up and not up:
            self.up = False
            self.drops += 1
            self._down_since_ms = self._health.uptime_ms()
            self._health.say("wifi: connection lost")

    async def _start(self):
        # Whatever state an earlier program left the radio in: it outlives a soft reset.
        self._station.active(False)
        await asyncio.sleep_ms(PAUSE_MS)
        self.switch_on()
        self._station.connect(self._ssid, self._password)

    def switch_on(self):
        """The radio, for the station at least."""
        self._station.active(True)
        # Power saving delays every answer by up to a beacon's interval; the port gives 250 mA.
        self._station.config(pm=self._station.PM_NONE)
        if self._txpower_dbm:
            self._station.config(txpower=self._txpower_dbm)

    async def _reconnect(self):
        self._station.disconnect()
        await asyncio.sleep_ms(PAUSE_MS)
        self._station.connect(self._ssid, self._password)


def in_words(status):
    """How an attempt has ended, or is doing."""
    if status == network.STAT_IDLE:
        return "not connected"
    if status == network.STAT_CONNECTING:
        return "connecting"
    if status == network.STAT_NO_AP_FOUND:
        return "no such network in reach"
    # 15 is IDF's 4WAY_HANDSHAKE_TIMEOUT: how many access points refuse one.
    if status in (network.STAT_WRONG_PASSWORD, network.STAT_HANDSHAKE_TIMEOUT, 15):
        return WRONG_PASSWORD
    # A password where the network has none, none where it has one, or WPA Enterprise.
    if status in (
        network.STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY,
        network.STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD,
    ):
        return "another security"
    return f"status {status}"
