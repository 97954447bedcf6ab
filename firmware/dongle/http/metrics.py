# GET /metrics, for Prometheus: the reading, if there is one, and the dongle's counters. Each part
# is loaded only while it is needed: all parts together would take twice the memory.

from micropython import const

from p1.render.page import Page

from .. import forget, scratch
from .response import Response

TEMPORARY = True  # see forget()

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FULL_BYTES = const(256)  # a longer page is sent; the rest has space for the longest sample

# The metrics of a Quarter, in the format of exposition.py.
_QUARTER = (
    b"""
# quarter_forecast_watts gauge Forecast of the quarter hour
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
        """health_report: Device.report; capacity: a Capacity, or None."""
        self._latest = latest
        self._capacity = capacity
        self._health_report = health_report

    def view(self) -> Response:
        return Response(self._pieces(), _TYPE)

    def _pieces(self):
        """Yields the document in pieces. Each piece is a view that is valid until the next one; an
        empty piece means a pause. If a new telegram arrives meanwhile, the rest is of the new
        one."""
        page = Page(0)
        page.take(scratch)
        try:
            # The counters come first, because they need the most memory.
            numbers = self._counts()
            yield b""
            _share(True)
            for part in self._parts(page, numbers):
                for _ in part:
                    if page.size > _FULL_BYTES:
                        yield memoryview(page.bytes)[: page.size]
                        page.size = 0
                part = None
                yield b""
            yield memoryview(page.bytes)[: page.size]
        finally:
            _share(False)
            forget()

    def _counts(self):
        pieces = self._report()
        from .counters import collect

        forget()
        return collect(pieces)

    def _report(self):
        # Keeps the pieces that are complete members: the others contain no number.
        return [
            piece
            for piece in self._health_report().pieces()
            if piece[1:2] == b'"' and not piece.endswith(b"[")
        ]

    def _parts(self, page, numbers):
        """Yields a generator for each part, which yields after each sample."""
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

        forget()
        yield from samples(out, numbers)

    def _of(self, lines, at):
        """Returns the number of the quarter hour for the line at this place."""
        name = lines[at : lines.find(b" ", at)].decode()
        value = getattr(self._capacity.quarter, name)
        return None if value is None else (int(value), 0)


def _share(is_shared):
    """Keeps one copy of the modules that all parts of the document use."""
    from p1.render import exposition, table

    exposition.TEMPORARY = table.TEMPORARY = not is_shared


def _numbers():
    from p1.render.exposition import reading_samples
    from p1.render.prometheus import TABLES

    forget()
    return reading_samples, TABLES


def _submeters():
    from p1.render.submeters import samples

    forget()
    return (samples,)
