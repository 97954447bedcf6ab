# POST /update and /update/pull: a new firmware over the network. Loaded for one request.

import asyncio
import gc
import json
import sys

from micropython import const

from .. import forget, large, room
from .response import Response

_OF_UPDATE = (
    "dongle.update.receive",
    "dongle.update.bundle",
    "dongle.update.ecdsa",
    "dongle.update.fetch",
    "slots",
)

_BOTH_BYTES = const(40_000)  # of the Python heap
_LEAVE_MS = const(50)  # until the memory of the closed connections is free


def into(app, path: bytes):
    """Returns the function that handles one request, so that the caller's module can be freed."""
    if path == b"/update":
        return lambda readinto, size: _respond(app, lambda update: update.receive(readinto, size))
    return lambda readinto, size: _respond(app, lambda update: _pull(app, update))


async def _respond(app, take):
    # If there is little memory, all other clients are disconnected during the update.
    is_alone = not room.has(_BOTH_BYTES)
    try:
        if is_alone:
            app.server.rest(True)
            if app.stream:
                app.stream.rest(True)
            await asyncio.sleep_ms(_LEAVE_MS)
            gc.collect()
        status, answer = await _update(app, take)
    finally:
        if is_alone:
            app.server.rest(False)
            if app.stream:
                app.stream.rest(False)
    return Response(json.dumps(answer).encode(), status=status)


async def _update(app, take):
    """Returns (HTTP status, dict), the result of take(update) with an Update."""
    # The modules take 10 KiB, so they are in memory only during an update.
    if "dongle.update.receive" in sys.modules:
        return 409, {"error": "an update is in progress", "code": "update_running"}
    status = 0
    try:
        from ..update.receive import Update

        async with large:
            update = Update(app.firmware, app.health, app.renew)
            status, answer = await take(update)
    except MemoryError:
        answer = {"error": "not enough memory for an update; try again", "code": "out_of_memory"}
    finally:
        if status != 200:
            forget(*_OF_UPDATE)
    return status or 503, answer


def _pull(app, update):
    from ..update.fetch import pull

    # A dongle that looks up no names in normal operation has no Resolver.
    if app.resolver is None:
        from ..net.dns import Resolver

        app.resolver = Resolver()
    return pull(update, app.update_url, app.resolver)
