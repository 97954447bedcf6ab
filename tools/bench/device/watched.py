# What programs that watch the whole dongle share.

import asyncio
import socket


class Writes:
    """Counts what goes to sockets."""

    count = 0
    plain = socket.socket.write


def _write(self, data, *size):
    Writes.count += 1
    return Writes.plain(self, data, *size)


socket.socket.write = _write


async def until(condition):
    while not condition():
        await asyncio.sleep_ms(5)
