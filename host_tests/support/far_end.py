"""An HTTP server that plays InfluxDB or dsmr-reader for a dongle that pushes, and everything that
such a server can do wrong."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

import rig
from household import PATIENCE_S


@dataclass
class Push:
    """What one request brought, and what came of it."""

    request: web.Request
    body: bytes
    form: dict[str, str]
    answer: str  # "ok", or the fault's name


def status(code: int, text: str = "", **headers: str) -> Callable:
    async def answer(_request):
        return web.Response(status=code, text=text or None, headers=headers)

    answer.__name__ = str(code)
    return answer


async def hang(_request: web.Request) -> None:
    await asyncio.sleep(PATIENCE_S)


async def cut(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


async def talk_nonsense(request: web.Request) -> None:
    await _write(request, b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def dribble(request: web.Request) -> None:
    """A head that comes, but never as a whole."""
    await _write(request, b"HTTP/1.1 204 No Content\r\n", b"X", 0.1)


async def head_without_end(request: web.Request) -> None:
    await _write(request, b"HTTP/1.1 503 Service Unavailable\r\n", b"X-More: of it\r\n" * 1000, 0)


async def _write(request, start, more=b"", pause_s=0.0):
    transport = request.transport
    transport.write(start)
    while more and not transport.is_closing():
        transport.write(more)
        await asyncio.sleep(pause_s)
        while transport.get_write_buffer_size() > 1_000_000 and not transport.is_closing():
            await asyncio.sleep(0.01)
    transport.close()


class FarEnd:
    """Answers the first requests as `faults` says, one each, and all later ones with `ok`. It
    listens between start() and stop(); its port is its own all the while."""

    def __init__(self, ok: int, *faults: Callable):
        self.port = rig.free_port()
        self.pushes: list[Push] = []
        self._ok, self._faults = status(ok), list(faults)
        self._thread = None

    def taken(self) -> list[Push]:
        return [push for push in self.pushes if push.answer == "ok"]

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        assert ready.wait(PATIENCE_S)

    def stop(self) -> None:
        if self._thread:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()
            self._thread = None

    async def _serve(self, ready):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        ready.set()
        await self._end.wait()
        await runner.cleanup()

    async def _answer(self, request):
        body, form = await request.read(), await request.post()
        fault = self._faults.pop(0) if self._faults else None
        name = fault.__name__ if fault else "ok"
        self.pushes.append(Push(request, body, dict(form), name))
        return await (fault or self._ok)(request)
