# Who talks to the dongle: a broker, somebody who polls HTTP, somebody who listens to telegrams.
# Each notes when it was last served, and looks whether what it was told is what the meter said.
# And who changes something: its owner, and a guest of its own access point.

import json
import socket
import time

from micropython import const

import world

BROKER = ("10.0.0.2", 1883)
_RETRY_MS = const(2_000)
_LOOK_MS = const(1_000)
_PUSH_MS = const(10)


class Wrong(BaseException):
    """The dongle said what the meter did not."""


class _Peer:
    """name; served_ms: when it was last served, None: never."""

    def __init__(self, name, line):
        self.name = name
        self._line = line
        self.served_ms = None
        self.served = 0

    def is_served(self):
        self.served_ms = time.now_ms
        self.served += 1

    def check(self, reading):
        """A reading's JSON."""
        document = json.loads(reading)
        stamp, power_w = document["timestamp"], document["power_import_w"]
        told = self._line.sent.get(stamp)
        if told is None or told[0] != power_w:
            raise Wrong(
                "%s: %s W at %s, but the meter said %s" % (self.name, power_w, stamp, told)
            )


class Broker(_Peer):
    """mode: what it does with connections.

    well      what a broker does
    stopped   takes the connection and says nothing
    denies    answers that nobody may connect
    nonsense  answers with what is no MQTT
    closes    hangs up at once
    half      begins a packet and never ends it
    deaf      answers the connection, then reads nothing any more
    """

    def __init__(self, line):
        _Peer.__init__(self, "mqtt", line)
        self.mode = "well"
        self._ends = []
        self._heard_ms = {}  # id of an end -> when it last said something
        self.start()
        time.later(_LOOK_MS, self._forget_the_dead)

    def start(self, address=BROKER):
        socket.hosts[address] = self._take

    def kill(self):
        for address in [
            address for address in socket.hosts if socket.hosts[address] == self._take
        ]:
            del socket.hosts[address]
        self.drop()

    def drop(self):
        for end in list(self._ends):
            end.reset()

    def _forget_the_dead(self):
        """After half as long again as the keep-alive, 30 s (MQTT 3.1.1 §3.1.2.10)."""
        time.later(_LOOK_MS, self._forget_the_dead)
        for end in list(self._ends):
            if time.now_ms - self._heard_ms[id(end)] > 45_000:
                end.reset()

    def _take(self, end):
        self._heard_ms[id(end)] = time.now_ms
        end.heard = b""  # a packet may be longer than what may be under way
        end.on_data = self._hear
        end.on_close = self._gone
        self._ends.append(end)
        if self.mode == "closes":
            end.close()

    def _gone(self, end):
        if end in self._ends:
            self._ends.remove(end)
            del self._heard_ms[id(end)]

    def _hear(self, end):
        self._heard_ms[id(end)] = time.now_ms
        if self.mode == "stopped":
            end.take()
            return
        end.heard += end.take()
        while True:
            packet = _packet(end)
            if packet is None:
                return
            kind, body = packet
            if kind == 0x10:
                self._answer_connect(end)
            elif kind & 0xF0 == 0x30:
                self._published(body)
            elif kind & 0xF0 == 0x80:
                end.send(b"\x90\x03" + body[:2] + b"\x00")
            elif kind == 0xC0:
                end.send(b"\xd0\x00")
            if self.mode == "deaf":
                end.is_reading = False
                return

    def _answer_connect(self, end):
        if self.mode == "denies":
            end.send(b"\x20\x02\x00\x05")
            end.close()
        elif self.mode == "nonsense":
            end.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        else:
            end.send(b"\x20\x02\x00\x00")
            if self.mode == "half":
                end.send(b"\x30\x7fhalf")

    def _published(self, body):
        length = body[0] << 8 | body[1]
        topic = body[2 : 2 + length]
        if topic.endswith(b"/reading"):
            self.check(body[2 + length :])
            self.is_served()


def _packet(end):
    """(first byte, body) of the next whole packet, or None."""
    heard = end.heard
    size = shift = 0
    for at in range(1, min(5, len(heard))):
        size |= (heard[at] & 0x7F) << shift
        shift += 7
        if heard[at] < 0x80:
            body = at + 1
            if len(heard) < body + size:
                return None
            end.heard = heard[body + size :]
            return heard[0], heard[body : body + size]
    return None


def _hear(end):
    """Takes what has come at once, as clients do: what is left lying fills the dongle's memory."""
    end.heard += end.take()


