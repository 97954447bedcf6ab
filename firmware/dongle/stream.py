# Raw telegrams over TCP, for programs that know P1 themselves (Home Assistant's DSMR
# integration, dsmr-reader, evcc): whole, verified, byte for byte, each in one write.

import asyncio

from micropython import const

from .listen import listen

CLIENTS = 4
_FRESH_MS = const(10_000)  # a newcomer gets the latest telegram at once if it is no older
_STUCK_MS = const(3_000)  # a client that takes nothing for so long is dropped


class Stream:
    def __init__(self, latest, health):
        self._latest = latest
        self._health = health
        self._writers = []
        self.dropped = 0  # clients that were too slow
        latest.listeners.append(self._on_telegram)

    async def run(self, port):
        self._health.say(f"tcp: raw telegrams on port {port}")
        await listen(port, CLIENTS, self._client)

    def clients(self):
        return len(self._writers)

    def _on_telegram(self):
        if not self._writers:
            return
        telegram = self._latest.telegram()
        for client in self._writers:
            client.send(telegram)

    async def _client(self, stream):
        client = _Client(stream)
        try:
            if len(self._writers) < CLIENTS:
                self._writers.append(client)
                age_ms = self._latest.age_ms()
                if age_ms is not None and age_ms < _FRESH_MS:
                    client.send(self._latest.telegram())
                await self._serve(stream, client)
        except OSError:
            pass  # it left
        finally:
            if client in self._writers:
                self._writers.remove(client)
            stream.close()
            await stream.wait_closed()

    async def _serve(self, reader, client):
        # Whatever it says is not for us; that it says nothing any more means it has left.
        leaving = asyncio.create_task(_left(reader, client))
        try:
            while not client.gone:
                await client.wake.wait()
                client.wake.clear()
                if client.backlog:
                    try:
                        await asyncio.wait_for_ms(client.drain(), _STUCK_MS)
                    except asyncio.TimeoutError:
                        self.dropped += 1
                        return
        finally:
            leaving.cancel()


async def _left(reader, client):
    try:
        while await reader.read(64):
            pass
    except OSError:
        pass
    client.leave()


class _Client:
    """Sends at once what the socket takes; the rest of that telegram waits for drain(), and
    telegrams that come meanwhile are left out whole."""

    def __init__(self, writer):
        self._writer = writer
        self.wake = asyncio.Event()
        self.backlog = False
        self.gone = False

    def send(self, telegram):
        if self.backlog or self.gone:
            return
        try:
            self._writer.write(telegram)
        except (OSError, MemoryError):
            # Without memory for the rest of a telegram it would get half of it.
            self.leave()
            return
        self.backlog = bool(self._writer.out_buf)
        if self.backlog:
            self.wake.set()

    async def drain(self):
        await self._writer.drain()
        self.backlog = False

    def leave(self):
        self.gone = True
        self.wake.set()
