# The whole dongle; every _EVERY telegrams it prints how many there were and the memory in use
# after a collection. First of all what takes memory here and is C on the chip: the stand-ins, a
# UART with its ring, a radio, what goes around each socket.

import asyncio
import gc

_EVERY = 250
_tasks = []


def _used():
    gc.collect()
    return gc.mem_alloc()


gc.threshold(4096)  # as boot.py
_before = _used()
import socket  # noqa: E402

import usocket  # noqa: E402

import machine  # noqa: E402
import network  # noqa: E402

_parts = [machine.UART(1, 115200, rx=27, tx=26, rxbuf=8192), network.WLAN(network.STA_IF)]
# Of HTTP, its client, TCP, its two clients and MQTT.
_parts += [socket.socket() for _ in range(6)]
_elsewhere = _used() - _before
_raw = [usocket.socket() for _ in range(6)]
print("bench", 2 * _elsewhere + _before - _used())
for _part in _parts[2:] + _raw:
    _part.close()
del _parts, _raw, _part

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
