# The text of an announcement to Home Assistant. discovery.py decides what is announced and when;
# this module is in memory only during an announcement.
#
# A complete announcement is about 12 KB and is never in memory as a whole. Its text is generated
# twice: once to count its length, and once more to send it in pieces.

import asyncio
import gc

from micropython import const

from p1 import obis
from p1.render.homeassistant import members

from .. import scratch
from .wire import publish_head

TEMPORARY = True  # see forget()

_PACE_MS = const(15)  # between pieces: the chip has no room for all of them at once
_EXPIRY_S = const(60)
_HEALTH_EXPIRY_S = const(200)
_BINARY = b"quarter_alert"

# The entities whose values are in the topics `health` and `quarter`, not in `reading`.
HEALTH = (b"wifi_signal", b"damaged_telegrams", b"uptime")
QUARTER = (b"quarter_forecast_w", b"quarter_headroom_w", b"quarter_alert")

# The members of these entities, in the order of HEALTH and of QUARTER.
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

# "~" stands for the prefix of our topics.
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


def keys(of):
    """Yields the keys (bytes) of all entities: the values that this meter has sent, then those
    about the quarter hour and the dongle. of: the Discovery."""
    before = None
    for row in range(obis.ROWS):
        if of.rows[row]:
            key = obis.key(row)
            if key != before:  # rows with the same key are next to each other
                yield key
            before = key
    start = 1
    while start < len(of.others):
        end = of.others.find(b"\n", start)
        yield bytes(of.others[start:end])
        start = end + 1
    if of.has_quarter:
        yield from QUARTER
    yield from HEALTH


class Announcement:
    def __init__(self, discovery, source, send):
        """discovery: a Discovery; source: the members that describe the device and the program;
        send(data, size) is a coroutine."""
        gc.collect()  # so that the objects made from here on can use the gaps in the heap
        self._of = discovery
        self._send_piece = send
        self._tariff_names = discovery.latest.reading.profile.tariff_names
        self._source = source
        self._piece = scratch
        self._filled = 0

    async def send(self) -> int:
        """Sends the announcement; returns how many entities it has."""
        of = self._of
        if of.form == "device":
            await self._publish(of.topic("device", None), self._device)
        count = 0
        for key in keys(of):
            if of.form == "entity":
                await self._publish(of.topic(_platform(key), key), self._alone, key)
            count += 1
        await self._send_piece(self._piece, self._filled)
        return count

    async def _publish(self, topic, texts, *about):
        """Publishes what texts(*about) yields as one retained message. The end of it may stay in
        the buffer until more is sent."""
        size = 0
        for text in texts(*about):
            size += len(text)
            await asyncio.sleep_ms(0)  # so that the meter is read in between
        await self._put(publish_head(topic, size, True))
        for text in texts(*about):
            await self._put(text)

    def _device(self):
        """Yields the message that describes all entities."""
        yield b"{"
        yield self._source
        for member in _ABOUT_READINGS:
            yield b","
            yield self._based(member)
        separator = b',"cmps":{'
        for key in keys(self._of):
            yield b'%s"%s":{"p":"%s",' % (separator, key, _platform(key).encode())
            yield from self._described(key)
            separator = b"},"
        yield b"}}}"

    def _alone(self, key):
        """Yields the message of one entity."""
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

    def _described(self, key):
        """Yields the members of an entity, without those that all entities with a value from
        `reading` have in common."""
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
        """Replaces each "~" with the prefix of our topics."""
        return text.replace(b"~", self._of.base)

    async def _put(self, text):
        at = 0
        while at < len(text):
            start = self._filled
            end = min(len(self._piece), start + len(text) - at)
            self._piece[start:end] = memoryview(text)[at : at + end - start]
            at += end - start
            self._filled = end
            if end == len(self._piece):
                await self._send_piece(self._piece, end)
                self._filled = 0
                await asyncio.sleep_ms(_PACE_MS)


def _platform(key):
    return "binary_sensor" if key == _BINARY else "sensor"
