# The UART keeps the oldest bytes without a word, wants inversion and the right format, and refuses
# what the chip refuses.

import gc

import world
from machine import UART, Pin


def refuses(error, id=1, **options):
    try:
        UART(id, 115200, **options)
    except error as raised:
        return str(raised)
    raise AssertionError(options)


assert refuses(ValueError, 3) == "UART(3) does not exist"
assert refuses(ValueError, tx=-1, rx=16) == "invalid pin"
assert refuses(ValueError, tx=None, rx=16) == "invalid pin"
for rxbuf in (128, 65536):
    assert "ESP_FAIL" in refuses(OSError, rx=16, tx=17, rxbuf=rxbuf)

assert not world.flash_pins
UART(1, 115200, rx=16)  # tx is left at its default
assert world.flash_pins == {10}

world.cable = cable = world.Cable()
cable.feed(b"nobody listens yet")
uart = UART(1, 115200, rx=16, tx=Pin(17), rxbuf=256, invert=UART.INV_RX)
assert uart.any() == 0 and uart.read() is None and uart.readline() is None
buf = bytearray(100)
assert uart.readinto(buf) is None

sent = bytes(range(256)) * 2
cable.feed(sent)
assert uart.any() == 256, "it holds rxbuf bytes"
assert uart.readinto(buf) == 100 and buf == sent[:100]
cable.feed(b"new")
assert uart.read(10) == sent[100:110]
assert uart.read() == sent[110:256] + b"new"

cable.feed(b"one\r\ntwo")
assert uart.readline() == b"one\r\n" and uart.readline() == b"two"
cable.feed(b"abcdef")
assert uart.readinto(buf, 2) == 2 and buf[:2] == b"ab" and uart.read() == b"cdef"

# Idle polling must not fill the heap: asyncio does it every millisecond.
gc.collect()
before = gc.mem_alloc()
for _ in range(1000):
    uart.ioctl(3, 1)  # pyright: ignore[reportAttributeAccessIssue]
assert gc.mem_alloc() - before < 1000

# As many bytes of garbage in any other format, and none of them what was sent.
for wrong in ({"invert": 0}, {"baudrate": 9600}, {"bits": 7}, {"parity": 0}):
    options = {"baudrate": 115200, "bits": 8, "parity": None, "invert": UART.INV_RX}
    options.update(wrong)
    uart.init(**options)
    cable.feed(b"/FLU5")
    garbage = uart.read()
    assert garbage and len(garbage) == 5 and not set(garbage) & set(b"/FLU5"), wrong
uart.init(115200, 8, None, 1, invert=UART.INV_RX)

# The level of the line, and the break when the cable is pulled.
assert Pin(16, Pin.IN).value() == 0
cable.plugged = False
assert Pin(16).value() == 1
assert uart.read() == b"\0" and uart.read() is None
cable.plugged = True
uart.any()

# Listening on another pin than the board's hears nothing.
world.board = {"rx_pin": 4}
cable.feed(b"lost")
assert uart.any() == 0
world.board = {}

heard = []
uart.irq(lambda source: heard.append(source), UART.IRQ_RX)
cable.feed(b"x")
uart.any()
assert heard == [uart]

uart.deinit()
cable.feed(b"lost")
assert uart.read() is None
print("ok")
