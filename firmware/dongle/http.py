# A small HTTP server for a few fixed documents. Everything is bounded: the head of a request, its
# body, the number of clients, the time an exchange may take.

# Where there is a request, what it is was found before.
# pyright: reportPossiblyUnboundVariable=false, reportOperatorIssue=false

import asyncio
import json
import socket

from micropython import const

from .listen import listen
from .request import HEAD_BYTES, Refused, Request, read_head

CLIENTS = 3
BODY_BYTES = const(2048)
EXCHANGE_MS = const(5_000)
_PIECE_MS = const(20_000)  # for a piece of a body that is taken as it comes
_LINGER_MS = const(500)  # for a client that is still sending when its answer has been given
_PIECE = const(512)

# In one piece, which takes no memory where the firmware is frozen.
_REASONS = b"""
200 OK
302 Found
400 Bad Request
401 Unauthorized
403 Forbidden
404 Not Found
405 Method Not Allowed
409 Conflict
413 Content Too Large
421 Misdirected Request
429 Too Many Requests
431 Request Header Fields Too Large
500 Internal Server Error
502 Bad Gateway
503 Service Unavailable
505 HTTP Version Not Supported
507 Insufficient Storage
"""


class Response:
    """body: bytes-like; or several of these in a tuple; or a binary file, which is sent piece by
    piece and closed; or a generator of pieces, for what is too long to be in memory as a whole."""

    def __init__(self, body, content_type="application/json", status=200, headers=b""):
        self.body, self.content_type, self.status = body, content_type, status
        self.headers = headers  # more of them, each ended by CR LF
        self.has_chunks = True  # whether the client knows chunks, as all since HTTP/1.1 do


def refusal(status, text, headers=b""):
    """An error, with its reason as JSON."""
    return Response(json.dumps({"error": text}).encode(), status=status, headers=headers)


class Resource:
    """What a path offers that has more than GET: functions by method (bytes), which return a
    Response. That of GET, for HEAD too, has no argument; the others get the request's body, a
    bytearray. refuse(status, text, headers) words this path's errors. needs_password: whether
    what is no GET needs the owner's."""

    most = BODY_BYTES  # of a body; None: any number, the function takes it as it comes

    def __init__(self, views, refuse=refusal, needs_password=True):
        self.views, self.refuse, self.needs_password = views, refuse, needs_password

    def methods(self):
        names = [method.decode() for method in self.views]
        return ", ".join(sorted(names + ["HEAD"] if "GET" in names else names))

    def view(self, path, method):
        return self.views[method]


class Later(Resource):
    """A Resource whose functions are loaded when somebody uses them who may."""

    needs_password = True

    def __init__(self, methods, load, most=BODY_BYTES):
        """load(path, method) gives the function."""
        self.views, self.view, self.most = methods, load, most

    def refuse(self, *reason):
        return refusal(*reason)


