# Home Assistant finds the dongle by what is announced here, with the broker to keep it (MQTT
# discovery). Two forms: "device", one message for all, and "entity", a message for each value, as
# Home Assistant before 2024.12 wants it. What the form not chosen has left at the broker is
# emptied, and with "off" all of it.
#
# Only what this meter has sent since start is announced. What it sends no more stays until the
# next start: who changes a gas meter wants neither dashboards nor history to break.
#
# The whole is some 12 KB and is never in memory: its length is counted first, then it goes out
# in pieces of a buffer that is there from the start.

import asyncio
import gc
import json
import random

from micropython import const

from p1 import obis

from . import VERSION
from .wire import publish_head

_BIRTH_TOPIC = b"homeassistant/status"  # Home Assistant's default, whatever the prefix is
_PIECE = const(256)  # bytes sent at once
_MOST_LEFTOVERS = const(64)  # topics to be emptied at a time
_METER_ID = [row for row in obis.ROWS_OF["hex"] if obis.key(row) == b"meter_id"]
_CLEARED_MS = const(1000)  # for Home Assistant to forget a leftover before it hears of it anew
_EXPIRY_S = const(60)
_HEALTH_EXPIRY_S = const(200)

# Three letters in front of the header (IEC 62056-21) -> manufacturer.
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

# What `health` tells rather than `reading`.
_HEALTH = {
    b"wifi_signal": b'"name":"Wi-Fi signal","unit_of_meas":"dBm","dev_cla":"signal_strength",'
    b'"stat_cla":"measurement","val_tpl":"{{value_json.wifi.rssi_dbm|default(\'None\')}}",',
    b"damaged_telegrams": b'"name":"Damaged telegrams","stat_cla":"total_increasing",'
    b'"val_tpl":"{{value_json.telegrams.crc}}",',
    b"uptime": b'"name":"Uptime","unit_of_meas":"s","dev_cla":"duration",'
    b'"stat_cla":"measurement","val_tpl":"{{value_json.uptime_s}}","en":false,',
}
# What `quarter` tells.
_QUARTER = {
    b"quarter_forecast_w": b'"name":"Quarter forecast","unit_of_meas":"W","dev_cla":"power",'
    b'"stat_cla":"measurement","sug_dsp_prc":0,'
    b'"val_tpl":"{{value_json.forecast_power_w|default(\'None\')}}",',
    b"quarter_headroom_w": b'"name":"Quarter headroom","unit_of_meas":"W","dev_cla":"power",'
    b'"stat_cla":"measurement","sug_dsp_prc":0,'
    b'"val_tpl":"{{value_json.headroom_w|default(\'None\')}}",',
    b"quarter_alert": b'"name":"Quarter alert","dev_cla":"problem",'
    b"\"val_tpl\":\"{{{true:'ON',false:'OFF'}[value_json.alert|default(2)]|default('None')}}\",",
}
_BINARY = b"quarter_alert"

_OF_HEALTH = b'"ent_cat":"diagnostic","stat_t":"%shealth","avty":[{"t":"%sstatus"}],'

_HISTORY = (
    b'"json_attr_t":"%sreading","json_attr_tpl":'
    b"\"{{{'history':value_json.power_peak_history|default([])}|tojson}}\","
)


