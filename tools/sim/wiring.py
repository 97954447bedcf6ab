# The wires from the chip's pins to the meter's plug: what a pin reads, and what can be wrong with
# them. A test turns the knobs of world.wires, or the variable P1_WIRING does, as JSON.

import world

_PULL_DOWN = 1
_PULL_UP = 2

_byte = bytearray(1)
_floating = 0


def is_data(pin):
    """Does the data wire end at this GPIO? Without a board's profile it ends where a UART is."""
    data = world.wires.get("data_pin", world.board.get("rx_pin"))
    return pin == data or (data is None and pin in world.rx_pins)


def loss(rx, inverts):
    """What telegrams lose on their way to a UART at this GPIO. inverts: it turns its input over.

    None = nothing arrives, 0 = nothing is lost, else the mask by which each byte is wrong.
    """
    wires = world.wires
    if rx in wires["grounded"]:
        return None
    wrong = 0 if (inverts and wires["uart_inverts"]) != _has_inverter() else 0xFF
    if wires["pull_up"]:
        return wrong
    if world.pads.get(rx, (0, None))[1] == _PULL_UP:
        return wrong ^ 0x55  # the chip's own is too weak: edges too slow
    return None  # the line never rises


def loops(tx, rx):
    """Does what a UART sends come back to it?"""
    return world.wires["idf"] >= 5.4 if tx == rx else world.wires["jumper"]


def output(pin, latch):
    """What a GPIO that drives reads back."""
    return 0 if pin in world.wires["grounded"] else latch


def level(pin, pull):
    """What a GPIO reads as an input."""
    wires, board = world.wires, world.board
    if pin in wires["grounded"]:
        return 0
    if is_data(pin) or (wires["jumper"] and pin in (board["rx_pin"], board["tx_pin"])):
        return 1 - _data(pull) if _has_inverter() else _data(pull)
    if pin in world.inputs:
        return world.inputs[pin]
    if pin == world.request_pin() and (board["request_drive"] == "switch" or _is_plugged()):
        return 0  # a transistor's base and its resistor, or the meter's LED: a weak pull is lost
    return _left_alone(pull)


def _has_inverter():
    return world.wires.get("inverter", world.board.get("rx_idle", 0) == 1)


def _data(pull):
    """The line itself: low is idle, which the meter holds; a pulled-up high is nobody there."""
    resistor = 1 if world.wires["pull_up"] else _left_alone(pull)
    if world.wires["jumper"]:
        mode, _, latch = world.pads.get(world.board["tx_pin"], (0, None, 0))
        if mode & 2 and not latch:
            return 0
    if not world.line_driven():
        return resistor
    # Telegrams that pass while no UART listens are lost; one byte a look, to be seen as a pulse.
    passing = not world.rx_pins and world.cable.readinto(_byte)
    return resistor if passing else 0


def _left_alone(pull):
    global _floating
    _floating ^= 1  # nobody can say what a pin reads that nothing holds
    return 1 if pull == _PULL_UP else 0 if pull == _PULL_DOWN else _floating


def _is_plugged():
    return world.cable is not None and world.cable.plugged
