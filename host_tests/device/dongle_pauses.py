# How long MQTT pauses between attempts: never so long that it is not back within 30 s.

import asyncio

from dongle.health import Health
from dongle.latest import HEAD
from dongle.mqtt import session as mqtt
from dongle.net.dns import Unresolved
from p1.render.page import Page

_ATTEMPT_MS = 5_000  # one that hangs takes as long
_JITTER_MS = 512
pauses = []


class Enough(Exception):
    pass


class Clockwork:
    """asyncio, but pauses are noted instead of made."""

    def __getattr__(self, name):
        return getattr(asyncio, name)

    async def sleep_ms(self, ms):
        pauses.append(ms)
        if len(pauses) == limit:
            raise Enough


class Wifi:
    up = True

    def doubt(self):
        pass

    trust = doubt


class Resolver:
    async def resolve(self, name, port):
        raise Unresolved("no address for " + name)


class Latest:
    page = Page(16, HEAD)
    listeners = []


class Discovery:
    id, base = "02000000002a", b"p1/02000000002a/"


def run(client, count):
    global limit
    pauses.clear()
    limit = count
    try:
        asyncio.run(client.run())
    except Enough:
        pass
    return pauses


mqtt.asyncio = Clockwork()
settings = {"prefix": "p1", "telegram": False, "host": "nowhere", "port": 1883}
settings.update({"user": "", "password": ""})
health = Health()
wifi = Wifi()
client = mqtt.Mqtt(settings, Latest, wifi, Resolver(), health, None, Discovery, None)
assert client.code == "not_tried_yet"

run(client, 12)
assert client.reason == "no address for nowhere"
for pause_ms, least_ms in zip(pauses, (1_000, 2_000, 4_000, 8_000, 16_000) + (20_000,) * 7):
    assert least_ms <= pause_ms < least_ms + _JITTER_MS, pauses
assert max(pauses) + _ATTEMPT_MS < 30_000
assert len({pause_ms % 1_000 for pause_ms in pauses}) > 1, "a whole street at once"


async def connect_and_lose():
    client.connects += 1
    raise EOFError


# A connection that came about makes the pauses short again.
client._session = connect_and_lose
assert max(run(client, 4)) < 1_000 + _JITTER_MS, pauses
assert client.code == "connection_closed" and client.reason is None

# Without Wi-Fi it does not even try, and has its heartbeat all the same.
wifi.up = False
connects = client.connects
health.expect("mqtt", 0)
run(client, 3)
assert client.code == "waiting_for_network" and client.connects == connects
assert max(pauses) <= 1_000
print("ok")
