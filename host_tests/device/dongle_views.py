# Where the network has no memory for all of a reading, it goes out piece by piece. The telegram
# that comes meanwhile waits in the ring of the UART. Where it has to wait too long it is taken,
# and the rest of what was half sent is not sent: no document is of two telegrams. Arguments: two
# files with a telegram each, whose readings differ.

import asyncio
import json
import sys
from asyncio import StreamReader

import asking
from until import until

import world
from dongle import app, latest, room
from dongle.mqtt import link

telegrams = []
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        telegrams.append(file.read())
cable = world.cable = world.Cable()


class Network:
    """In the place of what room.py says of it: has memory for one page, or for nothing."""

    is_short = False

    @classmethod
    def has(cls, size):
        return size <= 1024 and not cls.is_short

    @classmethod
    async def wait(cls, size):
        while cls.is_short:
            await asyncio.sleep_ms(5)
        return True


room.has_network, room.for_network = Network.has, Network.wait


class Sink(link.Link):
    """A link whose socket takes most of what it is offered, and notes it."""

    _stream = StreamReader(None)

    def __init__(self):
        self.taken = []
        self.takes = 1_000  # bytes at once

    def _take(self, data, size):
        size = min(size, self.takes)
        self.taken.append(bytes(data[:size]))
        return size

    def is_free(self) -> bool:
        return True


async def read_next(dongle, number):
    """Feeds a telegram to the cable and waits for its reading."""
    good = dongle.framer.good
    cable.feed(telegrams[number])
    await until(lambda: dongle.framer.good > good, "no reading")
    return bytes(dongle.latest.json())


async def half_way(dongle, sender):
    """A task of the sender, which waits for the network; the next telegram has come."""
    task = asyncio.create_task(sender)
    await until(lambda: dongle.latest.in_use, "nobody waits")
    cable.feed(telegrams[1])
    await asyncio.sleep_ms(300)
    return task


async def http(dongle, path, document):
    """document(): what is at this path now, as bytes."""
    await read_next(dongle, 0)
    first = document()
    task = await half_way(dongle, ask_when_short(dongle, path))
    assert document() == first, "what comes waits in the ring"
    Network.is_short = False
    head, body = await task
    assert body == first and asking.length(head) == len(first), path
    await until(lambda: document() != first, "the ring has lost it")

    await read_next(dongle, 0)
    task = await half_way(dongle, ask_when_short(dongle, path))
    await until(lambda: document() != first, "it waits for ever")
    Network.is_short = False
    head, body = await task
    assert len(body) < asking.length(head) and first.startswith(body), (path, "of both")


async def ask_when_short(dongle, path):
    """From its first page on."""
    answer = dongle.server._gate

    def gate(request):
        Network.is_short = True
        dongle.server._gate = answer
        return answer(request)

    dongle.server._gate = gate
    return await asking.ask(dongle.http_port, path)


async def mqtt(dongle):
    first = await read_next(dongle, 0)
    sink = Sink()
    task = await half_way(dongle, publish_when_short(dongle, sink))
    Network.is_short = False
    await task
    assert len(sink.taken) > 1, "all at once"
    message = b"".join(sink.taken)
    assert first in message and json.loads(first)
    await until(lambda: bytes(dongle.latest.json()) != first, "the ring has lost it")

    first = await read_next(dongle, 0)
    sink = Sink()
    task = await half_way(dongle, publish_when_short(dongle, sink))
    await until(lambda: bytes(dongle.latest.json()) != first, "it waits for ever")
    Network.is_short = False
    try:
        await task
        raise AssertionError("half of a reading, and then of another one")
    except link.Lost:
        pass

    # A socket that takes nothing any more, of a meter that says nothing any more.
    sink = Sink()
    sink.takes = 0
    try:
        await asyncio.wait_for_ms(dongle.mqtt._publish_reading(sink), 2 * link.IO_MS)
        raise AssertionError("nothing was sent")
    except link.Lost:
        pass

    # A broker that takes nothing any more: readings are left out, and then the session is lost.
    sink = Sink()
    sink.is_free = lambda: False
    dropped = dongle.mqtt.dropped
    dongle.mqtt._freed_ms = dongle.health.uptime_ms()
    await dongle.mqtt._publish_reading(sink)
    assert dongle.mqtt.dropped == dropped + 1 and not sink.taken
    dongle.mqtt._freed_ms -= link.IO_MS + 1
    try:
        await dongle.mqtt._publish_reading(sink)
        raise AssertionError("it waits for a broker that takes nothing")
    except link.Lost:
        pass


async def publish_when_short(dongle, sink):
    """The same."""
    take = sink._take

    def first(data, size):
        Network.is_short = True
        sink._take = take
        return take(data, size)

    sink._take = first
    await dongle.mqtt._publish_reading(sink)


async def main():
    dongle: Any = app.App()
    dongle.mqtt.run = lambda: asyncio.sleep(3600)
    task = asyncio.create_task(dongle.run())
    await until(lambda: dongle.wifi.up, "no Wi-Fi")
    world.interfaces.clear()  # a client from outside does not mind whether our Wi-Fi is up
    assert latest._TURN_MS * latest._TURNS == 1000
    await http(dongle, "/reading", lambda: bytes(dongle.latest.json()))
    for path in ("/telegram", "/api/v1/telegram"):
        await http(dongle, path, lambda: bytes(dongle.latest.telegram()))
    await mqtt(dongle)
    task.cancel()


asyncio.run(main())
print("ok")
