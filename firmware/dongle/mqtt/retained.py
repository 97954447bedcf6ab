# The messages that the broker keeps for Home Assistant: which of them are ours, which have to be
# emptied, and when to announce again. In memory only while there is something to do: see
# discovery.py.

import json

from micropython import const

from p1 import obis
from p1.render.entities import has_row, others

from .. import VERSION
from .link import Lost
from .wire import publish_head

TEMPORARY = True  # see forget()

_BIRTH_TOPIC = b"homeassistant/status"  # Home Assistant's default, whatever the prefix is
_MOST_LEFTOVERS = const(64)  # topics to be emptied at a time
_CLEARED_MS = const(1000)  # Home Assistant removes an emptied entity before it is announced again

# The first three letters of a telegram's header (IEC 62056-21) -> manufacturer.
_MAKERS = b"""
FLU Fluvius
ISK Iskraemeco
ISk Iskraemeco
KFM Kaifa
KMP Kamstrup
LGF Landis+Gyr
LGZ Landis+Gyr
SAG Sagemcom
XMX Xemex
Ene Sagemcom
"""


def look(of, reading) -> None:
    """Notes which values of a Reading are new. of: the Discovery, here and below."""
    is_new = False
    for row in range(obis.ROWS):
        if not of.rows[row] and has_row(reading, row):
            of.rows[row] = 1
            is_new = True
    for key in others(reading):
        if b"\n" + key + b"\n" not in of.others:
            of.others.extend(key + b"\n")
            is_new = True
    if is_new:
        of.has_any = True
        of.announce_soon()


def heard(of, packet: bytes) -> None:
    """Handles a packet of the broker, a PUBLISH or a SUBACK."""
    if packet[0] & 0xF0 == 0x90:
        # 0x80 means that it refuses the subscription (MQTT 3.1.1 §3.9.3).
        of.is_refused = of.is_refused or packet[-1] == 0x80
        return
    topic, message = _message(packet)
    if topic == _BIRTH_TOPIC:
        if message == b"online":
            of.announce_soon()
    elif message and not _is_announced(of, topic):
        if len(of.leftovers) < _MOST_LEFTOVERS:
            of.leftovers.append(topic)
        if of.due_ms is not None:
            of.due_ms = of.health.uptime_ms() + _CLEARED_MS


def _message(packet):
    """Returns (topic, message) of a PUBLISH, both bytes. Raises Lost if it is malformed (MQTT
    3.1.1 §3.3)."""
    at = 2
    while packet[at - 1] & 0x80:  # skips the length, which link.py has checked
        at += 1
    left = len(packet) - at - 2
    size = packet[at] << 8 | packet[at + 1] if left >= 0 else 0
    skipped = (
        2 if packet[0] & 6 else 0
    )  # the packet identifier at QoS 1 or 2, although we ask for QoS 0
    if not 0 < size <= left - skipped:
        raise Lost("malformed_packet")
    at += 2
    return packet[at : at + size], packet[at + size + skipped :]


def _is_announced(of, topic):
    if of.form != "entity":
        return False
    from .announcement import keys

    return (b"/" + topic).split(b"/")[-2] in keys(of)


async def serve(of, codec, send, is_due: bool) -> bytes | None:
    """Sends what is due, except for an announcement. If one is due, returns its members that
    describe the device and the program, otherwise None."""
    if of.may_subscribe():
        of.has_subscribed = True
        await send(codec.subscribe(of.topic("+", b"+")))
        if of.form != "off":
            await send(codec.subscribe(_BIRTH_TOPIC))
        if of.form != "device" and not of.is_device_emptied:
            await send(publish_head(of.topic("device", None), 0, True))
            of.is_device_emptied = True
    while of.leftovers:
        await send(publish_head(of.leftovers.pop(), 0, True))
    if not is_due:
        return None
    of.due_ms = None
    return _source(of)


def _source(of):
    """Returns the members that describe the device and the program."""
    reading, id = of.latest.reading, of.id
    text = '"dev":{"ids":["p1_%s"],"name":"P1 meter","sw":"%s"' % (id, VERSION)
    # The address and not the name, because not every network can look up the name. When the
    # address changes, there is a new connection to the broker, and with it a new announcement.
    address = of.wifi.address()
    if address:
        text += ',"cu":"http://%s:%d/"' % (address, of.http_port)
    if len(id) == 12:  # an ESP32's is its MAC address
        text += ',"cns":[["mac","%s"]]' % ":".join([id[at : at + 2] for at in range(0, 12, 2)])
    if reading.model:
        text += ',"mdl":' + json.dumps(bytes(reading.model).decode())
        maker = _maker(bytes(reading.model[:3]))
        if maker:
            text += ',"mf":"%s"' % maker
    for row in range(obis.FIRST_HEX, obis.FIRST_VERSION):
        if obis.key(row) == b"meter_id" and row in reading.texts:
            text += ',"sn":' + json.dumps(bytes(reading.texts[row]).decode())
            break
    return (text + '},"o":{"name":"p1-dongle","sw":"%s"}' % VERSION).encode()


def _maker(letters):
    at = _MAKERS.find(b"\n" + letters + b" ")
    if at < 0 or not letters:
        return None
    return _MAKERS[at + 5 : _MAKERS.find(b"\n", at + 1)].decode()
