# A relay follows the alert, and is off where nothing is known.

import asyncio

from until import until

import machine
from dongle.meter.relay import Relay


class Latest:
    age: int | None = 0

    def age_ms(self):
        return self.age


class Quarter:
    alert: bool | None = None


async def look(relay):
    while True:
        relay.tick()
        await asyncio.sleep_ms(20)


async def main():
    pin = machine.Pin(26, machine.Pin.OUT, value=1)
    latest, quarter = Latest(), Quarter()
    relay = Relay(machine.Signal(pin, invert=True), latest, quarter)
    task = asyncio.create_task(look(relay))

    async def becomes(level, what):
        await until(lambda: pin.value() == level, what)
        assert relay.is_on is (level == 0)

    await asyncio.sleep_ms(50)
    assert pin.value() == 1, "off at first"
    quarter.alert = True
    await becomes(0, "on")
    quarter.alert = False
    await becomes(1, "off again")
    quarter.alert = True
    await becomes(0, "on again")
    latest.age = None
    await becomes(1, "off when the meter is silent")
    latest.age = 0
    await becomes(0, "on when it is back")
    task.cancel()


asyncio.run(main())
print("ok")
