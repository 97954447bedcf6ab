# A small HTTP server for a few fixed documents. Everything is bounded: the head of a request, its
# body, the number of clients, the time an exchange may take. What it sends goes out in few large
# pieces: on the chip each write takes a whole segment of lwIP's memory, however small it is.

# A _Client has a stream and a task while there is somebody.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import asyncio
import json

from micropython import const

from p1.render.page import Page

from .listen import listen
from .request import HEAD_BYTES, Refused, Request, read_head

CLIENTS = 3
BODY_BYTES = const(2048)
EXCHANGE_MS = const(5_000)
_LINGER_MS = const(500)  # for a client that is still sending when its answer has been given
_LOOK_MS = const(250)  # between looks at the clients' deadlines
_PACE_MS = const(10)  # between the pieces of a long document, so that they do not pile up in lwIP
_TURNED_AWAY_BYTES = const(512)  # for a client that is not even listened to
_END_BYTES = const(7)  # of a page, for what ends a chunk and, behind it, all of them

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
_ALWAYS = (
    b"\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
)


class Response:
    """body: bytes-like; or several of these in a tuple; or a generator of pieces, for what is too
    long to be in memory as a whole; length: of all of them, where it is known. They are gathered,
    so they may be small."""

    length = None

    def __init__(self, body, content_type="application/json", status=200, headers=b""):
        self.body, self.content_type, self.status = body, content_type, status
        self.headers = headers  # more of them, each ended by CR LF


def refusal(status, text, headers=b""):
    """An error, with its reason as JSON."""
    return Response(json.dumps({"error": text}).encode(), status=status, headers=headers)


class Resource:
    """What a path offers that has more than GET: functions by method (bytes), which return a
    Response. That of GET, for HEAD too, has no argument; the others get the request's body, a
    bytearray, and may be coroutines. refuse(status, text, headers) words this path's errors.
    needs_password: whether what is no GET needs the owner's."""

    most = BODY_BYTES  # of a body; None: any number, the function takes it as it comes
    refuse = staticmethod(refusal)
    needs_password = True

    def __init__(self, views, refuse=refusal, needs_password=True):
        self.views, self.refuse, self.needs_password = views, refuse, needs_password

    def view(self, path, method):
        return self.views[method]


