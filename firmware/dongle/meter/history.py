# GET /history: the last hour, two days and thirteen months.

from p1.past import History as Past

from .. import forget
from ..http.server import Response, refusal


class History:
    def __init__(self, latest, quarter, why):
        """quarter: the Quarter that listens to `latest` already; why: App.why."""
        self._latest = latest
        self._quarter = quarter
        self._why = why
        self._past = Past()
        latest.listeners.append(self._on_reading)

    def _on_reading(self):
        self._past.update(self._latest.reading, self._quarter)

    def view(self):
        """GET /history; while the meter is silent too, for what has been stays true."""
        if self._past.window is None:
            return refusal(503, self._why() or "no telegram with a clock yet")
        return Response(self._pieces())

    def _pieces(self):
        from p1.render.past_json import pieces

        forget("p1.render.past_json")
        return pieces(self._past, self._latest.reading)
