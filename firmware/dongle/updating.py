# A new firmware over the network, when it is wanted. Loaded for the one request.

import sys

from . import forget

_OF_UPDATE = ("dongle.update", "dongle.bundle", "dongle.ecdsa", "dongle.fetch", "slots")


async def update(app, take):
    """As App.update."""
    # Takes 10 KiB, and is seldom: loaded while there is one.
    if "dongle.update" in sys.modules:
        return 409, {"error": "an update is under way"}
    status = 0
    try:
        from .update import Update

        update = Update(app.firmware, _resolver(app), app.health, app.renew)
        status, answer = await take(update)
    except MemoryError:
        answer = {"error": "no memory for an update now, try again"}
    finally:
        if status != 200:
            forget(*_OF_UPDATE)
    return status or 503, answer


def _resolver(app):
    # Who has nothing to look up from day to day has none.
    if app.resolver is None:
        from .dns import Resolver

        app.resolver = Resolver()
    return app.resolver
