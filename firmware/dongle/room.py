# How much memory is free in the Python heap and for the network.

import asyncio
import gc
import sys

from micropython import const

import esp32

# Twice what temporary objects take. If less is free, another large buffer must not stay.
_FOR_PIECES = const(30_000)
_GROWN = const(80_000)  # bytes; a Python heap of this size must not grow any more
# Bytes of ESP-IDF's heap that are reserved for the radio and lwIP. Sending normally leaves _WANTED
# bytes free, so that memory in use can come back first. It always leaves _KEPT bytes free. Half of
# these and a thousand more must be one block.
_WANTED, _KEPT = const(14_500), const(8_000)
_WANTED_AGAIN = const(16_500)  # with so much free memory, the reserve is _WANTED again
_SEGMENTS = const(700)  # two TCP segments without their data, which is in memory twice
_TURN_MS, _TURNS = 25, 40
_PATIENCE = const(20)  # turns of waiting; after these, only _KEPT bytes stay reserved
_PLENTY = const(40_000)  # more than can be sent within a second
_LOOKS = const(60)


def free() -> int:
    """Returns the free bytes of the Python heap. For a large heap, does not count what it could
    grow by: that growth would take all memory of the network."""
    # On an ESP32, mem_free() also counts what the heap could grow by.
    free = gc.mem_free()
    within = free - largest() if sys.platform == "esp32" else free
    return within if gc.mem_alloc() + within > _GROWN else free


def has(size: int) -> bool:
    """Whether so many bytes of the Python heap are free. Collects garbage if necessary."""
    if free() < size:
        gc.collect()
    return free() >= size


def fits(size: int) -> bool:
    """Whether there is memory to keep a buffer of so many bytes, beside temporary objects."""
    return has(size + _FOR_PIECES)


async def for_network(size: int) -> bool:
    """Waits until the network has memory to send so many bytes, for a second at most. Returns
    False if it has none: then the caller should not send. Sent data takes memory until the other
    side acknowledges it, and without Wi-Fi no acknowledgement arrives."""
    for turn in range(_TURNS):
        if has_network(size):
            return True
        if turn == _PATIENCE:
            Watch.reserve = _KEPT
        await asyncio.sleep_ms(_TURN_MS)
    return False


def has_network(size: int) -> bool:
    """Whether the network has memory to send so many bytes now."""
    return Watch.has_plenty or _has_beyond(Watch.reserve, _SEGMENTS + 2 * size)


def _has_beyond(kept, size):
    free = most = 0
    for region in esp32.idf_heap_info(esp32.HEAP_DATA):
        free += region[1]
        most = max(most, region[2])
    return free >= kept + size and most >= kept // 2 + 1_000 + size


def largest() -> int:
    """Returns the size in bytes of the largest free block of ESP-IDF's heap."""
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)  # total, free, largest, least ever of each
    return max([region[2] for region in regions])


class Watch:
    """Detects that the network has had no memory for a minute. Then only a restart helps, because
    the Python heap never gives back what it has grown by."""

    has_plenty = False  # whether there is enough memory until the next look()
    reserve = _WANTED  # bytes that sending leaves free

    def __init__(self):
        self._looks = 0

    def look(self) -> bool:
        """Must be called once a second. Returns whether the network has had no memory for a
        minute."""
        Watch.has_plenty = _has_beyond(_PLENTY, 0)
        if _has_beyond(_WANTED_AGAIN, 0):
            Watch.reserve = _WANTED
        self._looks = 0 if _has_beyond(_KEPT, 0) else self._looks + 1
        return self._looks >= _LOOKS
