# What only the owner may do by HTTP. Loaded for one request and then forgotten.

import asyncio

from micropython import const

from .. import forget
from .response import Response, refusal

_RESTART_MS = const(1_000)  # leaves time for the answer to reach the client


def view(app, path: bytes, method: bytes):
    """Returns the function for this path and method (bytes), see Resource."""
    if path == b"/config":
        if method == b"GET":
            from .settings import show

            return show
        from .change import into

        forget("dongle.http.change")
        return into(app)
    if path == b"/identify":
        return lambda _: _identify()
    if path == b"/restart":
        return lambda _: _restart(app)
    from .updating import into

    forget("dongle.http.updating")
    return into(app, path)


def _identify():
    from .. import led, store

    forget("dongle.store")
    try:
        signal = led.find(store.load_board())
    except (OSError, ValueError, TypeError):
        signal = None  # the problem with board.json was reported at the start
    if signal is None:
        return refusal(404, "no_led", "this board has no LED")
    led.blink(signal)
    return Response(b'{"identify": "ok"}')


def _restart(app):
    async def soon():
        await asyncio.sleep_ms(_RESTART_MS)
        app.renew("the owner wants it")

    asyncio.create_task(soon())
    return Response(b'{"restart": "ok"}')
