# Ten sockets and no more, and asyncio on top of them.

import asyncio
import socket
import time

import network
import world


def refused(function, *args):
    try:
        function(*args)
    except OSError as error:
        return error.errno
    raise AssertionError(function)


async def served(reader, writer):
    line = await reader.readline()
    assert writer.get_extra_info("peername")[0] == "127.0.0.1"
    writer.write(b"got " + line)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def client(port):
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"hello\n")
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def serve():
    server = await asyncio.start_server(served, "127.0.0.1", PORT)
    answers = await asyncio.gather(*(client(PORT) for _ in range(4)))
    assert answers == [b"got hello\n"] * 4, answers
    server.close()
    await server.wait_closed()
    await asyncio.sleep_ms(0)


# The last port of a range that nobody hands out by itself, or one below it that is free.
PORT = 32767
while True:
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", PORT))
        break
    except OSError:
        PORT -= 1
    finally:
        probe.close()

asyncio.run(serve())
assert world.sockets == 0, world.sockets

# An accept for which no socket is left drops the connection, as lwIP does.
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", PORT))
listener.listen(1)
caller = socket.socket()
caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
caller.connect(("127.0.0.1", PORT))
others = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
assert refused(socket.socket) == 23
assert refused(listener.accept) == 23
caller.settimeout(1)
assert caller.read(1) == b""
others.pop().close()
others.append(socket.socket())
others += [listener, caller, caller]
for one in others:
    one.close()
assert world.sockets == 0

# Names and datagrams.
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.bind(("127.0.0.1", PORT))
b.sendto(b"ping", ("127.0.0.1", PORT))
data, sender = a.recvfrom(10)
assert data == b"ping" and sender[0] == "127.0.0.1"
a.settimeout(0.05)
a.setblocking(False)
assert refused(a.recv, 1) == 11
a.close()
b.close()

# Our own access point's address is on the laptop's loopback. Who calls there is one of its guests,
# unless it comes from an address of its own choice.
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
world.ap_ports[80] = PORT
listener.bind(("192.168.4.1", 80))
listener.listen(1)
for own, seen in ((None, "192.168.4.2"), ("127.0.0.9", "127.0.0.9")):
    caller = socket.socket()
    if own:
        caller.bind((own, 0))
    caller.connect(("127.0.0.1", PORT))
    accepted, peer = listener.accept()
    assert peer[0] == seen
    accepted.close()
    caller.close()
listener.close()

assert not hasattr(socket, "SO_KEEPALIVE")
world.names["broker.lan"] = "127.0.0.9"
assert socket.getaddrinfo("broker.lan", 1883)[0][-1] == ("127.0.0.9", 1883)
world.dns_up = False
world.dns_ms = 50
start = time.ticks_ms()
assert refused(socket.getaddrinfo, "broker.lan", 1883) == -202
assert time.ticks_diff(time.ticks_ms(), start) >= 50
assert socket.getaddrinfo("127.0.0.1", 1883)[0][-1] == ("127.0.0.1", 1883)

# With a station that has no address there is no way out.
world.dns_up = True
network.WLAN().active(True)
assert refused(socket.getaddrinfo, "broker.lan", 1883) == -202
out = socket.socket()
assert refused(out.connect, ("127.0.0.1", PORT)) == 113
out.close()
print("ok")
