# Home Assistant finds the dongle by what is announced here, with the broker to keep it (MQTT
# discovery). Two forms: "device", one message for all, and "entity", a message for each value, as
# Home Assistant before 2024.12 wants it. What the form not chosen has left at the broker is
# emptied, and with "off" all of it.
#
# Only what this meter has sent since start is announced. What it sends no more stays until the
# next start: who changes a gas meter wants neither dashboards nor history to break.
#
# This file knows whether there is anything to do, which is asked each second. What there is to do
# is in retained.py, the words of an announcement in announcement.py: in memory only meanwhile.

import random

from micropython import const

from p1 import obis

from .. import forget, large, room

_ROOM = const(16_500)  # bytes of the Python heap that an announcement wants to find
_HEARD_ROOM = const(5_000)  # the same to read what the broker says, and some for others
_BIRTH = b"homeassistant/statusonline"  # the end of the packet: its topic and its message
_MOST_POSTPONED = const(20)  # times, by a few seconds each


class Discovery:
    """config: the whole of it; capacity: a Capacity, or None."""

    def __init__(self, config, dongle_id, latest, wifi, health, capacity=None):
        self.form = config["homeassistant"]["discovery"]
        self.prefix = config["homeassistant"]["prefix"]
        self.id = dongle_id
        self.base = f"{config['mqtt']['prefix']}/{dongle_id}/".encode()  # of our topics
        self.http_port = config["http"]["port"]
        self.latest = latest
        self._capacity = capacity
        self.has_quarter = False  # whether it has ever had something to say
        self.wifi = wifi
        self.health = health
        # What this meter has sent: whether, by row; the other keys, each ended by a newline.
        self.rows = bytearray(obis.ROWS)
        self.others = bytearray(b"\n")
        self.has_any = False  # of both
        self._edition = self._captures = None  # of the Reading that was looked at last
        self.due_ms = None  # when to announce
        self.leftovers = []  # topics to be emptied
        self.has_subscribed = False  # to all it wants, on this connection
        self.is_device_emptied = False
        self.announced = 0  # entities
        self._postponed = 0  # how often the next one has found no room
        self.is_refused = False  # a subscription, by the broker
        self._is_loaded = self._is_serving = False  # what is there for its moment

    def connected(self):
        """A new connection: the broker may have forgotten everything."""
        self.has_subscribed = self.is_refused = False
        self.leftovers = []
        if self.has_any:
            self.announce_soon()

    def heard(self, packet):
        """Takes a packet of the broker's; raises Lost where it is malformed."""
        # A PUBLISH or a SUBACK. They come in bursts: what is loaded for one does for all.
        if packet[0] & 0xF0 in (0x30, 0x90):
            # Without room for all that it may say, only Home Assistant's start is heard: what the
            # broker tells of our own announcement must not make another one.
            if room.has(_HEARD_ROOM):
                self._seldom().heard(self, packet)
            elif packet.endswith(_BIRTH):
                self.announce_soon()

    def has_work(self):
        """Whether serve() has anything to do. To be asked each second or more often."""
        reading = self.latest.reading
        if self.form != "off" and self.latest.age_ms() is not None:
            capacity = None if self.has_quarter else self._capacity
            if capacity and capacity.quarter.alert is not None:
                self.has_quarter = True
                self.announce_soon()
            if reading.edition != self._edition or reading.captures != self._captures:
                self._edition, self._captures = reading.edition, reading.captures
                self._seldom().look(self, reading)
        return not self.has_subscribed or self.due_ms is not None or self.leftovers

    async def serve(self, codec, send):
        """Sends what is due; True when it was announced. codec: a Codec, until it has subscribed;
        send(data) is a coroutine."""
        is_due = self.due_ms is not None and self.health.uptime_ms() >= self.due_ms
        # As long as all of that has to wait, nothing is loaded for it.
        if is_due or self.leftovers or self.may_subscribe():
            self._is_serving = True
            try:
                source = await self._seldom().serve(self, codec, send, is_due)
                if source:
                    # Not both at once: an announcement is what takes most.
                    forget("dongle.mqtt.retained")
                    await self._announce(source, send)
                    return True
            finally:
                self._is_serving = False
                self.settle()
        return False

    async def _announce(self, source, send):
        # On its own, because a local name keeps all of its module.
        async with large:
            if not room.has(_ROOM) and self._postponed < _MOST_POSTPONED:
                self._postponed += 1
                self.announce_soon()
                return
            self._postponed = 0
            from .announcement import Announcement

            self.announced = await Announcement(self, source, send).send()

    def may_subscribe(self):
        # Which entities are leftovers of this form, only a Reading tells.
        return not self.has_subscribed and (self.has_any or self.form != "entity")

    def settle(self):
        """To be called each second: what was there for its moment is forgotten."""
        if self._is_loaded and not self._is_serving:
            self._is_loaded = False
            forget(
                "dongle.mqtt.retained", "dongle.mqtt.announcement"
            )  # and what is in one file with them

    def topic(self, platform, key):
        """Of an entity; of the one message for all, where the key is None."""
        # An entity's middle part is not the id alone: Home Assistant would take it for a part of
        # the other form.
        middle = self.id if key is None else f"p1_{self.id}/{key.decode()}"
        return f"{self.prefix}/{platform}/{middle}/config".encode()

    def announce_soon(self):
        # Home Assistant asks all devices at once and wants them to answer one by one.
        if self.due_ms is None:
            self.due_ms = self.health.uptime_ms() + 1000 + random.getrandbits(12)

    def _seldom(self):
        from . import retained

        self._is_loaded = True
        return retained
