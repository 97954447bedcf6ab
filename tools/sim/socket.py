# socket: the laptop's sockets with an ESP32's manners: ten and no more, addresses as
# (host, port), and setblocking(True) that waits for ever, whatever timeout was set before.

import errno as _errno
import select as _select
from io import IOBase as _IOBase

import usocket as _native
from micropython import const as _const
from usocket import (  # noqa: F401
    AF_INET,
    SO_BROADCAST,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
)

import memory as _memory
import world as _world

try:
    from _chip import queued as _queued
except ImportError:
    _queued = None

# Linux's numbers, which a MicroPython before 1.26 has no names for.
IP_ADD_MEMBERSHIP = getattr(_native, "IP_ADD_MEMBERSHIP", 35)
MSG_PEEK = getattr(_native, "MSG_PEEK", 2)

IPPROTO_IP = 0
IPPROTO_TCP = 6
IPPROTO_UDP = 17
TCP_NODELAY = 1

_MAX = _const(10)
_MDNS_GROUP, _MDNS_PORT = "224.0.0.251", _const(5353)
_IP_MULTICAST_IF = _const(32)
_ANYBODY = "127.0.0.1"  # the laptop's programs, unless they choose an address
_ENFILE = _const(23)
_EAI_MEMORY = _const(-203)
_POLL, _CLOSE, _FILENO = _const(3), _const(4), _const(10)  # requests of the stream protocol


class socket(_IOBase):
    # Not a subclass of the native socket: select.poll would take the instance for one and read its
    # memory as such. It gives the poll its file descriptor, so waiting costs no Python.

    @_memory.outside
    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0, _accepted=None):
        self._closed = True
        is_full = _world.sockets >= _MAX
        self._block = 0
        if not is_full:
            self._block = _memory.take(_memory.CLIENT if _accepted else _memory.SOCKET)
        if not self._block:
            if _accepted is not None:
                _accepted.close()  # lwIP drops a connection for which it has no socket
            raise OSError(_ENFILE if is_full else _errno.ENOMEM)
        self._raw = _accepted or _native.socket(af, type, proto)
        self._queue = _memory.Queue(self._unread)
        self._type = type
        self._is_ours = False  # bound to our own access point's address
        self._closed = False
        _world.sockets += 1

    def close(self):
        if not self._closed:
            self._closed = True
            _world.sockets -= 1
            self._queue.close()
            self._raw.close()
            _memory.give(self._block)

    def bind(self, address):
        if self._type == SOCK_DGRAM and address[1] == _MDNS_PORT:
            if _world.builtin_mdns:
                raise OSError(_errno.EADDRINUSE)  # also with SO_REUSEADDR
            address = _MDNS_GROUP, _MDNS_PORT  # what is for the laptop alone is not ours to take
        self._is_ours = address[0] == _world.AP_ADDRESS
        if self._is_ours:
            address = _world.ap_address, _world.ap_ports.get(address[1], address[1])
        self._raw.bind(_packed(address))

    def listen(self, backlog=2):
        self._raw.listen(backlog)

    def accept(self):
        connection, raw = self._raw.accept()
        if _queued and not self._is_ours and _world.offline():
            # Nobody gets to a chip without network, where some memory is still held for that.
            connection.close()
            raise OSError(_errno.EAGAIN)
        address = _plain(raw)
        if self._is_ours and address[0] == _ANYBODY:
            address = _world.AP_GUEST, address[1]
        return socket(_accepted=connection), address

    def connect(self, address):
        if _world.offline():
            raise OSError(_errno.EHOSTUNREACH)
        self._raw.connect(_packed(address))

    def setblocking(self, wait):
        self._raw.settimeout(None if wait else 0)

    def settimeout(self, seconds):
        self._raw.settimeout(seconds)

    def setsockopt(self, level, option, value):
        self._raw.setsockopt(level, option, value)
        if level == IPPROTO_IP and option == IP_ADD_MEMBERSHIP:
            # The chip has one network, a laptop several: what is sent goes where it is heard.
            self._raw.setsockopt(level, _IP_MULTICAST_IF, value[4:])

    def fileno(self):
        return self._raw.fileno()

    def makefile(self, *_):
        return self

    def read(self, size=-1):
        return self._raw.read(size)

    def readinto(self, buf, *size):
        return self._raw.readinto(buf, *size)

    def readline(self):
        return self._raw.readline()

    def recv(self, size, flags=0):
        return self._raw.recv(size, flags)  # pyright: ignore[reportCallIssue]

    def recvfrom(self, size):
        data, address = self._raw.recvfrom(size)
        return data, _plain(address)

    def write(self, data, *size):
        if _queued is None or self._type != SOCK_STREAM:
            return self._raw.write(data, *size)
        count = self._room(size[0] if size else len(data))
        # Without memory it is as if nothing could be sent now.
        return self._raw.write(data, count) if count else None  # pyright: ignore[reportCallIssue]

    send = write

    def sendall(self, data):
        self._raw.sendall(data)

    @_memory.outside
    def _room(self, size):
        self._queue.settle()
        return self._queue.send(size)

    def _unread(self):
        return _queued(self._raw.fileno())[0] if _queued else 0

    def sendto(self, data, address):
        return self._raw.sendto(data, _packed(address))

    def ioctl(self, request, flags):
        if request == _FILENO:
            return self._raw.fileno()
        if request == _CLOSE:
            self.close()
            return 0
        return self._poll(flags) if request == _POLL else -1

    def _poll(self, flags):
        # Only TLS asks here, for the socket below it; select.poll goes by the file descriptor.
        poll = _select.poll()
        poll.register(self._raw, flags)
        ready = poll.poll(0)
        return ready[0][1] if ready else 0


def getaddrinfo(host, port, *_):
    if not _memory.has(_memory.LOOK_UP):
        raise OSError(_EAI_MEMORY)
    return [(AF_INET, SOCK_STREAM, IPPROTO_TCP, host, _plain(_packed((host, port))))]


def _packed(address):
    host, port = address
    host = _world.look_up(host or "0.0.0.0")
    try:
        return _native.getaddrinfo(host, port, AF_INET, SOCK_STREAM)[0][-1]
    except OSError:
        raise OSError(-2) from None  # the one answer for a name that nobody knows


def _plain(raw):
    unix: Any = _native  # which has functions of its own
    family, packed, port = unix.sockaddr(raw)[:3]
    return unix.inet_ntop(family, packed), port
