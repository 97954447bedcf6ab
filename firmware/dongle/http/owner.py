# What only the owner may do by HTTP. Loaded for one request and then forgotten.

import asyncio

from micropython import const

from .. import forget
from .response import Response, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device

TEMPORARY = True  # see forget()

_RESTART_MS = const(1_000)  # leaves time for the answer to reach the client


def view(device: "Device", path: bytes, method: bytes):
    """Returns the function for this path and method (bytes), see Resource."""
    if path == b"/config":
        if method == b"GET":
            from .settings import show

            return show
        from .change import into

        forget()
        return into(device)
    if path == b"/identify":
        return lambda _: _identify()
    if path == b"/restart":
        return lambda _: _restart(device)
    from .updating import into

    forget()
    return into(device, path)


def _identify():
    from .. import led, store

    try:
        signal = led.find(store.load_board())
        if signal is not None:
            led.blink(signal)
    except (OSError, ValueError, TypeError):
        signal = None  # the problem with board.json was reported at the start
    finally:
        forget()
    if signal is None:
        return refusal(404, "no_led", "this board has no LED")
    return Response(b'{"identify": "ok"}')


def _restart(device: "Device"):
    async def soon():
        await asyncio.sleep_ms(_RESTART_MS)
        device.renew("the owner wants it")

    asyncio.create_task(soon())
    return Response(b'{"restart": "ok"}')
