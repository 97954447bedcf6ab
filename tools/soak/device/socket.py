# socket: a network in memory. What is sent arrives a moment later, or never, as the world wills. A
# socket that is not told otherwise blocks, as on the chip: then time passes for all of the dongle.

import errno
import time
from io import IOBase
from time import later

from micropython import const

import memory
import world

AF_INET = const(2)
SOCK_STREAM, SOCK_DGRAM = const(1), const(2)
SOL_SOCKET, SO_REUSEADDR, SO_BROADCAST = const(1), const(2), const(6)
IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP = const(0), const(6), const(17)
IP_ADD_MEMBERSHIP, TCP_NODELAY, MSG_PEEK = const(35), const(1), const(2)

_MAX = const(10)
_WINDOW = const(5744)  # bytes under way, as lwIP's
_LOW_WATER = const(2_881)  # of it free, and it can be written to (TCP_SNDLOWAT)
_TRIP_MS = const(2)
_AGAIN_MS = const(1_000)
_GIVEN_UP_MS = const(300_000)
_DNS_MS = const(20)
_FOREVER_MS = const(3_600_000)  # for which a socket without a timeout blocks
_MDNS_PORT = const(5353)
_ENFILE = const(23)
_CLOSE = const(4)
_POLL, _POLL_RD, _POLL_WR, _POLL_ERR, _POLL_HUP = const(3), const(1), const(4), const(8), const(16)

listeners = {}  # (address, port) -> the dongle's socket that listens there
hosts = {}  # (address, port) -> function(End) that takes a connection of the dongle's
ends = []  # the dongle's ends of all connections
lost = False  # True: nothing gets through, though the radio says that it is connected
silent = set()  # addresses that do not answer at all


def is_cut():
    return lost or world.offline()


def is_ap_off():
    return not any([not way._is_station and way.active() for way in world.interfaces])


class End:
    """One end of a connection. on_data(end) and on_close(end) are for those who are no dongle."""

    def __init__(self):
        self.other: Any = None
        self.is_cut = is_cut
        self.inbox = bytearray()
        self.has_ended = False  # the other end has closed
        self.is_reset = False
        self.is_open = False  # the handshake is done
        self.is_reading = True
        self.on_data = self.on_close = None
        self.caller = ""
        self.queue = None  # of the dongle's end: what that takes of its memory
        self._held = []  # sent, but still on its way
        self._tried_since_ms = None  # when that was sent again for the first time

    @memory.outside
    def send(self, data):
        """How many bytes were taken."""
        if self.is_reset:
            raise OSError(errno.ECONNRESET)
        count = min(len(data), self.room())
        if self.queue:
            self.queue.settle()
            count = self.queue.send(count)
        if count > 0:
            self._held.append(bytes(data[:count]))
            later(_TRIP_MS, self.deliver)
        return max(count, 0)

    def room(self):
        return _WINDOW - sum([len(each) for each in self._held]) - len(self.other.inbox)

    def deliver(self):
        """What is under way arrives, if it can."""
        other = self.other
        if other is None or self.is_reset:
            return
        if self.is_cut():
            if self._held:  # sent again until it gets through, or is given up
                if self._tried_since_ms is None:
                    self._tried_since_ms = time.now_ms
                if time.now_ms - self._tried_since_ms > _GIVEN_UP_MS:
                    self.reset()
                else:
                    later(_AGAIN_MS, self.deliver)
            return
        self._tried_since_ms = None
        while self._held:
            other.inbox.extend(self._held.pop(0))
        if other.inbox and other.on_data and other.is_reading:
            other.on_data(other)

    def take(self, count=None):
        data = bytes(self.inbox if count is None else self.inbox[:count])
        self.inbox = bytearray() if count is None else self.inbox[count:]
        return data

    def close(self):
        later(_TRIP_MS, self._end)

    def _end(self):
        other = self.other
        if other and not other.has_ended:
            self.deliver()
            if self.is_cut():
                later(_AGAIN_MS, self._end)
                return
            other.has_ended = True
            if other.on_close:
                other.on_close(other)

    def reset(self):
        """At once, on both ends."""
        for end in (self, self.other):
            if end and not end.is_reset:
                end.is_reset = end.has_ended = True
                if end.on_close:
                    end.on_close(end)


def pair():
    one, two = End(), End()
    one.other, two.other = two, one
    return one, two


def visit(port, address="0.0.0.0", caller="10.0.0.9"):
    """A connection from outside to a port of the dongle, or from a guest of its own access point
    to its address there; None where it is refused or lost. caller: the address of who visits."""
    listener = listeners.get((address, port)) or listeners.get(("0.0.0.0", port))
    here, there = pair()
    there.caller = caller
    if address == world.AP_ADDRESS:
        here.is_cut = there.is_cut = is_ap_off
        there.caller = world.AP_GUEST
    if here.is_cut() or listener is None or len(listener.waiting) >= listener.backlog:
        return None
    here.is_open = there.is_open = True
    listener.waiting.append(there)
    return here


