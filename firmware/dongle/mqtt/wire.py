# The MQTT packets of a running session. What is sent each second is encoded in its own page,
# because umqtt would allocate memory each time. The beginning of a session is in codec.py.

from p1.render.page import Full


class Packet:
    """A PUBLISH that is sent every second, with QoS 0 and not retained: the text on the page, with
    the header written in front of it in the same buffer (MQTT 3.1.1 §3.3)."""

    def __init__(self, topic, page):
        """topic: bytes; page: a Page with room in front of it for the topic and five bytes."""
        self.page = page
        self.size = 0  # of the packet
        self._topic = topic
        self._whole = None  # the page's buffer, which is another one after the page has grown
        self._bytes = None  # a view of it that begins with the header

    def encode(self):
        """Returns the packet, bytes-like; only its first `size` bytes count."""
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
        if left < 0x80:  # the length takes one byte; no real reading is so short
            self.size -= 1
            return bytes((0x30, left)) + self._bytes[3 : 3 + left]
        self._bytes[1] = left & 0x7F | 0x80
        self._bytes[2] = left >> 7
        return self._bytes

    def append(self, data, other):
        """Puts another Packet behind this one. data: what encode() of this one has just returned.
        Returns both packets, bytes-like; only the first `size` bytes count."""
        more = other.encode()
        page = self.page
        text_size = page.size
        while data is self._bytes:
            try:
                # Written behind the text of the page, but not counted as part of the text.
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


def publish_head(topic: bytes, size: int, retain: bool = False) -> bytearray:
    """Returns what comes before the message in a PUBLISH at QoS 0 (MQTT 3.1.1 §3.3), for messages
    that are sent in pieces. topic: bytes; size: of the message."""
    head = bytearray(b"\x31" if retain else b"\x30")
    left = 2 + len(topic) + size
    while left > 0x7F:
        head.append(left & 0x7F | 0x80)
        left >>= 7
    head.append(left)
    head.append(len(topic) >> 8)
    head.append(len(topic) & 0xFF)
    return head + topic
