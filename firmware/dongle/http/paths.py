# The paths that clients seldom request. Loaded for one request and then forgotten.

from micropython import const

from .. import forget, large, room
from .resource import BODY_BYTES, Resource
from .response import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device

TEMPORARY = True  # see forget()

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


def find(device: "Device", path: bytes):
    """Returns the Resource of a path (bytes), or just the function for GET if there is no other
    method; None if there is no such path."""
    if path == b"/":
        return _page
    if path == b"/telegram/bad":
        return lambda: _bad_telegram(device)
    if path == b"/metrics" and device.has_metrics:
        return lambda: _metrics(device)
    if path in _OWNERS:
        return _Owners(device, path)
    if path in _HOMEWIZARD:
        return Resource({}, _homewizard_is_off)
    return None


def names(device: "Device") -> tuple:
    """Returns all paths that find() knows."""
    known = (b"/", b"/telegram/bad") + _OWNERS + _HOMEWIZARD
    return known + (b"/metrics",) if device.has_metrics else known


class _Owners(Resource):
    """Loads its functions only after the request has been allowed."""

    def __init__(self, device: "Device", path):
        self._device = device
        self.views = (b"GET", b"POST") if path == b"/config" else (b"POST",)
        if path == b"/config":
            self.most = 2 * BODY_BYTES
        elif path.startswith(b"/update"):
            self.most = None  # may take minutes

    def view(self, path: bytes, method: bytes):
        from . import owner

        try:
            return owner.view(self._device, path, method)
        finally:
            forget()


def _page():
    from .seldom import page

    forget()
    return page(_PAGE)


def _bad_telegram(device: "Device"):
    from .response import TEXT
    from .seldom import bad_telegram

    forget()
    return bad_telegram(device.framer, TEXT)


async def _metrics(device: "Device"):
    async with large:  # waits until no other task has something large in memory
        has_room = room.has(_METRICS_ROOM)
    if not has_room:
        return refusal(503, "out_of_memory", headers=b"Retry-After: 5\r\n")
    from .metrics import Metrics

    forget()
    return Metrics(device.latest, device.report, device.capacity).view()


def _homewizard_is_off(status, code, text=None, headers=b""):
    from .response import Response

    return Response(b'{"error":{"id":202,"description":"API not enabled"}}', status=403)
