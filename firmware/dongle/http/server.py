# A small HTTP server for a few fixed documents. Everything has a limit: the head of a request, its
# body, the number of clients, the time of an exchange. The server sends few large pieces, because
# each write, even a small one, takes a whole segment of lwIP's memory on the chip.
#
# This module handles frequent requests; rest.py handles the others.

# A _Client has a stream and a task only while it is connected.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import asyncio

from micropython import const

from p1.render.page import Page

from .. import forget, room
from ..net.listen import listen
from ..refused import Refused
from .request import EXCHANGE_MS, HEAD_BYTES, Request, read_head
from .response import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device

CLIENTS = 3
_READY = const(1)  # _Client objects that are allocated in advance
_ANOTHER_ROOM = const(25_000)  # bytes of the Python heap; with less, a new client has to wait
_TURN_MS = const(25)
_TURNS = const(80)
_LINGER_MS = const(1_000)  # for a client that is still sending after its answer
_LOOK_MS = const(1_000)  # between two checks of the clients' deadlines
_ANSWER_BYTES = const(1_000)  # about the length of an answer that is not sent in pieces
_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b'Content-Length: 55%s\r\n{"error":"too many clients", "code":"too_many_clients"}'
)
_END_BYTES = const(7)  # of a page, for the end of a chunk and the end of all chunks

_ALWAYS = (
    b"\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
)


class Server:
    """tick() must be called once a second."""

    def __init__(
        self,
        routes,
        health,
        gate=None,
        device: "Device | None" = None,
        asks_readers=False,
        most=CLIENTS,
        free=None,
    ):
        """routes: path (bytes) -> Resource, or just the function for GET if there is no other
        method. gate(request): returns None, or a Response to send instead of the document, or
        raises Refused. device: the Device; with it, the paths of paths.py are served too, and only
        the owner may change anything. Without it, every client may do everything. asks_readers:
        whether GET needs the password too. most: the number of clients at a time. free: the
        attribute of another Server, to share its _Client objects."""
        self.routes = routes
        self.device = device
        self.asks_readers = asks_readers
        self._gate = gate
        self._respond = None  # the function of rest.py, if that stays in memory
        self._most = most
        self._health = health
        # For the next clients. Allocated at the start: later there may be no block of memory that
        # is long enough for a page.
        self.free = [_Client(HEAD_BYTES) for _ in range(_READY)] if free is None else free
        self._clients = []
        self._waiting = 0  # clients that wait until another client leaves
        self.is_resting = False  # whether new connections are closed at once
        self.requests = 0
        self.refused = 0  # answered with an error

    def run(self, port: int, address: str = "0.0.0.0", network: str = ""):
        """Returns a coroutine that never ends; address, network: see listen()."""
        self._health.say(f"http: on port {port}")
        return listen("http", port, self._most, self._serve, self._health, address, network)

    def close(self) -> None:
        """Ends all exchanges, except that of the calling task."""
        for client in self._clients:
            if client.task is not asyncio.current_task():
                client.task.cancel()

    def rest(self, rests: bool) -> None:
        """Stops accepting clients (True), or starts again (False)."""
        self.is_resting = rests
        if rests:
            self.close()

    def tick(self) -> None:
        """Ends exchanges that take too long. A wait_for() for each exchange would leave a kilobyte
        of garbage."""
        for client in self._clients:
            if client.left_ms is not None:
                client.left_ms -= _LOOK_MS
                if client.left_ms < 0:
                    try:
                        client.task.cancel()
                    except MemoryError:
                        pass  # the next tick tries again

    async def _serve(self, stream):
        client = None
        try:
            if self.is_resting:
                return
            if self.device:
                self.device.wifi.trust()
            is_welcome = len(self._clients) + self._waiting < self._most
            if is_welcome and not (self.free or room.has(_ANOTHER_ROOM)):
                is_welcome = await self._is_free_soon()
            if is_welcome and self.free:
                client = self.free.pop()
            client = client or _Client(HEAD_BYTES if is_welcome else 0)
            client.stream, client.task = stream, asyncio.current_task()
            client.left_ms = EXCHANGE_MS
            self._clients.append(client)
            await (self._exchange(client) if is_welcome else self._turn_away(client))
        except (OSError, EOFError, asyncio.TimeoutError):
            pass  # the client has disconnected, or was too slow
        except Exception as error:  # also a MemoryError: only this exchange fails, not the server
            self._health.failed("http", error)
        finally:
            stream.s.close()
            if client in self._clients:
                self._clients.remove(client)
            if client and len(client.page.bytes) == HEAD_BYTES and len(self.free) < _READY:
                client.stream = client.task = client.request = None
                self.free.append(client)

    async def _is_free_soon(self):
        """Waits for another client to leave. Returns False if none does."""
        self._waiting += 1
        try:
            for _ in range(_TURNS):
                await asyncio.sleep_ms(_TURN_MS)
                if self.free:
                    return True
        finally:
            self._waiting -= 1
        return False

    async def _turn_away(self, client):
        """Answers 503, without a page, because there may be no memory for one."""
        self.requests += 1
        self.refused += 1
        client.stream.write(_AWAY % _ALWAYS)
        await client.linger(bytearray(64))

    async def _exchange(self, client):
        self.requests += 1
        head, request = client.page.bytes, None
        end = size = 0
        try:
            end, size = await read_head(client.stream, head)
            if end == 0:
                return  # the client has disconnected without a request
            client.request = request = Request(head, end)
            if not await room.for_network(_ANSWER_BYTES):
                raise Refused(503, "out_of_memory")
            response = self._gate and self._gate(request)
            if response is None:
                resource = self.routes.get(request.path)
                # The usual case: GET without a password and without a body.
                if (
                    resource
                    and request.method == b"GET"
                    and not (self.asks_readers or request.left)
                    and b"GET" in getattr(resource, "views", (b"GET",))
                ):
                    response = self.see(resource, request)
                else:
                    response = await self._rest()(self, client, memoryview(head)[end:size])
                    while hasattr(response, "send"):
                        response = await response  # pyright: ignore[reportGeneralTypeIssues]
        except Refused as refused:
            response = refusal(*refused.args)
        if response.status >= 400:
            self.refused += 1
        # From here on the answer uses the buffer of the head.
        is_head = head.startswith(b"HEAD ")
        await client.answer(response, is_head, request and request.is_old, self._wait)
        if not request or request.left > size - end:
            await client.linger(head)

    def _wait(self):
        """A coroutine: waits until the network has memory for another page, and returns whether it
        has. The next telegram waits too, because a body may be views of the latest one."""
        wait = room.for_network(HEAD_BYTES)
        return self.device.latest.hold(wait) if self.device else wait

    def _rest(self):
        if self._respond:
            return self._respond
        from .rest import respond

        forget()
        if self.asks_readers:  # nearly every request needs this module
            self._respond = respond
        return respond

    def see(self, resource, request: Request, *arguments):
        """Calls the function of the path. Returns a Response, or a coroutine for one."""
        view, refuse = resource, refusal
        try:
            if hasattr(resource, "views"):
                refuse = resource.refuse
                view = resource.view(request.path, request.method)
            return view(*arguments)
        except Exception as error:
            return self.broken(refuse, error)

    def broken(self, refuse, error: Exception):
        """Returns the Response for a document that raised an exception, so that the server goes
        on."""
        self._health.failed("http", error)
        return refuse(500, "internal_error")


