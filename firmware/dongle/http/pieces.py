# An answer that comes in pieces, because as a whole it would be too long for the memory. Loaded
# for one of them.

import asyncio
import gc

from micropython import const

from .. import large, room

_PACE_MS = const(20)  # between the pieces of a long document, so that they do not pile up in lwIP


async def gather(client, pieces, is_chunked):
    """Sends them page by page, but for the last one, and gives the network time to take it. An
    empty piece is a pause: what its maker needs no more leaves memory."""
    async with large:
        await _gather(client, pieces, is_chunked)


async def _gather(client, pieces, is_chunked):
    page = client.page
    start = _begin_chunk(page, is_chunked)
    for piece in pieces:
        if not len(piece):
            # Who makes them is done with something: what is found on the stack counts as in use,
            # so that has to be left first.
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
    # A chunk of no length ends them all.
    _end_chunk(page, start, b"\r\n" if start == page.size else b"\r\n0\r\n\r\n")


def _begin_chunk(page, is_chunked):
    """Where its bytes start; 0 where there are no chunks."""
    if not is_chunked:
        return 0
    page.put(b"000\r\n")  # the length, once it is known
    return page.size


def _end_chunk(page, start, ending):
    if start:
        page.bytes[start - 5 : start - 2] = b"%03x" % (page.size - start)
        end = page.size + len(ending)
        page.bytes[page.size : end] = ending
        page.size = end
