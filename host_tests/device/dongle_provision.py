# When the portal opens and when it closes, and that it leaves nothing behind. Of the networks in
# reach, P1_WIFI names "home" with the password "secret".

import asyncio
import json
import sys

from until import until

import network
import world
from dongle.health import Health
from dongle.net import wifi
from dongle.net.wifi import Wifi
from dongle.setup import provision

radio = world.radio
radio.change(join_ms=20, scan_ms=20, wedge_ms=100)
wifi._LOOK_MS = 20
provision._HOLD_LOOKS, provision._AWAY_MS = 10, 1_200
LOOK_MS = 10
stand_in: Any = network  # with what no chip has
access_point: Any = network.WLAN(network.AP_IF)
station = network.WLAN(network.STA_IF)
TIMES = {"_SHOWN_MS": 300, "_LONELY_MS": 1_000, "_VISIT_MS": 300, "_RETRY_MS": 300}


class Server:
    def __init__(self):
        self.free = []


class App:
    server, stream = Server(), None
    http_port = 80
    hostname = "p1meter-00002a"

    def __init__(self, ssid, password=""):
        self.health = Health()
        settings = {"ssid": ssid, "password": password, "delay_s": 0, "txpower_dbm": 0}
        self.wifi = Wifi(settings, "p1meter-00002a", self.health)


class Button:
    pressed = False

    def value(self):
        return 0 if self.pressed else 1


class Provision(provision.Provision):
    """With other times, and a note of each opening."""

    def __init__(self, app, button):
        super().__init__(app, app.wifi, button)
        self.openings = []
        self.answer = None  # in the place of captive's

    async def run(self):
        """As app.py does."""
        while True:
            await asyncio.sleep_ms(LOOK_MS)
            if self.is_due():
                await self.serve()

    async def _open(self, is_away):
        from dongle.setup import portal

        self.openings.append(is_away)
        for name, value in TIMES.items():
            setattr(portal, name, value)
        from dongle.setup import station as trial

        trial._JOIN_MS, trial.PAUSE_MS = 300, 120
        trial.TEMPORARY = False
        portal.captive.answer = self.answer or portal.captive.answer
        await super()._open(is_away)


async def look(station):
    """As app.py does, more often."""
    while True:
        station.tick()
        await asyncio.sleep_ms(20)


def is_forgotten():
    return not any(getattr(module, "TEMPORARY", False) for module in sys.modules.values())


async def closes(what):
    await until(lambda: not access_point.active(), what)
    await asyncio.sleep_ms(50)


async def button():
    app = App("home", "secret")
    guard = Provision(app, Button())
    tasks = [asyncio.create_task(look(app.wifi)), asyncio.create_task(guard.run())]
    await until(lambda: app.wifi.up, "it does not connect")
    guard._button.pressed = True
    await asyncio.sleep_ms(50)
    guard._button.pressed = False
    await asyncio.sleep_ms(200)
    assert guard.openings == [] and is_forgotten(), "a touch is no holding"

    guard._button.pressed = True
    await until(access_point.active, "the button opens nothing")
    assert guard.openings == [False]
    settings = access_point._settings
    await until(lambda: settings["ssid"] == "p1meter-00002a", "it has another name")
    assert settings["security"] == network.AUTH_WPA2_PSK and settings["max_clients"] == 2
    with open("device.json") as file:
        password = json.load(file)["ap_password"]
    assert settings["key"] == password and len(password) == 12
    assert app.wifi.up, "the station stays where it is"
    assert app.wifi.turn.locked()
    await closes("it stays open though nobody comes")
    assert is_forgotten()
    assert world.sockets == 0 and not app.wifi.turn.locked()
    await asyncio.sleep_ms(300)
    assert len(guard.openings) == 1, "a button that is stuck opens it for ever"
    guard._button.pressed = False
    await asyncio.sleep_ms(50)
    guard._button.pressed = True
    await until(access_point.active, "it opens only once")
    await until(lambda: settings["key"] == password, "the label is no longer true")
    guard._button.pressed = False
    await closes("it stays open the second time")
    assert app.wifi.drops == 0
    return app, guard, tasks


async def away(app, guard):
    guard.openings.clear()
    radio.change(on_air=False)
    await until(access_point.active, "the network is away, and it does not open")
    assert guard.openings == [True]
    radio.change(on_air=True)
    await closes("the network is back, and it stays open")
    assert app.wifi.up, "it does not try the network meanwhile"

    # It does not come back: closed without anybody, opened again later.
    radio.change(on_air=False)
    await until(access_point.active, "it does not open again")
    await closes("it stays open without anybody")
    assert not app.wifi.up and len(guard.openings) == 2
    await until(lambda: len(guard.openings) == 3, "it does not open a third time")
    await closes("it stays open the third time")
    radio.change(on_air=True)
    await until(lambda: app.wifi.up, "nobody looks after the station any more")


async def same_addresses():
    """At a home whose router is 192.168.4.1 too, a neighbour could pass for a guest."""
    app = App("home", "secret")
    guard = Provision(app, Button())
    tasks = [asyncio.create_task(look(app.wifi)), asyncio.create_task(guard.run())]
    await until(lambda: app.wifi.up, "it does not connect")
    local, stand_in._LOCAL = stand_in._LOCAL, ("192.168.4.57",) + stand_in._LOCAL[1:]
    guard._button.pressed = True
    await until(access_point.active, "it does not open")
    await until(lambda: not app.wifi.up, "both networks at once")
    guard._button.pressed = False
    await closes("it stays open when the station is back")
    assert app.wifi.up
    stand_in._LOCAL = local
    stop(tasks)


async def unconfigured():
    app = App("")
    guard = Provision(app, None)
    tasks = [asyncio.create_task(look(app.wifi)), asyncio.create_task(guard.run())]
    await until(access_point.active, "no network is configured, and it does not open")
    await asyncio.sleep_ms(TIMES["_LONELY_MS"] + 500)
    assert access_point.active() and guard.openings == [False], "it gives up"
    stop(tasks)
    await closes("it outlives its task")
    assert is_forgotten()


async def fails():
    """What goes wrong inside is told, nothing stays behind, and it is tried again later."""

    async def refuse(*_):
        raise OSError(112)

    app = App("")
    guard: Any = Provision(app, None)
    guard.answer = refuse
    provision._REST_MS = 300
    task = asyncio.create_task(guard.run())
    await until(lambda: app.health.failures, "it goes on without a name server")
    assert app.health.failures == {"provision": 1}
    assert app.health.last_failure.startswith("provision: OSError")
    await asyncio.sleep_ms(50)
    assert not access_point.active() and not app.wifi.turn.locked() and is_forgotten()
    assert world.sockets == 0 and len(guard.openings) == 1
    guard.answer = None
    await until(access_point.active, "it is not tried again")
    stop([task])


def stop(tasks):
    for task in tasks:
        task.cancel()


async def main():
    app, guard, tasks = await button()
    await away(app, guard)
    stop(tasks)
    await asyncio.sleep_ms(50)
    station.active(False)
    await same_addresses()
    station.active(False)
    await unconfigured()
    await fails()


# Whoever fails in a task of his own is told there too.
asyncio.get_event_loop().set_exception_handler(lambda loop, context: None)
asyncio.run(main())
print("ok")