class _Client:
    """A connected client. Used again after the client has left. The page is first the buffer for
    the head of the request, then the buffer for the answer."""

    def __init__(self, size):
        self.page = Page(size)
        self.page.limit -= _END_BYTES
        self.stream = self.task = self.request = None
        self.left_ms = None  # the time that is left for the exchange; None: no limit

    async def linger(self, buffer: bytearray) -> None:
        """Reads what the client still sends. Closing at once could destroy the answer before the
        client has read it."""
        self.left_ms = _LINGER_MS
        while await self.stream.readinto(buffer) != 0:
            pass

    async def answer(self, response, is_head: bool, is_old: bool | None, wait) -> None:
        body = response.body
        parts = body if isinstance(body, tuple) else (body,)
        length, is_long = response.length, hasattr(body, "send")
        if not is_long:
            length = sum([len(part) for part in parts])
        is_chunked = length is None and not is_old  # HTTP/1.0: closing ends the document
        self._begin(response, length, is_chunked)
        if is_head:
            pass
        elif is_long:
            try:
                await self._gather(body, is_chunked)
            finally:
                body.close()
        else:
            for part in parts:
                at = self.page.fill(part, 0)
                while at < len(part):
                    self.write()
                    if not (room.has_network(HEAD_BYTES) or await wait()):
                        raise EOFError  # sending anyway would copy the rest into the Python heap
                    at = self.page.fill(part, at)
        self.write()
        if self.stream.out_buf:
            await self.stream.drain()

    def _gather(self, body, is_chunked):
        from .pieces import gather

        forget()
        return gather(self, body, is_chunked)

    def _begin(self, response, length, is_chunked):
        """Writes the head of the answer. length: of the body, None if not known."""
        page = self.page
        page.size = 0
        page.put(b"HTTP/1.1 ")
        page.put(b"200 OK" if response.status == 200 else _status(response.status))
        page.put(b"\r\nContent-Type: ")
        page.put(response.content_type)
        if length is not None:
            page.put(b"\r\nContent-Length: ")
            page.number(length)
        if is_chunked:
            page.put(b"\r\nTransfer-Encoding: chunked")
        page.put(_ALWAYS)
        page.put(response.headers)
        page.put(b"\r\n")

    def write(self) -> None:
        """Sends the page. The stream keeps a copy of what does not fit into the socket."""
        page = self.page
        self.stream.write(memoryview(page.bytes)[: page.size])
        page.size = 0


def _status(status):
    from .reasons import line

    forget()
    return line(status)
