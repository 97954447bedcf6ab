# What a pin reads, and what a UART receives, where the wires are wrong.

import world
from machine import UART, Pin

RX, TX, REQUEST = 27, 26, 25
world.board = {
    "rx_pin": RX,
    "tx_pin": TX,
    "request_pin": REQUEST,
    "request_drive": "switch",
    "request_active": 1,
}
right = dict(world.wires)
sent = bytes(range(48, 80))


def wire(**wrong):
    world.wires.clear()
    world.wires.update(right)
    world.wires.update(wrong)
    world.pads.clear()
    world.rx_pins.clear()
    world.cable = world.Cable()
    world.set_pad(REQUEST, Pin.OUT, None, 0)


def level(pin, pull: Any = None):
    return Pin(pin, Pin.IN, pull=pull).value()


def levels(pin):
    """With the chip's own resistor down, and up."""
    return level(pin, Pin.PULL_DOWN), level(pin, Pin.PULL_UP)


def ask(active=1):
    Pin(REQUEST, Pin.OUT, value=active)


def received(**options):
    """What arrives of `sent`; None where nothing does."""
    uart = UART(1, 115200, rx=RX, tx=TX, **options)
    world.cable.feed(sent)
    data = uart.read()
    uart.deinit()
    return data


def sends_itself(invert, rx=TX):
    uart = UART(1, 115200, rx=rx, tx=TX, invert=invert)
    uart.write(sent)
    data = uart.read()
    uart.deinit()
    return data


# As it should be.
wire()
assert levels(RX) == (1, 1), "nobody holds it"
ask()
assert levels(RX) == (0, 0), "the meter does"
assert received(invert=UART.INV_RX) == sent
assert len(received() or b"") == len(sent), "as many bytes of garbage"
assert levels(REQUEST) == (0, 0), "a base with its resistor is no open pin"

# A telegram that nobody takes is seen as pulses, once.
ask()
world.cable.feed(sent)
assert sum(level(RX) for _ in range(100)) == len(sent)
assert received(invert=UART.INV_RX) == sent

# No pull-up: the chip's own resistors decide, and without one nobody knows.
wire(pull_up=False)
assert levels(RX) == (0, 1)
assert {level(RX), level(RX)} == {0, 1}
ask()
assert levels(RX) == (0, 0)
Pin(RX, Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
assert received(invert=UART.INV_RX) is None
# The chip's own is too weak; before ESP-IDF 5.4 a UART switches that on by itself.
Pin(RX, Pin.IN, pull=Pin.PULL_UP)
assert received(invert=UART.INV_RX) not in (None, sent)
wire(pull_up=False, idf=5.3)
ask()
assert received(invert=UART.INV_RX) not in (None, sent)

# A transistor in the data line turns levels and bytes over.
wire(inverter=True)
assert levels(RX) == (0, 0)
ask()
assert levels(RX) == (1, 1)
assert received() == sent != received(invert=UART.INV_RX)

# A UART that cannot invert; what it sends itself does not tell, unless only one side is to.
wire(uart_inverts=False)
ask()
assert sent not in (received(invert=UART.INV_RX), received())
assert sends_itself(UART.INV_TX | UART.INV_RX) == sent == sends_itself(UART.INV_TX)
wire()
assert sends_itself(UART.INV_TX | UART.INV_RX) == sent == sends_itself(0)
assert sends_itself(UART.INV_TX) != sent
assert sends_itself(0, rx=RX) is None
wire(idf=5.3)
assert sends_itself(0) is None

# A wire from tx to rx: pulled down, rx follows.
wire(jumper=True)
assert sends_itself(0, rx=RX) == sent
assert sends_itself(UART.INV_TX, rx=RX) != sent
tx = Pin(TX, Pin.OPEN_DRAIN, value=1)
assert level(RX) == 1
tx.value(0)
assert level(RX) == 0

# The request that does not reach the meter, or always, or upside down.
for wrong in ({"grounded": [REQUEST]}, {"request_pin": -1}, {"request_active": 0}):
    wire(**wrong)
    ask()
    assert not world.requested() and levels(RX) == (1, 1), wrong
    assert Pin(REQUEST).value() == (0 if "grounded" in wrong else 1)
ask(0)
assert world.requested() and levels(RX) == (0, 0)
wire(request_stuck=True)
assert levels(RX) == (0, 0)
world.board["request_drive"] = "direct"
wire(meter_needs_v=4.0)
ask()
assert not world.requested(), "a GPIO has 3.3 V"
wire()
ask()
assert world.requested()

# Two wires that have changed places.
wire(data_pin=REQUEST, request_pin=RX)
Pin(REQUEST, Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
assert levels(REQUEST) == (1, 1) and levels(RX) == (0, 0)
assert received(invert=UART.INV_RX) is None

# A short to ground.
wire(grounded=[RX])
assert levels(RX) == (0, 0)
ask()
assert received(invert=UART.INV_RX) is None
print("ok")
