# Connects, reconnects and restarts the Wi-Fi station, and tells its state. In memory
# only while it is needed.

import asyncio
import random

import network

TEMPORARY = True  # see forget()

# After disconnect() and an immediate connect() the driver may report for ever that it has not
# found the network.
PAUSE_MS = 1_000

WRONG_PASSWORD = "wrong_password"


async def move(wifi, how: str, health, retry_ms: int) -> None:
    """Runs as a task. how: "begin" for the first attempt after the start, "restart" switches the
    radio off and on, "reconnect" only connects again. The next attempt is due after retry_ms."""
    try:
        async with wifi.turn:
            if how == "begin":
                # The P1 port is set up first. The radio takes much current when it is switched on,
                # so that a weak supply may fail then.
                await asyncio.sleep_ms(wifi.delay_ms)
            if how == "reconnect":
                wifi.station.disconnect()
            else:
                # An earlier program may have left the radio on: a soft reset does not switch it
                # off.
                wifi.station.active(False)
            await asyncio.sleep_ms(PAUSE_MS)
            if how != "reconnect":
                switch_on(wifi)
            wifi.station.connect(wifi.ssid, wifi.password)
    except Exception as error:
        health.failed("wifi", error)
    # A random part, so that not all dongles connect at once after a power cut. It only makes the
    # next attempt earlier, so that the stated time to be back is kept.
    wifi.down_ms = 0 if how == "begin" else retry_ms * random.getrandbits(4) // 128


def switch_on(wifi) -> None:
    """Switches the radio on for the station."""
    station = wifi.station
    station.active(True)
    # Power saving would delay every answer by up to one beacon interval. It is not needed: the P1
    # port supplies 250 mA.
    station.config(pm=station.PM_NONE)
    if wifi.txpower_dbm:
        station.config(txpower=wifi.txpower_dbm)


def adopt(wifi, ssid: str, password: str) -> None:
    """Makes the network that the station has just joined the configured one."""
    wifi.ssid, wifi.password = ssid, password
    wifi.see()


def state(wifi) -> dict:
    """Does the work of Wifi.state()."""
    # Reads the radio, because the connection may be lost since the last look.
    connected = wifi.station.isconnected()
    state = {"connected": connected, "drops": wifi.drops}
    if not wifi.ssid:
        state["code"] = "no_network_configured"
    elif connected:
        state["address"] = wifi.station.ifconfig()[0]
        state["rssi_dbm"] = wifi.station.status("rssi")
    else:
        state.update(meaning(wifi.station.status()))
    return state


def meaning(status: int) -> dict:
    """Returns what the status of a connection attempt means: its "code", and its "reason" if
    words.py has no words for the code."""
    if status == network.STAT_IDLE:
        return {"code": "not_connected"}
    if status == network.STAT_CONNECTING:
        return {"code": "connecting"}
    if status == network.STAT_NO_AP_FOUND:
        return {"code": "network_not_found"}
    # 15 is IDF's 4WAY_HANDSHAKE_TIMEOUT: many access points refuse a wrong password in this way.
    if status in (network.STAT_WRONG_PASSWORD, network.STAT_HANDSHAKE_TIMEOUT, 15):
        return {"code": WRONG_PASSWORD}
    # A password for an open network, no password for a protected one, or WPA Enterprise.
    if status in (
        network.STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY,
        network.STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD,
    ):
        return {"code": "other_security"}
    return {"code": "unknown_status", "reason": f"status {status}"}
