# The history as JSON: the document of GET /history, about 5 kB. It is never in memory as a whole.

from micropython import const

from .. import past as rings
from .page import Page

TEMPORARY = True  # see forget()

_PAGE = const(256)
_FULL = const(160)  # a larger piece is sent; what comes until the next check fits in the rest
_QUARTER_S = const(900)


def pieces(past, reading):
    """Yields the document of a Past in pieces: views that are valid until the next one. The Past
    must have had a Reading with a clock. The monthly peaks come from `reading`."""
    page = Page(_PAGE)
    # Stored here, because the Past goes on while the document is sent.
    window, quarter = past.window, past.quarter
    page.put(b'{"hour":{"end":%d,"step_s":%d,"power_w":[' % (window * rings.STEP_S, rings.STEP_S))
    yield from _values(page, past.power_w, window, _beginning(past.power_w, window, rings.WINDOWS))
    page.put(b']},"quarters":{"end":%d' % (quarter * _QUARTER_S))
    start = _beginning(past.peak_w, quarter, rings.QUARTERS)
    for key, value in (
        (b',"import_w":[', past.import_w),
        (b',"export_w":[', past.export_w),
        (b',"peak_w":[', past.peak_w),
    ):
        page.put(key)
        yield from _full(page)
        yield from _values(page, value, quarter, start)
        page.put(b"]")
    page.put(b'},"months":[')
    yield from _full(page)
    yield from _months(page, reading)
    page.put(b"]}")
    yield memoryview(page.bytes)[: page.size]


# A function of its own, because the code of each function needs its memory in one piece.
def _months(page, reading):
    separator = b""
    for year, month, _, mantissa, decimals in reading.history:
        page.put(b'%s{"month":"%04d-%02d","power_w":' % (separator, year, month))
        page.number(mantissa, decimals)
        page.put(b"}")
        separator = b","
        yield from _full(page)


def _beginning(value, end, count):
    """Returns the first known one of the `count` numbers before `end`; `end` if none is known."""
    for number in range(end - count, end):
        if value(number) is not None:
            return number
    return end


def _values(page, value, end, start):
    for number in range(start, end):
        if number != start:
            page.byte(0x2C)
        known = value(number)
        if known is None:
            page.put(b"null")
        else:
            page.number(known)
        yield from _full(page)


def _full(page):
    if page.size > _FULL:
        yield memoryview(page.bytes)[: page.size]
        page.size = 0
