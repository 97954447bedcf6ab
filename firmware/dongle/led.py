# The board's LED. It blinks so that the owner can find this board among several.

import asyncio

from micropython import const

from . import forget

TEMPORARY = True  # see forget()

_BLINKS = const(6)
_BLINK_MS = const(250)

_blinking = []  # the Signal that blinks now, if any


def find(board: dict):
    """Returns the LED of a board's profile as a Signal, or None if it has none. Raises ValueError
    or TypeError if its pin is not valid."""
    if board.get("led_pin") is None:
        return None
    from machine import Pin, Signal

    is_low = not board.get("led_active", 1)
    return Signal(Pin(board["led_pin"], Pin.OUT, value=is_low), invert=is_low)


def blink(signal) -> None:
    """Starts a task that blinks the LED for some seconds."""
    global TEMPORARY
    if not _blinking:
        _blinking.append(signal)
        TEMPORARY = False  # a second copy of this module would blink at the same time
        asyncio.create_task(_blink(signal))


async def _blink(signal):
    global TEMPORARY
    try:
        for _ in range(_BLINKS):
            signal.on()
            await asyncio.sleep_ms(_BLINK_MS)
            signal.off()
            await asyncio.sleep_ms(_BLINK_MS)
    finally:
        _blinking.remove(signal)
        TEMPORARY = True
        forget()
