# The words of an announcement to Home Assistant. In memory only while there is one: see
# discovery.py, which knows what and when.
#
# The whole is some 12 KB and is never in memory: its length is counted first, then it goes out in
# pieces.

import asyncio
import gc
import json

from micropython import const

from p1 import obis
from p1.render.homeassistant import members

from . import VERSION
from .discovery import HEALTH, QUARTER
from .wire import publish_head

_PIECE = const(512)  # bytes sent at once
_PACE_MS = const(15)  # between them: the chip has no room for all of it at once
_EXPIRY_S = const(60)
_HEALTH_EXPIRY_S = const(200)
_BINARY = b"quarter_alert"

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

# In the order of HEALTH and of QUARTER.
_OF_HEALTH = (
    b'"name":"Wi-Fi signal","unit_of_meas":"dBm","dev_cla":"signal_strength",'
    b'"stat_cla":"measurement","val_tpl":"{{value_json.wifi.rssi_dbm|default(\'None\')}}",',
    b'"name":"Damaged telegrams","stat_cla":"total_increasing",'
    b'"val_tpl":"{{value_json.telegrams.crc}}",',
    b'"name":"Uptime","unit_of_meas":"s","dev_cla":"duration",'
    b'"stat_cla":"measurement","val_tpl":"{{value_json.uptime_s}}","en":false,',
)
_OF_QUARTER = (
    b'"name":"Quarter forecast","unit_of_meas":"W","dev_cla":"power",'
    b'"stat_cla":"measurement","sug_dsp_prc":0,'
    b'"val_tpl":"{{value_json.forecast_power_w|default(\'None\')}}",',
    b'"name":"Quarter headroom","unit_of_meas":"W","dev_cla":"power",'
    b'"stat_cla":"measurement","sug_dsp_prc":0,'
    b'"val_tpl":"{{value_json.headroom_w|default(\'None\')}}",',
    b'"name":"Quarter alert","dev_cla":"problem",'
    b"\"val_tpl\":\"{{{true:'ON',false:'OFF'}[value_json.alert|default(2)]|default('None')}}\",",
)

_IN_HEALTH = b'"ent_cat":"diagnostic","stat_t":"%shealth","avty":[{"t":"%sstatus"}],'

_HISTORY = (
    b'"json_attr_t":"%sreading","json_attr_tpl":'
    b"\"{{{'history':value_json.power_peak_history|default([])}|tojson}}\","
)


class Announcement:
    def __init__(self, discovery, send):
        """discovery: a Discovery; send(data, size) is a coroutine."""
        self._of = discovery
        self._send_piece = send
        self._tariff_names = discovery.latest.reading.profile.tariff_names
        self._piece = bytearray(_PIECE)
        self._filled = 0

    async def send(self):
        gc.collect()  # strings of some hundred bytes come and go
        of = self._of
        if of.form == "device":
            size = 0
            for text in self._device():
                size += len(text)
                await asyncio.sleep_ms(0)  # the meter does not wait
            await self._publish(of.device_topic, size, self._device())
        else:
            await self._send_entities()
        await self._send_piece(self._piece, self._filled)

    async def _send_entities(self):
        of = self._of
        topic, *about_meter = self._about_readings()
        for key, described, ending in self._entities():
            texts = [b"{"] + list(described) + [ending]
            if key not in HEALTH:
                for member in about_meter if key in QUARTER else [topic] + about_meter:
                    texts += [b",", member]
            texts += [b",", _source(of), b"}"]
            size = sum([len(text) for text in texts])
            await self._publish(of.entity_topics % (_platform(key), key), size, texts)

    def _device(self):
        """Yields the one message for all, in pieces."""
        yield b"{"
        yield _source(self._of)
        for member in self._about_readings():
            yield b"," + member
        separator = b',"cmps":{'
        for key, described, ending in self._entities():
            yield b'%s"%s":{"p":"%s",' % (separator, key, _platform(key))
            yield from described
            yield ending
            separator = b"},"
        yield b"}}}"

    def _entities(self):
        """Yields each entity's key and its members, some in an iterable and some in one piece,
        without those that all that read the Reading have in common."""
        base = self._of.base
        ending = b'"uniq_id":"' + self._of.id + b'_%s","exp_aft":%d'
        for key in self._of.entities():
            text = ending % (key, _EXPIRY_S)
            if key == b"monthly_power_peak_w":
                text = _HISTORY % base + text
            yield key, members(key, self._tariff_names), text
        if self._of.has_quarter:
            for key, words in zip(QUARTER, _OF_QUARTER):
                yield key, (words,), b'"stat_t":"%squarter",' % base + ending % (key, _EXPIRY_S)
        for key, words in zip(HEALTH, _OF_HEALTH):
            yield key, (words,), _IN_HEALTH % (base, base) + ending % (key, _HEALTH_EXPIRY_S)

    def _about_readings(self):
        base = self._of.base
        return (
            b'"stat_t":"%sreading"' % base,
            b'"avty":[{"t":"%sstatus"},{"t":"%smeter"}]' % (base, base),
            b'"avty_mode":"all"',
        )

    async def _publish(self, topic, size, texts):
        """Publishes the texts, which have so many bytes together, as one retained message; its end
        goes out with what comes next."""
        await self._put(publish_head(topic, size, True))
        for text in texts:
            await self._put(text)

    async def _put(self, text):
        at = 0
        while at < len(text):
            start = self._filled
            end = min(_PIECE, start + len(text) - at)
            self._piece[start:end] = memoryview(text)[at : at + end - start]
            at += end - start
            self._filled = end
            if end == _PIECE:
                await self._send_piece(self._piece, end)
                self._filled = 0
                await asyncio.sleep_ms(_PACE_MS)


def _source(discovery):
    """The members that tell where all of it comes from."""
    reading, id = discovery.latest.reading, discovery.id.decode()
    device = {"ids": ["p1_" + id], "name": "P1 meter", "sw": VERSION}
    # A name could not be looked up everywhere; whenever the address changes, a new connection to
    # the broker says so here.
    address = discovery.wifi.address()
    if address:
        device["cu"] = f"http://{address}:{discovery.http_port}/"
    if len(id) == 12:  # an ESP32's is its MAC address
        device["cns"] = [["mac", ":".join([id[at : at + 2] for at in range(0, 12, 2)])]]
    if reading.model:
        device["mdl"] = bytes(reading.model).decode()
        maker = _maker(bytes(reading.model[:3]))
        if maker:
            device["mf"] = maker
    for row in range(obis.FIRST_HEX, obis.FIRST_VERSION):
        if obis.key(row) == b"meter_id" and "sn" not in device and row in reading.texts:
            device["sn"] = bytes(reading.texts[row]).decode()
    origin = {"name": "p1-dongle", "sw": VERSION}
    return b'"dev":%s,"o":%s' % (json.dumps(device).encode(), json.dumps(origin).encode())


def _platform(key):
    return b"binary_sensor" if key == _BINARY else b"sensor"


def _maker(letters):
    at = _MAKERS.find(b"\n" + letters + b" ")
    if at < 0 or not letters:
        return None
    return _MAKERS[at + 5 : _MAKERS.find(b"\n", at + 1)].decode()
