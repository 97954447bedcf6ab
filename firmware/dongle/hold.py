# What comes first at a start: what does not lie in the Python heap takes its memory while there
# still is some.
#
# The Python heap of an ESP32 grows when it is full, and then takes all that is left of the
# largest block of the chip's own heap; from then on the radio and the network find nothing, and
# that cannot be mended (py/gc.c, gc_try_add_heap; ports/esp32/gccollect.c). So native code is
# loaded and the radio's driver started first, and the port's UART holds what the network will
# need, as its ring, until all is loaded. What Python then takes is what it may take, and what
# finds no room fails in Python, where it can be told.
#
# All names are told before all else. MicroPython never forgets one: so they lie together, and not
# in the midst of what comes and goes.

import gc
import json
import sys

from micropython import const

import esp32

# Bytes of the chip's heap that the network comes to want in all: 8,000 for the radio's start,
# 5,000 for the port, 8,000 that nobody sends from (room.py), the rest for sockets and what they
# send. The Python heap may grow, once, by what there is beyond that.
_NETWORK = const(43_200)
_LEAST, _MOST = const(30_000), const(65_000)  # that are held
_MUCH = const(300_000)  # as boards with PSRAM have: nothing has to be held there

# One a line, of all modules; with a slash in front the rest of a module's path. tools/build.py
# puts them here.
_NAMES = b""
_SLASH = const(47)


def hold():
    """Takes the memory that is not Python's. What is wrong with the files is told later, by who
    needs them."""
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
        hasattr(sys, folder + name if _NAMES[at] == _SLASH else name)  # makes a name of it
        at = end + 1


def _native_code(board, settings):
    """All modules that contain it, but for those that few have. None of them is ever forgotten:
    the chip gets the memory of such code back by a reset alone."""
    from p1 import decode, framer  # noqa: F401
    from p1.render import json  # noqa: F401

    from .http import request  # noqa: F401

    if settings.get("meter", {}).get("key"):
        from p1 import cipher  # noqa: F401


def _asyncio(board, settings):
    """Of its modules those that come when they are first used: here they are not in the way."""
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
    heap = gc.mem_alloc() + gc.mem_free() - largest  # which counts what it could grow by
    grows_by = free - _NETWORK
    # By itself it grows by as much as it has, or by all of the largest block.
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
