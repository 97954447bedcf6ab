# umqtt.simple as a codec. Its own socket handling blocks the loop (no timeout survives its first
# check_msg), so it gets a wire in memory instead: what it writes is taken from there and sent
# by mqtt.py; what arrives is handed to it one whole packet at a time.

from p1.render.page import Full
from umqtt import simple

# Answers that umqtt waits for, given to it beforehand; the real ones are looked at by mqtt.py.
_CONNACK = b"\x20\x02\x00\x00"


class Refused(Exception):
    """The broker answered the connection with a no, or with what is no MQTT."""


class _Wire:
    """What umqtt takes for the module `socket` and for the socket."""

    def __init__(self):
        self.sent = bytearray()
        self._received = b""

    def receive(self, packet):
        self._received = packet

    def socket(self, *_):
        return self

    def getaddrinfo(self, *_):
        return ((None,),)

    def connect(self, *_):
        pass

    settimeout = setblocking = connect

    def close(self):
        pass

    def write(self, data, size=None):
        self.sent.extend(data if size is None else data[:size])

    def read(self, size):
        head, self._received = self._received[:size], self._received[size:]
        return head or None


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


class Codec:
    """Encodes and decodes for one connection; every method returns the bytes to send.

    heard(topic, message) gets what is subscribed to, in bytes; message is None where it is empty.
    """

    def __init__(self, client_id, user, password, keepalive_s, will_topic, will, heard):
        # Bytes throughout: umqtt counts characters, MQTT bytes.
        self._wire = _Wire()
        self._client = simple.MQTTClient(
            client_id.encode(),
            "",
            user=user.encode() if user else None,
            password=password.encode() if user else None,
            keepalive=keepalive_s,
        )
        self._heard = heard
        self._message = None  # that arrived
        self._client.set_callback(self._take)
        self._client.set_last_will(will_topic, will, True, 1)

    def _take(self, topic, message):
        self._message = (topic, message)

    def _taken(self):
        sent, self._wire.sent = self._wire.sent, bytearray()
        return sent

    def connect(self):
        self._wire.receive(_CONNACK)
        simple.socket = self._wire  # pyright: ignore[reportAttributeAccessIssue]
        self._client.connect()
        return self._taken()

    @staticmethod
    def check_connack(packet):
        """Raises Refused where the broker's first packet is not a yes."""
        if len(packet) != 4 or packet[0] != 0x20:
            raise Refused("what answers there is no MQTT broker")
        if packet[3]:
            raise Refused(_refusal(packet[3]))

    def publish(self, topic, message, retain=False):
        self._client.publish(topic, message, retain)
        return self._taken()

    def subscribe(self, topic):
        """At QoS 0; the broker's answer comes later, see refuses()."""
        number = self._client.pid + 1
        self._wire.receive(bytes((0x90, 3, number >> 8, number & 0xFF, 0)))
        self._client.subscribe(topic)
        return self._taken()

    @staticmethod
    def refuses(packet):
        """Whether this packet denies a subscription (MQTT 3.1.1 §3.9.3)."""
        return packet[0] == 0x90 and packet[-1] == 0x80

    def ping(self):
        self._client.ping()
        return self._taken()

    def receive(self, packet):
        """Takes a whole packet; what has to be answered is returned. Raises Refused where it is
        no MQTT: umqtt trusts a broker and stumbles over nonsense in many ways."""
        self._wire.receive(packet)
        try:
            self._client.wait_msg()
        except Exception as error:
            raise Refused(f"the broker sent a malformed packet ({type(error).__name__})") from None
        if self._message:
            topic, message = self._message
            self._message = None
            self._heard(topic, message)
        return self._taken()


def _refusal(code):
    words = {
        1: "the broker does not speak MQTT 3.1.1",
        2: "the broker does not accept the client id",
        3: "the broker is not available",
        4: "wrong user or password",
        5: "not allowed to connect: are mqtt.user and mqtt.password right?",
    }
    return words.get(code, f"code {code}")
