"""Odd requests to an HTTP server: most nearly right, some wrong, a few mere bytes."""

import base64
import random
import struct

from dongle.update import bundle

METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"get"]
# All paths of the dongle: what is only read, and what is more than that, with its methods and
# whether these need the password. Other tests use these lists too.
READ = (
    *("/", "/live", "/reading", "/quarter", "/history", "/telegram", "/telegram/bad", "/metrics"),
    *("/health", "/api", "/api/v1/data", "/api/v1/telegram"),
)
MORE = {
    "/config": (("GET", "HEAD", "POST"), True),
    "/identify": (("POST",), True),
    "/restart": (("POST",), True),
    "/update": (("POST",), True),
    "/update/pull": (("POST",), True),
    "/api/v1/system": (("GET", "HEAD", "PUT"), False),
    "/api/v1/identify": (("PUT",), False),
}
PATHS = [
    *(path.encode() for path in (*READ, *MORE)),
    *(b"/nothing", b"/../config.json", b"/%00", b"*", b"http://a/reading"),
]
WRITES = [path.encode() for path, (methods, _) in MORE.items() if "POST" in methods]
VERSIONS = [b"HTTP/1.1"] * 12 + [b"HTTP/1.0"] * 4 + [b"HTTP/2.0", b"HTTP/1.2", b"HTTP/", b""]
HOSTS = [b"127.0.0.1", b"localhost:80", b"[::1]", b"p1meter-00002a.local", b"evil.com", b"", b":"]
HEADERS = [
    b"Accept: */*",
    b"Connection: keep-alive, Upgrade",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: 4294967296",
    b"Content-Length: -1",
    b"Content-Type: application/json",
    b"Cookie: a=b; c=d",
    b"Expect: 100-continue",
    b"Origin: http://127.0.0.1",
    b"Origin: http://evil.com",
    b"Origin: null",
    b"Range: bytes=0-1",
    b"Sec-Fetch-Site: cross-site",
    b"Sec-Fetch-Site: same-origin",
    b"Transfer-Encoding: chunked",
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
    b"X-Filler: " + b"x" * 300,
]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"cloud_enabled": false}',
    b'{"mqtt": {"telegram": true}}',
    b'{"mqtt": {"port": 0}, "wifi": {"ssid": null}}',
    b'{"wifi": {"password": true}, "x": [1, 2.5, "y", {"z": []}]}',
    b"[" * 1500,
    b'{"a":' * 300,
    b'"\\ud800\\u0000"',
    b'{"tcp": {"port": 1e999}}',
    b"x" * 5000,
    # An update that another key has signed, and half of one.
    struct.pack(bundle.HEAD, bundle.MAGIC, bundle.FORMAT, 2) + b"\1" * 64 + b"{}",
    struct.pack(bundle.HEAD, bundle.MAGIC, bundle.FORMAT, 900) + b"\1" * 80,
]
TOKENS = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\xff", b"/", b"?", b"%", b"HTTP/1.1"]
NUMBERS = [b"0", b"1", b"-1", b"255", b"65536", b"2147483648", b"9" * 40, b"0x10", b"1e9"]


class Grammar:
    """request() makes one, the same for the same seed."""

    def __init__(self, seed: int, right: str, wrong: str):
        """right, wrong: passwords."""
        self._random = random.Random(seed)
        self._passwords = [right] * 6 + [wrong] * 3 + [""]

    def request(self) -> bytes:
        if self._chance(20):
            return self._random.randbytes(self._random.randrange(1, 1500))
        kinds = self._valid, self._write, self._likely, self._likely
        request = self._random.choice(kinds)()
        while self._chance(2):
            request = self._damaged(request)
        return request

    def _chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def _valid(self) -> bytes:
        path = self._random.choice(PATHS[: len(READ) + len(MORE)])
        return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path

    def _write(self) -> bytes:
        """What the owner may."""
        path, body = self._random.choice(WRITES), self._random.choice(BODIES)
        head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n" % path
        head += b"Content-Length: %d\r\n" % len(body)
        return head + self._authorization("owner:") + b"\r\n\r\n" + body

    def _authorization(self, user: str) -> bytes:
        credentials = (user + self._random.choice(self._passwords)).encode()
        return b"Authorization: Basic " + base64.b64encode(credentials)

    def _likely(self) -> bytes:
        pick = self._random
        path = pick.choice(PATHS) + (b"?a=b" if self._chance(8) else b"")
        lines = [b" ".join((pick.choice(METHODS[:4] * 3 + METHODS), path, pick.choice(VERSIONS)))]
        lines.append(b"Host: " + pick.choice(HOSTS[:4] * 6 + HOSTS))
        body = pick.choice(BODIES) if self._chance(2) else b""
        if body and not self._chance(8):
            lines.append(b"Content-Length: %d" % len(body))
        if self._chance(2):
            lines.append(self._authorization(pick.choice(["owner:", "", "a:b:"])))
        lines += pick.sample(HEADERS, pick.randrange(4))
        if self._chance(6):
            pick.shuffle(lines)
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _damaged(self, request: bytes) -> bytes:
        pick = self._random
        at = pick.randrange(len(request) + 1)
        match pick.randrange(9):
            case 0:
                return request[:at] + pick.randbytes(pick.randrange(1, 9)) + request[at:]
            case 1:
                return request[:at] + request[at + pick.randrange(1, 40) :]
            case 2:
                return request[:at] + pick.choice(TOKENS) + request[at:]
            case 3:
                return request[:at]
            case 4:  # a line twice
                lines = request.split(b"\r\n")
                line = pick.choice(lines)
                lines.insert(pick.randrange(len(lines)), line)
                return b"\r\n".join(lines)
            case 5:
                lines = request.split(b"\r\n")
                lines.pop(pick.randrange(len(lines)))
                return b"\r\n".join(lines)
            case 6:
                digit = next((at for at, byte in enumerate(request) if 48 <= byte <= 57), 0)
                return request[:digit] + pick.choice(NUMBERS) + request[digit + 1 :]
            case 7:
                return request + self._likely()
            case _:
                if not request:
                    return request
                at = min(at, len(request) - 1)
                return (
                    request[:at]
                    + bytes((request[at] ^ 1 << pick.randrange(8),))
                    + request[at + 1 :]
                )
