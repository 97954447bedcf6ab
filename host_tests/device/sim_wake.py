# Bytes that a look at the UART takes from the cable while a task sleeps on it: they wake the task,
# as the interrupt does on the chip. Makes the file "ready" once the task sleeps: a UART discards
# what came while it was set up.

import asyncio
import time

from machine import UART


async def main():
    uart = UART(1, 115200, rx=16, tx=17, invert=UART.INV_RX)
    reader = asyncio.create_task(asyncio.StreamReader(uart).readexactly(1))
    for _ in range(3):
        await asyncio.sleep_ms(0)
    open("ready", "w").close()
    while not uart.any():
        time.sleep_ms(1)  # so that asyncio does not see them first
    print(await asyncio.wait_for(reader, 60))


asyncio.run(asyncio.wait_for(main(), 60))
