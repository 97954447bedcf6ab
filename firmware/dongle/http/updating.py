# POST /update and /update/pull: a new firmware over the network. Loaded for one request.

import asyncio
import gc
import json

from micropython import const

from .. import forget, large, room
from .response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device

TEMPORARY = True  # see forget()

_BOTH_BYTES = const(40_000)  # of the Python heap
_LEAVE_MS = const(50)  # until the memory of the closed connections is free


def into(device: "Device", path: bytes):
    """Returns the function that handles one request, so that the caller's module can be freed."""
    if path == b"/update":
        return lambda readinto, size: _respond(
            device, lambda update: update.receive(readinto, size)
        )
    return lambda readinto, size: _respond(device, lambda update: _pull(device, update))


async def _respond(device: "Device", take):
    # If there is little memory, all other clients are disconnected during the update.
    is_alone = not room.has(_BOTH_BYTES)
    try:
        if is_alone:
            device.server.rest(True)
            if device.stream:
                device.stream.rest(True)
            await asyncio.sleep_ms(_LEAVE_MS)
            gc.collect()
        status, answer = await _update(device, take)
    finally:
        if is_alone:
            device.server.rest(False)
            if device.stream:
                device.stream.rest(False)
    return Response(json.dumps(answer).encode(), status=status)


async def _update(device: "Device", take):
    """Returns (HTTP status, dict), the result of take(update) with an Update."""
    if device.is_updating:
        return 409, {"error": "an update is in progress", "code": "update_running"}
    status = 0
    device.is_updating = True
    try:
        from ..update.receive import Update

        forget()
        async with large:
            update = Update(device.firmware, device.health, device.renew)
            status, answer = await take(update)
    except MemoryError:
        answer = {"error": "not enough memory for an update; try again", "code": "out_of_memory"}
    finally:
        device.is_updating = status == 200  # then the dongle restarts
    return status or 503, answer


def _pull(device: "Device", update):
    from ..update.fetch import pull

    forget()
    # A dongle that looks up no names in normal operation has no Resolver.
    if device.resolver is None:
        from ..net.dns import Resolver

        device.resolver = Resolver()
    return pull(update, device.update_url, device.resolver)
