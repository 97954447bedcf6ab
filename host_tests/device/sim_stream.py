# asyncio reads the UART at the end of a real cable until the meter's last line, and asks anew
# after each piece.

import asyncio

import world
from machine import UART, Pin


async def main():
    world.board = {"request_pin": 25, "request_drive": "direct"}
    uart = UART(1, 115200, rx=16, tx=17, rxbuf=4096, invert=UART.INV_RX)
    reader = asyncio.StreamReader(uart)
    request = Pin(25, Pin.OUT, value=1)
    buf = bytearray(256)
    received = b""
    chunks = 0
    while not received.endswith(b"!\r\n"):
        n = await reader.readinto(buf) or 0
        received += buf[:n]
        chunks += 1
        request.init(Pin.IN, None)  # pyright: ignore[reportArgumentType]
        if not received.endswith(b"!\r\n"):
            request.init(Pin.OUT, value=1)
    assert await reader.read(1) == b"\0"
    print(chunks, received.decode().replace("\r\n", "|"))


asyncio.run(asyncio.wait_for(main(), 60))
