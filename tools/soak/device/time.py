# time: nobody waits. The clock goes on to whatever is going to happen next, which may be days
# away; what happens is noted with later(). Ticks wrap as on an ESP32, after 12.4 days.

import heapq

import _chip
from micropython import const
from utime import gmtime, localtime, mktime  # noqa: F401

_PERIOD = const(0x40000000)
_START_S = const(1_792_454_400)  # 2026-10-20 00:00 UTC: the clocks change on the 25th

now_ms = 0  # since the world began
_ticks = _PERIOD - 300_000  # the same as ticks: a small number; soon they wrap
_chip.clock(_ticks)
_events = []  # (when, number, function), a heap
_number = 0


class Broken(BaseException):
    """The world itself has failed: nothing that the firmware may get over."""


def later(after_ms, function):
    """function() will be called then, between whatever else is going on."""
    global _number
    _number += 1
    before = _chip.outside(True)
    heapq.heappush(_events, (now_ms + after_ms, _number, function))
    _chip.outside(before)


def next_ms():
    """In how many ms something is going to happen; None where nothing is."""
    return max(_events[0][0] - now_ms, 0) if _events else None


def pass_ms(duration_ms):
    """Lets so much time pass, with all that happens in it."""
    global now_ms, _ticks
    end_ms = now_ms + duration_ms
    while _events and _events[0][0] <= end_ms:
        at_ms, _, function = heapq.heappop(_events)
        if at_ms > now_ms:
            _ticks = (_ticks + at_ms - now_ms) & (_PERIOD - 1)
            now_ms = at_ms
        _chip.clock(_ticks)
        # It is the world's doing, not the chip's.
        before = _chip.outside(True)
        try:
            function()
        except Exception as error:
            raise Broken("%s: %s" % (type(error).__name__, error)) from error
        _chip.outside(before)
    if end_ms > now_ms:
        _ticks = (_ticks + end_ms - now_ms) & (_PERIOD - 1)
        now_ms = end_ms
        _chip.clock(_ticks)


def ticks_ms():
    return _ticks


ticks_cpu = ticks_ms


def ticks_us():
    return _ticks * 1000 & (_PERIOD - 1)


def ticks_add(ticks, delta):
    return (ticks + delta) & (_PERIOD - 1)


def ticks_diff(late, early):
    return ((late - early + _PERIOD // 2) & (_PERIOD - 1)) - _PERIOD // 2


def sleep_ms(ms):
    pass_ms(ms)


def sleep(s):
    pass_ms(int(s * 1000))


def sleep_us(us):
    pass_ms(us // 1000)


def time():
    return _START_S + now_ms // 1000


def time_ns():
    return (_START_S * 1000 + now_ms) * 1_000_000
