# What a station that is put to the test sees, and how it tells what failed. Of the networks in
# reach, P1_WIFI names "home" with the password "secret".

import asyncio

from until import until

import network
import world
from dongle.setup import station

radio = world.radio
radio.change(join_ms=20, scan_ms=300, wedge_ms=100)
station._JOIN_MS, station._ADDRESS_MS, station.PAUSE_MS = 300, 500, 120
wlan: Any = network.WLAN(network.STA_IF)


async def counted(task):
    """How often others had their turn while it ran, and what it gave."""
    task = asyncio.create_task(task)
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep_ms(10)
    return turns, await task


async def scans():
    radio.change(
        networks={
            "home": "secret",
            "Zoë's huis ": "secret",
            "a 32 bytes long name, to the last": "",
        },
        neighbours=[
            (b"", -30, 3),  # hidden
            (b"caf\xe9", -30, 3),  # Latin-1
            (b"home", -50, 3),  # a second access point of it
            (b"home", -70, 3),
            (b"neighbour", -80, 0),
        ],
    )
    turns, found = await counted(station.scan(wlan))
    assert turns > 5, "a scan holds everybody up"
    assert len(found) == 4
    assert found[0] == ("home", -50, True) and found[3] == ("neighbour", -80, False)
    assert set(found[1:3]) == {
        ("Zoë's huis ", -60, True),
        ("a 32 bytes long name, to the last", -60, False),
    }
    radio.change(on_air=False)
    assert await station.scan(wlan) == []
    radio.change(on_air=True)
    threads, station._thread = station._thread, NoThreads
    assert await station.scan(wlan) == [], "without memory for a thread nothing is found"
    station._thread = threads


class NoThreads:
    def start_new_thread(*_):
        raise OSError("can't create thread")


async def joins():
    assert await station.join(wlan, "home", "secret") is None
    assert wlan.isconnected() and wlan.config("reconnects") == -1
    assert await station.join(wlan, "home", "wrong") == {"code": "wrong_password"}
    assert not wlan.isconnected() and not wlan._wanted and not wlan._wedged
    # The driver still shows 202: neither is the same failure missed, nor success taken for it.
    assert await station.join(wlan, "home", "wrong") == {"code": "wrong_password"}
    assert await station.join(wlan, "home", "secret") is None
    for denial in (15, 204, 205):
        radio.change(denial=denial)
        assert await station.join(wlan, "home", "wrong") == {"code": "wrong_password"}, denial
    assert await station.join(wlan, "Zoë's huis", "secret") == {"code": "network_not_found"}
    assert await station.join(wlan, "Zoë's huis ", "secret") is None
    radio.change(dhcp=False)
    assert await station.join(wlan, "home", "secret") == {"code": "no_address"}
    assert not wlan._wanted
    radio.change(dhcp=True, refuse=network.STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY)
    assert await station.join(wlan, "home", "secret") == {"code": "other_security"}
    radio.change(refuse=203)
    assert await station.join(wlan, "home", "secret") == {
        "code": "unknown_status",
        "reason": "status 203",
    }
    radio.change(refuse=0, join_ms=60_000)
    assert await station.join(wlan, "home", "secret") == {"code": "no_answer"}
    radio.change(join_ms=20)


async def misses_once():
    """A network that the first attempt does not see."""
    task = asyncio.create_task(station.join(wlan, "late", "secret"))
    await until(lambda: wlan.status() == network.STAT_NO_AP_FOUND, "it is there already")
    radio.change(networks={"late": "secret"})
    assert await task is None


async def refused_by_the_driver():
    def refuse(*_):
        raise OSError("Wifi Invalid Argument")

    every: Any = network.WLAN
    connect, every.connect = every.connect, refuse
    failure = {"code": "driver_error", "reason": "Wifi Invalid Argument"}
    assert await station.join(wlan, "home", "x") == failure
    every.connect = connect


async def main():
    wlan.active(True)
    await scans()
    await joins()
    await refused_by_the_driver()
    await misses_once()


asyncio.run(main())
print("ok")
