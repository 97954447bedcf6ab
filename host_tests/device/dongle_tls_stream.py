# Sends more than a slow reader takes at once over TLS, in pieces. Arguments: port, file with the
# CA, number of pieces. Piece n is 20,000 times the byte n. Makes the file "full" once there
# is no room left on the way.

import asyncio
import socket
import sys

from dongle.mqtt import codec, link, tls

_SO_SNDBUF = 7  # of Linux


class Clock:
    def is_set(self):
        return True


async def tell_when_full(connection):
    while not connection._stream.out_buf:
        await asyncio.sleep_ms(5)
    open("full", "w").close()


async def main(port, ca, pieces):
    way = tls.Tls(ca, "broker.lan", Clock())
    way.prepare()
    connection = link.Link(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    # As little as on the chip: Linux would take all of it at once.
    connection.below.setsockopt(socket.SOL_SOCKET, _SO_SNDBUF, 8_192)
    await codec.secure(connection, way, bytearray(b"first"))
    watch = asyncio.create_task(tell_when_full(connection))
    buffer = bytearray(20_000)
    for number in range(pieces):
        buffer[:] = bytes((number,)) * len(buffer)
        await connection.send(buffer)
    assert await connection._stream.readexactly(4) == b"done"
    watch.cancel()
    connection.close()
    print("ok")


asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
