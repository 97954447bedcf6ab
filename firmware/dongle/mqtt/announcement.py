# The words of an announcement to Home Assistant. In memory only while there is one: see
# discovery.py, which knows what and when.
#
# The whole is some 12 KB and is never in memory: its length is counted first, then it is made
# anew and goes out in pieces.

import asyncio
import gc

from micropython import const

from p1 import obis
from p1.render.homeassistant import members

from .. import scratch
from .wire import publish_head

_PACE_MS = const(15)  # between them: the chip has no room for all of it at once
_EXPIRY_S = const(60)
_HEALTH_EXPIRY_S = const(200)
_BINARY = b"quarter_alert"

# The entities that `health` and `quarter` tell rather than `reading`.
HEALTH = (b"wifi_signal", b"damaged_telegrams", b"uptime")
QUARTER = (b"quarter_forecast_w", b"quarter_headroom_w", b"quarter_alert")

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


def keys(of):
    """Yields those (bytes) of all entities: what this meter has sent, and what goes with it."""
    before = None
    for row in range(obis.ROWS):
        if of.rows[row]:
            key = obis.key(row)
            if key != before:  # rows of one key stand together
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
        """discovery: a Discovery; source: the members that tell where all of it comes from;
        send(data, size) is a coroutine."""
        gc.collect()  # so that what comes now finds the holes there are
        self._of = discovery
        self._send_piece = send
        self._tariff_names = discovery.latest.reading.profile.tariff_names
        self._source = source
        self._piece = scratch
        self._filled = 0

    async def send(self):
        """Returns how many entities there are."""
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
        for key in keys(self._of):
            yield b'%s"%s":{"p":"%s",' % (separator, key, _platform(key).encode())
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