class socket(IOBase):
    @memory.outside
    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0, _end=None):
        self._closed = True
        is_full = world.sockets >= _MAX
        self._block = 0
        if not is_full:
            self._block = memory.take(memory.CLIENT if _end else memory.SOCKET)
        if not self._block:
            if _end:
                _end.reset()
            raise OSError(_ENFILE if is_full else errno.ENOMEM)
        world.sockets += 1
        self._closed = False
        self._type = type
        self._end = _end
        if _end:
            self._use(_end)
        self._timeout_ms = _FOREVER_MS
        self._address = None  # where it is bound
        self.waiting = []  # connections that nobody has accepted yet
        self.backlog = 0

    def _use(self, end):
        self._end = end
        end.queue = memory.Queue(lambda: _WINDOW - end.room())
        ends.append(end)

    @memory.outside
    def close(self):
        if self._closed:
            return
        self._closed = True
        world.sockets -= 1
        memory.give(self._block)
        if self._end:
            self._end.queue.close()
        if listeners.get(self._address) is self:
            del listeners[self._address]
            for end in self.waiting:
                end.reset()
        if self._end:
            self._end.close()
            ends.remove(self._end)

    def setblocking(self, on):
        self._timeout_ms = _FOREVER_MS if on else 0

    def settimeout(self, seconds):
        self._timeout_ms = _FOREVER_MS if seconds is None else int(1000 * seconds)

    @memory.outside
    def _hold_up(self, is_ready):
        """Time passes until is_ready(), or for as long as this socket blocks. Returns whether it
        is ready."""
        left_ms = self._timeout_ms
        while not is_ready():
            if not left_ms:
                return False
            next_ms = time.next_ms()
            step_ms = left_ms if next_ms is None else min(next_ms, left_ms)
            time.pass_ms(step_ms)
            left_ms -= step_ms
        return True

    def _has_come(self):
        end = self._end
        return end.inbox or end.is_reset or end.has_ended

    def _has_room(self):
        end = self._end
        return end.is_reset or (end.is_open and end.room() > 0)

    def _is_connected(self):
        return self._end.is_open or self._end.is_reset

    def setsockopt(self, *_):
        pass

    def bind(self, address):
        if self._type == SOCK_DGRAM and address[1] == _MDNS_PORT and world.builtin_mdns:
            raise OSError(errno.EADDRINUSE)
        self._address = tuple(address)

    def listen(self, backlog=2):
        if self._address in listeners:
            raise OSError(errno.EADDRINUSE)
        self.backlog = backlog
        listeners[self._address] = self

    def accept(self):
        if self._timeout_ms:
            self._hold_up(lambda: self.waiting)
        if not self.waiting:
            raise OSError(errno.EAGAIN)
        end = self.waiting.pop(0)
        return socket(_end=end), (end.caller, 4711)

    def connect(self, address):
        self._connect(address)
        if not self._timeout_ms:
            raise OSError(errno.EINPROGRESS)
        if not self._hold_up(self._is_connected):
            raise OSError(errno.ETIMEDOUT)
        if self._end.is_reset:
            raise OSError(errno.ECONNREFUSED)

    @memory.outside
    def _connect(self, address):
        if world.offline():
            raise OSError(errno.EHOSTUNREACH)
        here, there = pair()
        self._use(here)

        def arrive():
            if is_cut() or address[0] in silent:
                return
            host = hosts.get(tuple(address))
            if host is None:
                here.reset()
                return
            here.is_open = there.is_open = True
            host(there)

        later(_TRIP_MS, arrive)

    def write(self, data, size=None):
        end = self._end
        if self._timeout_ms:
            self._hold_up(self._has_room)
        if end.is_reset:
            raise OSError(errno.ECONNRESET if end.is_open else errno.ECONNREFUSED)
        if not end.is_open:
            return None
        taken = end.send(data if size is None else memoryview(data)[:size])
        if not taken:
            time.pass_ms(1)  # who tries again and again takes time
        return taken or None

    send = write

    @memory.outside
    def read(self, size=-1):
        end = self._end
        if self._timeout_ms:
            self._hold_up(self._has_come)
        if end.inbox:
            data = end.take(None if size < 0 else size)
            if end.other.on_data is not None:
                end.other.deliver()  # there is room again
            return data
        if end.is_reset:
            raise OSError(errno.ECONNRESET)
        return b"" if end.has_ended else None

    recv = read

    def readinto(self, buffer, size=None):
        data = self.read(len(buffer) if size is None else size)
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def ioctl(self, request, flags):
        if request != _POLL:
            # No file descriptor: select.poll() shall ask here.
            return 0 if request == _CLOSE else -1
        end = self._end
        if end is None:
            return _POLL_RD & flags if self.waiting else 0
        ready = 0
        if end.inbox or end.has_ended:
            ready |= _POLL_RD
        if end.is_open and end.room() >= _LOW_WATER:
            ready |= _POLL_WR
        if end.is_reset:
            return _POLL_ERR | _POLL_HUP | (ready & flags)
        return ready & flags


def getaddrinfo(host, port, *_):
    if not world.is_address(host):
        time.pass_ms(world.dns_ms or _DNS_MS)  # it blocks
    return [(AF_INET, SOCK_STREAM, 0, "", (host, port))]


def power_off():
    """The dongle is gone, with all its connections."""
    for listener in list(listeners.values()):
        for end in listener.waiting:
            end.reset()
    listeners.clear()
    for end in list(ends):
        end.reset()
    ends.clear()
    world.sockets = 0
