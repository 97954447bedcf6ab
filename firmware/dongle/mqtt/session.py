# MQTT: sends each reading to a broker, and reconnects after every failure.
#
#   away -> connecting -> connected -> (any failure) -> away, with growing pauses
#
# A broker that is dead, slow or unreachable never stops the event loop. Only the newest reading is
# of interest: without a connection a reading is dropped, never queued. All messages have QoS 0.
# The broker keeps the last will (retained).
#
# codec.py begins a session, loss.py explains why one has ended, report.py writes what is sent once
# a minute. These modules are in memory only while they work.

import asyncio
import random

from micropython import const

from .. import forget, in_words, large, room
from .link import IO_MS, PIECE, Link, Lost
from .wire import Packet, publish_head

_PING_MS = const(10_000)  # a broker that has sent nothing for so long gets a PINGREQ
_DEAD_MS = const(20_000)  # a broker that has sent nothing for so long counts as gone
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 20_000
_HEALTH_ROOM = const(13_000)  # bytes of the Python heap that have to be free for a health report
_HEALTH_MS = const(60_000)


class Mqtt:
    """The MQTT client. run() is its task, and look() is to be called once a second."""

    def __init__(
        self,
        settings: dict,
        latest,
        wifi,
        resolver,
        health,
        health_report,
        discovery,
        tls,
        capacity=None,
        more: list | tuple = (),
    ):
        """
        settings       the section "mqtt" of the config
        latest         the Latest, with the reading to publish
        wifi           the network: a Wifi or a Lan
        resolver       a Resolver, for the broker's name
        health         the Health, for uptime and log messages
        health_report  Device.report, which makes the report for the topic `health`
        discovery      a Discovery, for Home Assistant
        tls            a Tls; None for a connection without TLS
        capacity       a Capacity, for the topic `quarter`, or None
        more           objects that are published with each reading, each with a coroutine
                       publish(link, latest); objects may be added later
        """
        self._at = settings["host"], settings["port"]
        self._login = discovery.id, settings["user"], settings["password"]
        self._latest = latest
        self._wifi = wifi
        self._resolver = resolver
        self._health = health
        self._health_report = health_report
        self.tls = tls
        self._base = discovery.base
        self._reading = Packet(self._base + b"reading", latest.page)
        self._capacity = capacity
        if capacity:
            self._quarter = Packet(self._base + b"quarter", capacity.page)
        self._more = more
        self._is_meter_online = None  # as it was last published; None on a new connection
        self.discovery = discovery
        self._link = None  # a Link during a session
        self._codec = None  # a Codec from the beginning of a session until all is subscribed
        self._wake = asyncio.Event()  # there is something to publish, or the connection is lost
        self._fresh = False  # there is a reading that has not been published
        self._is_ping_due = False
        self._health_due_ms = 0
        self._heard_ms = 0  # uptime when the last packet of the broker came
        self._freed_ms = 0  # uptime when the broker had last taken most of what was sent
        self._failure = None  # what ended the connection
        self.connected = False
        self.code = "not_tried_yet"
        self.reason = None  # the same in words, if words.py has none
        self.connects = 0
        self.published = 0
        self.dropped = 0  # readings that came while there was no connection
        latest.listeners.append(self._on_reading)

    def _on_reading(self):
        if self.connected:
            self._fresh = True
            self._wake.set()
        else:
            self.dropped += 1

    async def run(self) -> None:
        """Connects again after every failure; never returns."""
        pause_ms = _FIRST_PAUSE_MS
        while True:
            self._health.beat("mqtt")
            connects = self.connects
            if not self._wifi.up:
                self.code, self.reason = "waiting_for_network", None
                await asyncio.sleep_ms(_FIRST_PAUSE_MS)
                continue
            try:
                await self._session()
            except Exception as error:
                self._lost(error)
            if self.connects != connects:
                pause_ms = _FIRST_PAUSE_MS
            self._health.beat("mqtt")
            # A random part, so that not all dongles connect at once when the broker is back.
            await asyncio.sleep_ms(pause_ms + random.getrandbits(9))
            pause_ms = min(2 * pause_ms, _LONGEST_PAUSE_MS)

    def _lost(self, error):
        from .loss import explain

        forget()
        code, reason, is_doubtful = explain(error)
        if is_doubtful:
            self._wifi.doubt()
        if code != self.code or reason != self.reason:
            self._health.say("mqtt: " + (reason or in_words(code)))
        self.code, self.reason = code, reason

    async def _session(self):
        if self.tls:
            self.tls.prepare()
        address = await self._resolver.resolve(*self._at)
        self._health.beat("mqtt")
        link = Link(address)
        task = None
        try:
            await self._begin(link)
            await link.send(publish_head(self._base + b"status", 6, True) + b"online")
            self._connected(link)
            task = asyncio.create_task(self._receive(link))
            await self._publish(link)
        finally:
            self.connected = False
            self._link = self._codec = None
            if task:
                task.cancel()
            link.close()
            self.discovery.settle()
            forget("umqtt.simple", "umqtt")

    async def _begin(self, link):
        from .codec import begin

        # Not in a local variable: that would keep the codec and its module in memory for the whole
        # session.
        self._codec = await begin(
            link, self._login, self._base + b"status", self.tls, self._health.uptime_ms
        )

    def _connected(self, link):
        self.connects += 1
        self.connected = True
        self.code, self.reason = "connected", None
        self._wifi.trust()
        self._failure = None
        self._is_ping_due = False
        self._fresh = self._latest.age_ms() is not None
        self._is_meter_online = None
        self.discovery.connected()
        self._health_due_ms = 0
        self._heard_ms = self._freed_ms = self._health.uptime_ms()
        self._link = link
        self._wake.set()
        self._health.say(f"mqtt: connected to {self._at[0]}")

    async def _publish(self, link):
        """Sends what is due; ends only with an exception."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._failure:
                raise self._failure
            if self._fresh:
                self._fresh = False
                await self._publish_reading(link)
            online = self._latest.age_ms() is not None
            if online != self._is_meter_online:
                self._is_meter_online = online
                text = b"online" if online else b"offline"
                await link.send(publish_head(self._base + b"meter", len(text), True) + text)
            discovery = self.discovery
            if discovery.has_work() and await discovery.serve(self._codec, link.send):
                self._health_due_ms = 0  # some of the announced entities read the topic `health`
            if self._codec and discovery.has_subscribed:
                self._codec = None
                forget("umqtt.simple", "umqtt")
            if self._is_ping_due:
                self._is_ping_due = False
                await link.send(b"\xc0\0")  # PINGREQ
            if self._health.uptime_ms() >= self._health_due_ms:
                self._health_due_ms = self._health.uptime_ms() + _HEALTH_MS
                await self._publish_health(link)

    async def _publish_health(self, link):
        async with large:
            # Not enough while the set-up portal is open; then the next report is in a minute.
            if not room.has(_HEALTH_ROOM):
                return
            try:
                report = self._health_report()
                report.prepare(self._base + b"health")
            except MemoryError as error:  # the next report is in a minute
                self._health.failed("mqtt", error)
                return
            await report.publish(link)

    async def _publish_reading(self, link):
        has_network = await room.for_network(min(self._size(), PIECE))
        if self._latest.age_ms() is None:
            return
        if not (has_network and self._is_free(link)):
            self.dropped += 1
            return
        # The reading and right behind it the quarter hour, so that one write sends both.
        reading = self._reading
        data = reading.encode()
        if self._capacity and self._capacity.render():
            data = reading.append(data, self._quarter)
        await link.publish(data, 0, reading.size, self._latest)
        for each in self._more:
            # The reading may have become too old while the message before was sent.
            if self._latest.age_ms() is not None:
                await each.publish(link, self._latest)
        self.published += 1

    def _is_free(self, link):
        """Returns whether the broker has taken most of what was sent. Raises Lost if it has not
        done so for IO_MS, because what it has not taken holds memory of the network."""
        now = self._health.uptime_ms()
        is_free = link.is_free()
        if is_free:
            self._freed_ms = now
        elif now - self._freed_ms > IO_MS:
            raise Lost("broker_full")
        return is_free

    def _size(self):
        """Returns about how many bytes a reading takes."""
        return self._latest.page.size + (self._capacity.page.size if self._capacity else 0)

    async def _receive(self, link):
        """Receives packets of the broker, which also show that it is alive."""
        try:
            while True:
                packet = await link.packet(self._health.uptime_ms)
                self._heard_ms = self._health.uptime_ms()
                self.discovery.heard(packet)
                self._wake.set()
        except Exception as error:
            self._fail(error)

    def look(self) -> None:
        """Checks whether the broker is alive and anything is due. To be called once a second."""
        link = self._link
        if link is None:
            return
        now = self._health.uptime_ms()
        silent_ms = now - self._heard_ms
        if silent_ms > _DEAD_MS:
            self._fail(Lost("broker_silent"))
        elif link.packet_since is not None and now - link.packet_since > IO_MS:
            self._fail(Lost("half_packet"))
        self._is_ping_due = self._is_ping_due or silent_ms > _PING_MS
        self._health.beat("mqtt")
        self.discovery.settle()
        self._wake.set()

    def _fail(self, error):
        if self._failure is None:
            self._failure = error
            self._wake.set()
