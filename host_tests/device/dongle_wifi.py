# The station loses its access point and gets it back, by itself and with help. Of the networks
# in reach, P1_WIFI names "home" with the password "secret".

import asyncio

from until import until

import network
import world
from dongle.health import Health
from dongle.net import wifi

radio = world.radio
radio.change(join_ms=20)
wifi._LOOK_MS = 20
wifi._RETRY_MS, wifi._RESTART_MS = 100, 300  # every third attempt is a restart of the radio
station: Any = network.WLAN(network.STA_IF)
NAME = "p1meter-00002a"
calls = []


def settings(ssid, password):
    return {"ssid": ssid, "password": password, "delay_s": 0, "txpower_dbm": 11}


def note(name):
    """Notes when the station's method is called."""
    method = getattr(network.WLAN, name)

    def noting(*args):
        calls.append((name,) + args[1:])
        return method(*args)

    setattr(network.WLAN, name, noting)


async def look(station):
    """As app.py does, more often."""
    while True:
        station.tick()
        await asyncio.sleep_ms(20)


async def main():
    note("connect")
    note("disconnect")
    home = wifi.Wifi(settings("home", "secret"), NAME, Health())
    assert home.state() == {"connected": False, "drops": 0, "code": "not_connected"}
    task = asyncio.create_task(look(home))
    await until(lambda: home.up, "it does not connect")
    assert radio.hostname == "p1meter-00002a"
    assert home.state() == {
        "connected": True,
        "drops": 0,
        "address": "127.0.0.1",
        "rssi_dbm": -60,
    }
    assert station.config("pm") == network.WLAN.PM_NONE

    # A short loss: the driver comes back by itself, nobody interferes.
    calls.clear()
    radio.change(on_air=False)
    assert home.state()["drops"] == 0, "lost, but not yet noticed"
    await until(lambda: not home.up, "the loss is not noticed")
    radio.change(on_air=True)
    await until(lambda: home.up, "it does not come back")
    assert home.state()["drops"] == 1 and calls == []

    # A long one: it is helped, and never wedges the driver by connecting too soon.
    radio.change(on_air=False)
    await until(lambda: ("disconnect",) in calls, "no new attempt")
    await until(lambda: len(calls) >= 5, "only one attempt")  # the third is a restart
    assert calls[:4] == [("disconnect",), ("connect", "home", "secret")] * 2
    assert calls[4] == ("connect", "home", "secret")
    assert not station._wedged
    assert home.state()["code"] in ("connecting", "network_not_found", "not_connected")
    radio.change(on_air=True)
    await until(lambda: home.up, "it does not come back after a long loss")
    assert home.drops == 2
    task.cancel()

    # A soft reset leaves the radio on and connected.
    again = wifi.Wifi(settings("home", "secret"), NAME, Health())
    task = asyncio.create_task(look(again))
    await until(lambda: again.up, "it does not start on a radio that is on")
    task.cancel()

    wrong = wifi.Wifi(settings("home", "guessed"), NAME, Health())
    task = asyncio.create_task(look(wrong))
    await until(lambda: wrong.state().get("code") == "wrong_password", "it does not say why")
    radio.change(refuse=network.STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD)
    await until(lambda: wrong.state()["code"] == "other_security", "it says a number")
    assert not wrong.up
    task.cancel()

    none = wifi.Wifi(settings("", ""), NAME, Health())
    task = asyncio.create_task(look(none))
    await asyncio.sleep_ms(200)
    assert none.state()["code"] == "no_network_configured"
    task.cancel()


asyncio.run(main())
print("ok")
