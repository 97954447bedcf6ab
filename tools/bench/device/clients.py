# The whole dongle with ever more clients: for each number of TCP clients (0 to 4) what telegrams
# cost, then for each number of HTTP clients (1 to 3) what requests cost. Arguments: the file of
# telegrams, how often to do it all, requests of each HTTP client. A cost is a line: how many
# telegrams or requests there were, bytes left for the garbage collector, writes to sockets and
# microseconds of CPU.

import asyncio
import gc
import os
import sys
import time

from paths import load
from watched import Writes, until

from dongle import stream
from dongle.app import App
from dongle.http import server as http

_WARM = 5
_SETTLE_MS = 50
_tasks = []


class _Cost:
    def __init__(self):
        gc.collect()
        gc.disable()
        self._start = self._now()

    @staticmethod
    def _now():
        return gc.mem_alloc(), Writes.count, int(time.clock() * 1_000_000)  # pyright: ignore[reportAttributeAccessIssue]  # of the unix port

    def tell(self, count):
        now = self._now()
        print("bench", count, *[now[at] - start for at, start in enumerate(self._start)])
        gc.enable()


async def _feed(app, telegrams):
    for telegram in telegrams:
        app.framer.feed(telegram, len(telegram))
        await asyncio.sleep_ms(1)


async def _main():
    telegrams = load(sys.argv[1])
    times, requests_each = int(sys.argv[2]), int(sys.argv[3])
    os.remove("board.json")  # so that there is no port: telegrams come from here
    app: Any = App()
    _tasks.append(asyncio.create_task(app.run()))
    await until(lambda: app.mqtt.connected)
    for _ in range(2):
        await _feed(app, telegrams)  # by then it has forgotten what read the first one's texts
    for _ in range(times):
        for clients in range(stream.CLIENTS + 1):
            await until(lambda clients=clients: app.stream.clients() == clients)
            await _feed(app, telegrams[:_WARM])
            await asyncio.sleep_ms(_SETTLE_MS)
            cost = _Cost()
            await _feed(app, telegrams[_WARM:])
            cost.tell(len(telegrams) - _WARM)
    for _ in range(times):
        for clients in range(1, http.CLIENTS + 1):
            await _feed(app, telegrams[:_WARM])  # or the reading would be stale
            await asyncio.sleep_ms(_SETTLE_MS)
            due = app.server.requests + clients * requests_each
            cost = _Cost()
            print("bench", clients)  # ready for requests
            await until(lambda due=due: app.server.requests >= due)
            await asyncio.sleep_ms(_SETTLE_MS)
            cost.tell(clients * requests_each)
    if app.server.refused:
        raise ValueError("requests were refused")


asyncio.run(_main())
