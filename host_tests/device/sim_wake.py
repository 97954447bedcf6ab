# Bytes that a look at the UART takes from the cable while a task sleeps on it: they wake the task,
# as the interrupt does on the chip.

import asyncio
import time

from machine import UART


async def main():
    uart = UART(1, 115200, rx=16, tx=17, invert=UART.INV_RX)
    reader = asyncio.create_task(asyncio.StreamReader(uart).readexactly(1))
    await asyncio.sleep_ms(50)  # it sleeps
    while not uart.any():
        time.sleep_ms(1)  # so that asyncio does not see them first
    print(await asyncio.wait_for(reader, 2))


asyncio.run(asyncio.wait_for(main(), 20))