class Discovery:
    """config: the whole of it; capacity: a Capacity, or None."""

    def __init__(self, config, dongle_id, latest, wifi, health, capacity=None):
        self._form = config["homeassistant"]["discovery"]
        self._id = dongle_id.encode()
        self._base = f"{config['mqtt']['prefix']}/{dongle_id}/".encode()
        self._http_port = config["http"]["port"]
        self._latest = latest
        self._capacity = capacity
        self._has_quarter = False  # whether it has ever had something to say
        self._wifi = wifi
        self._health = health
        prefix = config["homeassistant"]["prefix"].encode()
        # The entities' middle part is not the id alone: Home Assistant would take them for parts
        # of the other form.
        self._device_topic = prefix + b"/device/" + self._id + b"/config"
        self._entity_topics = prefix + b"/%s/p1_" + self._id + b"/%s/config"
        if self._form != "off":
            from p1.render import homeassistant

            self._keys_of, self._describe = homeassistant.keys, homeassistant.members
            self._piece = bytearray(_PIECE)
            self._filled = 0
        self._keys = bytearray(b"\n")  # each ended by a newline; of what this meter has sent
        self._edition = self._captures = None  # of the Reading that was looked at last
        self._due_ms = None  # when to announce
        self._leftovers = []  # topics to be emptied
        self._subscribed = False  # on this connection
        self._device_emptied = False
        self.announced = 0  # entities
        self.problem = None  # str

    def connected(self):
        """A new connection: the broker may have forgotten everything."""
        self._subscribed = False
        self._leftovers = []
        self.problem = None
        if self._count():
            self._announce_soon()

    def heard(self, topic, message):
        """Takes what the broker tells (bytes; message None where empty)."""
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
            + (self._entity_topics % (b"+", b"+")).decode()
        )

    def has_work(self):
        """Whether serve() has anything to do. To be asked each second or more often."""
        self._look()
        return not self._subscribed or self._due_ms is not None or self._leftovers

    async def serve(self, codec, send):
        """Sends what is due; True when it was announced. send(data) is a coroutine."""
        # Which entities are leftovers of this form, only a Reading tells.
        if not self._subscribed and (self._count() or self._form != "entity"):
            self._subscribed = True
            await send(codec.subscribe(self._entity_topics % (b"+", b"+")))
            if self._form != "off":
                await send(codec.subscribe(_BIRTH_TOPIC))
            if self._form != "device" and not self._device_emptied:
                await send(codec.publish(self._device_topic, b"", True))
                self._device_emptied = True
        while self._leftovers:
            await send(codec.publish(self._leftovers.pop(), b"", True))
        if self._due_ms is None or self._health.uptime_ms() < self._due_ms:
            return False
        self._due_ms = None
        await self._announce(send)
        return True

    def _look(self):
        """Is there anything new in the latest Reading?"""
        reading = self._latest.reading
        if self._form == "off" or self._latest.age_ms() is None:
            return
        if self._capacity and not self._has_quarter and self._capacity.quarter.alert is not None:
            self._has_quarter = True
            self._announce_soon()
        if reading.edition == self._edition and reading.captures == self._captures:
            return
        self._edition, self._captures = reading.edition, reading.captures
        for key in self._keys_of(reading):
            if not self._has(key):
                self._keys.extend(key + b"\n")
                self._announce_soon()

    def _has(self, key):
        return b"\n" + key + b"\n" in self._keys

    def _each(self):
        start = 1
        while start < len(self._keys):
            end = self._keys.find(b"\n", start)
            yield bytes(self._keys[start:end])
            start = end + 1

    def _count(self):
        return self._keys.count(b"\n") - 1

    def _announce_soon(self):
        # Home Assistant asks all devices at once and wants them to answer one by one.
        if self._due_ms is None:
            self._due_ms = self._health.uptime_ms() + 1000 + random.getrandbits(12)

    def _is_announced(self, topic):
        key = topic.split(b"/")[-2]
        return self._form == "entity" and (
            self._has(key) or key in _HEALTH or (self._has_quarter and key in _QUARTER)
        )

    async def _announce(self, send):
        gc.collect()  # strings of some hundred bytes come and go
        tariff_names = self._latest.reading.profile.tariff_names
        source = self._source()
        if self._form == "device":
            size = 0
            for text in self._device(source, tariff_names):
                size += len(text)
                await asyncio.sleep_ms(0)  # the meter does not wait
            await self._send(send, self._device_topic, size, self._device(source, tariff_names))
        else:
            topic, *about_meter = self._about_readings()
            for key, members, ending in self._entities(tariff_names):
                texts = [b"{"] + list(members) + [ending]
                if key not in _HEALTH:
                    for member in about_meter if key in _QUARTER else [topic] + about_meter:
                        texts += [b",", member]
                texts += [b",", source, b"}"]
                size = sum([len(text) for text in texts])
                await self._send(send, self._entity_topics % (_platform(key), key), size, texts)
        self.announced = self._count() + len(_HEALTH) + self._has_quarter * len(_QUARTER)

    def _device(self, source, tariff_names):
        """Yields the one message for all, in pieces."""
        yield b"{" + source
        for member in self._about_readings():
            yield b"," + member
        separator = b',"cmps":{'
        for key, members, ending in self._entities(tariff_names):
            yield b'%s"%s":{"p":"%s",' % (separator, key, _platform(key))
            yield from members
            yield ending
            separator = b"},"
        yield b"}}}"

    def _entities(self, tariff_names):
        """Yields each entity's key and its members, some in an iterable and some in one piece,
        without those that all that read the Reading have in common."""
        base = self._base
        ending = b'"uniq_id":"' + self._id + b'_%s","exp_aft":%d'
        for key in self._each():
            text = ending % (key, _EXPIRY_S)
            if key == b"monthly_power_peak_w":
                text = _HISTORY % base + text
            yield key, self._describe(key, tariff_names), text
        if self._has_quarter:
            for key, members in _QUARTER.items():
                yield key, (members,), b'"stat_t":"%squarter",' % base + ending % (key, _EXPIRY_S)
        for key, members in _HEALTH.items():
            yield key, (members,), _OF_HEALTH % (base, base) + ending % (key, _HEALTH_EXPIRY_S)

    def _about_readings(self):
        base = self._base
        return (
            b'"stat_t":"%sreading"' % base,
            b'"avty":[{"t":"%sstatus"},{"t":"%smeter"}]' % (base, base),
            b'"avty_mode":"all"',
        )

    def _source(self):
        """The members that tell where all of it comes from."""
        reading = self._latest.reading
        device = {
            "ids": ["p1_" + self._id.decode()],
            "name": "P1 meter",
            "sw": VERSION,
        }
        # A name could not be looked up everywhere; whenever the address changes, a new connection
        # to the broker says so here.
        address = self._wifi.address()
        if address:
            device["cu"] = f"http://{address}:{self._http_port}/"
        if len(self._id) == 12:  # an ESP32's is its MAC address
            mac = self._id.decode()
            device["cns"] = [["mac", ":".join([mac[at : at + 2] for at in range(0, 12, 2)])]]
        if reading.model:
            device["mdl"] = bytes(reading.model).decode()
            maker = _maker(bytes(reading.model[:3]))
            if maker:
                device["mf"] = maker
        for row in _METER_ID:
            if "sn" not in device and row in reading.texts:
                device["sn"] = bytes(reading.texts[row]).decode()
        origin = {"name": "p1-dongle", "sw": VERSION}
        return b'"dev":%s,"o":%s' % (json.dumps(device).encode(), json.dumps(origin).encode())

    async def _send(self, send, topic, size, texts):
        """Publishes the texts, which have so many bytes together, as one retained message."""
        self._filled = 0
        await self._put(send, publish_head(topic, size, True))
        for text in texts:
            await self._put(send, text)
        await send(self._piece, self._filled)

    async def _put(self, send, text):
        at = 0
        while at < len(text):
            start = self._filled
            end = min(_PIECE, start + len(text) - at)
            self._piece[start:end] = memoryview(text)[at : at + end - start]
            at += end - start
            self._filled = end
            if end == _PIECE:
                await send(self._piece, end)
                self._filled = 0


def _platform(key):
    return b"binary_sensor" if key == _BINARY else b"sensor"


def _maker(letters):
    at = _MAKERS.find(b"\n" + letters + b" ")
    if at < 0 or not letters:
        return None
    return _MAKERS[at + 5 : _MAKERS.find(b"\n", at + 1)].decode()
