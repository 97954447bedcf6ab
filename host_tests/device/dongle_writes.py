# What goes out goes out in few large pieces: on the chip each write to a socket takes a whole
# segment of lwIP's memory, however small it is. All documents of the dongle are asked for, and
# what MQTT and a push write is counted too. Arguments: a file with a telegram that has much to
# say, a free port.

import asyncio
import json
import os
import socket
import sys
import time

import asking
from until import until

import world
from dongle import app
from dongle.mqtt import telegrams
from dongle.push import client

SMALL = 500  # bytes; only the last piece may have less
PACE_MS = 10
PATHS = (
    "/reading /quarter /live /telegram /health /metrics /history /config / /nothing /api/v1/data"
)

writes = []  # lengths, in the order of writing
plain = socket.socket.write


def noting(self, data, *size):
    writes.append(size[0] if size else len(data))
    return plain(self, data, *size)


def setsockopt(self, level, option, value):
    assert (level, option) != (socket.IPPROTO_TCP, socket.TCP_NODELAY), "nothing is gathered then"
    self._raw.setsockopt(level, option, value)


socket.socket.write, socket.socket.setsockopt = noting, setsockopt


def check(what):
    """Empties the list."""
    print(what, writes)
    assert writes, what
    assert min(writes[:-1] or [SMALL]) >= SMALL, (what, writes)
    writes.clear()


async def ask(port, path, version="1.1"):
    """The body."""
    head, body = await asking.ask(port, path, version)
    if b"chunked" in head:
        body = whole(body)
    elif b"Content-Length: " in head:
        assert len(body) == asking.length(head), head
    else:
        assert version == "1.0", head
    return body


def whole(body):
    """Without its chunks."""
    data = b""
    while True:
        length, _, body = body.partition(b"\r\n")
        length = int(length, 16)
        data += body[:length]
        assert body[length : length + 2] == b"\r\n"
        body = body[length + 2 :]
        if not length:
            assert not body
            return data


class Link:
    """One that notes what is written to it."""

    def __init__(self):
        self.taken = b""

    def write(self, data, size):
        writes.append(size)
        self.taken += bytes(data[:size])

    async def send(self, data, size=None):
        self.write(data, len(data) if size is None else size)

    async def publish(self, data, start, size, latest):
        self.write(memoryview(data)[start:], size - start)

    def is_free(self):
        return True


class Resolver:
    async def resolve(self, host, port):
        return socket.getaddrinfo(host, port)[0][-1]


async def documents(dongle):
    for path in PATHS.split():
        await ask(dongle.http_port, path)  # what is loaded is loaded
        writes.clear()
        body = await ask(dongle.http_port, path)
        assert body
        if body[:1] == b"{":
            json.loads(body)
        check(path)
        await ask(dongle.http_port, path, "1.0")
        check(path + " in 1.0")


async def messages(dongle):
    link = Link()
    report = dongle.report()
    report.prepare(b"p1/x/health")
    await report.publish(link)
    check("MQTT health")
    start = link.taken.index(b"{")
    assert json.loads(link.taken[start:])["id"] == dongle.id
    dongle.mqtt._more = [telegrams.Telegrams(b"p1/x/telegram")]
    writes.clear()
    await dongle.mqtt._publish_reading(link)
    check("MQTT reading and telegram")
    assert link.taken.endswith(bytes(dongle.latest.telegram()))


async def push():
    """To a server that answers 204."""
    got = []

    async def serve(reader, writer):
        # Directly, so that this is not counted.
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < 2000:
            data += await reader.read(4096)
        got.append(data)
        plain(writer.s, b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[2]))
    poster = client.Client(f"http://127.0.0.1:{sys.argv[2]}/write", "text/plain", "", Resolver())
    writes.clear()
    answer = await poster.post(lambda: (2000, [b"x" * 40] * 50))
    assert answer.status == 204
    check("a push")
    assert got[0].endswith(b"Content-Length: 2000\r\n\r\n" + b"x" * 2000)
    server.close()


async def pace(dongle):
    """A long document waits for the network between its pages."""
    began_ms = time.ticks_ms()
    await ask(dongle.http_port, "/")
    assert time.ticks_diff(time.ticks_ms(), began_ms) >= PACE_MS * (len(writes) - 1)
    writes.clear()


async def idle():
    await asyncio.sleep(3600)


def smaller_page():
    """The source takes more memory than there is here."""
    os.mkdir("web")
    with open("web/index.html", "wb") as file:
        file.write(b"x" * 8_000)
    sys.path.insert(0, "")


async def main():
    smaller_page()
    dongle: Any = app.App()
    dongle.mqtt.run = idle
    task = asyncio.create_task(dongle.run())
    await until(lambda: dongle.wifi.up, "no Wi-Fi")
    world.interfaces.clear()  # a client from outside does not mind whether our Wi-Fi is up
    with open(sys.argv[1], "rb") as file:
        telegram = file.read()
    dongle.framer.feed(telegram, len(telegram))
    await until(lambda: dongle.latest.age_ms() is not None, "no reading")
    writes.clear()
    await documents(dongle)
    await pace(dongle)
    await messages(dongle)
    await push()
    task.cancel()


asyncio.run(main())
print("ok")
