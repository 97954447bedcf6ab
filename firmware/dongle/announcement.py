# The words of an announcement to Home Assistant. In memory only while there is one: see
# discovery.py, which knows what and when.
#
# The whole is some 12 KB and is never in memory: its length is counted first, then it is made
# anew and goes out in pieces.

import asyncio
import gc
import json

from micropython import const

from p1 import obis
from p1.render.homeassistant import members

from . import VERSION
from .retained import HEALTH, QUARTER, device_topic, entities, entity_topic
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

# "~" stands for the beginning of our topics.
_IN_HEALTH = b'"ent_cat":"diagnostic","stat_t":"~health","avty":[{"t":"~status"}],'
_IN_QUARTER = b'"stat_t":"~quarter",'
_HISTORY = (
    b'"json_attr_t":"~reading","json_attr_tpl":'
    b"\"{{{'history':value_json.power_peak_history|default([])}|tojson}}\","
)
_IN_READING = b'"stat_t":"~reading"'
_ABOUT_READINGS = (
    _IN_READING,
    b'"avty":[{"t":"~status"},{"t":"~meter"}]',
    b'"avty_mode":"all"',
)


class Announcement:
    def __init__(self, discovery, send):
        """discovery: a Discovery; send(data, size) is a coroutine."""
        gc.collect()  # so that what comes now finds the holes there are
        self._of = discovery
        self._send_piece = send
        self._tariff_names = discovery.latest.reading.profile.tariff_names
        # Once, because what has been counted must not change until it is sent.
        self._source = _source(discovery)
        self._piece = bytearray(_PIECE)
        self._filled = 0

    async def send(self):
        of = self._of
        if of.form == "device":
            await self._publish(device_topic(of), self._device)
        else:
            for key in self._keys():
                await self._publish(entity_topic(of, _platform(key), key), self._alone, key)
        await self._send_piece(self._piece, self._filled)

    async def _publish(self, topic, texts, *about):
        """Publishes what texts(*about) yields as one retained message; its end goes out with what
        comes next."""
        size = 0
        for text in texts(*about):
            size += len(text)
            await asyncio.sleep_ms(0)  # the meter does not wait
        await self._put(publish_head(topic, size, True))
        for text in texts(*about):
            await self._put(text)

    def _device(self):
        """Yields the one message for all."""
        yield b"{"
        yield self._source
        for member in _ABOUT_READINGS:
            yield b","
            yield self._based(member)
        separator = b',"cmps":{'
        for key in self._keys():
            yield b'%s"%s":{"p":"%s",' % (separator, key, _platform(key))
            yield from self._described(key)
            separator = b"},"
        yield b"}}}"

    def _alone(self, key):
        """Yields an entity's own message."""
        yield b"{"
        yield from self._described(key)
        if key not in HEALTH:
            for member in _ABOUT_READINGS:
                if key not in QUARTER or member != _IN_READING:
                    yield b","
                    yield self._based(member)
        yield b","
        yield self._source
        yield b"}"

    def _keys(self):
        """Yields those of all entities."""
        yield from entities(self._of)
        if self._of.has_quarter:
            yield from QUARTER
        yield from HEALTH

    def _described(self, key):
        """Yields an entity's members, without those that all that read the Reading have in
        common."""
        expiry_s = _EXPIRY_S
        if key in HEALTH:
            yield _OF_HEALTH[HEALTH.index(key)]
            yield self._based(_IN_HEALTH)
            expiry_s = _HEALTH_EXPIRY_S
        elif key in QUARTER:
            yield _OF_QUARTER[QUARTER.index(key)]
            yield self._based(_IN_QUARTER)
        else:
            yield from members(key, self._tariff_names)
            if key == b"monthly_power_peak_w":
                yield self._based(_HISTORY)
        yield b'"uniq_id":"%s_%s","exp_aft":%d' % (self._of.id.encode(), key, expiry_s)

    def _based(self, text):
        """With the beginning of our topics in the place of each "~"."""
        return text.replace(b"~", self._of.base)

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


def _source(of):
    """The members that tell where all of it comes from."""
    reading, id = of.latest.reading, of.id
    text = '"dev":{"ids":["p1_%s"],"name":"P1 meter","sw":"%s"' % (id, VERSION)
    # A name could not be looked up everywhere; whenever the address changes, a new connection to
    # the broker says so here.
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


def _platform(key):
    return b"binary_sensor" if key == _BINARY else b"sensor"


def _maker(letters):
    at = _MAKERS.find(b"\n" + letters + b" ")
    if at < 0 or not letters:
        return None
    return _MAKERS[at + 5 : _MAKERS.find(b"\n", at + 1)].decode()