class Poller(_Peer):
    """GET /reading every so often."""

    def __init__(self, line, every_ms):
        _Peer.__init__(self, "http", line)
        self._every_ms = every_ms
        time.later(every_ms, self._ask)

    def _ask(self):
        time.later(self._every_ms, self._ask)
        end = socket.visit(80)
        if end is None:
            return
        end.heard = b""
        end.on_data = _hear
        end.on_close = self._answered
        end.send(b"GET /reading HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n")

    def _answered(self, end):
        _hear(end)
        answer = end.heard
        head, _, body = answer.partition(b"\r\n\r\n")
        # As every client of HTTP it takes an answer that breaks off for none (RFC 9112 §8).
        is_whole = head.find(b"\r\nContent-Length: %d\r\n" % len(body)) > 0
        if answer.startswith(b"HTTP/1.1 200") and is_whole:
            self.check(body)
            self.is_served()
        end.close()


class Listener(_Peer):
    """Raw telegrams, byte for byte."""

    def __init__(self, line):
        _Peer.__init__(self, "tcp", line)
        self._end = None
        time.later(1, self._connect)

    def _connect(self):
        self._end = socket.visit(1502)
        if self._end is None:
            time.later(_RETRY_MS, self._connect)
            return
        self._end.on_data = self._hear
        self._end.on_close = self._gone

    def _gone(self, end):
        end.close()
        time.later(_RETRY_MS, self._connect)

    def _hear(self, end):
        while True:
            at = end.inbox.find(b"!")
            if at < 0 or len(end.inbox) < at + 7:
                return
            telegram = end.take(at + 7)
            if not self._line.is_word(telegram):
                raise Wrong("tcp: a telegram that the meter did not send: %r" % telegram)
            self.is_served()


class Owner:
    """Sends one request with a body. answer: (status, body) once there is one, status 0 where the
    connection ends without; then then(status, body)."""

    def __init__(
        self, head, body=(), then=None, address="0.0.0.0", leaves=False, caller="10.0.0.9"
    ):
        """head: request line and headers, each ended by CR LF; body: pieces, each shorter than
        what may be under way; leaves: hangs up after the body, however long it was to be;
        caller: its address."""
        self.answer = None
        self._then = then
        self._leaves = leaves
        self._pieces = iter(body)
        self._next: Any = head + b"\r\n"
        self._end = socket.visit(80, address, caller)
        if self._end is None:
            time.later(1, lambda: self._is_answered(0, b""))
            return
        self._end.heard = b""
        self._end.on_data = _hear
        self._end.on_close = self._closed
        self._push()

    def _push(self):
        end = self._end
        if end.has_ended:
            return
        if end.room() >= len(self._next):
            end.send(self._next)
            self._next = next(self._pieces, None)
        if self._next is not None:
            time.later(_PUSH_MS, self._push)
        elif self._leaves:
            end.close()

    def _closed(self, end):
        _hear(end)
        head, _, body = end.heard.partition(b"\r\n\r\n")
        self._is_answered(int(head.split()[1]) if head else 0, body)
        end.close()

    def _is_answered(self, status, body):
        self.answer = status, body
        if self._then:
            self._then(status, body)


class Guest:
    """Somebody with a phone, who joins the dongle's own access point as soon as there is one and
    tries one thing after the other there. told: what the page says came of each."""

    def __init__(self, *tries):
        """tries: what the page sends, dicts."""
        self.told = []
        self._tries = list(tries)
        self._come()

    def _come(self):
        body = json.dumps(self._tries[0]).encode()
        self._ask(b"POST /try", body, self._tried)

    def _ask(self, what, body, then):
        head = b"%s HTTP/1.1\r\nHost: %s\r\n" % (what, world.AP_ADDRESS.encode())
        if body:
            head += b"Content-Length: %d\r\n" % len(body)
        Owner(head, (body,), then, world.AP_ADDRESS)

    def _tried(self, status, _):
        time.later(_RETRY_MS, self._look if status == 200 else self._come)

    def _look(self):
        self._ask(b"GET /status", b"", self._seen)

    def _seen(self, status, body):
        state = json.loads(body) if status == 200 else {"state": "trying"}
        if state["state"] == "trying":
            time.later(_RETRY_MS, self._look)
            return
        self.told.append(state.get("reason", state["state"]))
        self._tries.pop(0)
        if self._tries:
            self._come()
