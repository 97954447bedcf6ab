# MQTT: the latest reading to a broker, for as long as there is one.
#
#   away -> connecting -> connected -> (any failure) -> away, with growing pauses
#
# A broker that is dead, slow or unreachable never stops the loop. A reading is a state: while
# nobody can take it, it is dropped, never queued. QoS 0 throughout; the broker keeps the will.

import asyncio
import errno
import random

from micropython import const

from p1.render.page import Page

from . import forget
from .dial import Unresolved
from .health import pieces
from .link import CLOSED, IO_MS, Link, Lost, words
from .wire import Packet, Refused, message, publish_head, refuses

_KEEPALIVE_S = const(30)
_PING_MS = const(10_000)  # after so much silence from the broker it is asked for a sign of life
_DEAD_MS = const(20_000)  # after so much it counts as gone
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 20_000
_HEALTH_MS = const(60_000)
_PAGE_BYTES = const(512)  # of what is gathered: a small write takes a whole segment
_PING = b"\xc0\0"  # PINGREQ
_OF_BEGINNING = ("dongle.codec", "umqtt.simple", "umqtt")
_UNREACHED = (errno.ETIMEDOUT, errno.EHOSTUNREACH)


class Mqtt:
    """settings: the section "mqtt" of the config; health_report: App.report; discovery: a
    Discovery; dsmr_topics: a DsmrTopics, or None; tls: of tls.py, or None; capacity: a Capacity,
    or None."""

    def __init__(
        self,
        settings,
        dongle_id,
        latest,
        wifi,
        resolver,
        health,
        health_report,
        discovery,
        dsmr_topics,
        tls,
        capacity=None,
    ):
        self._host, self._port = settings["host"], settings["port"]
        self._user, self._password = settings["user"], settings["password"]
        self._id = dongle_id
        self._latest = latest
        self._wifi = wifi
        self._resolver = resolver
        self._health = health
        self._health_report = health_report
        self._tls = tls
        base = f"{settings['prefix']}/{dongle_id}/"
        self._reading = Packet((base + "reading").encode(), latest.page)
        self._capacity = capacity
        if capacity:
            self._quarter = Packet((base + "quarter").encode(), capacity.page)
        self._telegram_topic = (base + "telegram").encode() if settings["telegram"] else None
        self._health_topic = (base + "health").encode()
        self._status_topic = (base + "status").encode()
        self._meter_topic = (base + "meter").encode()
        self._meter_online = None  # what was published last, None on a new connection
        self._discovery = discovery
        self._dsmr_topics = dsmr_topics
        self._wake = asyncio.Event()  # there is something to publish, or the connection is lost
        self._fresh = False  # a reading that has not been published
        self._ping_due = False
        self._health_due_ms = 0
        self._heard_ms = 0  # when the broker last said something
        self._failure = None  # what ended the connection
        self.connected = False
        self.reason = "not tried yet"
        self.connects = 0
        self.published = 0
        self.dropped = 0  # readings that came while there was no connection
        latest.listeners.append(self._on_reading)

    def state(self):
        """For /health: a dict."""
        state = {
            "connected": self.connected,
            "reason": self.reason,
            "tls": self._tls is not None,
            "connects": self.connects,
            "published": self.published,
            "dropped": self.dropped,
            "announced": self._discovery.announced,
        }
        if self._discovery.problem:
            state["discovery_problem"] = self._discovery.problem
        return state

    def _on_reading(self):
        if self.connected:
            self._fresh = True
            self._wake.set()
        else:
            self.dropped += 1

    async def run(self):
        pause_ms = _FIRST_PAUSE_MS
        while True:
            self._health.beat("mqtt")
            connects = self.connects
            if not self._wifi.up:
                self.reason = "waiting for Wi-Fi"
                await asyncio.sleep_ms(_FIRST_PAUSE_MS)
                continue
            try:
                await self._session()
            except asyncio.TimeoutError:
                self._lost("no answer from the broker")
                self._wifi.doubt()
            except EOFError:
                self._lost(CLOSED)
            except OSError as error:
                self._lost(words(error))
                if error.errno in _UNREACHED:
                    self._wifi.doubt()
            except (Lost, Refused, Unresolved) as error:
                self._lost(str(error))
            if self.connects != connects:
                pause_ms = _FIRST_PAUSE_MS
            self._health.beat("mqtt")
            # Not all dongles of a street at once when the broker comes back.
            await asyncio.sleep_ms(pause_ms + random.getrandbits(9))
            pause_ms = min(2 * pause_ms, _LONGEST_PAUSE_MS)

    def _lost(self, reason):
        if reason != self.reason:
            self._health.say("mqtt: " + reason)
        self.reason = reason

    async def _session(self):
        if self._tls:
            self._tls.prepare()
        address = await self._resolver.resolve(self._host, self._port)
        self._health.beat("mqtt")
        link = Link(address)
        tasks = []
        try:
            codec = await self._begin(link)
            await link.send(publish_head(self._status_topic, 6, True) + b"online")
            self._connected()
            tasks.append(asyncio.create_task(self._receive(link)))
            tasks.append(asyncio.create_task(self._watch(link)))
            await self._publish(link, codec)
        finally:
            self.connected = False
            for task in tasks:
                task.cancel()
            link.close()
            forget(*_OF_BEGINNING)

    async def _begin(self, link):
        """The Codec of a session that the broker has agreed to."""
        from .codec import Codec

        codec = Codec(
            self._id, self._user, self._password, _KEEPALIVE_S, self._status_topic, b"offline"
        )
        if self._tls:
            await link.secure(self._tls, codec.connect())
        else:
            await link.send(codec.connect())
        answer = await asyncio.wait_for_ms(link.packet(self._health.uptime_ms), IO_MS)
        codec.check_connack(answer)
        return codec

    def _connected(self):
        self.connects += 1
        self.connected = True
        self.reason = "connected"
        self._wifi.trust()
        self._failure = None
        self._ping_due = False
        self._fresh = self._latest.age_ms() is not None
        self._meter_online = None
        self._discovery.connected()
        self._health_due_ms = 0
        self._heard_ms = self._health.uptime_ms()
        self._wake.set()
        self._health.say(f"mqtt: connected to {self._host}")

    async def _publish(self, link, codec):
        """Sends whatever is due; ends only by an exception."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._failure:
                raise self._failure
            if self._fresh:
                self._fresh = False
                await self._publish_reading(link)
            online = self._latest.age_ms() is not None
            if online != self._meter_online:
                self._meter_online = online
                text = b"online" if online else b"offline"
                await link.send(publish_head(self._meter_topic, len(text), True) + text)
            if self._discovery.has_work() and await self._discovery.serve(codec, link.send):
                self._health_due_ms = 0  # some of its entities read that
            if codec and self._discovery.has_subscribed:
                codec = None
                forget(*_OF_BEGINNING)
            if self._ping_due:
                self._ping_due = False
                await link.send(_PING)
            if self._health.uptime_ms() >= self._health_due_ms:
                self._health_due_ms = self._health.uptime_ms() + _HEALTH_MS
                await self._publish_health(link)

    async def _publish_reading(self, link):
        if self._latest.age_ms() is None:
            return
        await link.send(*self._packets())
        # While that was sent, the reading may have gone stale.
        if self._telegram_topic and self._latest.age_ms() is not None:
            telegram, size = self._latest.telegram_bytes, self._latest.telegram_size
            # Its beginning together with the head, which would be a small segment alone.
            page = Page(_PAGE_BYTES)
            page.put(publish_head(self._telegram_topic, size))
            at = page.fill(memoryview(telegram)[:size], 0)
            link.write(page.bytes, page.size)
            link.write(memoryview(telegram)[at:], size - at)
            await link.drain()
        if self._dsmr_topics and self._latest.age_ms() is not None:
            page = self._dsmr_topics.render(self._latest.reading)
            await link.send(page.bytes, page.size)
        self.published += 1

    async def _publish_health(self, link):
        # Kept, because their lengths have to be known first, and they change.
        parts = list(pieces(self._health_report()[1]))
        page = Page(_PAGE_BYTES)
        page.put(publish_head(self._health_topic, sum([len(part) for part in parts])))
        for part in parts:
            at = page.fill(part, 0)
            while at < len(part):
                link.write(page.bytes, page.size)
                page.size = 0
                at = page.fill(part, at)
        link.write(page.bytes, page.size)
        await link.drain()

    def _packets(self):
        """The reading, and the quarter hour right behind it, so that one write sends both: (bytes-
        like, how many of them)."""
        reading = self._reading
        data = reading.encode()
        if self._capacity and self._capacity.render():
            data = reading.append(data, self._quarter)
        return data, reading.size

    async def _receive(self, link):
        """Hears the broker: what it has to say, and that it is there."""
        try:
            while True:
                packet = await link.packet(self._health.uptime_ms)
                self._heard_ms = self._health.uptime_ms()
                told = message(packet)
                if told:
                    self._discovery.heard(*told)
                elif refuses(packet):
                    self._discovery.refused()
                self._wake.set()
        except Exception as error:
            self._fail(error)

    async def _watch(self, link):
        """Once a second: is the broker alive, is anything due?"""
        try:
            while True:
                await asyncio.sleep_ms(1000)
                now = self._health.uptime_ms()
                silent_ms = now - self._heard_ms
                if silent_ms > _DEAD_MS:
                    raise Lost("no sign of life from the broker")
                if link.packet_since is not None and now - link.packet_since > IO_MS:
                    raise Lost("the broker stopped in the middle of a packet")
                self._ping_due = self._ping_due or silent_ms > _PING_MS
                self._health.beat("mqtt")
                self._wake.set()
        except Exception as error:
            self._fail(error)

    def _fail(self, error):
        if self._failure is None:
            self._failure = error
            self._wake.set()
