# The history of the last hour, two days and thirteen months, updated with each telegram.

from p1.past import Past

from .. import forget


class History:
    def __init__(self, latest, quarter):
        """quarter: the Quarter of a Capacity, which has to be made before this one so that it is
        updated first."""
        self._latest = latest
        self._quarter = quarter
        self._past = Past()
        latest.listeners.append(self._on_reading)

    def _on_reading(self):
        self._past.update(self._latest.reading, self._quarter)

    def pieces(self):
        """Returns a generator of the document in pieces; None if no telegram had a time yet."""
        if self._past.window is None:
            return None
        from p1.render.past_json import pieces

        forget()
        return pieces(self._past, self._latest.reading)
