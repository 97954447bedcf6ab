# An announcement that breaks off, and the next one, which is printed, in hex, as it goes
# to the broker, in few large pieces that do not all come at once. Argument: a telegram's file.

import asyncio
import sys
import time

from dongle import room
from dongle.mqtt.discovery import Discovery
from p1.decode import decode
from p1.reading import Reading

CONFIG = {
    "homeassistant": {"discovery": "device", "prefix": "homeassistant"},
    "mqtt": {"prefix": "p1"},
    "http": {"port": 80},
}


class Latest:
    reading = Reading("BE")

    def age_ms(self):
        return 0


class Wifi:
    def address(self):
        return "192.168.1.20"


class Health:
    now_ms = 0

    def uptime_ms(self):
        return self.now_ms


class Codec:
    def subscribe(self, topic):
        return b""

    def publish(self, topic, message, retain):
        return b""


class Line:
    """It takes so many pieces."""

    def __init__(self, most):
        self.most, self.taken, self.pieces, self.moments = most, b"", [], []

    async def send(self, data, size=None):
        if self.most == 0:
            raise OSError(32)
        self.most -= 1
        piece = bytes(data[:size] if size is not None else data)
        self.pieces.append(len(piece))
        self.moments.append(time.ticks_ms())
        self.taken += piece


def announce(line):
    discovery.connected()
    assert discovery.has_work()
    health.now_ms += 10_000
    return asyncio.run(discovery.serve(Codec(), line.send))


with open(sys.argv[1], "rb") as file:
    telegram = file.read()
decode(telegram + bytes(64), len(telegram), Latest.reading)
health = Health()
discovery = Discovery(CONFIG, "02000000002a", Latest(), Wifi(), health)
assert discovery.has_work()
try:
    announce(Line(6))
except OSError:
    pass
else:
    raise AssertionError("it did not break off")


def announce_all(form):
    discovery.form = form
    line = Line(1000)
    assert announce(line)
    # The first are the subscriptions, and what empties the other form's topic.
    pieces = line.pieces[line.pieces.index(512) :]
    assert len(pieces) > 10 and set(pieces[:-1]) == {512}, line.pieces
    took_ms = time.ticks_diff(line.moments[-1], line.moments[-len(pieces)])
    assert took_ms >= 10 * (len(pieces) - 1), took_ms
    return line


announce_all("entity")
line = announce_all("device")
assert not discovery.has_work()
discovery.settle()
assert not {"dongle.mqtt.retained", "dongle.mqtt.announcement"} & set(sys.modules), "they stay"

# Without room to read what the broker says, only Home Assistant's start is heard; what comes back
# of the announcement itself does not make another one.
room.has = lambda size: False


def publish(topic, message):
    return bytes((0x30, 2 + len(topic) + len(message), 0, len(topic))) + topic + message


assert discovery.due_ms is None
for packet in (publish(b"homeassistant/device/02000000002a/config", b"{}"), b"\x90\x03\0\x01\0"):
    discovery.heard(packet)
    assert discovery.due_ms is None and "dongle.mqtt.retained" not in sys.modules
discovery.heard(publish(b"homeassistant/status", b"online"))
assert discovery.due_ms is not None
print(line.taken.hex())
