# A telegram arrives where the profile says how the board has its data line, inverted or not, and
# is garbage where it says the opposite.

import asyncio
import sys

import machine
import world
from dongle.health import Health
from dongle.latest import Latest
from dongle.meter.port import Port, hold
from p1.framer import Framer

with open(sys.argv[1], "rb") as file:
    TELEGRAM = file.read()


async def good(wired, said):
    """How many telegrams get through."""
    world.cable = world.Cable()
    world.board["rx_idle"] = wired
    port = Port(dict(world.board, rx_idle=said), (115200, 8, None), Health())
    framer = Framer(lambda telegram, size: None)
    task = asyncio.create_task(port.read(framer, Latest("BE")))
    await asyncio.sleep_ms(20)
    assert machine.Pin(world.board["rx_pin"]).value() == wired, "idle"
    world.cable.feed(TELEGRAM)
    await asyncio.sleep_ms(50)
    task.cancel()
    return framer.good


def settled():
    """The UART of a Port that has settled, with the memory that it holds for its ring."""
    port: Any = Port(world.board, (115200, 8, None), Health())
    port.settle()
    assert port._uart._handler, "no interrupt wakes the loop"
    return port._uart._options["rxbuf"]


async def main():
    for wired in (0, 1):
        for said in (0, 1):
            assert await good(wired, said) == (wired == said), (wired, said)


asyncio.run(main())
ring = settled()
hold(world.board, 9000)  # as a start does where memory is short
short: Any = Port(world.board, (115200, 8, None), Health())
assert short._uart._options["rxbuf"] == 9000
assert settled() == ring < 9000
print("ok")
