# The station put to the test for the set-up portal: which networks are there, and can this one be
# joined? Both take seconds, and the rest of the dongle goes on meanwhile.

import _thread
import asyncio

from micropython import const

import network

from ..net.radio import PAUSE_MS, WRONG_PASSWORD, in_words

_SCAN_MS = const(15_000)  # at most; 2.5 s on the chip
_ATTEMPTS = const(2)  # a network may be missed once
_JOIN_MS = 8_000  # at most, until it is in
_ADDRESS_MS = 15_000  # at most, until it has an address
_LOOK_MS = const(100)


async def scan(station):
    """What the station sees: [(name, rssi_dbm, whether it is secured)], each name once, the
    strongest first. Names that are hidden or no UTF-8 are left out: config.json has no place for
    them. It must not be connecting: the driver finds nothing then."""
    found = []
    done = asyncio.ThreadSafeFlag()

    def look():
        # On its own thread, because it blocks.
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
        pass  # no memory for a thread; a network can still be typed
    networks = {}
    for raw, _, _, rssi_dbm, security, _ in found:
        try:
            name = raw.decode()
        except UnicodeError:
            continue
        if name and (name not in networks or rssi_dbm > networks[name][1]):
            networks[name] = name, rssi_dbm, security != network.AUTH_OPEN
    return sorted(networks.values(), key=lambda each: -each[1])


async def join(station, ssid, password, attempts=_ATTEMPTS):
    """Leaves the network there is and joins this one. None where it has an address there, else
    why not, in words; then the station rests."""
    try:
        for _ in range(attempts):
            await rest(station)
            # One attempt at a time, whose end the status tells.
            station.config(reconnects=0, pm=station.PM_NONE)
            station.connect(ssid, password)
            reason = await _outcome(station)
            if reason is None:
                return None
            if reason == WRONG_PASSWORD:
                break
        await rest(station)
        return reason  # pyright: ignore[reportPossiblyUnboundVariable]
    except OSError as error:  # the driver does not even try
        return str(error)
    finally:
        try:
            station.config(reconnects=-1)
        except OSError:
            pass  # not while it connects, says IDF 5.5, but MicroPython has taken it down


async def rest(station):
    """Stops the station's attempts, which would keep the radio off the access point's channel."""
    station.disconnect()
    await asyncio.sleep_ms(PAUSE_MS)


async def _outcome(station):
    # The status keeps telling how an earlier attempt ended until this one has ended otherwise: so
    # what it told before counts at the very end only.
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
        return "no address"
    if status in (network.STAT_IDLE, network.STAT_CONNECTING):
        return "no answer"
    return in_words(status)


def _is_in(station):
    """Whether it has joined, with or without an address."""
    try:
        station.status("rssi")
    except OSError:
        return False
    return True
