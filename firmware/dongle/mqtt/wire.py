# MQTT packets that go out while a session lasts: what is sent each second is put together in its
# own page, because umqtt allocates for it. What begins a session is in codec.py.

from p1.render.page import Full


class Packet:
    """A PUBLISH that is sent every second, QoS 0 and not retained: what is on the page, with its
    header put in front of it, because umqtt allocates for it (MQTT 3.1.1 §3.3)."""

    def __init__(self, topic, page):
        """topic: bytes; in front of the page there is room for it and for five more."""
        self.page = page
        self.size = 0  # of the packet
        self._topic = topic
        self._whole = None  # the page's bytes, which are others once it has grown
        self._bytes = None

    def encode(self):
        """The packet: bytes-like, of which the first `size` count."""
        page = self.page
        topic_length = len(self._topic)
        if self._whole is not page.whole:
            self._whole = page.whole
            start = page.head - topic_length - 5
            head = b"\x30\0\0" + topic_length.to_bytes(2, "big") + self._topic
            page.whole[start : page.head] = head
            self._bytes = memoryview(page.whole)[start:]
        left = 2 + topic_length + page.size
        self.size = 3 + left
        if left < 0x80:  # written in one byte; no meter says so little
            self.size -= 1
            return bytes((0x30, left)) + self._bytes[3 : 3 + left]
        self._bytes[1] = left & 0x7F | 0x80
        self._bytes[2] = left >> 7
        return self._bytes

    def append(self, data, other):
        """Puts another Packet behind this one, whose encode() has just given data. Returns both:
        bytes-like, of which the first `size` count."""
        more = other.encode()
        page = self.page
        text_size = page.size
        while data is self._bytes:
            try:
                # The page goes on where its text ends, which stays its end.
                page.copy(more, 0, other.size)
                page.size = text_size
                break
            except Full:
                grown = page.grow()
                data = self.encode() if grown else bytes(data[: self.size])
        if data is not self._bytes:
            data = bytes(data) + bytes(more[: other.size])  # pyright: ignore[reportArgumentType]
        self.size += other.size
        return data


def publish_head(topic, size, retain=False):
    """What stands before the message, which is so long, of a PUBLISH at QoS 0: for those that are
    sent in pieces (MQTT 3.1.1 §3.3)."""
    head = bytearray(b"\x31" if retain else b"\x30")
    left = 2 + len(topic) + size
    while left > 0x7F:
        head.append(left & 0x7F | 0x80)
        left >>= 7
    head.append(left)
    head.append(len(topic) >> 8)
    head.append(len(topic) & 0xFF)
    return head + topic
