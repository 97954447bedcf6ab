# The report's part on the dongle itself. report.py loads it only while it is needed.

import gc
import json

import esp32

from . import room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()


def texts(device: "Device", problem: tuple | None):
    """Yields the text in pieces; problem: what is wrong, as a code and in words, or None."""
    yield ',"memory":' + _memory()
    yield ',"longest_turn_ms":%d,"task_failures":%s' % (
        device.longest_turn_ms,
        json.dumps(device.health.failures),
    )
    yield ',"config_problems":['
    for number, text in enumerate(device.health.problems):
        yield (", " if number else "") + json.dumps(text)
    yield "]"
    yield from _now(device, problem)


# A function of its own, because MicroPython allocates the memory of a function in one piece.
def _now(device: "Device", problem):
    if device.cipher:
        counts = device.cipher.good, device.cipher.bad, device.cipher.overflow
        yield ',"frames":{"good":%d,"bad":%d,"overflow":%d}' % counts
    for name, push in device.pushes.items():
        yield ',"%s":%s' % (name, json.dumps(push.state()))
    if problem:
        code, words = problem
        yield ',"reason":%s,"code":"%s"' % (json.dumps(words), code)
    age_ms = device.latest.age_ms()
    if age_ms is not None:
        yield ',"telegram_age_ms":%d' % age_ms
    if device.health.last_failure:
        yield ',"last_failure":' + json.dumps(device.health.last_failure)
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
