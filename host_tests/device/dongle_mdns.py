# The responder comes and goes with the dongle's address, and gives way where somebody else has
# the port, whoever that is.

import asyncio
import socket

import world
from dongle.health import Health
from dongle.net import mdns

world.builtin_mdns = False
mdns._LOOK_MS = 10
mdns._GROUP = ("224.0.0.251", 32_100)


class Wifi:
    now: str | None = None

    def address(self):
        return self.now


async def until(look):
    for _ in range(2_000):
        if look():
            return
        await asyncio.sleep_ms(10)
    raise AssertionError(one.state())


def start():
    one = mdns.Mdns(80, False, "p1meter-00d15c", "02000000d15c", wifi, Health())
    return one, asyncio.create_task(one.run())


async def come_and_go():
    assert one.state() == {"responder": "none", "code": "waiting_for_network"}
    for _ in range(2):
        wifi.now = "127.0.0.1"
        await until(lambda: one.state()["responder"] == "own")
        assert world.sockets == 1
        assert one.state()["name"] == "p1meter-00d15c.local"
        assert one.state()["services"] == ["_http._tcp"]
        wifi.now = None
        await until(lambda: one.state()["responder"] == "none")
        assert one.state()["code"] == "waiting_for_network"
        assert world.sockets == 0
    wifi.now = "127.0.0.1"
    await until(lambda: one.state()["responder"] == "own")
    task.cancel()
    await until(lambda: world.sockets == 0)


async def no_network():
    """An address that no interface here has."""
    wifi.now = "192.0.2.1"
    await until(lambda: one.state().get("reason", "").startswith("no multicast: "))
    assert world.sockets == 0
    task.cancel()


async def taken():
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("0.0.0.0", mdns._GROUP[1]))
    wifi.now = "127.0.0.1"
    await asyncio.wait_for(task, 10)
    assert one.state()["responder"] == "built-in"
    assert world.sockets == 1
    other.close()


async def main():
    global wifi, one, task
    for case in (come_and_go, no_network, taken):
        wifi = Wifi()
        one, task = start()
        await asyncio.sleep_ms(0)
        await case()


# What it says on the console is not of interest here.
Health.say = lambda self, text: None
asyncio.run(main())
print("ok")
