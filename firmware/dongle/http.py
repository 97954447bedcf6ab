# A small HTTP server for a few fixed documents. Everything is bounded: the head of a request, its
# body, the number of clients, the time an exchange may take.

import asyncio
import json
import socket

from micropython import const

from .listen import listen

CLIENTS = 3
_HEAD_BYTES = const(1024)
_BODY_BYTES = const(2048)
_EXCHANGE_MS = const(5_000)
_LINGER_MS = const(500)  # for a client that is still sending when its answer has been given
_PIECE = const(512)

_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}


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
    bytearray. refuse(status, text, headers) words this path's errors."""

    def __init__(self, views, refuse=refusal):
        self.views, self.refuse = views, refuse

    def methods(self):
        names = [method.decode() for method in self.views]
        return ", ".join(sorted(names + ["HEAD"] if "GET" in names else names))


class Server:
    """routes: path (bytes) -> Resource, or the function that it has for GET where that is all."""

    def __init__(self, routes, health):
        self._routes = routes
        self._health = health
        self._head = None  # a buffer that is free: most of the time there is one client
        self._clients = 0
        self.requests = 0
        self.refused = 0  # answered with an error

    async def run(self, port):
        self._health.say(f"http: on port {port}")
        await listen(port, CLIENTS, self._client)

    async def _client(self, stream):
        reader = writer = stream
        self._clients += 1
        head = None
        try:
            head = self._take_head()
            await asyncio.wait_for_ms(self._exchange(reader, writer, head), _EXCHANGE_MS)
        except (OSError, asyncio.TimeoutError):
            pass  # the client left, or dawdled
        except Exception as error:  # MemoryError too: this exchange is lost, not the server
            self._health.failed("http", error)
        finally:
            self._clients -= 1
            self._head = self._head or head
            writer.close()
            await writer.wait_closed()

    def _take_head(self):
        """A buffer for a request's head; None where there are too many clients."""
        if self._clients > CLIENTS:
            return None
        head, self._head = self._head, None
        return head or bytearray(_HEAD_BYTES)

    async def _exchange(self, reader, writer, head):
        self.requests += 1
        if head is None:
            await self._reply(writer, refusal(503, "too many clients, try again"), b"GET")
            await _linger(reader, bytearray(64))
            return
        method, response, unread = await self._answer(reader, head)
        if response is None:
            return  # closed before it asked anything
        response.has_chunks = head.find(b" HTTP/1.0\r\n", 0, head.find(b"\r\n") + 2) < 0
        await self._reply(writer, response, method)
        if unread:
            await _linger(reader, head)

    async def _answer(self, reader, head):
        """(method, response, whether the client may still be sending)."""
        end, size = await _read_head(reader, head)
        if end == 0:
            return None, None, False
        if end < 0:
            return b"GET", refusal(431, f"the request's head is over {_HEAD_BYTES} bytes"), True
        line = bytes(head[: head.find(b"\r\n", 0, end)]).split(b" ")
        if len(line) != 3 or not line[1].startswith(b"/") or not line[2].startswith(b"HTTP/"):
            return b"GET", refusal(400, "this is no HTTP request"), True
        method, target, version = line
        if not version.startswith(b"HTTP/1."):
            return b"GET", refusal(505, "only HTTP/1.0 and 1.1"), True
        length = _content_length(head, end)
        if length is None:
            return method, refusal(400, "a body needs a Content-Length that is a number"), True
        if length > _BODY_BYTES:
            return method, refusal(413, f"a body may have {_BODY_BYTES} bytes"), True

        resource = self._routes.get(target.split(b"?")[0])
        if resource is None:
            text = "no such document; there are " + self._paths()
            return method, refusal(404, text), length > 0
        if not isinstance(resource, Resource):
            resource = Resource({b"GET": resource})
        is_get = method == b"GET" or method == b"HEAD"
        view = resource.views.get(b"GET" if is_get else method)
        if view is None:
            methods = resource.methods()
            allow = b"Allow: %s\r\n" % methods.encode()
            return method, resource.refuse(405, f"only {methods} here", allow), length > 0
        if is_get:
            return method, self._see(resource, view), length > 0
        body = await _read_body(reader, memoryview(head)[end:size], length)
        if body is None:
            return None, None, False
        return method, self._see(resource, view, body), False

    def _see(self, resource, view, *body):
        try:
            return view(*body)
        except Exception as error:  # a document that fails must not take the server along
            self._health.failed("http", error)
            return resource.refuse(500, "internal error, see /health", b"")

    def _paths(self):
        return ", ".join(sorted([path.decode() for path in self._routes]))

    async def _reply(self, writer, response, method):
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
            b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s"
            b"Cache-Control: no-store\r\nConnection: close\r\n%s\r\n"
        ) % (
            response.status,
            _REASONS[response.status].encode(),
            response.content_type.encode(),
            length,
            response.headers,
        )
        try:
            # In two writes, for head and body together would need a new buffer as large; so the
            # second must not wait until the first is acknowledged.
            writer.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            writer.write(head)
            if method == b"HEAD":
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


async def _read_head(reader, head):
    """Reads up to the empty line: (length, how many bytes were read); the length is 0 at the
    stream's end, -1 where it is too long."""
    view = memoryview(head)
    size = 0
    while size < len(head):
        count = await reader.readinto(view[size:])
        if count is None:
            continue
        if count == 0:
            return 0, size
        # The empty line may have come in two parts.
        end = head.find(b"\r\n\r\n", max(0, size - 3), size + count)
        size += count
        if end >= 0:
            return end + 4, size
    return -1, size


def _content_length(head, size):
    """What the head announces: 0 without a body, None where it is no number or not said."""
    length = 0
    for line in bytes(head[:size]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            value = value.strip()
            if not value.isdigit():
                return None
            length = int(value)
    return length


async def _read_body(reader, begun, length):
    """The body, of which the first bytes came with the head; None where the client has left."""
    body = bytearray(length)
    size = min(len(begun), length)
    body[:size] = begun[:size]
    view = memoryview(body)
    while size < length:
        count = await reader.readinto(view[size:])
        if count == 0:
            return None
        size += count or 0
    return body


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
