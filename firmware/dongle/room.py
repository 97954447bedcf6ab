# How much memory is left, of Python's and of the network's.

import gc
import sys

from micropython import const

import esp32

_LEAST = const(5_000)  # bytes in one piece: a connection and what is sent over it
_COMES_AND_GOES = const(18_000)
_LOOKS = const(60)


def free():
    """Bytes of the Python heap that are free without its growing, which would take all that the
    network has."""
    # mem_free() of an ESP32 counts what the heap could grow by.
    return gc.mem_free() - (largest() if sys.platform == "esp32" else 0)


def has(size):
    """Whether so many bytes of it are free, if need be once garbage is collected."""
    if free() < size:
        gc.collect()
    return free() >= size


def fits(size):
    """Whether a buffer of so many bytes may stay, beside what comes and goes."""
    return has(size + _COMES_AND_GOES)


def largest():
    """Bytes of the largest free block of ESP-IDF's heap."""
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)  # total, free, largest, least ever of each
    return max([region[2] for region in regions])


class Watch:
    """Whether the network has been without memory for a minute. Nothing but a start gives back
    what the Python heap has grown by."""

    def __init__(self):
        self._looks = 0

    def look(self):
        """To be called once a second."""
        self._looks = self._looks + 1 if largest() < _LEAST else 0
        return self._looks >= _LOOKS
