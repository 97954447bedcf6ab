# The whole dongle on a cable that brings 120 bytes a millisecond at most. Prints, for telegrams
# without a change of texts, how many there were, the bytes they left for the garbage collector,
# how many were published and how often a socket was written to; then, when _REQUESTS have been
# served without telegrams in between, how many there were and the bytes that they left.

import asyncio
import gc
import sys
import time

from paths import CHUNK, load
from watched import Writes, until

import world
from dongle.app import App

_WARM = 20
_REQUESTS = 50
_tasks = []


class _Cable:
    """A chunk a millisecond, a telegram as soon as the one before has been taken."""

    plugged = True

    def __init__(self, telegrams, framer):
        self._telegrams = telegrams
        self._framer = framer
        self._at = 0  # in the telegram under way
        self._number = 0
        self._given_ms = 0

    def readinto(self, buf):
        now = time.ticks_ms()
        if now == self._given_ms or self._number > self._framer.good:
            return 0
        if self._number == len(self._telegrams):
            return 0
        self._given_ms = now
        telegram = self._telegrams[self._number]
        size = min(CHUNK, len(telegram) - self._at)
        for at in range(size):
            buf[at] = telegram[self._at + at]
        self._at += size
        if self._at == len(telegram):
            self._at = 0
            self._number += 1
        return size

    def request(self, asserted):
        pass

    def fileno(self):
        return -1


async def _main():
    telegrams = load(sys.argv[1])
    app: Any = App()
    _tasks.append(asyncio.create_task(app.run()))
    await until(lambda: app.mqtt.connected)
    world.cable = _Cable(telegrams, app.framer)
    await until(lambda: app.framer.good >= _WARM)
    edition = app.latest.reading.edition
    gc.collect()
    gc.disable()
    good, published = app.framer.good, app.mqtt.published
    writes, used = Writes.count, gc.mem_alloc()
    while app.framer.good < len(telegrams):
        await asyncio.sleep_ms(100)
    used = gc.mem_alloc() - used
    if edition != app.latest.reading.edition:
        raise ValueError("texts changed")
    published = app.mqtt.published - published
    print("bench", app.framer.good - good, used, published, Writes.count - writes)

    await until(lambda: app.server.requests >= 3)
    gc.collect()
    requests, used = app.server.requests, gc.mem_alloc()
    print("bench", 0)  # ready for requests
    await until(lambda: app.server.requests >= requests + _REQUESTS)
    await asyncio.sleep_ms(50)
    print("bench", app.server.requests - requests, gc.mem_alloc() - used)


asyncio.run(_main())
