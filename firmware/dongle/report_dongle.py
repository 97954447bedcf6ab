# The report's part on the dongle itself. report.py loads it only while it is needed.

import gc
import json

import esp32

from . import room


def texts(app, problem: tuple | None):
    """Yields the text in pieces; problem: what is wrong, as a code and in words, or None."""
    yield ',"memory":' + _memory()
    yield ',"longest_turn_ms":%d,"task_failures":%s' % (
        app.longest_turn_ms,
        json.dumps(app.health.failures),
    )
    yield ',"config_problems":['
    for number, text in enumerate(app.health.problems):
        yield (", " if number else "") + json.dumps(text)
    yield "]"
    yield from _now(app, problem)


# A function of its own, because MicroPython allocates the memory of a function in one piece.
def _now(app, problem):
    if app.cipher:
        counts = app.cipher.good, app.cipher.bad, app.cipher.overflow
        yield ',"frames":{"good":%d,"bad":%d,"overflow":%d}' % counts
    for name, push in app.pushes.items():
        yield ',"%s":%s' % (name, json.dumps(push.state()))
    if problem:
        code, words = problem
        yield ',"reason":%s,"code":"%s"' % (json.dumps(words), code)
    age_ms = app.latest.age_ms()
    if age_ms is not None:
        yield ',"telegram_age_ms":%d' % age_ms
    if app.health.last_failure:
        yield ',"last_failure":' + json.dumps(app.health.last_failure)
    yield "}"


def _memory():
    """Returns numbers of bytes. used, free, heap: of the Python heap, and its size. idf_free,
    idf_largest, idf_least: what is free of ESP-IDF's heap, the largest block of that, and the
    least that was ever free. Wi-Fi, sockets and a larger Python heap take from ESP-IDF's heap."""
    used, free = gc.mem_alloc(), room.free()
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)  # total, free, largest, least ever of each
    return ('{"used":%d,"free":%d,"heap":%d,"idf_free":%d,"idf_largest":%d,"idf_least":%d}') % (
        used,
        free,
        used + free,
        sum([region[1] for region in regions]),
        room.largest(),
        sum([region[3] for region in regions]),
    )
