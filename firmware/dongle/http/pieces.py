# Sends an answer in pieces, because the whole answer would not fit into memory. Loaded for one
# answer.

import asyncio
import gc

from micropython import const

from .. import large, room

TEMPORARY = True  # see forget()

_PACE_MS = const(20)  # between two pages of a long document, so that lwIP can send the first


async def gather(client, pieces, is_chunked: bool) -> None:
    """Gathers the pieces on pages and sends all pages except the last one, with a short pause
    after each, so that the network can send it. An empty piece is a pause to collect garbage."""
    async with large:
        await _gather(client, pieces, is_chunked)


async def _gather(client, pieces, is_chunked):
    page = client.page
    start = _begin_chunk(page, is_chunked)
    for piece in pieces:
        if not len(piece):
            # The generator has dropped some objects. The sleep leaves the stack first, because the
            # collector keeps everything that it finds on the stack.
            await asyncio.sleep_ms(_PACE_MS)
            gc.collect()
        at = page.fill(piece, 0)
        while at < len(piece):
            _end_chunk(page, start, b"\r\n")
            while not await room.for_network(page.size):
                pass
            client.write()
            if client.stream.out_buf:
                await client.stream.drain()
            await asyncio.sleep_ms(_PACE_MS)
            start = _begin_chunk(page, is_chunked)
            at = page.fill(piece, at)
    # A chunk of length 0 ends the answer.
    _end_chunk(page, start, b"\r\n" if start == page.size else b"\r\n0\r\n\r\n")


def _begin_chunk(page, is_chunked):
    """Returns where the data of the chunk starts; 0 if the answer is not chunked."""
    if not is_chunked:
        return 0
    page.put(b"000\r\n")  # _end_chunk() writes the length here
    return page.size


def _end_chunk(page, start, ending):
    if start:
        page.bytes[start - 5 : start - 2] = b"%03x" % (page.size - start)
        end = page.size + len(ending)
        page.bytes[page.size : end] = ending
        page.size = end
