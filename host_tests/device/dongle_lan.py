# A wired dongle: board.json names a PHY, and the cable does what Wi-Fi does elsewhere.

import asyncio
import json

from until import until

import network
import world
from dongle.app import App
from dongle.net import lan
from dongle.safe import Safe

wire = world.wire
wire.change(lease_ms=20, plugged=False)


async def look(wired):
    while True:
        wired.tick()
        await asyncio.sleep_ms(20)


async def main():
    dongle: Any = App()
    wired = dongle.wifi
    assert type(wired) is lan.Lan and dongle.health.problems == []
    state = {"connected": False, "drops": 0, "code": "not_started"}
    assert wired.state() == state and wired.address() is None
    task = asyncio.create_task(look(wired))
    await until(lambda: wire.hostname == dongle.hostname, "it does not start")
    assert wired.state()["code"] == "no_cable" and wired.away_ms() > 0
    wire.change(plugged=True, dhcp=False)
    await asyncio.sleep_ms(50)
    assert wired.state()["code"] == "no_address" and not wired.up
    wire.change(dhcp=True)
    await until(lambda: wired.up, "it does not connect")
    assert wired.address() == "127.0.0.1" and wired.away_ms() == 0 and wired.rssi_dbm() is None
    assert wired.state() == {"connected": True, "drops": 0, "address": "127.0.0.1"}

    report = json.loads(b"".join(list(dongle.report().pieces())))
    assert report["ethernet"] == wired.state()
    assert report["wifi"] == {"connected": False, "reason": "off", "code": "off"}
    stand_in: Any = network
    assert network.STA_IF not in stand_in._interfaces, "the radio stays off"

    wire.change(plugged=False)
    assert wired.state()["drops"] == 0, "lost, but not yet noticed"
    await until(lambda: not wired.up, "the loss is not noticed")
    wired.doubt()
    wire.change(plugged=True)
    await until(lambda: wired.up, "it does not come back")
    wired.trust()
    assert wired.drops == 1
    task.cancel()

    safe = Safe(dongle.logbook)
    assert type(safe._wifi) is lan.Lan

    # A PHY that is not there is told, and Wi-Fi is what is left.
    stand_in._interfaces.clear()
    for wrong, why in (({"address": 9}, "OSError"), ({"phy": "LAN9"}, "AttributeError")):
        board = json.loads(TEXT)
        board["ethernet"].update(wrong)
        with open("board.json", "w") as file:
            json.dump(board, file)
        dongle = App()
        assert dongle.wifi.NAME == "wifi"
        problem = dongle.health.problems[0]
        assert problem.startswith("board.json: ethernet: " + why), problem
        assert problem.endswith("run `make deploy`")


with open("board.json") as file:
    TEXT = file.read()
asyncio.run(main())
print("ok")