class Later(Resource):
    """A Resource whose functions are loaded when somebody uses them who may."""

    def __init__(self, methods, load, most=BODY_BYTES):
        """load(path, method) gives the function."""
        self.views, self.view, self.most = methods, load, most


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
        refuse: see auth.Auth; None: every client may do everything. asks_readers: whether GET
        needs the password too. most: clients at a time. reached() hears that somebody is there."""
        self._routes = routes
        self._gate = gate
        self._most = most
        self._health = health
        self._refuse_client = refuse
        self._asks_readers = asks_readers
        # For whoever comes next: most of the time there is one client. Later on there may be no
        # room for its page in one piece.
        self._spare = _Client(HEAD_BYTES)
        self._clients = []
        self._reached = reached
        self.requests = 0
        self.refused = 0  # answered with an error

    async def run(self, port, address="0.0.0.0", network=""):
        """address, network: as of listen()."""
        self._health.say(f"http: on port {port}")
        watch = asyncio.create_task(self._watch())
        try:
            await listen("http", port, self._most, self._serve, self._health, address, network)
        finally:
            watch.cancel()
            for client in self._clients:
                client.task.cancel()

    async def _watch(self):
        """Ends exchanges that take too long. One task for all of them: a wait_for() for each would
        leave a kilobyte of garbage behind."""
        while True:
            await asyncio.sleep_ms(_LOOK_MS)
            for client in self._clients:
                if client.left_ms is None:
                    continue
                client.left_ms -= _LOOK_MS
                if client.left_ms < 0:
                    try:
                        client.task.cancel()
                    except MemoryError:
                        pass  # at the next look, then

    async def _serve(self, stream):
        client = None
        try:
            self._reached()
            is_welcome = len(self._clients) < self._most
            if is_welcome:
                client, self._spare = self._spare, None
            client = client or _Client(HEAD_BYTES if is_welcome else _TURNED_AWAY_BYTES)
            client.stream, client.task = stream, asyncio.current_task()
            client.left_ms = EXCHANGE_MS
            self._clients.append(client)
            await self._exchange(client, is_welcome)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass  # the client left, or dawdled
        except Exception as error:  # MemoryError too: this exchange is lost, not the server
            self._health.failed("http", error)
        finally:
            stream.s.close()
            if client in self._clients:
                self._clients.remove(client)
            if client and len(client.page.bytes) == HEAD_BYTES:
                client.stream = client.task = client.request = None
                self._spare = client

    async def _exchange(self, client, is_welcome):
        self.requests += 1
        head, request = client.page.bytes, None
        end = size = 0
        try:
            if not is_welcome:
                raise Refused(503, "too many clients, try again")
            end, size = await read_head(client.stream, head)
            if end == 0:
                return  # closed before it asked anything
            client.request = request = Request(head, end)
            response = self._gate and self._gate(request)
            if response is None:
                resource = self._find(request)
                is_get = request.method == b"GET"
                # As nearly always there is nothing to be asked.
                if not is_get or self._asks_readers or isinstance(resource, Resource):
                    response = await self._refuse(request, resource)
                if response is None and is_get:
                    response = self.see(request, resource)
                elif response is None:
                    from .body import take

                    response = await take(self, client, resource, memoryview(head)[end:size])
                    client.left_ms = EXCHANGE_MS
        except Refused as refused:
            response = refusal(refused.status, refused.text)
        if response.status >= 400:
            self.refused += 1
        # From here on the head's place is the answer's.
        is_head = is_welcome and head.startswith(b"HEAD ")
        await client.answer(response, is_head, request and request.is_old)
        if not request or request.left > size - end:
            # Closing at once would make a client that is still sending lose its answer.
            client.left_ms = _LINGER_MS
            while await client.stream.readinto(head) != 0:
                pass

    def _find(self, request):
        """The Resource that a request is about, or the function that is all there is. Raises
        Refused."""
        resource = self._routes.get(request.path)
        most = resource.most if isinstance(resource, Resource) else BODY_BYTES
        if most is not None and request.left > most:
            raise Refused(413, f"a body may have {most} bytes")
        if resource is None:
            paths = sorted([path.decode() for path in self._routes])
            raise Refused(404, "no such document; there are " + ", ".join(paths))
        return resource

    async def _refuse(self, request, resource):
        """The Response for a method that there is not, or for a client who may not; or None."""
        if not isinstance(resource, Resource):
            resource = Resource({b"GET": resource})
        if request.method not in resource.views:
            names = [method.decode() for method in resource.views]
            names = ", ".join(sorted(names + ["HEAD"] if "GET" in names else names))
            allow = b"Allow: %s\r\n" % names.encode()
            return resource.refuse(405, f"only {names} here", allow)
        is_get = request.method == b"GET"
        if self._refuse_client is None or (is_get and not self._asks_readers):
            return None
        refused = await self._refuse_client(request, is_get or resource.needs_password)
        return refused and resource.refuse(*refused)

    def see(self, request, resource, *arguments):
        """What the path has: a Response, or a coroutine that gives one."""
        view, refuse = resource, refusal
        try:
            if isinstance(resource, Resource):
                refuse = resource.refuse
                view = resource.view(request.path, request.method)
            return view(*arguments)
        except Exception as error:
            return self.broken(refuse, error)

    def broken(self, refuse, error):
        """The Response where a document fails, which must not take the server along."""
        self._health.failed("http", error)
        return refuse(500, "internal error, see /health", b"")


class _Client:
    """Somebody who has come, until he leaves; then it is used again. Its page is first what his
    request's head is read into, then what his answer is gathered on."""

    def __init__(self, size):
        self.page = Page(size)
        self.page.limit -= _END_BYTES
        self.stream = self.task = self.request = None
        self.left_ms = None  # until he counts as dawdling; None: as long as it takes

    async def answer(self, response, is_head, is_old):
        body = response.body
        parts = body if isinstance(body, tuple) else (body,)
        length, is_long = response.length, hasattr(body, "send")
        if not is_long:
            length = sum([len(part) for part in parts])
        is_chunked = length is None and not is_old  # else the connection's end is the document's
        self._begin(response, length, is_chunked)
        if is_head:
            pass
        elif is_long:
            try:
                await self._gather(body, is_chunked)
            finally:
                body.close()
        else:
            # In one turn: a view of the reading holds until the next telegram.
            for part in parts:
                at = self.page.fill(part, 0)
                while at < len(part):
                    self._write()
                    at = self.page.fill(part, at)
        self._write()
        if self.stream.out_buf:
            await self.stream.drain()

    def _begin(self, response, length, is_chunked):
        """length: of the body, None where nobody knows."""
        page = self.page
        page.size = 0
        page.put(b"HTTP/1.1 %d " % response.status)
        reason = _REASONS.find(b"\n%d " % response.status)
        if reason >= 0:
            page.copy(_REASONS, reason + 5, _REASONS.find(b"\n", reason + 1))
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

    def _write(self):
        """What the socket has no room for, the stream keeps a copy of."""
        page = self.page
        self.stream.write(memoryview(page.bytes)[: page.size])
        page.size = 0

    async def _gather(self, pieces, is_chunked):
        """Sends them page by page, but for the last one, and gives the network time to take it."""
        page = self.page
        start = self._begin_chunk(is_chunked)
        for piece in pieces:
            at = page.fill(piece, 0)
            while at < len(piece):
                self._end_chunk(start, b"\r\n")
                self._write()
                if self.stream.out_buf:
                    await self.stream.drain()
                await asyncio.sleep_ms(_PACE_MS)
                start = self._begin_chunk(is_chunked)
                at = page.fill(piece, at)
        # A chunk of no length ends them all.
        self._end_chunk(start, b"\r\n" if start == page.size else b"\r\n0\r\n\r\n")

    def _begin_chunk(self, is_chunked):
        """Where its bytes start; 0 where there are no chunks."""
        if not is_chunked:
            return 0
        self.page.put(b"000\r\n")  # the length, once it is known
        return self.page.size

    def _end_chunk(self, start, ending):
        page = self.page
        if start:
            page.bytes[start - 5 : start - 2] = b"%03x" % (page.size - start)
            end = page.size + len(ending)
            page.bytes[page.size : end] = ending
            page.size = end
