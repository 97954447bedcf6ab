# Which path shows what.

from . import forget
from .http import Resource, Response, refusal

_TEXT = "text/plain; charset=us-ascii"
_PAGE = "web/index.html"
_HOMEWIZARD = (
    b"/api",
    b"/api/v1/data",
    b"/api/v1/telegram",
    b"/api/v1/system",
    b"/api/v1/identify",
)


def _homewizard_is_off(status, text, headers):
    return Response(b'{"error":{"id":202,"description":"API not enabled"}}', status=403)


class Web:
    def __init__(self, latest, framer, health_report, why, capacity=None):
        """health_report: App.report; why: App.why; capacity: a Capacity, or None."""
        self._latest = latest
        self._capacity = capacity
        self._framer = framer
        self._health_report = health_report
        self._why = why
        self.routes = {
            b"/": self._page,
            b"/live": self._live,
            b"/reading": self._reading,
            b"/telegram": self._telegram,
            b"/telegram/bad": self._bad_telegram,
            b"/health": self._health,
        }
        # Until somebody puts the real ones there.
        off = Resource({}, _homewizard_is_off)
        for path in _HOMEWIZARD:
            self.routes[path] = off  # pyright: ignore[reportArgumentType]
        if capacity:
            self.routes[b"/quarter"] = capacity.view

    def _seldom(self):
        # Takes 1 KiB: in memory as long as it answers.
        from . import seldom

        forget("dongle.seldom")
        return seldom

    def _page(self):
        return self._seldom().page(_PAGE)

    def _bad_telegram(self):
        return self._seldom().bad_telegram(self._framer, _TEXT)

    def _live(self):
        # For the page, which asks once a second.
        reading = self._latest.json()
        if reading is not None:
            reading = b'{"reading":', reading, b"}"
            if self._capacity and self._capacity.render():
                reading = reading[:2] + (b',"quarter":', self._capacity.document(), b"}")
        return self._current(reading, "application/json")

    def _reading(self):
        return self._current(self._latest.json(), "application/json")

    def _telegram(self):
        return self._current(self._latest.telegram(), _TEXT)

    def _current(self, document, content_type):
        age_ms = self._latest.age_ms()
        if document is None or age_ms is None:
            return refusal(503, self._why() or "no telegram yet")
        return Response(document, content_type, headers=b"Age: %d\r\n" % (age_ms // 1000))

    def _health(self):
        report = self._health_report()
        return Response(report.pieces(), status=503 if report.reason else 200)
