# The whole dongle; every _EVERY telegrams it prints how many there were and the memory in use
# after a collection. First of all what the stand-ins take.

import asyncio
import gc

_EVERY = 250
_tasks = []


def _used():
    gc.collect()
    return gc.mem_alloc()


gc.threshold(4096)  # as boot.py
_before = _used()
import socket  # noqa: E402, F401

import machine  # noqa: E402, F401
import network  # noqa: E402, F401

print("bench", _used() - _before)

from dongle.app import App  # noqa: E402


async def _main():
    app = App()
    _tasks.append(asyncio.create_task(app.run()))
    due = _EVERY
    while True:
        await asyncio.sleep_ms(20)
        if app.framer.good >= due:
            due += _EVERY
            print("bench", app.framer.good, _used(), sum(app.health.failures.values()))


asyncio.run(_main())
