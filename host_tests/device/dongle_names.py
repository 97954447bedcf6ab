# A server's name is looked up without stopping the loop, and its address is kept.

import asyncio
import time

import world
from dongle.net.dns import Resolver, Unresolved

_LOOK_UP_MS = 600
longest_ms = 0


async def heartbeat():
    global longest_ms
    while True:
        before = time.ticks_ms()
        await asyncio.sleep_ms(5)
        longest_ms = max(longest_ms, time.ticks_diff(time.ticks_ms(), before))


async def main():
    world.names["broker.lan"] = "127.0.0.1"
    world.dns_ms = _LOOK_UP_MS
    resolver = Resolver()
    asyncio.create_task(heartbeat())
    assert await resolver.resolve("127.0.0.1", 1883) == ("127.0.0.1", 1883)
    assert await resolver.resolve("broker.lan", 1883) == ("127.0.0.1", 1883)
    assert longest_ms < _LOOK_UP_MS // 2, longest_ms

    world.names["influx.lan"] = "127.0.0.3"
    both = await asyncio.gather(
        resolver.resolve("broker.lan", 1883), resolver.resolve("influx.lan", 8086)
    )
    assert both == [("127.0.0.1", 1883), ("127.0.0.3", 8086)], "each its own"

    world.dns_up = False
    assert await resolver.resolve("broker.lan", 1883) == ("127.0.0.1", 1883)
    try:
        await resolver.resolve("elsewhere.lan", 1883)
    except Unresolved as error:
        assert str(error) == "no address for elsewhere.lan"
    else:
        raise AssertionError("an address out of nowhere")

    for name in (
        "192.168.1.300",
        "192.168.1",
        "1.2.3.4.5",
        "192.168.1.",
        "3232235777",
        "0192.1.1.1",
    ):
        try:
            await resolver.resolve(name, 1883)
        except Unresolved as error:
            assert str(error) == "no address for " + name
        else:
            raise AssertionError("an address out of nowhere")
    assert longest_ms < _LOOK_UP_MS // 2, longest_ms

    world.dns_up = True
    world.names["broker.lan"] = "127.0.0.2"
    assert await resolver.resolve("broker.lan", 1883) == ("127.0.0.2", 1883), "it moved"


asyncio.run(main())
print("ok")
