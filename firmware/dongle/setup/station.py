# Scans for networks and joins one, for the set-up portal. Both take seconds and do not block the
# rest of the dongle.

import _thread
import asyncio

from micropython import const

import network

from ..net.radio import PAUSE_MS, WRONG_PASSWORD, meaning

TEMPORARY = True  # see forget()

_SCAN_MS = const(15_000)  # at most; 2.5 s on the chip
_ATTEMPTS = const(2)  # because the first attempt may miss the network
_JOIN_MS = 8_000  # at most, until it has joined
_ADDRESS_MS = 15_000  # at most, until it has an address
_LOOK_MS = const(100)


async def scan(station) -> list:
    """Returns the networks in reach as [(name, rssi_dbm, whether it is secured)], each name once,
    the strongest first. Leaves out hidden names and names that are not UTF-8, because config.json
    cannot contain them. The station must not be connecting: then the driver finds nothing."""
    found = []
    done = asyncio.ThreadSafeFlag()

    def look():
        # In its own thread, because scan() blocks.
        try:
            found.extend(station.scan())
        except OSError:
            pass
        finally:
            done.set()

    try:
        _thread.start_new_thread(look, ())
        await asyncio.wait_for_ms(done.wait(), _SCAN_MS)
    except (OSError, asyncio.TimeoutError):
        pass  # no memory for a thread, or no result; the owner can still type a name
    networks = {}
    for raw, _, _, rssi_dbm, security, _ in found:
        try:
            name = raw.decode()
        except UnicodeError:
            continue
        if name and (name not in networks or rssi_dbm > networks[name][1]):
            networks[name] = name, rssi_dbm, security != network.AUTH_OPEN
    return sorted(networks.values(), key=lambda each: -each[1])


async def join(station, ssid: str, password: str, attempts: int = _ATTEMPTS) -> dict | None:
    """Leaves the current network and joins this one. Returns None if the station gets an address,
    else what radio.meaning() returns; then the station is disconnected."""
    try:
        for _ in range(attempts):
            await rest(station)
            # No automatic reconnects, so that the status shows the end of this attempt.
            station.config(reconnects=0, pm=station.PM_NONE)
            station.connect(ssid, password)
            failure = await _outcome(station)
            if failure is None:
                return None
            if failure["code"] == WRONG_PASSWORD:
                break
        await rest(station)
        return failure  # pyright: ignore[reportPossiblyUnboundVariable]
    except OSError as error:  # the driver refuses to connect
        return {"code": "driver_error", "reason": str(error)}
    finally:
        try:
            station.config(reconnects=-1)
        except OSError:
            pass  # IDF 5.5 refuses this while connecting, but MicroPython has stored the value


async def rest(station) -> None:
    """Stops the station's attempts, which take the radio off the access point's channel."""
    station.disconnect()
    await asyncio.sleep_ms(PAUSE_MS)


async def _outcome(station):
    # The status shows the result of an earlier attempt until this attempt has a different result.
    # So the same status as before counts only when the time is over.
    before = status = station.status()
    waited_ms = 0
    while waited_ms < (_ADDRESS_MS if _is_in(station) else _JOIN_MS):
        await asyncio.sleep_ms(_LOOK_MS)
        waited_ms += _LOOK_MS
        if station.isconnected():
            return None
        status = station.status()
        if status not in (before, network.STAT_IDLE, network.STAT_CONNECTING):
            break
    if _is_in(station):
        return {"code": "no_address"}
    if status in (network.STAT_IDLE, network.STAT_CONNECTING):
        return {"code": "no_answer"}
    return meaning(status)


def _is_in(station):
    """Whether the station has joined a network, with or without an address."""
    try:
        station.status("rssi")
    except OSError:
        return False
    return True
