# What comes first at a start: what does not lie in the Python heap takes its memory while there
# still is some.
#
# The Python heap of an ESP32 grows when it is full, and then takes all that is left of the
# largest block of the chip's own heap; from then on the radio and the network find nothing, and
# that cannot be mended (py/gc.c, gc_try_add_heap; ports/esp32/gccollect.c). So native code is
# loaded and the radio's driver started first, and the port's UART holds what the network will
# need, as its ring, until all is loaded. What Python then takes is what it may take, and what
# finds no room fails in Python, where it can be told.

import json


def hold():
    """Takes the memory that is not Python's. What is wrong with the files is told later, by who
    needs them."""
    board, settings = _read("board.json"), _read("config.json")
    for take in (_native_code, _network, _ring):
        try:
            take(board, settings)
        except Exception as error:
            print("start:", type(error).__name__, error)


def _native_code(board, settings):
    """All modules that contain it, but for those that few have. None of them is ever forgotten:
    the chip gets the memory of such code back by a reset alone."""
    from p1 import decode, framer  # noqa: F401
    from p1.render import json  # noqa: F401

    from . import request  # noqa: F401

    if settings.get("meter", {}).get("key"):
        from p1 import cipher  # noqa: F401


def _network(board, settings):
    import network

    if board.get("ethernet"):
        from .lan import driver

        driver(board["ethernet"])
    else:
        network.WLAN(network.STA_IF)


def _ring(board, settings):
    from .port import hold

    hold(board)


def _read(path):
    try:
        with open(path) as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
