# The paths that clients seldom request. Loaded for one request and then forgotten.

from micropython import const

from .. import forget, large, room
from .resource import BODY_BYTES, Resource
from .response import refusal

_HOMEWIZARD = (
    b"/api",
    b"/api/v1/data",
    b"/api/v1/telegram",
    b"/api/v1/system",
    b"/api/v1/identify",
)
_OWNERS = (b"/config", b"/identify", b"/restart", b"/update", b"/update/pull")
_PAGE = "web/index.html"
_METRICS_ROOM = const(13_000)  # bytes of the Python heap: what metrics take, and a margin


def find(app, path: bytes):
    """Returns the Resource of a path (bytes), or just the function for GET if there is no other
    method; None if there is no such path."""
    if path == b"/":
        return _page
    if path == b"/telegram/bad":
        return lambda: _bad_telegram(app)
    if path == b"/metrics" and app.has_metrics:
        return lambda: _metrics(app)
    if path in _OWNERS:
        return _Owners(app, path)
    if path in _HOMEWIZARD:
        return Resource({}, _homewizard_is_off)
    return None


def names(app) -> tuple:
    """Returns all paths that find() knows."""
    known = (b"/", b"/telegram/bad") + _OWNERS + _HOMEWIZARD
    return known + (b"/metrics",) if app.has_metrics else known


class _Owners(Resource):
    """Loads its functions only after the request has been allowed."""

    def __init__(self, app, path):
        self._app = app
        self.views = (b"GET", b"POST") if path == b"/config" else (b"POST",)
        if path == b"/config":
            self.most = 2 * BODY_BYTES
        elif path.startswith(b"/update"):
            self.most = None  # may take minutes  # pyright: ignore[reportAttributeAccessIssue]

    def view(self, path: bytes, method: bytes):
        from . import owner

        try:
            return owner.view(self._app, path, method)
        finally:
            forget("dongle.http.owner", "dongle.http.settings")


def _page():
    from .seldom import page

    forget("dongle.http.seldom")
    return page(_PAGE)


def _bad_telegram(app):
    from .response import TEXT
    from .seldom import bad_telegram

    forget("dongle.http.seldom")
    return bad_telegram(app.framer, TEXT)


async def _metrics(app):
    async with large:  # waits until no other task has something large in memory
        has_room = room.has(_METRICS_ROOM)
    if not has_room:
        return refusal(503, "out_of_memory", headers=b"Retry-After: 5\r\n")
    from .metrics import Metrics

    forget("dongle.http.metrics")
    return Metrics(app.latest, app.report, app.capacity).view()


def _homewizard_is_off(status, code, text=None, headers=b""):
    from .response import Response

    return Response(b'{"error":{"id":202,"description":"API not enabled"}}', status=403)
