# A Reading in the MQTT topics of dsmr-reader, for programs that use these, for example Home
# Assistant's integration dsmr_reader: a topic for each value, in kWh and kW, with every telegram.
#
# All messages of a telegram are put on one page, one after the other, and sent in one write.

from array import array

from micropython import const

from p1 import obis
from p1.render.page import Page
from p1.scan import ABSENT, NEGATIVE, PLACES

# As in p1/render/table.py; the name is the topic. In dsmr-reader, energy that comes into the house
# is "delivered", and energy that leaves it is "returned".
_TABLE = b"""
energy_import_t1_kwh 1 dsmr/reading/electricity_delivered_1
energy_import_t2_kwh 1 dsmr/reading/electricity_delivered_2
energy_export_t1_kwh 1 dsmr/reading/electricity_returned_1
energy_export_t2_kwh 1 dsmr/reading/electricity_returned_2
power_import_w m dsmr/reading/electricity_currently_delivered
power_export_w m dsmr/reading/electricity_currently_returned
power_import_l1_w m dsmr/reading/phase_currently_delivered_l1
power_import_l2_w m dsmr/reading/phase_currently_delivered_l2
power_import_l3_w m dsmr/reading/phase_currently_delivered_l3
power_export_l1_w m dsmr/reading/phase_currently_returned_l1
power_export_l2_w m dsmr/reading/phase_currently_returned_l2
power_export_l3_w m dsmr/reading/phase_currently_returned_l3
voltage_l1_v 1 dsmr/reading/phase_voltage_l1
voltage_l2_v 1 dsmr/reading/phase_voltage_l2
voltage_l3_v 1 dsmr/reading/phase_voltage_l3
current_l1_a 1 dsmr/reading/phase_power_current_l1
current_l2_a 1 dsmr/reading/phase_power_current_l2
current_l3_a 1 dsmr/reading/phase_power_current_l3
"""
_TIME = b"dsmr/reading/timestamp"
_TARIFF = b"dsmr/meter-stats/electricity_tariff"
# The "extra device" is the gas meter, or the heat meter if there is no gas meter.
_EXTRA = b"dsmr/reading/extra_device_delivered"
_EXTRA_TIME = b"dsmr/reading/extra_device_timestamp"
_GAS = b"dsmr/consumption/gas/delivered"
_GAS_TIME = b"dsmr/consumption/gas/read_at"

_CAPACITY = const(1536)  # bytes; all topics with the longest numbers need less
_MOST_PLACES = const(9)  # decimals that a Page can write


class DsmrTopics:
    """swap_tariffs: tariff 1 becomes 2 and 2 becomes 1. Programs that read these topics take 1 for
    the low tariff, but in Belgium 1 is the high one."""

    def __init__(self, swap_tariffs):
        self._swaps = swap_tariffs
        self._page = Page(_CAPACITY)
        topic_at, topic_end, rows, powers = [], [], [], []
        at = 1
        for line in _TABLE.strip().split(b"\n"):
            key, tens, topic = line.decode().split()
            if swap_tariffs and "_t1_" in key:
                key = key.replace("_t1_", "_t2_")
            elif swap_tariffs:
                key = key.replace("_t2_", "_t1_")
            at += len(line) + 1
            topic_at.append(at - 1 - len(topic))
            topic_end.append(at - 1)
            rows.append(obis.row(key))
            powers.append(3 if tens == "m" else 0)
        self._topic_at, self._topic_end = array("H", topic_at), array("H", topic_end)
        self._rows, self._powers = bytes(rows), bytes(powers)

    async def publish(self, link, latest) -> None:
        """Sends the reading over link, a Link. latest: the Latest."""
        page = self.render(latest.reading)
        await link.send(page.bytes, page.size)

    def render(self, reading) -> Page:
        """Writes a PUBLISH packet for each value that this Reading has; returns the page."""
        page = self._page
        page.size = 0
        if reading.stamp_at is not None:
            self._stamp(_TIME, reading, reading.stamp_at)
        if reading.tariff is not None:
            swaps = self._swaps and 1 <= reading.tariff <= 2
            self._number(_TARIFF, 3 - reading.tariff if swaps else reading.tariff, 0)
        for at in range(len(self._rows)):
            row = self._rows[at]
            places = reading.decimals[row]
            if places != ABSENT:
                value = reading.mantissa[row]
                start = self._open(_TABLE, self._topic_at[at], self._topic_end[at])
                self._close(
                    start,
                    -value if places & NEGATIVE else value,
                    (places & PLACES) + self._powers[at],
                )
        gas = reading.freshest("gas", b"volume_m3")
        extra = gas or reading.freshest("heat", b"energy_gj")
        if extra:
            self._capture(_EXTRA, _EXTRA_TIME, reading, extra)
        if gas:
            self._capture(_GAS, _GAS_TIME, reading, gas)
        return page

    def _capture(self, topic, time_topic, reading, submeter):
        if submeter.stamp_at is not None:
            self._stamp(time_topic, reading, submeter.stamp_at)
        self._number(topic, submeter.mantissa, submeter.decimals)

    def _number(self, topic, value, decimals):
        self._close(self._open(topic, 0, len(topic)), value, decimals)

    def _stamp(self, topic, reading, at):
        start = self._open(topic, 0, len(topic))
        self._page.stamp(reading.telegram, at, reading.profile.winter_h)
        self._page.bytes[start + 1] = self._page.size - start - 2

    def _open(self, text, at, end):
        """Begins a packet with the topic text[at:end] (MQTT 3.1.1 §3.3); returns its position."""
        page = self._page
        start = page.size
        page.byte(0x30)
        page.byte(0)  # the length, set later: one byte is enough for a topic and a number
        page.byte(0)
        page.byte(end - at)
        page.copy(text, at, end)
        return start

    def _close(self, start, value, decimals):
        page = self._page
        if decimals > _MOST_PLACES:
            page.size = start
            return
        page.number(value, decimals)
        page.bytes[start + 1] = page.size - start - 2
