# Raw telegrams over TCP, for programs that know P1 themselves (Home Assistant's DSMR
# integration, dsmr-reader, evcc): whole, verified, byte for byte, each in one write.

import asyncio

from micropython import const

from . import room
from .net.listen import listen

CLIENTS = 4
_FRESH_MS = const(10_000)  # a newcomer gets the latest telegram at once if it is no older
_MOST_LEFT_OUT = const(3)  # telegrams for which the network had no memory, then it is dropped
_PACE_MS = const(20)  # between clients
_STUCK_MS = const(3_000)  # a client that takes nothing for so long is dropped


class Stream:
    def __init__(self, latest, health, reached=lambda: None):
        """reached() hears that there is somebody who takes telegrams."""
        self._latest = latest
        self._reached = reached
        self._health = health
        self._clients = []
        self._is_resting = self._is_sending = False
        self.dropped = 0  # clients that were too slow
        latest.listeners.append(self._on_telegram)

    def run(self, port):
        """A coroutine that never returns."""
        self._health.say(f"tcp: raw telegrams on port {port}")
        return listen("tcp", port, CLIENTS, self._client, self._health)

    def rest(self, rests):
        """Takes clients no more, or again."""
        self._is_resting = rests
        for client in self._clients if rests else ():
            client.lose()

    def clients(self):
        return len(self._clients)

    def counts(self):
        """How many clients there are, and how many were dropped."""
        return len(self._clients), self.dropped

    def _on_telegram(self):
        if not self._clients:
            return
        # Who takes nothing is soon none of them any more.
        self._reached()
        if self._is_sending:
            return
        telegram = self._latest.telegram()
        at_once = CLIENTS if room.Watch.has_plenty else int(room.has_network(len(telegram)))
        for client in self._clients[:at_once]:
            client.send(telegram)
        others = self._clients[at_once:]
        if others:
            asyncio.create_task(self._send(others))
            self._is_sending = True  # not where there was no memory for the task

    async def _send(self, clients):
        """One after the other: what is under way to all at once takes too much memory."""
        try:
            for client in clients:
                await asyncio.sleep_ms(_PACE_MS)
                size = self._latest.telegram_size
                has_network = await room.for_network(size)
                telegram = self._latest.telegram()
                if telegram is not None:
                    client.send(telegram if has_network else None)
        finally:
            self._is_sending = False

    async def _client(self, stream):
        client = None
        try:
            client = _Client(stream, self)
            has_room = await room.for_network(self._latest.telegram_size)
            if has_room and len(self._clients) < CLIENTS and not self._is_resting:
                self._clients.append(client)
                age_ms = self._latest.age_ms()
                if age_ms is not None and age_ms < _FRESH_MS:
                    client.send(self._latest.telegram())
                await self._serve(stream, client)
        except OSError:
            pass  # it left
        finally:
            if client in self._clients:
                self._clients.remove(client)
                client.close()
            stream.close()
            await stream.wait_closed()

    async def _serve(self, stream, client):
        # Whatever it says is not for us; that it says nothing any more means it has left.
        while not client.is_lost and await stream.read(64):
            pass


class _Client:
    """Sends at once what the socket takes; a task sees to the rest of that telegram, and telegrams
    that come meanwhile are left out whole. It is made in the task that looks after the client."""

    def __init__(self, stream, server):
        self._stream = stream
        self._server = server
        self._task = asyncio.current_task()
        self._draining = None  # the task, while there is a rest
        self.is_lost = False
        self._left_out = 0  # telegrams in a row

    def send(self, telegram):
        """None where the network has no memory for one."""
        if self._draining or self.is_lost:
            return
        if telegram is None:
            # What it has not taken yet may be where that memory is.
            self._left_out += 1
            if self._left_out >= _MOST_LEFT_OUT:
                self._drop()
            return
        self._left_out = 0
        try:
            self._stream.write(telegram)
            if self._stream.out_buf:
                self._draining = asyncio.create_task(self._drain())
        except (OSError, MemoryError):
            # Without memory for the rest of a telegram it would get half of it.
            self.lose()

    async def _drain(self):
        try:
            await asyncio.wait_for_ms(self._stream.drain(), _STUCK_MS)
        except asyncio.TimeoutError:
            self._drop()
        except OSError:
            self.lose()
        self._draining = None

    def _drop(self):
        self._server.dropped += 1
        self.lose()

    def lose(self):
        self.is_lost = True
        if self._task is not asyncio.current_task():
            self._task.cancel()

    def close(self):
        if self._draining:
            self._draining.cancel()
