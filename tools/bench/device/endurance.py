# The whole dongle; every _EVERY telegrams it prints how many there were and the memory in use
# after a collection. First of all what the stand-ins take.

import asyncio
import gc
import socket  # noqa: F401

import machine  # noqa: F401
import network  # noqa: F401

_EVERY = 250
_tasks = []

gc.threshold(8192)  # as main.py
gc.collect()
print("bench", gc.mem_alloc())

from dongle.app import App  # noqa: E402


async def _main():
    app = App()
    gc.threshold(-1)
    _tasks.append(asyncio.create_task(app.run()))
    due = _EVERY
    while True:
        await asyncio.sleep_ms(20)
        if app.framer.good >= due:
            due += _EVERY
            gc.collect()
            print("bench", app.framer.good, gc.mem_alloc(), sum(app.health.failures.values()))


asyncio.run(_main())