class Server:
    def __init__(
        self,
        routes,
        health,
        gate=None,
        refuse=None,
        asks_readers=False,
        most=CLIENTS,
        reached=lambda: None,
    ):
        """routes: path (bytes) -> Resource, or the function that it has for GET where that is all.
        gate(request): a Response in the place of what the path has, or None; or it raises Refused.
        refuse: see
        auth.Auth; None: every client may do everything. asks_readers: whether GET needs the
        password too. most: clients at a time. reached() hears that somebody has come."""
        self._routes = routes
        self._gate = gate
        self._most = most
        self._health = health
        self._refuse_client = refuse
        self._asks_readers = asks_readers
        # A buffer that is free: most of the time there is one client. Later on there may be no
        # room for it in one piece.
        self._head = bytearray(HEAD_BYTES)
        self._reached = reached
        self._clients = 0
        self.requests = 0
        self.refused = 0  # answered with an error

    async def run(self, port, address="0.0.0.0", network=""):
        """address, network: as of listen()."""
        self._health.say(f"http: on port {port}")
        await listen(port, self._most, self._client, address, network)

    async def _client(self, stream):
        self._clients += 1
        self._reached()
        head = None
        try:
            head = self._take_head()
            longer = await asyncio.wait_for_ms(self._exchange(stream, head), EXCHANGE_MS)
            if longer:
                await longer
        except (OSError, EOFError, asyncio.TimeoutError):
            pass  # the client left, or dawdled
        except Exception as error:  # MemoryError too: this exchange is lost, not the server
            self._health.failed("http", error)
        finally:
            self._clients -= 1
            self._head = self._head or head
            stream.close()
            await stream.wait_closed()

    def _take_head(self):
        """A buffer for a request's head; None where there are too many clients."""
        if self._clients > self._most:
            return None
        head, self._head = self._head, None
        return head or bytearray(HEAD_BYTES)

    async def _exchange(self, stream, head):
        """Returns what of it may take longer, to be awaited, or None."""
        self.requests += 1
        if head is None:
            await self._reply(stream, refusal(503, "too many clients, try again"), False)
            await _linger(stream, bytearray(64))
            return None
        request = None
        try:
            end, size = await read_head(stream, head)
            if end == 0:
                return None  # closed before it asked anything
            request = Request(head, end)
            response = self._gate and self._gate(request)
            if response is None:
                resource = self._find(request)
                response = await self._refuse(request, resource)
            if response is None and request.method == b"GET":
                response = await self._see(request, resource)
            elif response is None:
                from .body import Body

                body = Body(stream, request, memoryview(head)[end:size])
                await body.go_on()
                if resource.most is None:
                    return self._take(stream, request, resource, body)
                response = await self._see(request, resource, await body.whole())
        except Refused as refused:
            response = refusal(refused.status, refused.text)
        if request:
            response.has_chunks = not request.is_old
        await self._reply(stream, response, head.find(b"HEAD ", 0, 5) == 0)
        if not request or request.left > size - end:
            await _linger(stream, head)
        return None

    async def _take(self, stream, request, resource, body):
        """The rest of an exchange whose body may be long; each of its pieces has a deadline."""

        def readinto(buffer):
            return asyncio.wait_for_ms(body.readinto(buffer), _PIECE_MS)

        response = await self._see(request, resource, readinto, request.left)
        await asyncio.wait_for_ms(self._reply(stream, response, False), EXCHANGE_MS)
        if request.left:
            await _linger(stream, bytearray(_PIECE))

    def _find(self, request):
        """The Resource that a request is about. Raises Refused."""
        resource = self._routes.get(request.path)
        if resource and not isinstance(resource, Resource):
            resource = Resource({b"GET": resource})
        most = resource.most if resource else BODY_BYTES
        if most is not None and request.left > most:
            raise Refused(413, f"a body may have {most} bytes")
        if resource is None:
            raise Refused(404, "no such document; there are " + self._paths())
        return resource

    async def _refuse(self, request, resource):
        """The Response for a method that there is not, or for a client who may not; or None."""
        if request.method not in resource.views:
            methods = resource.methods()
            allow = b"Allow: %s\r\n" % methods.encode()
            return resource.refuse(405, f"only {methods} here", allow)
        is_get = request.method == b"GET"
        if self._refuse_client is None or (is_get and not self._asks_readers):
            return None
        refused = await self._refuse_client(request, is_get or resource.needs_password)
        return refused and resource.refuse(*refused)

    async def _see(self, request, resource, *arguments):
        try:
            view = resource.view(request.path, request.method)
            response = view(*arguments)
            return response if isinstance(response, Response) else await response
        except asyncio.TimeoutError:
            raise  # the client dawdled
        except Exception as error:  # a document that fails must not take the server along
            self._health.failed("http", error)
            return resource.refuse(500, "internal error, see /health", b"")

    def _paths(self):
        return ", ".join(sorted([path.decode() for path in self._routes]))

    async def _reply(self, writer, response, is_head):
        if response.status >= 400:
            self.refused += 1
        body = response.body
        is_file = hasattr(body, "read")
        is_pieces = hasattr(body, "send")
        if isinstance(body, tuple):
            length = b"Content-Length: %d\r\n" % sum([len(part) for part in body])
        elif not is_pieces:
            length = b"Content-Length: %d\r\n" % (body.seek(0, 2) if is_file else len(body))
        else:  # without chunks, the connection's end is the document's
            length = b"Transfer-Encoding: chunked\r\n" if response.has_chunks else b""
        head = (
            b"HTTP/1.1 %s\r\nContent-Type: %s\r\n%s"
            b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            b"Connection: close\r\n%s\r\n"
        ) % (
            _with_reason(response.status),
            response.content_type.encode(),
            length,
            response.headers,
        )
        try:
            # In two writes, for head and body together would need a new buffer as large; so the
            # second must not wait until the first is acknowledged.
            writer.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            writer.write(head)
            if is_head:
                pass
            elif is_file:
                await _send_file(writer, body)
            elif is_pieces:
                await _send_pieces(writer, body, response.has_chunks)
            elif isinstance(body, tuple):
                # In one turn: a view of the reading holds until the next telegram.
                for part in body:
                    writer.write(part)
            else:
                writer.write(body)
            await writer.drain()
        finally:
            if is_file:
                body.close()  # pyright: ignore[reportAttributeAccessIssue]


def _with_reason(status):
    """As in an answer's first line."""
    status = b"%d " % status
    start = _REASONS.find(b"\n" + status) + 1
    return _REASONS[start : _REASONS.find(b"\n", start)] if start else status


async def _send_file(writer, file):
    piece = bytearray(_PIECE)
    file.seek(0)
    while True:
        count = file.readinto(piece)
        if not count:
            return
        writer.write(memoryview(piece)[:count])
        await writer.drain()


async def _send_pieces(writer, pieces, has_chunks):
    for piece in pieces:
        if has_chunks:
            # In one write, as above.
            piece = b"%x\r\n" % len(piece) + bytes(piece) + b"\r\n"
        writer.write(piece)
        await writer.drain()
    if has_chunks:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _linger(reader, buffer):
    """Reads on for a moment: closing at once would make the client lose its answer."""
    try:
        await asyncio.wait_for_ms(_discard(reader, buffer), _LINGER_MS)
    except asyncio.TimeoutError:
        pass


async def _discard(reader, buffer):
    while await reader.readinto(buffer) != 0:
        pass
