# Memory that runs out for one client or one listener costs nobody else anything: MemoryError
# where asyncio takes a connection, begins a task, or keeps the rest of a telegram.

import asyncio
import sys

from usocket import getaddrinfo
from usocket import socket as client_socket

import world
from dongle import stream
from dongle.http.response import Response
from dongle.http.server import Server
from dongle.latest import Latest as Kept
from dongle.net import listen
from p1 import decode

HTTP_PORT, TCP_PORT = map(int, sys.argv[1:3])
PAUSE_MS = 100


class Health:
    def say(self, text):
        pass

    def failed(self, task, error):
        assert isinstance(error, MemoryError)


class Asyncio:
    """The module asyncio, one of whose functions finds no memory the next `times` times."""

    def __init__(self, name, times):
        self.name, self.times = name, times

    def __getattr__(self, name):
        return self._fail if name == self.name and self.times else getattr(asyncio, name)

    def _fail(self, *arguments):
        self.times -= 1
        for argument in arguments:
            if hasattr(argument, "close") and not hasattr(argument, "read"):
                argument.close()  # a coroutine that nobody will run
        raise MemoryError(self.name)


def visit(port):
    client = client_socket()
    client.connect(getaddrinfo("127.0.0.1", port)[0][-1])
    return client


async def get():
    reader, writer = await asyncio.open_connection("127.0.0.1", HTTP_PORT)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    await writer.drain()
    answer = await asyncio.wait_for_ms(reader.read(), 3000)
    writer.close()
    await writer.wait_closed()
    return answer


async def lose_a_client(port, module, name):
    module.asyncio = Asyncio(name, 1)
    client = visit(port)
    await asyncio.sleep_ms(PAUSE_MS)
    client.close()
    await asyncio.sleep_ms(PAUSE_MS)
    assert module.asyncio.times == 0, name
    module.asyncio = asyncio


class Latest:
    listeners = []
    telegram_size = 0

    def age_ms(self):
        return None

    def telegram(self):
        return memoryview(b"/TEL\r\n\r\n!0000\r\n")


class NoRoom:
    """A stream whose socket is full, and for the rest there is no memory."""

    out_buf = b""

    def __init__(self):
        self.written = 0

    def write(self, data):
        self.written += 1
        raise MemoryError


async def main():
    server = Server({b"/": lambda: Response(b"{}")}, Health())
    telegrams = stream.Stream(Latest(), Health())
    tasks = [
        asyncio.create_task(server.run(HTTP_PORT)),
        asyncio.create_task(telegrams.run(TCP_PORT)),
    ]
    await asyncio.sleep_ms(PAUSE_MS)
    sockets = world.sockets
    for port in (HTTP_PORT, TCP_PORT):
        for name in ("StreamReader", "create_task"):
            await lose_a_client(port, listen, name)
            assert world.sockets == sockets, (port, name)
    # A client that could not be looked after is gone, with its socket.
    await lose_a_client(TCP_PORT, stream, "current_task")
    assert world.sockets == sockets and telegrams.clients() == 0
    assert (await get()).endswith(b"{}")
    for task in tasks:
        task.cancel()
    await asyncio.sleep_ms(PAUSE_MS)
    assert world.sockets == sockets - 2, "the ports are free for the next try"


asyncio.get_event_loop().set_exception_handler(lambda loop, context: None)  # they are told
asyncio.run(main())


# Half a telegram and then the next one would be no telegram: such a client has to leave.
async def half():
    client = stream._Client(NoRoom(), None)
    client.send(b"/TEL")
    client.send(b"/TEL")
    assert client.is_lost and client._stream.written == 1


asyncio.run(half())

# A listener that fails is told, and the others hear of the telegram all the same.
heard, told = [], []
kept = Kept("BE", told.append)
kept.listeners.append(lambda: heard.append(1 // 0))
kept.listeners.append(lambda: heard.append(kept.taken))
with open("telegram", "rb") as file:
    telegram = file.read()
kept.take(telegram, len(telegram))
assert heard == [1] and isinstance(told[0], ZeroDivisionError)

# What reads and writes new texts is forgotten when there were none for a while, and loaded again
# when there are: what is shown is the same.
shown = bytes(kept.json() or b"")


def take(text):
    kept.take(text, len(text))
    return bytes(kept.json() or b"")


other = bytearray(telegram)
other[2] ^= 1  # another meter's name
told.clear()
kept.listeners.clear()
for _ in range(3):
    again = take(bytearray(telegram))
    assert again == shown, again
    assert "p1.texts" in sys.modules
for _ in range(6):
    assert take(bytearray(telegram)) == shown
assert "p1.texts" not in sys.modules and "p1.country" not in sys.modules
changed = take(bytearray(other))
assert changed and changed != shown and "p1.texts" in sys.modules
assert take(bytearray(telegram)) == shown and not told


# Where there is no memory to load it, nothing is shown rather than half of it.
def fail():
    raise MemoryError


for _ in range(61):
    take(bytearray(telegram))
load, decode._load = decode._load, fail
assert take(bytearray(other)) == b"" and isinstance(told[0], MemoryError)
assert take(bytearray(other)) == b"" and len(told) == 2
decode._load = load
assert take(bytearray(other)) == changed and take(bytearray(telegram)) == shown
for _ in range(61):
    take(bytearray(telegram))
write, kept._json._load = kept._json._load, fail
assert take(bytearray(other)) == b"" and len(told) == 3
kept._json._load = write
assert take(bytearray(other)) == changed and take(bytearray(telegram)) == shown
assert len(told) == 3

# While there is no room to read them, new texts wait, but not for ever; nobody is told.
asked = []


def no_room(size):
    asked.append(size)
    return False


for _ in range(61):
    take(bytearray(telegram))
kept._has_room = no_room
for _ in range(5):
    assert take(bytearray(other)) == b""
assert take(bytearray(other)) == changed and len(asked) == 5 and len(told) == 3


# Where there is no memory for the task that sends to the others, they get the next telegram.
class Taken:
    def __init__(self):
        self.count = 0

    def send(self, telegram):
        self.count += telegram is not None


async def others():
    telegrams = stream.Stream(Latest(), Health())
    telegrams._latest.telegram_size = 15
    first, second = telegrams._clients = [Taken(), Taken()]
    stream.asyncio = Asyncio("create_task", 1)
    try:
        telegrams._on_telegram()
    except MemoryError:
        pass
    stream.asyncio = asyncio
    telegrams._on_telegram()
    await asyncio.sleep_ms(PAUSE_MS)
    assert (first.count, second.count) == (2, 1)


asyncio.run(others())
print("ok")
