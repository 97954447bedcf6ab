# MQTT packets of every length, and of the longest topic that a config may ask for.

from dongle.latest import HEAD
from dongle.mqtt.wire import Packet
from p1.render.page import Page

CAPACITY = 6144
TEXT = bytes(range(256)) * (CAPACITY // 256)


def parts(packet):
    """(topic, message), read as MQTT 3.1.1 §2.2.3 and §3.3 say."""
    assert packet[0] == 0x30
    left = at = 0
    while True:
        at += 1
        left |= (packet[at] & 0x7F) << 7 * (at - 1)
        if packet[at] < 0x80:
            break
    assert len(packet) == at + 1 + left
    start = at + 3
    end = start + (packet[at + 1] << 8 | packet[at + 2])
    return packet[start:end], packet[end:]


for topic in (b"p1/02000000002a/reading", b"x" * 64 + b"/02000000002a/telegram"):
    page = Page(CAPACITY, HEAD)
    packet = Packet(topic, page)
    for size in list(range(300)) + [CAPACITY - 1, CAPACITY]:
        page.size = 0
        page.put(TEXT[:size])
        assert parts(bytes(packet.encode()[: packet.size])) == (topic, TEXT[:size]), size

# Two in one, on a page that has to grow for both, and on one that can grow no more.
quarter = Page(512, HEAD)
quarter.put(TEXT[:400])
for most in (0, 2000):
    for size in (10, 100, 500, 600, 700):
        page = Page(700, HEAD, most)
        page.put(TEXT[:size])
        first, second = Packet(b"reading", page), Packet(b"quarter", quarter)
        for _ in range(2):
            both = bytes(first.append(first.encode(), second)[: first.size])
            end = len(both) - second.size
            assert parts(both[:end]) == (b"reading", TEXT[:size])
            assert parts(both[end:]) == (b"quarter", TEXT[:400])
            assert page.size == size
print("ok")
