# A telegram arrives where the profile says how the board has its data line, inverted or not, and
# is garbage where it says the opposite.

import asyncio
import sys

import machine
import world
from dongle.health import Health
from dongle.port import Port
from p1.framer import Framer

with open(sys.argv[1], "rb") as file:
    TELEGRAM = file.read()


async def good(wired, said):
    """How many telegrams get through."""
    world.cable = world.Cable()
    world.board["rx_idle"] = wired
    port = Port(dict(world.board, rx_idle=said), (115200, 8, None), Health())
    framer = Framer(lambda telegram, size: None)
    task = asyncio.create_task(port.read(framer))
    await asyncio.sleep_ms(20)
    assert machine.Pin(world.board["rx_pin"]).value() == wired, "idle"
    world.cable.feed(TELEGRAM)
    await asyncio.sleep_ms(50)
    task.cancel()
    return framer.good


async def main():
    for wired in (0, 1):
        for said in (0, 1):
            assert await good(wired, said) == (wired == said), (wired, said)


asyncio.run(main())
print("ok")
