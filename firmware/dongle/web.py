# Which path shows what.

import json

from .http import Response, refusal

_TEXT = "text/plain; charset=us-ascii"
_PAGE = "web/index.html"


class Web:
    def __init__(self, latest, framer, health_report):
        """health_report() gives (reason or None, dict)."""
        self._latest = latest
        self._framer = framer
        self._health_report = health_report
        self.routes = {
            b"/": self._page,
            b"/reading": self._reading,
            b"/telegram": self._telegram,
            b"/telegram/bad": self._bad_telegram,
            b"/health": self._health,
        }

    def _page(self):
        # The build packs the page; run from source, it is there as it is.
        try:
            return Response(
                open(_PAGE + ".gz", "rb"),
                "text/html; charset=utf-8",
                headers=b"Content-Encoding: gzip\r\n",
            )
        except OSError:
            pass
        try:
            return Response(open(_PAGE, "rb"), "text/html; charset=utf-8")
        except OSError:
            return refusal(404, "the page is not on this dongle; see /reading")

    def _reading(self):
        return self._current(self._latest.json(), "application/json")

    def _telegram(self):
        return self._current(self._latest.telegram(), _TEXT)

    def _current(self, document, content_type):
        if document is None:
            return refusal(503, self._health_report()[0] or "no telegram yet")
        age_s = self._latest.age_ms() // 1000
        return Response(document, content_type, headers=b"Age: %d\r\n" % age_s)

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
        return Response(json.dumps(report).encode(), status=503 if reason else 200)
