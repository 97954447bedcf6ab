# GET /metrics, for Prometheus: the reading, where there is one, and what the dongle counts.

import json

from micropython import const

from p1.render.page import Page
from p1.render.prometheus import Exposition, reading_samples, table_samples

from . import forget
from .http import Response

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_BYTES = const(768)
_FULL_BYTES = const(256)  # then the page is sent; what is left has room for the longest sample

# As the tables of p1/render/prometheus.py; the key is a path in the report of /health.
_REPORT = b"""
# telegrams_total counter Telegrams since the dongle's start, by what became of them
telegrams.good 1 result="ok"
telegrams.crc 1 result="crc"
telegrams.overflow 1 result="overflow"
telegrams.framing 1 result="format"
# values_rejected_total counter Values that could not be used
values_rejected 1 -
# meter_rearmed_total counter Times that a silent meter was asked anew
rearmed 1 -
# wifi_connected gauge Whether there is Wi-Fi
wifi.connected 1 -
# wifi_rssi_dbm gauge Strength of the Wi-Fi signal
wifi.rssi_dbm 1 -
# wifi_drops_total counter Times that Wi-Fi was lost
wifi.drops 1 -
# mqtt_connected gauge Whether there is a broker
mqtt.connected 1 -
# mqtt_reconnects_total counter Connections to the broker after the first
mqtt.reconnects 1 -
# mqtt_published_total counter Readings that were published
mqtt.published 1 -
# mqtt_dropped_total counter Readings that came while there was no broker
mqtt.dropped 1 -
# push_sent_total counter Readings that a server has taken
influx.sent 1 target="influx"
dsmr_reader.sent 1 target="dsmr_reader"
# push_dropped_total counter Readings that were due and are lost
influx.dropped 1 target="influx"
dsmr_reader.dropped 1 target="dsmr_reader"
# push_kept gauge Readings that wait for the server
influx.kept 1 target="influx"
# http_requests_total counter HTTP requests
http.requests 1 -
# http_refused_total counter HTTP requests that were answered with an error
http.refused 1 -
# tcp_clients gauge Clients of the raw telegrams
tcp.clients 1 -
# heap_used_bytes gauge Python heap, garbage included
memory.used 1 -
# heap_free_bytes gauge Python heap
memory.free 1 -
# heap_size_bytes gauge Python heap
memory.heap 1 -
# idf_free_bytes gauge What is left for Wi-Fi, sockets and a growth of the Python heap
memory.idf_free 1 -
# idf_largest_block_bytes gauge The largest piece of that
memory.idf_largest 1 -
# idf_least_free_bytes gauge The least there has been of that
memory.idf_least 1 -
# longest_turn_seconds gauge Longest that the dongle was held up
longest_turn_ms m -
# uptime_seconds gauge Time since start
uptime_s 1 -
"""


# The same for what a Quarter knows.
_QUARTER = b"""
# quarter_forecast_watts gauge What the quarter hour will come to
forecast_w 1 -
# quarter_forecast_smoothed_watts gauge The same with the mean power of the last minute
forecast_smoothed_w 1 -
# quarter_headroom_watts gauge Mean power until the quarter's end that reaches the target
headroom_w 1 -
# quarter_target_watts gauge What the quarter hour should not exceed
target_w 1 -
# quarter_alert gauge Whether the quarter hour is about to exceed the target
alert 1 -
"""


class Metrics:
    def __init__(self, latest, health_report, capacity):
        """health_report: App.report; capacity: a Capacity, or None."""
        self._latest = latest
        self._capacity = capacity
        self._health_report = health_report

    def view(self):
        return Response(self._pieces(), _TYPE)

    def _pieces(self):
        """The document, piece by piece; each is a view that holds until the next one. Should a
        telegram come on the way, what follows is the new one's."""
        page = Page(_PAGE_BYTES)
        try:
            for _ in self._samples(Exposition(page)):
                if page.size > _FULL_BYTES:
                    yield memoryview(page.bytes)[: page.size]
                    page.size = 0
            yield memoryview(page.bytes)[: page.size]
        finally:
            forget("dongle.metrics", "p1.render.table")

    def _samples(self, out):
        if self._latest.age_ms() is not None:
            for _ in reading_samples(out, self._latest.reading):
                yield
                if self._latest.age_ms() is None:
                    break
            if self._capacity and self._latest.age_ms() is not None:
                yield from table_samples(out, _QUARTER, self._of_quarter)
        report = json.loads(b"".join(list(self._health_report().pieces())))
        connects = report["mqtt"].get("connects")
        if connects is None:
            del report["mqtt"]  # switched off
        else:
            report["mqtt"]["reconnects"] = max(0, connects - 1)
        yield from table_samples(out, _REPORT, lambda _, at: _look_up(report, at))

    def _of_quarter(self, _, at):
        value = getattr(self._capacity.quarter, _name(_QUARTER, at))
        return None if value is None else (int(value), 0)


def _name(lines, at):
    return lines[at : lines.find(b" ", at)].decode()


def _look_up(report, at):
    path = _name(_REPORT, at)
    for key in path.split("."):
        report = report.get(key)
        if report is None:
            return None
    return int(report), 0
