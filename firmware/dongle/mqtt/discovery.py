# MQTT discovery: Home Assistant finds the dongle by retained messages at the broker, which are
# called announcements here. There are two forms: "device", one message for all entities, and
# "entity", a message for each value, which Home Assistant before 2024.12 needs. The messages of
# the other form are emptied (removed from the broker); with "off", all of them.
#
# Only values that this meter has sent since the start are announced. A value that it stops sending
# stays announced until the next start, so that a new gas meter breaks neither dashboards nor
# history.
#
# This module only decides whether there is anything to do, because that is asked each second. The
# work is in retained.py, the text of an announcement in announcement.py; both are in memory only
# while they work.

import random

from micropython import const

from p1 import obis

from .. import forget, large, room

_ROOM = const(16_500)  # bytes of the Python heap that have to be free for an announcement
_HEARD_ROOM = const(5_000)  # the same for reading a packet of the broker, with some to spare
_BIRTH = b"homeassistant/statusonline"  # how that packet ends: its topic and its message
_MOST_POSTPONED = const(20)  # times that an announcement may wait some seconds more


class Discovery:
    """config: the whole config; capacity: a Capacity, or None."""

    def __init__(self, config, dongle_id, latest, wifi, health, capacity=None):
        self.form = config["homeassistant"]["discovery"]
        self.prefix = config["homeassistant"]["prefix"]
        self.id = dongle_id
        self.base = f"{config['mqtt']['prefix']}/{dongle_id}/".encode()  # prefix of our topics
        self.http_port = config["http"]["port"]
        self.latest = latest
        self._capacity = capacity
        self.has_quarter = False  # whether the quarter hour has been known since the start
        self.wifi = wifi
        self.health = health
        # What this meter has sent: a flag for each row, and the other keys, each with a newline.
        self.rows = bytearray(obis.ROWS)
        self.others = bytearray(b"\n")
        self.has_any = False  # whether there is anything in these two
        self._edition = self._captures = None  # of the Reading that was looked at last
        self.due_ms = None  # uptime at which to announce
        self.leftovers = []  # topics to be emptied
        self.has_subscribed = False  # to all topics that are needed, on this connection
        self.is_device_emptied = False
        self.announced = 0  # number of entities
        self._postponed = 0  # how often there was no memory for the next announcement
        self.is_refused = False  # whether the broker has refused a subscription
        self._retained = None  # the module retained.py, while it is loaded
        self._is_serving = False

    def connected(self) -> None:
        """Starts again on a new connection: the broker may have lost all retained messages."""
        self.has_subscribed = self.is_refused = False
        self.leftovers = []
        if self.has_any:
            self.announce_soon()

    def heard(self, packet: bytes) -> None:
        """Handles a packet of the broker; raises Lost if it is malformed."""
        # Only PUBLISH and SUBACK. They come in bursts, so the module that is loaded for one stays
        # for the others.
        if packet[0] & 0xF0 in (0x30, 0x90):
            # With too little memory only the start of Home Assistant is noticed. The broker also
            # sends back our own announcement, and that must not cause another one.
            if room.has(_HEARD_ROOM):
                self._seldom().heard(self, packet)
            elif packet.endswith(_BIRTH):
                self.announce_soon()

    def has_work(self):
        """Returns whether serve() has anything to do. To be called at least once a second."""
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

    async def serve(self, codec, send) -> bool:
        """Sends what is due; returns True after an announcement. codec: a Codec, needed until
        has_subscribed is True; send(data) is a coroutine."""
        is_due = self.due_ms is not None and self.health.uptime_ms() >= self.due_ms
        # Modules are loaded only when there is something to do now.
        if is_due or self.leftovers or self.may_subscribe():
            self._is_serving = True
            try:
                source = await self._seldom().serve(self, codec, send, is_due)
                if source:
                    # An announcement needs the most memory, so retained.py goes first.
                    self._retained = None
                    forget()
                    await self._announce(source, send)
                    return True
            finally:
                self._is_serving = False
                self.settle()
        return False

    async def _announce(self, source, send):
        # In a method of its own: a local name would keep the whole module in memory.
        async with large:
            if not room.has(_ROOM) and self._postponed < _MOST_POSTPONED:
                self._postponed += 1
                self.announce_soon()
                return
            self._postponed = 0
            from .announcement import Announcement

            forget()
            self.announced = await Announcement(self, source, send).send()

    def may_subscribe(self) -> bool:
        # In the form "entity", only a Reading shows which of the entities are leftovers.
        return not self.has_subscribed and (self.has_any or self.form != "entity")

    def settle(self) -> None:
        """Takes the module for the broker's packets out of memory when it is no longer needed. To
        be called once a second."""
        if self._retained and not self._is_serving:
            self._retained = None
            forget()

    def topic(self, platform: str, key: bytes | None) -> bytes:
        """Returns the topic of an entity; with None as key, that of the message for all."""
        # The middle part for an entity is not only the id: Home Assistant would take the entity
        # for a part of the form "device".
        middle = self.id if key is None else f"p1_{self.id}/{key.decode()}"
        return f"{self.prefix}/{platform}/{middle}/config".encode()

    def announce_soon(self) -> None:
        # Home Assistant asks all devices at once and wants their answers spread out in time.
        if self.due_ms is None:
            self.due_ms = self.health.uptime_ms() + 1000 + random.getrandbits(12)

    def _seldom(self):
        if self._retained is None:
            from . import retained

            forget()
            self._retained = retained
        return self._retained
