# tls in the model of the chip's memory: what a connection takes, and nothing of what it does. The
# bytes go through as they are, to a broker that speaks plain MQTT. (Elsewhere MicroPython's own is
# used: this one is frozen into the model alone.)

from io import IOBase as _IOBase

import memory as _memory

PROTOCOL_TLS_CLIENT = 0
CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = 0, 1, 2
_ENOMEM = -0x7F00  # MBEDTLS_ERR_SSL_ALLOC_FAILED


class SSLContext:
    def __init__(self, protocol):
        self.verify_mode = CERT_NONE

    def load_verify_locations(self, certificate):
        pass

    def wrap_socket(self, sock, server_hostname=None, do_handshake_on_connect=True):
        return _Connection(sock)


class _Connection(_IOBase):
    def __init__(self, sock):
        self._blocks = _memory.take_pieces(_memory.TLS)
        if self._blocks is None:
            raise OSError(_ENOMEM, "MBEDTLS_ERR_SSL_ALLOC_FAILED")
        self._heap = bytearray(_memory.TLS_HEAP)
        self._sock = sock

    def write(self, data, *size):
        return self._sock.write(data, *size)

    def read(self, size=-1):
        return self._sock.read(size)

    def readinto(self, buffer, *size):
        return self._sock.readinto(buffer, *size)

    def ioctl(self, request, flags):
        return self._sock.ioctl(request, flags)

    def close(self):
        _memory.give_pieces(self._blocks)
        self._blocks = self._heap = None
        self._sock.close()
