# Reads the body of a request. Loaded when an allowed request has one.

import asyncio
from io import IOBase

from micropython import const

from .. import room
from ..refused import Refused
from .request import EXCHANGE_MS

TEMPORARY = True  # see forget()

_WORK_ROOM = const(10_000)  # bytes of the Python heap, to check and change the config
_PIECE = const(256)
_PIECE_MS = const(20_000)  # for each piece of a body that is read as a stream


async def take(server, client, resource, begun: memoryview):
    """Returns the Response to a request that can have a body; begun: see Body."""
    request = client.request
    body = Body(client.stream, request, begun)
    await body.go_on()
    if resource.most is None:
        # The whole body may take minutes, so each piece has its own deadline instead.
        client.left_ms = None

        def readinto(buffer):
            return asyncio.wait_for_ms(body.readinto(buffer), _PIECE_MS)

        arguments = readinto, request.left
    else:
        try:
            arguments = (await body.whole(),)
        except Refused as refused:
            return resource.refuse(*refused.args)
    refuse = resource.refuse
    try:
        response = server.see(resource, request, *arguments)
        resource = arguments = None  # so that their modules can be freed
        if hasattr(response, "send"):
            response = await response
    except asyncio.TimeoutError:
        raise  # the client was too slow
    except Exception as error:
        response = server.broken(refuse, error)
    client.left_ms = EXCHANGE_MS
    return response


class Body:
    def __init__(self, stream, request, begun):
        """begun: the part of the body that came with the head, a memoryview that must not change
        before it is read."""
        self._stream, self._request = stream, request
        self._begun = begun[: request.left]

    async def go_on(self) -> None:
        """Answers a client that waits for "100 Continue" before it sends the body."""
        if self._request.left and not self._request.is_old and self._request.header(b"expect"):
            self._stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._stream.drain()

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Returns how many bytes were read; 0 at the end, or if the client has disconnected."""
        left = self._request.left
        view = memoryview(buffer)[: min(left, len(buffer))]
        count = min(len(self._begun), len(view))
        if count:
            view[:count] = self._begun[:count]
            self._begun = self._begun[count:]
        elif left:
            count = None
            while count is None:
                count = await self._stream.readinto(view)
        self._request.left = left - count
        return count

    async def whole(self):
        """Reads the whole body and returns it as a stream. Raises EOFError if the client has
        disconnected, Refused if there is no memory to read and process it."""
        if not room.has(self._request.left + _WORK_ROOM):
            raise Refused(503, "out_of_memory")
        pieces, cut = [], b""  # cut: the first bytes of a character that ends in the next piece
        try:
            while self._request.left or cut:
                piece = bytearray(min(_PIECE, len(cut) + self._request.left))
                piece[: len(cut)] = cut
                view = memoryview(piece)[len(cut) :]
                while len(view):
                    count = await self.readinto(view)
                    if not count:
                        raise EOFError
                    view = view[count:]
                end = _end(piece) if self._request.left else len(piece)
                str(memoryview(piece)[:end], "utf-8")
                pieces.append(memoryview(piece)[:end])
                cut = piece[end:]
        except UnicodeError:
            pieces = [b"no UTF-8"]  # this is no JSON either, so the JSON parser reports the error
        return Pieces(pieces)


def _end(piece):
    """Returns where the last complete character ends."""
    for back in range(1, min(4, len(piece)) + 1):
        byte = piece[-back]
        if byte & 0xC0 != 0x80:  # a character begins here
            length = 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(piece) - back if length > back else len(piece)
    return len(piece)


class Pieces(IOBase):
    """A stream over several pieces of bytes, because the chip often has no long block of memory
    free."""

    def __init__(self, pieces):
        self._pieces = pieces

    def readinto(self, buffer):
        if not self._pieces:
            return 0
        piece = self._pieces[0]
        count = min(len(buffer), len(piece))
        buffer[:count] = piece[:count]
        if count < len(piece):
            self._pieces[0] = piece[count:]
        else:
            self._pieces.pop(0)
        return count
