# Which path shows what.

import sys

from .health import pieces
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


def page(path):
    """A page of the folder web."""
    # It lies beside the packages. The build packs it; run from source, it is there as it is.
    for folder in sys.path:
        found = folder + "/" + path if folder else path
        try:
            return Response(
                open(found + ".gz", "rb"),
                "text/html; charset=utf-8",
                headers=b"Content-Encoding: gzip\r\n",
            )
        except OSError:
            pass
        try:
            return Response(open(found, "rb"), "text/html; charset=utf-8")
        except OSError:
            pass
    return refusal(404, path + " is not on this dongle; run `make deploy`")


def _homewizard_is_off(status, text, headers):
    return Response(b'{"error":{"id":202,"description":"API not enabled"}}', status=403)


class Web:
    def __init__(self, latest, framer, health_report, capacity=None):
        """health_report: App.report; capacity: a Capacity, or None."""
        self._latest = latest
        self._capacity = capacity
        self._framer = framer
        self._health_report = health_report
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

    def _page(self):
        return page(_PAGE)

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
            return refusal(503, self._health_report()[0] or "no telegram yet")
        return Response(document, content_type, headers=b"Age: %d\r\n" % (age_ms // 1000))

    def _bad_telegram(self):
        framer = self._framer
        if framer.bad_reason is None:
            return refusal(404, "no bad telegram since start")
        reason = framer.bad_reason
        if reason == "crc":
            reason += "; computed %04X" % framer.bad_crc
        return Response(
            memoryview(framer.bad)[: framer.bad_size],
            _TEXT,
            headers=b"X-Reason: %s\r\n" % reason.encode(),
        )

    def _health(self):
        reason, report = self._health_report()
        return Response(pieces(report), status=503 if reason else 200)
