# The documents that clients request often. All other paths are in paths.py.

from ..refused import Refused
from .response import TEXT, Response, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device


class Web:
    def __init__(self, device: "Device", name):
        """name: a host name that requests may use, besides the dongle's hostname."""
        self._device = device
        names = "localhost", device.hostname, name
        self._names = [each.lower().encode() for each in names if each]
        self.routes = {
            b"/live": self._live,
            b"/reading": self._reading,
            b"/telegram": self._telegram,
            b"/health": self._health,
        }

    def gate(self, request) -> None:
        """The gate of a Server, see there."""
        if not request.is_for(self._names):
            raise Refused(421, "unknown_host")

    def _live(self):
        # For the dongle's page, which requests this once a second.
        reading, capacity = self._device.latest.json(), self._device.capacity
        if reading is not None:
            reading = b'{"reading":', reading, b"}"
            if capacity and capacity.render():
                reading = reading[:2] + (b',"quarter":', capacity.document(), b"}")
        return self._current(reading, "application/json")

    def _reading(self):
        return self._current(self._device.latest.json(), "application/json")

    def _telegram(self):
        return self._current(self._device.latest.telegram(), TEXT)

    def quarter(self) -> Response:
        """GET /quarter, if there is a Capacity."""
        capacity = self._device.capacity
        if capacity.render():
            return self._current(capacity.document(), "application/json")
        if self._device.latest.age_ms() is None:
            return self._current(None, "")
        return refusal(503, "no_meter_clock")

    def history(self) -> Response:
        """GET /history. It also works while the meter is silent: old values stay valid."""
        pieces = self._device.history.pieces()
        if pieces is None:
            code, words = self._device.why() or ("no_meter_clock", None)
            return refusal(503, code, words)
        return Response(pieces)

    def _current(self, document, content_type):
        age_ms = self._device.latest.age_ms()
        if document is None or age_ms is None:
            code, words = self._device.why() or ("no_telegram", None)
            return refusal(503, code, words)
        return Response(document, content_type, headers=b"Age: %d\r\n" % (age_ms // 1000))

    def _health(self):
        report = self._device.report()
        return Response(report.pieces(), status=503 if report.problem else 200)
