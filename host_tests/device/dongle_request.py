# The data-request line through a dongle's life, for the way a board drives it: request_drive
# and request_active are the arguments. Driving it to ground is forbidden throughout.

import asyncio
import sys

from until import until

import world
from dongle import health
from dongle.latest import Latest
from dongle.meter import port
from machine import Pin
from p1.framer import Framer

drive, active = sys.argv[1], int(sys.argv[2])
pin = None if drive == "tied" else 25
world.board = board = {
    "uart": 1,
    "rx_pin": 27,
    "tx_pin": 26,
    "request_pin": pin,
    "request_drive": drive,
    "request_active": active,
}
world.cable = cable = world.Cable()
port._SILENT_MS, port._RELEASE_MS = 300, 100
TELEGRAM = b"/FLU5\r\n\r\n1-0:1.7.0(00.123*kW)\r\n!109A\r\n"


def saw(expected):
    """What the meter saw of the line since the last look: 1 asserted, 0 released."""
    seen, cable.requests = cable.requests, ""
    if drive == "tied":
        assert "0" not in seen, seen
    else:
        assert seen == expected, (seen, expected)
    assert world.request_grounded == 0


async def look(the_port, framer):
    the_port.begin(framer, framer)
    while True:
        the_port.tick()
        await asyncio.sleep_ms(20)


async def main():
    # A soft reset leaves the pin as it was: asserted.
    if pin is not None:
        Pin(pin, Pin.OUT, value=active)
    saw("1")
    h = health.Health()
    framer = Framer(lambda telegram, size: None)
    the_port = port.Port(board, (115200, 8, None), h)
    saw("0")
    assert not world.requested() or drive == "tied"

    reading = asyncio.create_task(the_port.read(framer, Latest("BE")))
    rearming = asyncio.create_task(look(the_port, framer))
    await asyncio.sleep_ms(20)
    saw("1")

    for _ in range(25):
        cable.feed(TELEGRAM)
        await asyncio.sleep_ms(100)
    assert framer.good > 20 and framer.crc == 0
    assert the_port.rearmed == 0, "a meter that talks is left in peace"
    saw("")

    cable.feed(TELEGRAM[:20])  # and then nothing any more
    await until(lambda: the_port.rearmed == 1, "a silent meter is not asked anew")
    saw("01")
    good = framer.good
    cable.feed(TELEGRAM)
    await until(lambda: framer.good > good, "what was cut short costs the next telegram")
    await until(lambda: the_port.rearmed == 2, "it asks only once")
    saw("01")
    assert h.late() == []

    rearming.cancel()
    reading.cancel()
    await asyncio.sleep_ms(20)
    saw("0")
    if drive == "direct":
        assert world.pads[pin][:2] == (Pin.IN, None), "released means high impedance"


asyncio.run(main())
print("ok")
