# The first step of a start: allocates the memory outside the Python heap while some is left.
#
# The Python heap of an ESP32 grows when it is full. It then takes all that is left of the largest
# block of ESP-IDF's heap, and never gives it back; the radio and the network find no memory any
# more (py/gc.c, gc_try_add_heap; ports/esp32/gccollect.c). So this module loads native code and
# starts the radio's driver first. Then the ring buffer of the port's UART reserves the memory that
# the network will need, until everything is loaded. The Python heap can only grow by the rest. If
# that is not enough, Python raises MemoryError, which can be reported.
#
# Before all that, it interns all names. MicroPython never frees an interned name: in this way they
# lie together, and not between objects that come and go.

import gc
import json
import sys

from micropython import const

import esp32

TEMPORARY = True  # see forget()

# Bytes of ESP-IDF's heap that the network needs in all: 8,000 for the start of the radio, 5,000
# for the port, 8,000 that sending never uses (room.py), the rest for sockets and what they send.
# The Python heap may grow, once, by what there is beyond that.
_NETWORK = const(43_200)
_LEAST, _MOST = const(30_000), const(65_000)  # limits of the reserve
_MUCH = const(300_000)  # boards with PSRAM have this much and need no reserve

# The names that the code of all modules uses, one in each line. A line that starts with a slash is
# the end of a module's path. tools/build.py fills this in.
_NAMES = b""
_SLASH = const(47)


def hold() -> None:
    """Allocates the memory outside the Python heap. Ignores errors in the two files: the modules
    that use them report these later."""
    _tell_names()
    board, settings = _read("board.json"), _read("config.json")
    for take in (_native_code, _asyncio, _network, _ring):
        try:
            take(board, settings)
        except Exception as error:
            print("start:", type(error).__name__, error)


def _tell_names():
    folder = __file__[: __file__.rfind("/dongle/")]
    at = 0
    while at < len(_NAMES):
        end = _NAMES.find(b"\n", at)
        name = _NAMES[at:end].decode()
        hasattr(sys, folder + name if _NAMES[at] == _SLASH else name)  # interns the name
        at = end + 1


def _native_code(board, settings):
    """Loads all modules with native code, except those that few dongles use. They are never
    forgotten: only a reset frees the memory of native code."""
    from p1 import decode, framer  # noqa: F401
    from p1.render import json  # noqa: F401

    from .http import request  # noqa: F401

    if settings.get("meter", {}).get("key"):
        from p1 import cipher  # noqa: F401


def _asyncio(board, settings):
    """Loads the parts of asyncio that MicroPython otherwise loads at their first use, so that they
    do not later split the free memory."""
    import asyncio

    for name in ("Event", "Lock", "StreamReader", "ThreadSafeFlag", "wait_for_ms"):
        getattr(asyncio, name)


def _network(board, settings):
    import network

    if board.get("ethernet"):
        from .net.lan import driver

        driver(board["ethernet"])
    else:
        network.WLAN(network.STA_IF)


def _ring(board, settings):
    from .meter.port import hold

    regions = esp32.idf_heap_info(esp32.HEAP_DATA)  # total, free, largest, least ever of each
    free, largest = sum([region[1] for region in regions]), max([region[2] for region in regions])
    heap = gc.mem_alloc() + gc.mem_free() - largest  # mem_free() counts the possible growth
    grows_by = free - _NETWORK
    # Without a reserve the heap would grow by its own size, or by all of the largest block.
    size = _LEAST if grows_by >= heap else max(_LEAST, largest - grows_by)
    if free < _MUCH:
        hold(board, min(size, _MOST))


def _read(path):
    try:
        with open(path) as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
