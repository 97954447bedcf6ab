# Home Assistant finds the dongle by what is announced here, with the broker to keep it (MQTT
# discovery). Two forms: "device", one message for all, and "entity", a message for each value, as
# Home Assistant before 2024.12 wants it. What the form not chosen has left at the broker is
# emptied, and with "off" all of it.
#
# Only what this meter has sent since start is announced. What it sends no more stays until the
# next start: who changes a gas meter wants neither dashboards nor history to break.
#
# The whole is some 12 KB and is never in memory: its length is counted first, then it goes out
# in pieces.

import asyncio
import json
import random

from p1 import obis

from . import VERSION
from .wire import retained_head

_BIRTH_TOPIC = b"homeassistant/status"  # Home Assistant's default, whatever the prefix is
_PIECE = 1024  # bytes sent at once
_MOST_LEFTOVERS = 64  # topics to be emptied at a time
_METER_ID = [row for row in obis.ROWS_OF["hex"] if obis.key(row) == b"meter_id"]
_CLEARED_MS = 1000  # for Home Assistant to forget a leftover before it hears of it anew
_EXPIRY_S = 60
_HEALTH_EXPIRY_S = 200

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
_OF_HEALTH = b'"ent_cat":"diagnostic","stat_t":"%shealth","avty":[{"t":"%sstatus"}],'

_HISTORY = (
    b'"json_attr_t":"%sreading","json_attr_tpl":'
    b"\"{{{'history':value_json.power_peak_history|default([])}|tojson}}\","
)


class Discovery:
    """config: the whole of it."""

    def __init__(self, config, dongle_id, latest, wifi, health):
        self._form = config["homeassistant"]["discovery"]
        self._id = dongle_id.encode()
        self._base = f"{config['mqtt']['prefix']}/{dongle_id}/".encode()
        self._http_port = config["http"]["port"]
        self._latest = latest
        self._wifi = wifi
        self._health = health
        prefix = config["homeassistant"]["prefix"].encode()
        # The entities' middle part is not the id alone: Home Assistant would take them for parts
        # of the other form.
        self._device_topic = prefix + b"/device/" + self._id + b"/config"
        self._entity_topics = prefix + b"/sensor/p1_" + self._id + b"/%s/config"
        if self._form != "off":
            from p1.render import homeassistant

            self._keys_of, self._describe = homeassistant.keys, homeassistant.members
        self._keys = []  # bytes; of what this meter has sent
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
        if self._keys:
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
            + (self._entity_topics % b"+").decode()
        )

    def has_work(self):
        """Whether serve() has anything to do. To be asked each second or more often."""
        self._look()
        return not self._subscribed or self._due_ms is not None or self._leftovers

    async def serve(self, codec, send):
        """Sends what is due; True when it was announced. send(data) is a coroutine."""
        # Which entities are leftovers of this form, only a Reading tells.
        if not self._subscribed and (self._keys or self._form != "entity"):
            self._subscribed = True
            await send(codec.subscribe(self._entity_topics % b"+"))
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
        if reading.edition == self._edition and reading.captures == self._captures:
            return
        self._edition, self._captures = reading.edition, reading.captures
        for key in self._keys_of(reading):
            if key not in self._keys:
                self._keys.append(key)
                self._announce_soon()

    def _announce_soon(self):
        # Home Assistant asks all devices at once and wants them to answer one by one.
        if self._due_ms is None:
            self._due_ms = self._health.uptime_ms() + 1000 + random.getrandbits(12)

    def _is_announced(self, topic):
        key = topic.split(b"/")[-2]
        return self._form == "entity" and (key in self._keys or key in _HEALTH)

    async def _announce(self, send):
        base = self._base
        tariff_names = self._latest.reading.profile.tariff_names
        source = self._source()
        about_readings = (
            b'"stat_t":"%sreading","avty":[{"t":"%sstatus"},{"t":"%smeter"}],"avty_mode":"all"'
        ) % (base, base, base)
        if self._form == "device":

            def pieces():
                yield b'{%s,%s,"cmps":{' % (source, about_readings)
                separator = b""
                for key, members in self._entity_members(tariff_names):
                    yield b'%s"%s":{"p":"sensor",%s}' % (separator, key, members)
                    separator = b","
                yield b"}}"

            await _stream(send, self._device_topic, pieces)
        else:
            for key, members in self._entity_members(tariff_names):
                if key not in _HEALTH:
                    members += b"," + about_readings
                message = b"{%s,%s}" % (members, source)
                topic = self._entity_topics % key
                await send(retained_head(topic, len(message)) + message)
        self.announced = len(self._keys) + len(_HEALTH)

    def _entity_members(self, tariff_names):
        """Yields the key and the members of each entity, without what all that read the Reading
        have in common."""
        base = self._base
        ending = b'"uniq_id":"' + self._id + b'_%s","exp_aft":%d'
        for key in self._keys:
            members = self._describe(key, tariff_names)
            if key == b"monthly_power_peak_w":
                members += _HISTORY % base
            yield key, members + ending % (key, _EXPIRY_S)
        for key, members in _HEALTH.items():
            members += _OF_HEALTH % (base, base)
            yield key, members + ending % (key, _HEALTH_EXPIRY_S)

    def _source(self):
        """The members that tell where all of it comes from."""
        reading = self._latest.reading
        device = {
            "ids": ["p1_" + self._id.decode()],
            "name": "P1 meter",
            "sw": VERSION,
            # A name could not be looked up everywhere; whenever the address changes, a new
            # connection to the broker says so here.
            "cu": f"http://{self._wifi.address()}:{self._http_port}/",
        }
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


def _maker(letters):
    at = _MAKERS.find(b"\n" + letters + b" ")
    if at < 0 or not letters:
        return None
    return _MAKERS[at + 5 : _MAKERS.find(b"\n", at + 1)].decode()


async def _stream(send, topic, pieces):
    """Publishes the concatenation of what pieces() yields, retained; it yields the same twice."""
    size = 0
    for piece in pieces():
        size += len(piece)
        await asyncio.sleep_ms(0)  # the meter does not wait
    buffer = bytearray(retained_head(topic, size))
    for piece in pieces():
        buffer.extend(piece)
        if len(buffer) >= _PIECE:
            await send(buffer)
            buffer = bytearray()
    await send(buffer)
