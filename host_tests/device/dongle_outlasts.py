# OSError where lwIP has no memory for a socket, a connection, or asyncio's poll, and MemoryError
# there and in those who watch over it all: it is told, and everything goes on. Argument: a port.

import asyncio
import errno
import socket
import sys
from asyncio.core import _io_queue as queue  # pyright: ignore[reportMissingImports]

import usocket
from until import until

from dongle import app, health, start
from dongle.http.response import Response
from dongle.http.server import Server
from dongle.net import listen

HTTP_PORT = int(sys.argv[1])
listen._AGAIN_MS = listen._RELIEF_MS = 20


class Health:
    """told: what failed."""

    def __init__(self, told):
        self.told = told

    def say(self, text):
        pass

    def failed(self, task, error):
        self.told.append((task, repr(error)))


async def get():
    reader, writer = await asyncio.open_connection("127.0.0.1", HTTP_PORT)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await writer.drain()
        return await asyncio.wait_for_ms(reader.read(), 3000)
    finally:
        writer.close()
        await writer.wait_closed()


# A port that cannot be had, or no longer, and connections for which there is no room.
class Failing:
    """A method of the class socket.socket that fails the next times, with these errors."""

    def __init__(self, name, *errors):
        self.name, self.errors = name, list(errors)
        self.plain = getattr(socket.socket, name)

    def __enter__(self):
        def method(*arguments):
            if self.errors:
                raise self.errors.pop(0)
            return self.plain(*arguments)

        setattr(socket.socket, self.name, method)
        return self

    def __exit__(self, *_):
        setattr(socket.socket, self.name, self.plain)


async def is_served():
    for _ in range(100):
        try:
            if (await get()).endswith(b"{}"):
                return
        except OSError:
            await asyncio.sleep_ms(20)
    raise AssertionError("nobody is served any more")


async def ports():
    told = []
    no_memory = OSError(errno.ENOMEM)
    server = Server({b"/": lambda: Response(b"{}")}, Health(told))

    def no_look_up(*_):
        raise AssertionError("lwIP needs memory for that")

    looked_up, socket.getaddrinfo = socket.getaddrinfo, no_look_up
    none = Failing("__init__", OSError(23), MemoryError("socket"))
    taken = Failing("bind", OSError(errno.EADDRINUSE), OSError(-203))
    deaf = Failing("listen", no_memory)
    with none, taken, deaf:
        task = asyncio.create_task(server.run(HTTP_PORT))
        await until(lambda: not (none.errors or taken.errors or deaf.errors), "no retry")
        await asyncio.sleep_ms(100)
    assert [task for task, _ in told] == ["http"] * 5, told
    socket.getaddrinfo = looked_up
    await is_served()
    del told[:]
    failed = no_memory, OSError(errno.EAGAIN), OSError(23), MemoryError("accept"), no_memory
    with Failing("accept", *failed) as few:
        await is_served()
        assert not few.errors
    accept = [("http", "MemoryError('accept',)")]
    assert told == [("http", repr(no_memory))] + accept + [("http", repr(no_memory))], told
    # asyncio has no memory to wait for the listener.
    poller = queue.poller
    for error in (MemoryError("register"), OSError(errno.ENOMEM)):
        del told[:]
        queue.poller = Poller(poller, "register", error)
        visitor = usocket.socket()
        visitor.connect(usocket.getaddrinfo("127.0.0.1", HTTP_PORT)[0][-1])
        visitor.close()
        await until(lambda: told, "nobody is told")
        queue.poller = poller
        await is_served()
        assert told == [("http", repr(error))], told
    task.cancel()


class Poller:
    """The poller whose method of this name fails `times` times."""

    def __init__(self, poller, name, error, times=1):
        self.poller, self.name, self.error, self.times = poller, name, error, times

    def __getattr__(self, name):
        return self._fail if name == self.name and self.times else getattr(self.poller, name)

    def _fail(self, *_):
        self.times -= 1
        raise self.error


asyncio.run(ports())


# asyncio's poll itself.
async def polls():
    loop = queue
    watcher, told = health.Health(), []
    start.outlast_poll(watcher)
    server = Server({b"/": lambda: Response(b"{}")}, Health(told))
    task = asyncio.create_task(server.run(HTTP_PORT))
    await asyncio.sleep_ms(50)
    plain = loop.poller
    for error in (OSError(errno.EIO), MemoryError("poll")):
        before = watcher.failures.get("poll", 0)
        loop.poller = Poller(plain, "ipoll", error, 5)
        await asyncio.sleep_ms(100)  # whose time has come goes on
        loop.poller.times = 0
        await is_served()
        assert 0 < watcher.failures["poll"] - before <= 5
        loop.poller = plain
    loop.poller = Poller(plain, "ipoll", OSError(errno.EIO), 1_000_000)
    before = watcher.failures["poll"]
    await asyncio.sleep_ms(200)
    assert watcher.failures["poll"] - before < 20, "it spins"
    loop.poller = plain
    await is_served()
    assert watcher.last_failure.startswith("poll: OSError")
    task.cancel()


asyncio.run(polls())


# Those who watch.
def no_memory(*_):
    raise MemoryError("watching")


async def guard():
    app._GUARD_MS = 10
    app._NOTE_MS = 20
    resets = []
    app.machine.reset = lambda: resets.append(None)
    with open("config.json", "w") as file:
        file.write('{"http": {"port": %d}, "tcp": {"port": 0}}' % HTTP_PORT)
    dongle: Any = app.App()
    asyncio.create_task(dongle.run())
    await asyncio.sleep_ms(100)
    for holder, name in (
        (dongle.health, "guard"),
        (dongle.health, "late"),
        (dongle.health, "say"),
        (dongle.logbook, "note"),
        (dongle.logbook, "_write"),
        (dongle.provision, "is_due"),
    ):
        plain, failures = getattr(holder, name), dongle.health.failures
        dongle.framer.good = 1
        dongle._is_reading = name != "say"
        failures["guard"] = 0
        setattr(holder, name, no_memory)
        await until(lambda failures=failures: failures["guard"], name)
        setattr(holder, name, plain)
        failures["guard"] = 0
        await asyncio.sleep_ms(50)
        assert not failures["guard"], "it is well again"
    # A task that nobody waits for, where there is no memory to tell it.
    told = dongle.health.failures.get("stray", 0)
    dongle.health.say = no_memory

    async def fail():
        raise ValueError

    asyncio.create_task(fail())
    await until(lambda: dongle.health.failures.get("stray", 0) > told, "stray")
    # A reset, where there is no memory to say why.
    dongle.logbook.ends = no_memory
    for name in ("say", "uptime_ms"):
        setattr(dongle.health, name, no_memory)
        try:
            dongle.reset("for a test")
        except MemoryError:
            pass
    assert len(resets) == 2


asyncio.run(guard())
print("ok")
