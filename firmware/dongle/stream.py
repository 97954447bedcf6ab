# Raw telegrams over TCP, for programs that can read P1 themselves (Home Assistant's DSMR
# integration, dsmr-reader, evcc). Only whole, verified telegrams are sent, unchanged, each in one
# write.

import asyncio

from micropython import const

from . import room
from .net.listen import listen

CLIENTS = 4
_FRESH_MS = const(10_000)  # a new client gets the latest telegram at once if it is not older
_MOST_LEFT_OUT = const(3)  # a client is dropped if the network had no memory for so many telegrams
_PACE_MS = const(20)  # pause between clients
_STUCK_MS = const(3_000)  # a client that has not taken a telegram after so long is dropped


class Stream:
    def __init__(self, latest, health, reached=lambda: None):
        """reached() is called when there are clients for a telegram."""
        self._latest = latest
        self._reached = reached
        self._health = health
        self._clients = []
        self._is_resting = self._is_sending = False
        self.dropped = 0  # clients that were too slow
        latest.listeners.append(self._on_telegram)

    def run(self, port: int):
        """Returns a coroutine that serves clients and never returns."""
        self._health.say(f"tcp: raw telegrams on port {port}")
        return listen("tcp", port, CLIENTS, self._client, self._health)

    def rest(self, rests: bool) -> None:
        """rests: True drops all clients and accepts no new ones, False accepts them again."""
        self._is_resting = rests
        for client in self._clients if rests else ():
            client.lose()

    def clients(self) -> int:
        """Returns how many clients there are."""
        return len(self._clients)

    def counts(self) -> tuple:
        """Returns how many clients there are, and how many were dropped."""
        return len(self._clients), self.dropped

    def _on_telegram(self):
        if not self._clients:
            return
        # A client that takes nothing is soon dropped, so a client shows that the network works.
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
            self._is_sending = True  # set last: create_task() may raise MemoryError

    async def _send(self, clients):
        """Sends to one client after the other: sending to all at once takes too much memory."""
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
            pass  # the client has left
        finally:
            if client in self._clients:
                self._clients.remove(client)
                client.close()
            stream.close()
            await stream.wait_closed()

    async def _serve(self, stream, client):
        # What the client sends is ignored; the end of the stream means that it has left.
        while not client.is_lost and await stream.read(64):
            pass


class _Client:
    """Sends at once what the socket takes. A task sends the rest of that telegram; telegrams that
    come before it has finished are left out as a whole. Has to be made in the client's own task,
    which lose() cancels."""

    def __init__(self, stream, server):
        self._stream = stream
        self._server = server
        self._task = asyncio.current_task()
        self._draining = None  # the task that sends the rest of a telegram
        self.is_lost = False
        self._left_out = 0  # telegrams in a row for which the network had no memory

    def send(self, telegram) -> None:
        """telegram: bytes-like, or None if the network has no memory for one."""
        if self._draining or self.is_lost:
            return
        if telegram is None:
            # The memory may be taken by data that this client has not accepted, so it is counted.
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
            # Without memory for the rest of a telegram the client would get only a part of it.
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

    def lose(self) -> None:
        self.is_lost = True
        if self._task is not asyncio.current_task():
            self._task.cancel()

    def close(self) -> None:
        if self._draining:
            self._draining.cancel()
