# What the broker keeps for Home Assistant: which of it is ours, what is to be emptied, and when it
# is announced anew. In memory only while there is something to do: see discovery.py.

from micropython import const

from p1 import obis
from p1.render.entities import has_row, others

from . import forget
from .link import Lost
from .wire import publish_head

_BIRTH_TOPIC = b"homeassistant/status"  # Home Assistant's default, whatever the prefix is
_MOST_LEFTOVERS = const(64)  # topics to be emptied at a time
_CLEARED_MS = const(1000)  # for Home Assistant to forget a leftover before it hears of it anew

# The entities that `health` and `quarter` tell rather than `reading`.
HEALTH = (b"wifi_signal", b"damaged_telegrams", b"uptime")
QUARTER = (b"quarter_forecast_w", b"quarter_headroom_w", b"quarter_alert")


def look(of, reading):
    """Takes down what is new in a Reading. of: here and below, the Discovery."""
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


def entities(of):
    """Yields the keys (bytes) of what this meter has sent."""
    before = None
    for row in range(obis.ROWS):
        if of.rows[row]:
            key = obis.key(row)
            if key != before:  # rows of one key stand together
                yield key
            before = key
    start = 1
    while start < len(of.others):
        end = of.others.find(b"\n", start)
        yield bytes(of.others[start:end])
        start = end + 1


def device_topic(of):
    return b"%s/device/%s/config" % (of.prefix.encode(), of.id.encode())


def entity_topic(of, platform, key):
    # Its middle part is not the id alone: Home Assistant would take it for a part of the other
    # form.
    return b"%s/%s/p1_%s/%s/config" % (of.prefix.encode(), platform, of.id.encode(), key)


def heard(of, packet):
    """Takes what the broker tells, a PUBLISH or a SUBACK."""
    if packet[0] & 0xF0 == 0x90:
        # Whether it denies a subscription (MQTT 3.1.1 §3.9.3).
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
    """(topic, message), both bytes, of a PUBLISH. Raises Lost where it is malformed (MQTT 3.1.1
    §3.3)."""
    at = 2
    while packet[at - 1] & 0x80:  # its length, which has been looked at
        at += 1
    left = len(packet) - at - 2
    size = packet[at] << 8 | packet[at + 1] if left >= 0 else 0
    skipped = (
        2 if packet[0] & 6 else 0
    )  # the number of one at QoS 1 or 2, which we ask for none of
    if not 0 < size <= left - skipped:
        raise Lost("the broker sent a malformed packet")
    at += 2
    return packet[at : at + size], packet[at + size + skipped :]


def _is_announced(of, topic):
    key = (b"/" + topic).split(b"/")[-2]
    return of.form == "entity" and (
        key in entities(of) or key in HEALTH or (of.has_quarter and key in QUARTER)
    )


async def serve(of, codec, send, is_due):
    """Sends what is due; True when it was announced."""
    if of.may_subscribe():
        of.has_subscribed = True
        await send(codec.subscribe(entity_topic(of, b"+", b"+")))
        if of.form != "off":
            await send(codec.subscribe(_BIRTH_TOPIC))
        if of.form != "device" and not of.is_device_emptied:
            await send(publish_head(device_topic(of), 0, True))
            of.is_device_emptied = True
    while of.leftovers:
        await send(publish_head(of.leftovers.pop(), 0, True))
    if not is_due:
        return False
    of.due_ms = None
    try:
        from .announcement import Announcement

        await Announcement(of, send).send()
    finally:
        forget("dongle.announcement")
    of.announced = len(HEALTH) + of.has_quarter * len(QUARTER)
    for _ in entities(of):
        of.announced += 1
    return True
