# The board's LED, which tells which of several boards is this one.

import asyncio

from micropython import const

from . import forget

_BLINKS = const(6)
_BLINK_MS = const(250)

_blinking = []  # signals


def find(board):
    """The LED of a board's profile, with on() and off(); None where it has none. Raises ValueError
    or TypeError where its pin is none."""
    if board.get("led_pin") is None:
        return None
    from machine import Pin, Signal

    is_low = not board.get("led_active", 1)
    return Signal(Pin(board["led_pin"], Pin.OUT, value=is_low), invert=is_low)


def blink(signal):
    """For some seconds, beside whatever else is done."""
    if not _blinking:
        _blinking.append(signal)
        asyncio.create_task(_blink(signal))


async def _blink(signal):
    try:
        for _ in range(_BLINKS):
            signal.on()
            await asyncio.sleep_ms(_BLINK_MS)
            signal.off()
            await asyncio.sleep_ms(_BLINK_MS)
    finally:
        _blinking.remove(signal)
        forget("dongle.led")
