# One connection to a broker: its socket, non-blocking, plain or over TLS, with a deadline on every
# write.

# A StreamReader writes too.
# pyright: reportAttributeAccessIssue=false

import asyncio
import select

from micropython import const

from .. import room
from ..net.dial import dial

IO_MS = const(5_000)  # for connecting, for a write, for the rest of a packet
HANDSHAKE_MS = 9_000  # for TLS, whose sums take an ESP32 a second or two
TLS_EOF = -0x7280  # mbedTLS: the other side closed without a word
_TURN_MS = const(25)
PIECE = const(1_024)  # of what is sent, where the network has not enough memory for all of it
_SMALL = const(128)  # bytes that are sent whatever the network has
_LONGEST_PACKET = const(1536)  # we subscribe to nothing that is longer


class Lost(Exception):
    """The connection cannot be used any more."""


class Link:
    def __init__(self, address):
        """address: as getaddrinfo() gives it. Raises OSError."""
        self.below = dial(address)
        self.over(self.below)
        self.packet_since = None  # a packet has begun to arrive then; None between packets

    def over(self, socket):
        """Goes on over this one, which is the same or TLS over it."""
        self._socket = socket
        self._stream = asyncio.StreamReader(socket)
        self._poll = select.poll()
        self._poll.register(socket, select.POLLOUT)

    def is_free(self):
        """Whether the socket has room for a whole packet: lwIP says so while half of its window is
        free. Who sends more all the same makes the stream keep a copy of it."""
        return bool(self._poll.poll(0))

    async def send(self, data, size=None, within_ms=IO_MS):
        """Sends data[:size], which may change when that has been done."""
        if size is None:
            size = len(data)
        if size > _SMALL:
            await room.for_network(size)
            await asyncio.wait_for_ms(self._freed(), within_ms)
        self.write(data, size)
        await self.drain(within_ms)

    async def _freed(self):
        while not self.is_free():
            await asyncio.sleep_ms(_TURN_MS)

    async def publish(self, data, start, size, latest):
        """Sends data[start:size], a view of what latest, a Latest, has: at once, or piece by piece
        as the network has memory. Never is there a copy of the rest, which Python may have no
        memory for. Raises Lost where it takes too long."""
        left = IO_MS // _TURN_MS  # turns, where the socket takes nothing
        try:
            if self._stream.out_buf:
                await latest.hold(self.drain())
            while start < size:
                piece = size - start
                if not room.has_network(piece):
                    piece = min(piece, PIECE)
                    if not await latest.hold(room.for_network(piece)):
                        raise EOFError
                # A view only where it is needed: each leaves garbage behind.
                taken = self._take(memoryview(data)[start:] if start else data, piece)
                start += taken
                if taken < piece:
                    left -= 1
                    await latest.hold(asyncio.sleep_ms(_TURN_MS))
                    if not left:
                        raise EOFError
        except EOFError:
            raise Lost("the network takes no more of a reading") from None

    def _take(self, data, size):
        """How many of these bytes the socket takes at once, as it nearly always does."""
        return self._socket.write(data, size) or 0  # pyright: ignore[reportCallIssue]

    def write(self, data, size):
        """Begins to send data[:size]. drain() sees to the rest, of which the stream has a copy."""
        sent = 0 if self._stream.out_buf else self._take(data, size)
        if sent < size:
            self._stream.write(memoryview(data)[sent:size])

    async def drain(self, within_ms=IO_MS):
        if self._stream.out_buf:
            await asyncio.wait_for_ms(self._stream.drain(), within_ms)

    async def packet(self, uptime_ms):
        """The next whole packet. Waits for its first byte as long as it takes."""
        head = await self._stream.readexactly(1)
        self.packet_since = uptime_ms()
        size = shift = 0
        while True:
            byte = await self._stream.readexactly(1)
            head += byte
            size |= (byte[0] & 0x7F) << shift
            shift += 7
            if not byte[0] & 0x80:
                break
            if shift > 21:
                raise Lost("the broker sent a malformed packet")
        if size > _LONGEST_PACKET:
            raise Lost("the broker sent a packet that is too long")
        if size:
            head += await self._stream.readexactly(size)
        self.packet_since = None
        return head

    def close(self):
        self._socket.close()
        self.below.close()  # where a handshake failed, TLS has let go of it
