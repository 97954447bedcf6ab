# The beginning of a session. umqtt.simple is used only as a codec: its own socket handling blocks
# the event loop (its first check_msg removes any timeout), so it gets a buffer in memory instead
# of a socket. What umqtt has written there is sent over a Link. This module is in memory only
# until the session has begun.

import asyncio

from umqtt import simple

from .link import HANDSHAKE_MS, IO_MS, Lost

TEMPORARY = True  # see forget()

_KEEPALIVE_S = 30

# umqtt waits for answers of the broker, so it gets them beforehand. The real answers are checked
# in check_connack() and in retained.py.
_CONNACK = b"\x20\x02\x00\x00"


class _Wire:
    """Replaces both the module `socket` and the socket for umqtt."""

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


async def begin(link, login: tuple, status_topic: bytes, tls, uptime_ms):
    """Opens a session and returns its Codec once the broker has accepted it. login: client id,
    user, password; tls: a Tls, or None."""
    client_id, user, password = login
    codec = Codec(client_id, user, password, _KEEPALIVE_S, status_topic, b"offline")
    if tls:
        await secure(link, tls, codec.connect())
    else:
        await link.send(codec.connect())
    answer = await asyncio.wait_for_ms(link.packet(uptime_ms), IO_MS)
    codec.check_connack(answer)
    return codec


async def secure(link, tls, data: bytearray) -> None:
    """Puts TLS (tls: a Tls) over the link and then sends data; this does the handshake."""
    try:
        link.over(tls.wrap(link.below))
        await link.send(data, within_ms=HANDSHAKE_MS)
    except (OSError, ValueError) as error:
        raise tls.explain(error) from None


class Codec:
    """Encodes for one connection; every method returns the bytes to send."""

    def __init__(self, client_id, user, password, keepalive_s, will_topic, will):
        # All texts as bytes: umqtt counts characters, MQTT counts bytes.
        self._wire = _Wire()
        self._client = simple.MQTTClient(
            client_id.encode(),
            "",
            user=user.encode() if user else None,
            password=password.encode() if user else None,
            keepalive=keepalive_s,
        )
        self._client.set_callback(print)  # subscribe() needs one, but it is never called
        self._client.set_last_will(will_topic, will, True, 1)

    def _taken(self):
        sent, self._wire.sent = self._wire.sent, bytearray()
        return sent

    def connect(self) -> bytearray:
        self._wire.receive(_CONNACK)
        simple.socket = self._wire  # pyright: ignore[reportAttributeAccessIssue]
        self._client.connect()
        return self._taken()

    @staticmethod
    def check_connack(packet: bytes) -> None:
        """Raises Lost if the broker's first packet does not accept the connection."""
        if len(packet) != 4 or packet[0] != 0x20:
            raise Lost("not_mqtt", "the server at this address is not an MQTT broker")
        if packet[3]:
            raise Lost(*_refusal(packet[3]))

    def subscribe(self, topic: bytes) -> bytearray:
        """Subscribes at QoS 0; the broker's answer comes later, see retained.py."""
        number = self._client.pid + 1
        self._wire.receive(bytes((0x90, 3, number >> 8, number & 0xFF, 0)))
        self._client.subscribe(topic)
        return self._taken()


def _refusal(number):
    """Returns the code and the words for the number with which a broker refuses a session."""
    if number == 1:
        return "wrong_mqtt_version", "the broker does not speak MQTT 3.1.1"
    if number == 2:
        return "client_id_refused", "the broker does not accept the client id"
    if number == 3:
        return "broker_unavailable", "the broker says that it is not available"
    if number == 4:
        return "wrong_login", "wrong user or password"
    if number == 5:
        return "not_allowed", "not allowed to connect: are mqtt.user and mqtt.password right?"
    return "session_refused", f"the broker refuses the session with code {number}"
