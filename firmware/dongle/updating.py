# POST /update and /update/pull: an update by HTTP.

import json

from .http import Response


def into(app, path):
    """The function for one request. Who asks for it is not needed any more then."""
    if path == b"/update":
        return lambda readinto, size: _update(app, lambda update: update.receive(readinto, size))
    return lambda readinto, size: _update(app, lambda update: update.pull(app.update_url))


async def _update(app, take):
    status, answer = await app.update(take)
    return Response(json.dumps(answer).encode(), status=status)
