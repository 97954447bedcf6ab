# How much memory is left, of Python's and of the network's.

import asyncio
import gc
import sys

from micropython import const

import esp32

# What comes and goes, and as much again: a heap with less is too full for one large piece more.
_FOR_PIECES = const(30_000)
_GROWN = const(80_000)  # bytes of a Python heap that is not to grow any more
# Bytes of ESP-IDF's heap that are the radio's and lwIP's: nobody sends from the first so many
# while others give back what they have, and nobody ever from the last so many. Half of them and a
# thousand more are in one piece.
_WANTED, _KEPT = const(14_500), const(8_000)
_WANTED_AGAIN = const(18_000)  # with so much it is no longer short
_SEGMENTS = const(700)  # for two of them, beside their bytes, which are in memory twice
_TURN_MS, _TURNS = 25, 40
_PATIENCE = const(10)  # turns: who waits may have what the others wait for
_PLENTY = const(40_000)  # more than can be sent within a second
_LOOKS = const(60)


def free():
    """Bytes of the Python heap that are free without its growing, which would take all that the
    network has."""
    # mem_free() of an ESP32 counts what the heap could grow by.
    free = gc.mem_free()
    within = free - largest() if sys.platform == "esp32" else free
    return within if gc.mem_alloc() + within > _GROWN else free


def has(size):
    """Whether so many bytes of it are free, if need be once garbage is collected."""
    if free() < size:
        gc.collect()
    return free() >= size


def fits(size):
    """Whether a buffer of so many bytes may stay, beside what comes and goes."""
    return has(size + _FOR_PIECES)


async def for_network(size):
    """Waits until the network has memory for sending so many bytes, a second at the most. False
    where it has none: then it is better not to send them. What was sent takes memory until the
    other side has acknowledged it, which without Wi-Fi nobody does."""
    for turn in range(_TURNS):
        if has_network(size):
            return True
        if turn == _PATIENCE:
            Watch.reserve = _KEPT
        await asyncio.sleep_ms(_TURN_MS)
    return False


def has_network(size):
    """Whether it has memory for so many bytes now."""
    return Watch.has_plenty or _has_beyond(Watch.reserve, _SEGMENTS + 2 * size)


def _has_beyond(kept, size):
    free = most = 0
    for region in esp32.idf_heap_info(esp32.HEAP_DATA):
        free += region[1]
        most = max(most, region[2])
    return free >= kept + size and most >= kept // 2 + 1_000 + size


def largest():
    """Bytes of the largest free block of ESP-IDF's heap."""
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)  # total, free, largest, least ever of each
    return max([region[2] for region in regions])


class Watch:
    """Whether the network has been without memory for a minute. Nothing but a start gives back
    what the Python heap has grown by."""

    has_plenty = False  # so much that until the next look nobody has to ask
    reserve = _WANTED  # what nobody sends from

    def __init__(self):
        self._looks = 0

    def look(self):
        """To be called once a second."""
        Watch.has_plenty = _has_beyond(_PLENTY, 0)
        if _has_beyond(_WANTED_AGAIN, 0):
            Watch.reserve = _WANTED
        self._looks = 0 if _has_beyond(_KEPT, 0) else self._looks + 1
        return self._looks >= _LOOKS
