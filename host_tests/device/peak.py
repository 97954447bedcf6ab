# What is seldom done, in little memory: everything that is always there is loaded, then so much is
# taken away that only a few bytes are left, and then it has to work.
#
#   peak.py PATH BYTES
#
# The bytes that are left lie in one piece. The names that a module brings count, as it is loaded
# for the first time; that their table doubles now and then does not, and so it has room before.
# The flash is the current directory, which takes no memory here. Prints "ok" where it worked.

import asyncio
import gc
import json
import sys

from usocket import AF_INET, SOCK_DGRAM, getaddrinfo
from usocket import socket as native_socket

import network
import world
from dongle import app as app_file

gc.threshold(4096)  # as boot.py
path, left = sys.argv[1], int(sys.argv[2])
network.WLAN(network.AP_IF), network.WLAN(network.STA_IF)


class Kept:
    """What is sent is looked at by its first bytes."""

    def __init__(self):
        self.begin = bytearray(16)
        self.view = memoryview(self.begin)
        self.size = 0


class Stream(Kept):
    """A client that has sent a request, as the server sees it."""

    def __init__(self, request):
        super().__init__()
        self.request = memoryview(request)
        self.s = self

    def setsockopt(self, *_):
        pass

    async def readinto(self, view):
        count = min(len(view), len(self.request), 700)
        view[:count] = self.request[:count]
        self.request = self.request[count:]
        return count

    def write(self, data):
        if self.size < 16:
            count = min(16 - self.size, len(data))
            self.view[self.size : self.size + count] = data[:count]
        self.size += len(data)

    async def drain(self):
        pass

    def close(self):
        pass

    async def wait_closed(self):
        pass

    def is_answered(self, status):
        assert self.begin[9:12] == status, bytes(self.view)


def request(method, target, body=b""):
    head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n" % (
        method,
        target,
        len(body),
    )
    return head + b"Authorization: Basic Om93bmVyJ3Mgd29yZA==\r\n\r\n" + body


def tighten():
    """Takes all memory but so many bytes, which are in one piece; what holds it has to be kept."""
    _make_room_for_names()
    gc.collect()
    room = bytearray(left)
    ballast, size = None, 65536
    while size:
        try:
            while True:
                ballast = ballast, bytearray(size)
        except MemoryError:
            size //= 2
    del room
    gc.collect()
    return ballast


def _make_room_for_names():
    """The table of names doubles now and then, some kilobytes at a time: not where it would count
    against whoever brought the name that was one too many."""
    number = grown = 0
    while grown < 512:
        gc.collect()
        used = gc.mem_alloc()
        for _ in range(8):
            hasattr(sys, "name%d" % number)
            number += 1
        gc.collect()
        grown = gc.mem_alloc() - used


def config(name):
    from dongle import parts  # noqa: F401  which is there when it is read

    ballast = tighten()
    from dongle import config

    settings, problems = config.load(name)
    assert settings["mqtt"]["host"] and not problems
    return ballast


async def ask(app, *requests, status=b"200"):
    streams = [Stream(request(*each)) for each in requests]
    ballast = tighten()
    for stream in streams:
        await app.server._client(stream)
        if app.health.failures:
            print(app.health.last_failure)
            sys.exit(1)
        stream.is_answered(status)
    return ballast


def at_server(*requests, warm=True, status=b"200"):
    async def main():
        app = app_file.App()
        await app.server._client(Stream(request(b"GET", b"/health")))
        if warm:
            await app.server._client(Stream(request(b"POST", b"/identify")))
        await ask(app, *requests, status=status)

    asyncio.run(main())


def backup():
    with open("backup.json", "rb") as file:
        return file.read()


def update(file):
    """By POST; the bytes come as from a socket."""

    async def main():
        app = app_file.App()
        await app.server._client(Stream(request(b"POST", b"/identify")))
        with open(file, "rb") as bundle:
            size = bundle.seek(0, 2)
            bundle.seek(0)

            async def readinto(view):
                return bundle.readinto(view)

            ballast = tighten()
            take = app.owner(b"/update", b"POST")
            response = await take(readinto, size)
            assert response.status == 200, response.body
            del ballast

    asyncio.run(main())


class Phone:
    """Asks the portal over sockets, in little memory of its own."""

    def __init__(self):
        self.web = getaddrinfo(world.ap_address, world.ap_ports[80])[0][-1]
        self.names = getaddrinfo(world.ap_address, world.ap_ports[53])[0][-1]
        self.buffer = bytearray(512)
        self.begin = memoryview(self.buffer)[:12]

    async def ask(self, request, status=b"200"):
        """The size of what is answered."""
        client = native_socket()
        client.connect(self.web)
        client.setblocking(False)
        client.write(request)
        size, count = 0, None
        while count != 0:
            await asyncio.sleep_ms(5)
            count = client.readinto(self.buffer)
            if count and not size:
                assert self.buffer[9:12] == status, bytes(self.buffer)
            size += count or 0
        client.close()
        return size

    async def resolve(self):
        client = native_socket(AF_INET, SOCK_DGRAM)
        client.connect(self.names)
        client.setblocking(False)
        try:
            client.write(b"\1\2\1\0\0\1\0\0\0\0\0\0\5apple\3com\0\0\1\0\1")
            while not client.readinto(self.buffer):
                await asyncio.sleep_ms(5)
            return True
        except OSError:
            return False  # not yet
        finally:
            client.close()


_GET = b"GET %s HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n"
_TRY = b"POST /try HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: %d\r\n\r\n%s"


def portal(wish=b'{"ssid": "home", "password": "secret words"}'):
    async def main():
        app = app_file.App()
        await app.server._client(Stream(request(b"GET", b"/health")))
        phone = Phone()
        page, status, scan = [_GET % each for each in (b"/", b"/status", b"/scan")]
        wrong = b'{"ssid": ""}'
        bad, good = [_TRY % (len(each), each) for each in (wrong, wish)]
        world.radio.change(join_ms=20, scan_ms=20)

        ballast = tighten()
        portal = asyncio.create_task(app.provision.serve())
        while not await phone.resolve():
            assert not portal.done(), app.health.last_failure
            await asyncio.sleep_ms(50)
        sys.modules["dongle.portal"]._SHOWN_MS = 1
        assert await phone.ask(page) > 1000
        await phone.ask(status)
        await phone.ask(scan)
        await phone.ask(bad, b"400")
        await phone.ask(good)
        await portal
        assert not app.health.failures, app.health.last_failure
        with open("config.json") as file:
            assert json.load(file)["wifi"]["password"] == "secret words"
        del ballast

    asyncio.run(main())


PATHS = {
    "config": lambda: config("config.json"),
    "config_full": lambda: config("full.json"),
    "auth": lambda: at_server((b"POST", b"/identify"), warm=False),
    "identify": lambda: at_server((b"POST", b"/identify")),
    "restart": lambda: at_server((b"POST", b"/restart")),
    "show": lambda: at_server((b"GET", b"/config")),
    "change": lambda: at_server((b"POST", b"/config", b'{"quarter": {"target_w": 4000}}')),
    "restore": lambda: at_server((b"POST", b"/config", backup())),
    "wrong": lambda: at_server(
        (b"POST", b"/config", b'{"quarter": {"target_w": "4000"}, "mqtt": {"hots": "x"}}'),
        status=b"400",
    ),
    "portal": portal,
    "update": lambda: update("new.bundle"),
}

PATHS[path]()
print("ok")
