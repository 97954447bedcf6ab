# One connection to a broker: a non-blocking socket, plain or with TLS. Every write has a deadline.

# MicroPython's StreamReader can also write.
# pyright: reportAttributeAccessIssue=false

import asyncio
import select

from micropython import const

from .. import room
from ..net.dial import dial

IO_MS = const(5_000)  # for connecting, for a write, for the rest of a packet
HANDSHAKE_MS = 9_000  # for the TLS handshake, in which an ESP32 calculates for a second or two
TLS_EOF = -0x7280  # mbedTLS: the other side closed the connection without an alert
_TURN_MS = const(25)
PIECE = const(1_024)  # bytes sent at a time when the network has too little memory for all of them
_SMALL = const(128)  # up to so many bytes are sent without a check of the network's memory
_LONGEST_PACKET = const(1536)  # the topics that we subscribe to have no longer ones


class Lost(Exception):
    """The connection can no longer be used. Its arguments: a code and, if words.py has none for
    this code, the words."""


class Link:
    def __init__(self, address):
        """address: as getaddrinfo() returns it. Raises OSError."""
        self.below = dial(address)
        self.over(self.below)
        self.packet_since = None  # uptime when a packet began to arrive; None between packets

    def over(self, socket) -> None:
        """Uses this socket from now on: the plain one, or the one with TLS over it."""
        self._socket = socket
        self._stream = asyncio.StreamReader(socket)
        self._poll = select.poll()
        self._poll.register(socket, select.POLLOUT)

    def is_free(self) -> bool:
        """Returns whether the socket has room for a whole packet, which lwIP reports while half of
        its window is free. After a write without such room the stream keeps a copy of the rest."""
        return bool(self._poll.poll(0))

    async def send(self, data, size: int | None = None, within_ms: int = IO_MS) -> None:
        """Sends data[:size]. The caller may change data after this has returned."""
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

    async def publish(self, data, start: int, size: int, latest) -> None:
        """Sends data[start:size], which is a view of data in latest, a Latest: at once, or in
        pieces when the network has little memory. The rest is never copied, because there may be
        no memory for a copy. Raises Lost if this takes too long."""
        left = IO_MS // _TURN_MS  # turns in which the socket may take nothing
        try:
            if self._stream.out_buf:
                await latest.hold(self.drain())
            while start < size:
                piece = size - start
                if not room.has_network(piece):
                    piece = min(piece, PIECE)
                    if not await latest.hold(room.for_network(piece)):
                        raise EOFError
                # A view only if it is needed, because each one becomes garbage.
                taken = self._take(memoryview(data)[start:] if start else data, piece)
                start += taken
                if taken < piece:
                    left -= 1
                    await latest.hold(asyncio.sleep_ms(_TURN_MS))
                    if not left:
                        raise EOFError
        except EOFError:
            raise Lost("network_full") from None

    def _take(self, data, size):
        """Writes to the socket; returns how many bytes it has taken, nearly always all."""
        return self._socket.write(data, size) or 0

    def write(self, data, size: int) -> None:
        """Begins to send data[:size]. The stream keeps a copy of the rest, which drain() sends."""
        sent = 0 if self._stream.out_buf else self._take(data, size)
        if sent < size:
            self._stream.write(memoryview(data)[sent:size])

    async def drain(self, within_ms: int = IO_MS) -> None:
        """Waits until the stream has sent everything."""
        if self._stream.out_buf:
            await asyncio.wait_for_ms(self._stream.drain(), within_ms)

    async def packet(self, uptime_ms) -> bytes:
        """Returns the next whole packet; waits for its first byte without a time limit."""
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
                raise Lost("malformed_packet")
        if size > _LONGEST_PACKET:
            raise Lost("packet_too_long")
        if size:
            head += await self._stream.readexactly(size)
        self.packet_since = None
        return head

    def close(self) -> None:
        self._socket.close()
        self.below.close()  # after a failed handshake the TLS socket does not close this one
