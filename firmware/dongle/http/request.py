# Parses an HTTP request, so strictly that a proxy cannot have understood it differently (RFC 9112,
# 2.2, 3.2, 5 and 6), and checks that its Host is this dongle.

import micropython
from micropython import const

from ..refused import Refused

HEAD_BYTES = const(1024)
EXCHANGE_MS = const(5_000)
_LENGTH_DIGITS = const(9)  # of a Content-Length; a longer one may be no index on 32 bits


class Request:
    """method (GET also stands for HEAD), path, host: bytes; host is None if an HTTP/1.0 client
    sends none. left: how many bytes of the body are still to be read. The values that nearly all
    requests have are class attributes, which take no memory in each request."""

    method = b"GET"
    is_old = False  # True for HTTP/1.0
    left = 0

    def __init__(self, head, end):
        """head: a bytearray whose first `end` bytes are the head; they must not change later.
        Raises Refused."""
        self._head, self._end = head, end
        words = bytes(memoryview(head)[: head.find(b"\r\n")]).split(b" ")
        is_one = _line_up(head, end) and len(words) == 3 and words[0]
        if not is_one or words[1][:1] + words[2][:5] != b"/HTTP/":
            raise Refused(400, "bad_request")
        method, target, version = words
        if version != b"HTTP/1.1":
            if version != b"HTTP/1.0":
                raise Refused(505, "wrong_http_version")
            self.is_old = True
        if method != b"GET" and method != b"HEAD":
            self.method = method
        self.path = target.split(b"?")[0]
        self.host = self._value(b"\r\nhost:")
        if self.host is None and not self.is_old:
            raise Refused(400, "no_host_header")
        length = self._value(b"\r\ncontent-length:")
        has_coding = self._value(b"\r\ntransfer-encoding:") is not None
        if has_coding or (length is not None and not length.isdigit()):
            raise Refused(400, "no_content_length")
        if length:
            if len(length) > _LENGTH_DIGITS:
                raise Refused(413, "body_too_large")
            self.left = int(length)

    def header(self, name: bytes) -> bytes | None:
        """Returns the value (bytes) of the header with this name (bytes, in lower case), or None
        if there is none. Raises Refused if there are two."""
        return self._value(b"\r\n" + name + b":")

    def _value(self, start):
        head, end = self._head, self._end
        at = head.find(start, 0, end)
        if at < 0:
            return None
        if head.find(start, at + 1, end) >= 0:
            raise Refused(400, "repeated_header")
        return bytes(memoryview(head)[at + len(start) : head.find(b"\r\n", at + 1)]).strip()

    def is_for(self, names: list):
        """Whether the request's Host is an IP address or one of these names (bytes, in lower case;
        with or without .local). Refusing other names prevents DNS rebinding: an attacker's name
        server could give the dongle's address for the attacker's own name, and then the attacker's
        page could read from the dongle."""
        if self.host is None:
            return True
        name = self.host.lower()
        colon = name.find(b":")
        if colon >= 0:
            name = name[:colon]
        if name.endswith(b".local"):
            name = name[:-6]
        if name.startswith(b"["):
            return b"." not in name  # IPv6, cut off at its first colon
        return name in names or (name and not name.strip(b".0123456789"))


def for_names(*names):
    """Returns a gate for a Server that allows an IP address or one of these names (str)."""
    names = [name.lower().encode() for name in names if name]

    def gate(request):
        if not request.is_for(names):
            raise Refused(421, "unknown_host")

    return gate


# Native code, because it checks every byte of every request.
@micropython.viper
def _line_up(head: ptr8, size: int) -> int:
    """Changes the names of the headers to lower case. Returns 0 if there is a byte that is not
    printable ASCII, a CR or LF alone, a line without a name, or a blank in a name or before it."""
    at = 0
    while head[at] != 13:
        if head[at] < 32 or head[at] > 126:
            return 0
        at += 1
    while head[at + 1] == 10:
        at += 2
        if at == size - 2:
            return 1
        begin = at
        while head[at] != 58:
            byte = head[at]
            if byte <= 32 or byte > 126:
                return 0
            if byte >= 65 and byte <= 90:
                head[at] = byte + 32
            at += 1
        if at == begin:
            return 0
        while head[at] != 13:
            byte = head[at]
            if (byte < 32 and byte != 9) or byte > 126:
                return 0
            at += 1
    return 0


async def read_head(stream, head: bytearray) -> tuple:
    """Reads up to the empty line. Returns (length of the head, how many bytes were read); the
    length is 0 if the client has disconnected. Raises Refused if the head is too long."""
    view = memoryview(head)
    size = 0
    while size < len(head):
        count = await stream.readinto(view[size:])
        if count is None:
            continue
        if count == 0:
            return 0, size
        # The empty line may arrive in two parts.
        end = head.find(b"\r\n\r\n", max(0, size - 3), size + count)
        size += count
        if end >= 0:
            return end + 4, size
    raise Refused(431, "head_too_large")
