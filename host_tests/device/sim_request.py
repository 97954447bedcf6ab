# What the meter sees of the request pin, for each way a board can drive it.

import world
from machine import Pin, Signal

world.cable = cable = world.Cable()


def saw(expected):
    seen, cable.requests = cable.requests, ""
    assert seen == expected, seen


world.board = {"request_pin": 25, "request_drive": "direct"}
assert not world.requested() and not world.line_driven()
pin = Pin(25, Pin.OUT, value=1)
assert world.requested() and world.line_driven()
saw("1")
pin.init(Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
assert not world.requested()
saw("0")
assert world.request_grounded == 0
pin.init(Pin.OUT, value=1)
pin.off()  # to ground: the meter sees a release, an old one may see its end
saw("10")
assert world.request_grounded == 1
pin.off()
assert world.request_grounded == 1
pin.toggle()
assert pin.value() == 1 and pin() == 1
pin.init(Pin.IN)
saw("10")
Pin(25, value=0)
assert world.request_grounded == 1  # the latch alone drives nothing
Pin(25, Pin.OPEN_DRAIN)  # but this latch drives
assert world.request_grounded == 2
Pin(25, Pin.OPEN_DRAIN, value=1)
assert not world.requested() and world.request_grounded == 2
pin.init(Pin.IN)
saw("")

for active in (1, 0):
    world.board = {"request_pin": 26, "request_drive": "switch", "request_active": active}
    pin = Pin(26, Pin.OUT, value=active)
    assert world.requested()
    pin.value(1 - active)
    assert not world.requested()
    pin.init(Pin.OUT, value=active)
    pin.init(Pin.IN)
    assert not world.requested()
    saw("1010")
assert world.request_grounded == 2

world.board = {"request_drive": "tied"}
assert world.requested()

led = Signal(Pin(27, Pin.OUT), invert=True)
led.on()
assert Pin(27).value() == 0

for number, mode, reason in ((34, Pin.OUT, "pin can only be input"), (40, Pin.IN, "invalid pin")):
    try:
        Pin(number, mode)
    except ValueError as error:
        assert str(error) == reason
    else:
        raise AssertionError(number)
assert Pin(35, Pin.IN, Pin.PULL_UP).value() == 1
world.inputs[0] = 0  # the button is held
assert Pin(0, Pin.IN, Pin.PULL_UP).value() == 0
world.board = {"chip": "esp32s3"}
Pin(47, Pin.OUT)
print("ok")
