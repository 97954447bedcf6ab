# Home Assistant finds the dongle by what is announced here, with the broker to keep it (MQTT
# discovery). Two forms: "device", one message for all, and "entity", a message for each value, as
# Home Assistant before 2024.12 wants it. What the form not chosen has left at the broker is
# emptied, and with "off" all of it.
#
# Only what this meter has sent since start is announced. What it sends no more stays until the
# next start: who changes a gas meter wants neither dashboards nor history to break.
#
# This file knows what is to be announced, and when; the words are in announcement.py, which is in
# memory only meanwhile.

import random

from micropython import const

from p1 import obis
from p1.render.entities import has_row, others

from . import forget
from .wire import publish_head

_BIRTH_TOPIC = b"homeassistant/status"  # Home Assistant's default, whatever the prefix is
_MOST_LEFTOVERS = const(64)  # topics to be emptied at a time
_CLEARED_MS = const(1000)  # for Home Assistant to forget a leftover before it hears of it anew

# The entities that `health` and `quarter` tell rather than `reading`.
HEALTH = (b"wifi_signal", b"damaged_telegrams", b"uptime")
QUARTER = (b"quarter_forecast_w", b"quarter_headroom_w", b"quarter_alert")


class Discovery:
    """config: the whole of it; capacity: a Capacity, or None."""

    def __init__(self, config, dongle_id, latest, wifi, health, capacity=None):
        self.form = config["homeassistant"]["discovery"]
        self.id = dongle_id.encode()
        self.base = f"{config['mqtt']['prefix']}/{dongle_id}/".encode()
        self.http_port = config["http"]["port"]
        self.latest = latest
        self._capacity = capacity
        self.has_quarter = False  # whether it has ever had something to say
        self.wifi = wifi
        self._health = health
        prefix = config["homeassistant"]["prefix"].encode()
        # The entities' middle part is not the id alone: Home Assistant would take them for parts
        # of the other form.
        self.device_topic = prefix + b"/device/" + self.id + b"/config"
        self.entity_topics = prefix + b"/%s/p1_" + self.id + b"/%s/config"
        # What this meter has sent: whether, by row; the other keys, each ended by a newline.
        self._rows = bytearray(obis.ROWS)
        self._others = bytearray(b"\n")
        self._edition = self._captures = None  # of the Reading that was looked at last
        self._due_ms = None  # when to announce
        self._leftovers = []  # topics to be emptied
        self.has_subscribed = False  # to all it wants, on this connection
        self._device_emptied = False
        self.announced = 0  # entities
        self.problem = None  # str

    def connected(self):
        """A new connection: the broker may have forgotten everything."""
        self.has_subscribed = False
        self._leftovers = []
        self.problem = None
        if self._count():
            self._announce_soon()

    def heard(self, topic, message):
        """Takes what the broker tells (bytes)."""
        if topic == _BIRTH_TOPIC:
            if message == b"online":
                self._announce_soon()
        elif message and not self._is_announced(topic):
            if len(self._leftovers) < _MOST_LEFTOVERS:
                self._leftovers.append(topic)
            if self._due_ms is not None:
                self._due_ms = self._health.uptime_ms() + _CLEARED_MS

    def refused(self):
        """The broker refuses a subscription."""
        self.problem = (
            "the broker refuses subscriptions: what is announced is not announced again when "
            f"Home Assistant starts; allow this user to read {_BIRTH_TOPIC.decode()} and "
            + (self.entity_topics % (b"+", b"+")).decode()
        )

    def has_work(self):
        """Whether serve() has anything to do. To be asked each second or more often."""
        self._look()
        return not self.has_subscribed or self._due_ms is not None or self._leftovers

    async def serve(self, codec, send):
        """Sends what is due; True when it was announced. codec: a Codec, until it has subscribed;
        send(data) is a coroutine."""
        # Which entities are leftovers of this form, only a Reading tells.
        if not self.has_subscribed and (self._count() or self.form != "entity"):
            self.has_subscribed = True
            await send(codec.subscribe(self.entity_topics % (b"+", b"+")))
            if self.form != "off":
                await send(codec.subscribe(_BIRTH_TOPIC))
            if self.form != "device" and not self._device_emptied:
                await send(publish_head(self.device_topic, 0, True))
                self._device_emptied = True
        while self._leftovers:
            await send(publish_head(self._leftovers.pop(), 0, True))
        if self._due_ms is None or self._health.uptime_ms() < self._due_ms:
            return False
        self._due_ms = None
        try:
            from .announcement import Announcement

            await Announcement(self, send).send()
        finally:
            forget("dongle.announcement", "p1.render.homeassistant")
        self.announced = self._count() + len(HEALTH) + self.has_quarter * len(QUARTER)
        return True

    def _look(self):
        """Is there anything new in the latest Reading?"""
        reading = self.latest.reading
        if self.form == "off" or self.latest.age_ms() is None:
            return
        if self._capacity and not self.has_quarter and self._capacity.quarter.alert is not None:
            self.has_quarter = True
            self._announce_soon()
        if reading.edition == self._edition and reading.captures == self._captures:
            return
        self._edition, self._captures = reading.edition, reading.captures
        for row in range(obis.ROWS):
            if not self._rows[row] and has_row(reading, row):
                self._rows[row] = 1
                self._announce_soon()
        for key in others(reading):
            if b"\n" + key + b"\n" not in self._others:
                self._others.extend(key + b"\n")
                self._announce_soon()

    def entities(self):
        """Yields the keys (bytes) of what this meter has sent."""
        before = None
        for row in range(obis.ROWS):
            if self._rows[row]:
                key = obis.key(row)
                if key != before:  # rows of one key stand together
                    yield key
                before = key
        start = 1
        while start < len(self._others):
            end = self._others.find(b"\n", start)
            yield bytes(self._others[start:end])
            start = end + 1

    def _count(self):
        return sum([1 for _ in self.entities()])

    def _announce_soon(self):
        # Home Assistant asks all devices at once and wants them to answer one by one.
        if self._due_ms is None:
            self._due_ms = self._health.uptime_ms() + 1000 + random.getrandbits(12)

    def _is_announced(self, topic):
        key = (b"/" + topic).split(b"/")[-2]
        return self.form == "entity" and (
            key in self.entities() or key in HEALTH or (self.has_quarter and key in QUARTER)
        )
