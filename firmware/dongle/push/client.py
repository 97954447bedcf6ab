# A small HTTP client for the pushes: one POST for each connection, with one deadline for the whole
# exchange. It reads at most the first half kilobyte of the answer. No TLS.

# MicroPython's StreamReader can also write.
# pyright: reportAttributeAccessIssue=false

import asyncio
import errno
from binascii import b2a_base64

from micropython import const

from p1.render.page import Page

from .. import in_words
from .. import url as urls
from ..net.dial import Unresolved, dial

_EXCHANGE_MS = 10_000
_ANSWER_BYTES = const(512)
_MORE_MS = const(500)  # to wait for the body of an error answer
_SHOWN = const(100)  # bytes of the body that are shown
_TELLING = const(8)  # so many first characters of a secret are searched for in an answer
_HARMLESS = ("db", "rp", "bucket", "org", "precision", "u")  # parameters of a url: no secrets

_4 = const(0x34)  # "4": the status of an error begins with it, or with "5"
_NO_SOCKET = const(23)  # ENFILE: all sockets are in use, the chip has ten


class Failed(Exception):
    """There is no answer. Its arguments: a code, and words."""


class Answer:
    """status: int; wait_s: the pause that Retry-After asks for, 0 without that header; text: the
    beginning of the body."""

    def __init__(self, head, body):
        """head, body: bytes. Raises ValueError if the head is not one of HTTP/1."""
        if not head.startswith(b"HTTP/1.") or head[8:9] != b" ":
            raise ValueError
        self.status = int(head[9:12])
        self.wait_s = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            value = value.strip()
            # The header may also be a date; then the usual pauses are used.
            if name.lower() == b"retry-after" and 0 < len(value) < 6 and value.isdigit():
                self.wait_s = int(value)
        body = bytes([byte if 0x20 <= byte <= 0x7E else 0x20 for byte in body[:_SHOWN]])
        self.text = body.decode().strip()


def basic(user: str, password: str) -> str:
    """Returns the value of an Authorization header (RFC 7617)."""
    return "Basic " + b2a_base64(f"{user}:{password}".encode()).decode().strip()


def _secrets(target, authorization, passwords):
    """Returns the beginning (bytes) of each secret, for values in the url up to the first encoded
    character. It may be empty, which matches every answer."""
    words = [word for word in (authorization.split(" ")[-1],) + passwords if word]
    for pair in target.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if value and name not in _HARMLESS:
            words.append(value.replace("+", "%").partition("%")[0])
    return [word[:_TELLING].encode() for word in words]


class Client:
    """Posts to one URL."""

    def __init__(self, url, content_type, authorization, resolver, *passwords):
        """authorization: the value of the header, or empty; passwords: str, the secrets in it."""
        self._host, self._port, target = urls.split(url)
        host = self._host if self._port == 80 else f"{self._host}:{self._port}"
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            f"Content-Type: {content_type}\r\n"
        )
        if authorization:
            head += f"Authorization: {authorization}\r\n"
        self._head = head.encode()
        self._resolver = resolver
        self._secrets = _secrets(target, authorization, passwords)
        self._page = Page(_ANSWER_BYTES)
        self._lacking = ""  # the code if what is waited for does not come

    async def post(self, body) -> Answer:
        """Posts what body() returns: (size, bytes-like pieces). body() is called when the
        connection is open, and its pieces are copied before another task runs. Returns an Answer;
        raises Failed."""
        try:
            address = await self._resolver.resolve(self._host, self._port)
        except (Unresolved, OSError):
            raise Failed("name_not_found", f"no address for {self._host}") from None
        self._lacking = "no_connection"
        try:
            return await asyncio.wait_for_ms(self._exchange(address, body), _EXCHANGE_MS)
        except asyncio.TimeoutError:
            reason = f" within {_EXCHANGE_MS // 1000} s"
        except OSError as error:
            name = errno.errorcode.get(error.errno) or f"error {error.errno}"
            if error.errno == _NO_SOCKET:
                name = "all sockets are in use"
            reason = f": {name}"
        raise Failed(self._lacking, in_words(self._lacking) + reason)

    async def _exchange(self, address, body):
        connection = dial(address)
        try:
            stream = asyncio.StreamReader(connection)  # which also writes
            await _writable(connection)  # pyright: ignore[reportGeneralTypeIssues]
            size, pieces = body()
            # Collected on a page, because each write takes a TCP segment. The answer is read into
            # the same page later.
            page = self._page
            page.size = 0
            _put(stream, page, self._head)
            _put(stream, page, b"Content-Length: %d\r\n\r\n" % size)
            for piece in pieces:
                _put(stream, page, piece)
            _write(stream, page)
            self._lacking = "no_answer"
            await stream.drain()
            return await self._read_answer(stream)
        finally:
            connection.close()

    async def _read_answer(self, stream):
        answer = self._page.bytes
        view = memoryview(answer)
        size = 0
        end = -1  # where the head ends
        while size < len(answer):
            if end < 0:
                count = await stream.readinto(view[size:])
            else:
                count = await _more(stream, view[size:])
            if not count and count is not None:
                break
            size += count or 0
            end = answer.find(b"\r\n\r\n", 0, size)
            # Only the body of an error is of interest.
            if end >= 0 and (answer[9] < _4 or size > end + 4):
                break
        if end < 0:
            # If the head is longer than the page, its beginning with the status is enough.
            end = size
            if size < len(answer):
                raise Failed("no_answer", "no answer: the connection was closed")
        body = bytes(view[end + 4 : size])
        # The text is shown without a login, and some servers repeat what they were sent.
        if any([secret in body for secret in self._secrets]):
            body = b""
        try:
            return Answer(bytes(view[:end]), body)
        except ValueError:
            raise Failed("not_http", "the server at this address is not an HTTP server") from None


def _writable(connection):
    """Waits until the connection is open or has failed."""
    yield asyncio.core._io_queue.queue_write(connection)


def _put(stream, page, piece):
    at = page.fill(piece, 0)
    while at < len(piece):
        _write(stream, page)
        at = page.fill(piece, at)


def _write(stream, page):
    """Writes the page; the stream keeps a copy of what the socket does not take at once."""
    stream.write(memoryview(page.bytes)[: page.size])
    page.size = 0


async def _more(stream, view):
    try:
        return await asyncio.wait_for_ms(stream.readinto(view), _MORE_MS)
    except asyncio.TimeoutError:
        return 0
