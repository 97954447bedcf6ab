# What becomes of tasks that fail and of tasks that hang. Arguments: the case, and a file with a
# telegram. In the directory: config.json and board.json.

import asyncio
import json
import sys
from asyncio.core import _io_queue  # pyright: ignore[reportMissingImports]

from until import until

import world
from dongle import app, health, tasks

world.cable = cable = world.Cable()
app._FIRST_PAUSE_MS = 10
app._GUARD_MS = 20
tasks.TEMPORARY = False
tasks._LATE_MS = 1_500  # above the second after which a port without bytes gives its heartbeat


class Dog:
    fed = 0

    def __init__(self, timeout):
        assert timeout == 60_000

    def feed(self):
        Dog.fed += 1


async def goes_on(dongle):
    """Telegrams are read and HTTP answers."""
    good = dongle.framer.good
    with open(sys.argv[2], "rb") as file:
        cable.feed(file.read())
    await until(lambda: dongle.framer.good > good, "no telegram")
    port = dongle.http_port
    world.interfaces.clear()  # a client from outside does not mind whether our Wi-Fi is up
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /reading HTTP/1.0\r\n\r\n")
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


async def hang():
    await asyncio.sleep(3600)


def start():
    dongle: Any = app.App()
    asyncio.create_task(dongle.run())
    return dongle


async def raises():
    calls = []

    async def fail(port):
        calls.append(None)
        if len(calls) <= 3:
            raise ValueError("number %d" % len(calls))
        await hang()

    dongle: Any = app.App()
    dongle.stream.run = fail
    asyncio.create_task(dongle.run())
    await until(lambda: len(calls) == 4, "it was not started again")
    assert dongle.health.failures == {"tcp": 3}, dongle.health.failures
    assert dongle.health.last_failure == "tcp: ValueError: number 3"
    report = json.loads(b"".join(list(dongle.report().pieces())))
    assert report["task_failures"] == {"tcp": 3}
    await goes_on(dongle)


async def returns():
    """A task that ends without an error is started again as well."""
    calls = []

    async def end(port):
        calls.append(None)

    dongle: Any = app.App()
    dongle.stream.run = end
    asyncio.create_task(dongle.run())
    await until(lambda: len(calls) == 3, "it was not started again")
    await goes_on(dongle)


async def hangs():
    app.machine.WDT = Dog
    dongle: Any = app.App()
    dongle.port.tick = lambda: None  # which gives the heartbeat where there is nothing to read
    asyncio.create_task(dongle.run())
    await until(lambda: Dog.fed > 5, "a healthy dongle feeds the watchdog")
    await until(lambda: dongle.health.late() == ["port"], "nobody is late")
    await asyncio.sleep_ms(100)
    fed = Dog.fed
    await asyncio.sleep_ms(200)
    assert Dog.fed == fed, "the watchdog is fed though a task hangs"
    dongle.health.beat("port")
    await until(lambda: Dog.fed > fed, "it is well again")


async def port_hangs():
    dongle: Any = app.App()
    dongle.port.read = lambda *_: hang()
    asyncio.create_task(dongle.run())
    await asyncio.sleep_ms(2 * tasks._LATE_MS)
    assert dongle.health.late() == [], "with nothing to read, the reader is not late"
    cable.feed(b"/")
    await until(lambda: dongle.health.late() == ["port"], "bytes that nobody reads")


async def hangs_until_bitten():
    """The stand-in for the watchdog ends this process."""
    health._WATCHDOG_MS = 500
    dongle: Any = app.App()
    dongle.port.tick = lambda: None
    dongle.port.read = lambda *_: hang()
    asyncio.create_task(dongle.run())
    await hang()


async def spins_until_bitten():
    health._WATCHDOG_MS = 500
    start()
    await asyncio.sleep_ms(1_000)
    print("spinning")
    while True:
        pass


async def stray():
    """A task that the firmware made on the side and that nobody waits for."""

    async def fail():
        raise ValueError("on the side")

    dongle = start()
    await asyncio.sleep_ms(50)
    asyncio.create_task(fail())
    await until(lambda: dongle.health.failures, "nobody noticed")
    assert dongle.health.last_failure.endswith("ValueError: on the side")
    await goes_on(dongle)


# Room in asyncio's poll, as rig.py makes it: the set-up portal listens too.
for descriptor in range(16):
    _io_queue.poller.register(descriptor)
for descriptor in range(16):
    _io_queue.poller.unregister(descriptor)

cases = (raises, returns, hangs, port_hangs, hangs_until_bitten, spins_until_bitten, stray)
asyncio.run({case.__name__: case for case in cases}[sys.argv[1]]())
print("ok")
