# GET /metrics, for Prometheus: the reading, where there is one, and what the dongle counts. Each
# is loaded when it is its turn, and forgotten: together they would take twice the memory.

from micropython import const

from p1.render.page import Page

from .. import forget, scratch
from .response import Response

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FULL_BYTES = const(256)  # then the page is sent; what is left has room for the longest sample

# As exposition.py has it, of what a Quarter knows.
_QUARTER = (
    b"""
# quarter_forecast_watts gauge What the quarter hour will come to
forecast_w 1 -
""",
    b"""
# quarter_forecast_smoothed_watts gauge The same with the mean power of the last minute
forecast_smoothed_w 1 -
""",
    b"""
# quarter_headroom_watts gauge Mean power until the quarter's end that reaches the target
headroom_w 1 -
""",
    b"""
# quarter_target_watts gauge What the quarter hour should not exceed
target_w 1 -
# quarter_alert gauge Whether the quarter hour is about to exceed the target
alert 1 -
""",
)


class Metrics:
    def __init__(self, latest, health_report, capacity):
        """health_report: App.report; capacity: a Capacity, or None."""
        self._latest = latest
        self._capacity = capacity
        self._health_report = health_report

    def view(self):
        return Response(self._pieces(), _TYPE)

    def _pieces(self):
        """The document, piece by piece; each is a view that holds until the next one, an empty one
        a pause. Should a telegram come on the way, what follows is the new one's."""
        page = Page(0)
        page.take(scratch)
        try:
            # First of all, because what it is made of takes most.
            numbers = self._counts()
            yield b""
            for part in self._parts(page, numbers):
                for _ in part:
                    if page.size > _FULL_BYTES:
                        yield memoryview(page.bytes)[: page.size]
                        page.size = 0
                part = None
                yield b""
            yield memoryview(page.bytes)[: page.size]
        finally:
            forget("p1.render.exposition", "p1.render.table")

    def _counts(self):
        pieces = self._report()
        from .counters import collect

        forget("dongle.http.counters")
        return collect(pieces)

    def _report(self):
        # What comes in several pieces has no number, and the last one is a bracket.
        return [
            piece
            for piece in self._health_report().pieces()
            if piece[1:2] == b'"' and not piece.endswith(b"[")
        ]

    def _parts(self, page, numbers):
        """Of each a generator that stops after each sample."""
        from p1.render.exposition import Exposition

        out = Exposition(page)
        yield self._of_reading(out, _numbers)
        yield self._of_reading(out, _submeters)
        yield self._of_quarter(out)
        yield self._of_dongle(out, numbers)

    def _of_reading(self, out, load):
        if self._latest.age_ms() is None:
            return
        samples, *tables = load()
        for _ in samples(out, *tables, self._latest.reading):
            yield
            if self._latest.age_ms() is None:
                return

    def _of_quarter(self, out):
        from p1.render.exposition import samples

        if self._capacity and self._latest.age_ms() is not None:
            for lines in _QUARTER:
                yield from samples(out, lines, lambda _, at, lines=lines: self._of(lines, at))

    def _of_dongle(self, out, numbers):
        from .counters import samples

        forget("dongle.http.counters")
        yield from samples(out, numbers)

    def _of(self, lines, at):
        """Of the quarter hour, the number that the line there is about."""
        name = lines[at : lines.find(b" ", at)].decode()
        value = getattr(self._capacity.quarter, name)
        return None if value is None else (int(value), 0)


def _numbers():
    from p1.render.exposition import reading_samples
    from p1.render.prometheus import TABLES

    forget("p1.render.prometheus")
    return reading_samples, TABLES


def _submeters():
    from p1.render.submeters import samples

    forget("p1.render.submeters")
    return (samples,)
