# The cable is found again after the meter's end was closed. Makes the file "ready" once it
# listens: a UART discards what came while it was set up.

import time

from machine import UART

uart = UART(1, 115200, rx=16, tx=17, invert=UART.INV_RX)
open("ready", "w").close()
received = b""
for _ in range(6000):
    received += uart.read() or b""
    if b"b" in received:
        break
    time.sleep_ms(10)
print(received)
