# When a reset is the last resort, and when it is not yet. Argument: the case.

import asyncio
import sys

from until import until

import network
import world
from dongle import app
from dongle.net import wifi

world.radio.change(join_ms=20)
app._GUARD_MS = app._NOTE_MS = 20
app._HOPELESS_MS = 1_500
wifi._LOOK_MS = 20
wifi._RETRY_MS, wifi._RESTART_MS = 100, 300
causes = []


def reset(cause):
    causes.append(cause)


world.reset_hook = reset


def start():
    dongle: Any = app.App()
    asyncio.create_task(dongle.run())
    return dongle


def why():
    """What the next run will know."""
    return app.Logbook(world.rtc_memory).report()["before"].get("why")


async def of_wifi():
    """No network for long: a reset, though waiting and the radio were tried."""
    world.radio.change(on_air=False)
    start()
    await asyncio.sleep_ms(1_000)
    assert not causes, "too early"
    await until(lambda: causes, "no reset")
    assert causes[0] == app.machine.HARD_RESET
    assert why() == "no network for 0 minutes"


async def of_memory():
    dongle = start()
    await until(lambda: dongle.wifi.up, "no Wi-Fi")
    dongle._memory_errors = 1000
    await until(lambda: causes, "no reset")
    assert why().startswith("out of memory")


async def of_patience():
    """After each reset in vain twice as long, until it helps."""
    for _ in range(2):
        app.Logbook(world.rtc_memory).ends("for a test")
    world.radio.change(on_air=False)
    dongle = start()
    assert dongle.logbook.vain == 2
    await asyncio.sleep_ms(4_000)
    assert not causes, "four times 1.5 s are not over"
    world.radio.change(on_air=True)
    await until(lambda: dongle.wifi.up, "it does not come back")
    await asyncio.sleep_ms(3_000)
    assert not causes, "there is Wi-Fi"
    dongle.latest.age_ms = lambda: 0
    await until(lambda: dongle.logbook.vain == 0, "nobody knows that it helped")


async def of_doubt():
    """Connected, but nobody answers: the radio is restarted, and not again and again."""
    wifi._DOUBT_MS, wifi._REST_MS = 200, 60_000
    starts = []
    station: Any = network.WLAN
    connect = station.connect

    def noting(*args):
        starts.append(args)
        connect(*args)

    station.connect = noting
    dongle = start()
    await until(lambda: dongle.wifi.up, "no Wi-Fi")
    dongle.wifi.doubt()
    dongle.wifi.trust()
    await asyncio.sleep_ms(500)
    assert len(starts) == 1, "somebody was reached in time"
    dongle.wifi.doubt()
    _, visitor = await asyncio.open_connection("127.0.0.1", dongle.http_port)
    visitor.close()
    await asyncio.sleep_ms(500)
    assert len(starts) == 1, "somebody has reached us"
    dongle.wifi.doubt()
    await until(lambda: len(starts) == 2, "the radio is not restarted")
    await until(lambda: dongle.wifi.up, "it does not come back")
    for _ in range(20):
        dongle.wifi.doubt()
        await asyncio.sleep_ms(50)
    assert len(starts) == 2, "once in an hour"
    assert not causes


cases = {"wifi": of_wifi, "memory": of_memory, "patience": of_patience, "doubt": of_doubt}
asyncio.run(cases[sys.argv[1]]())
print("ok")
