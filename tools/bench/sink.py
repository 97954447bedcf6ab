"""A broker that only listens: it takes one dongle's connection and hands out what is published."""

import socket
import time
from contextlib import suppress

_CONNECT, _PUBLISH, _PINGREQ = 0x10, 0x30, 0xC0
_CONNACK, _PINGRESP = b"\x20\x02\x00\x00", b"\xd0\x00"
_PATIENCE_S = 20


class Sink:
    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_PATIENCE_S)
        self.port = self._listener.getsockname()[1]
        self._received = bytearray()
        self._dongle: socket.socket | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._dongle:
            self._dongle.close()
        self._listener.close()

    def accept(self) -> None:
        """Waits for the dongle."""
        self._dongle, _ = self._listener.accept()
        self._dongle.settimeout(_PATIENCE_S)
        self._dongle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reading(self) -> bytes:
        """The next reading's document; TimeoutError where there is none for long."""
        assert self._dongle, "first comes accept()"
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            kind, body = self._packet()
            if kind == _CONNECT:
                self._dongle.sendall(_CONNACK)
            elif kind == _PINGREQ:
                self._dongle.sendall(_PINGRESP)
            elif kind & 0xF0 == _PUBLISH:
                topic_end = 2 + int.from_bytes(body[:2], "big")
                if body[:topic_end].endswith(b"/reading"):
                    return body[topic_end:]
        raise TimeoutError("no reading")

    def listen(self) -> None:
        """Takes readings until the dongle hangs up."""
        with suppress(OSError):
            while True:
                self.reading()

    def _packet(self) -> tuple[int, bytes]:
        while True:
            size = shift = 0
            for at, byte in enumerate(self._received[1:5], 1):
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 and len(self._received) > at + size:
                    kind, body = self._received[0], bytes(self._received[at + 1 : at + 1 + size])
                    del self._received[: at + 1 + size]
                    return kind, body
                if byte < 0x80:
                    break
            assert self._dongle, "first comes accept()"
            received = self._dongle.recv(65536)
            if not received:
                raise ConnectionError("the dongle hung up")
            self._received += received
