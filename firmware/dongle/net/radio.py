# Moves the Wi-Fi station, and says in words how it is doing. Loaded for its moment.

import asyncio
import random

import network

# connect() straight after disconnect() can leave the driver saying "no such network" for ever.
PAUSE_MS = 1_000

WRONG_PASSWORD = "wrong password"


async def move(wifi, how, health, retry_ms):
    """A task that does as it is told: "begin" where the station was left by whoever had it before,
    "restart", or "reconnect"; the next attempt is due after retry_ms."""
    try:
        async with wifi.turn:
            if how == "begin":
                # The port's ring and request come first; the radio's first breath is what a weak
                # supply does not survive.
                await asyncio.sleep_ms(wifi.delay_ms)
            if how == "reconnect":
                wifi.station.disconnect()
            else:
                # Whatever state an earlier program left the radio in: it outlives a soft reset.
                wifi.station.active(False)
            await asyncio.sleep_ms(PAUSE_MS)
            if how != "reconnect":
                switch_on(wifi)
            wifi.station.connect(wifi.ssid, wifi.password)
    except Exception as error:
        health.failed("wifi", error)
    # Not all dongles of a street at once when the power is back; earlier rather than later, so
    # that it is back within the time that is stated.
    wifi.down_ms = 0 if how == "begin" else retry_ms * random.getrandbits(4) // 128


def switch_on(wifi):
    """The radio, for the station at least."""
    station = wifi.station
    station.active(True)
    # Power saving delays every answer by up to a beacon's interval; the port gives 250 mA.
    station.config(pm=station.PM_NONE)
    if wifi.txpower_dbm:
        station.config(txpower=wifi.txpower_dbm)


def adopt(wifi, ssid, password):
    """The network that the station has just joined is the configured one from now on."""
    wifi.ssid, wifi.password = ssid, password
    wifi.see()


def state(wifi):
    """As Wifi.state()."""
    # Asked of the radio itself: the connection may have gone since the last look.
    connected = wifi.station.isconnected()
    state = {"connected": connected, "drops": wifi.drops}
    if not wifi.ssid:
        state["reason"] = "no network configured"
    elif connected:
        state["address"] = wifi.station.ifconfig()[0]
        state["rssi_dbm"] = wifi.station.status("rssi")
    else:
        state["reason"] = in_words(wifi.station.status())
    return state


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
