# Fetches a document from an HTTP server and reads it piece by piece. No TLS: the signature of the
# bundle proves where it comes from.

# MicroPython's StreamReader can also write.
# pyright: reportAttributeAccessIssue=false

import asyncio
import errno

from micropython import const

from .. import url as urls
from ..net.dial import Unresolved, dial

TEMPORARY = True  # see forget()

_ANSWER_MS = 15_000
_HEAD_BYTES = const(1024)


async def pull(update, url: str, resolver) -> tuple:
    """Fetches a bundle from http://... for update, an Update; returns what its receive()
    returns."""
    if not url:
        return 400, {"error": "update.url is not set", "code": "no_update_url"}
    document = Document(url, resolver)
    try:
        await document.open()
        return await update.receive(document.readinto, document.size)
    except NotFetched as failed:
        update.state()["result"] = f"nothing was fetched: {failed}"
        return 502, {"error": str(failed), "code": "not_fetched"}
    finally:
        document.close()


class NotFetched(Exception):
    """There is no document; the text says why."""


class Document:
    """size: of its body in bytes, known after open()."""

    def __init__(self, url, resolver):
        self._url = url
        self._resolver = resolver
        self._connection = self._stream = None
        self._begun = b""  # the beginning of the body, which came together with the head
        self.size = 0

    async def open(self) -> None:
        """Requests the document and reads the head of the answer. Raises NotFetched."""
        try:
            host, port, target = urls.split(self._url)
        except ValueError:
            raise NotFetched("expected http://host:port/path") from None
        try:
            address = await self._resolver.resolve(host, port)
        except (Unresolved, OSError):
            raise NotFetched(f"no address for {host}") from None
        try:
            await asyncio.wait_for_ms(self._ask(address, f"{host}:{port}", target), _ANSWER_MS)
        except asyncio.TimeoutError:
            raise NotFetched(f"no answer within {_ANSWER_MS // 1000} s") from None
        except OSError as error:
            name = errno.errorcode.get(error.errno) or f"error {error.errno}"
            raise NotFetched(f"no answer: {name}") from None

    async def _ask(self, address, host, target):
        self._connection = dial(address)
        self._stream = asyncio.StreamReader(self._connection)  # which also writes
        self._stream.write(f"GET {target} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        await self._stream.drain()
        lines = (await self._read_head()).split(b"\r\n")
        status = lines[0][9:12]
        if not lines[0].startswith(b"HTTP/1.") or not status.isdigit():
            raise NotFetched("the server at this address is not an HTTP server")
        if status != b"200":
            raise NotFetched(f"expected 200, got {int(status)}: is the url right?")
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit():
                self.size = int(value)
                return
        raise NotFetched("the answer has no Content-Length")

    async def _read_head(self):
        head = bytearray(_HEAD_BYTES)
        view = memoryview(head)
        size = 0
        while size < len(head):
            count = await self._stream.readinto(view[size:])
            if count == 0:
                raise NotFetched("no answer: the connection was closed")
            size += count or 0
            end = head.find(b"\r\n\r\n", 0, size)
            if end >= 0:
                self._begun = bytes(view[end + 4 : size])
                return bytes(view[:end])
        raise NotFetched(f"the head of the answer is longer than {_HEAD_BYTES} bytes")

    async def readinto(self, view: memoryview) -> int | None:
        """Puts the next bytes of the body into view; returns how many, 0 at the end."""
        count = min(len(view), len(self._begun))
        if not count:
            return await self._stream.readinto(view)
        view[:count] = self._begun[:count]
        self._begun = self._begun[count:]
        return count

    def close(self) -> None:
        if self._connection:
            self._connection.close()
