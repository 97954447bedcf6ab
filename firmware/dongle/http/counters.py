# The metrics of the dongle itself for Prometheus: some numbers of the report for /health. Loaded
# for one scrape.

import json

from micropython import const

TEMPORARY = True  # see forget()

_OPENING, _CLOSING = const(0x7B), const(0x7D)  # brackets

# In the format of exposition.py; the name of a number is its path in the report. Several tables,
# because the chip often has no long block of memory free.
_REPORT = (
    b"""
# telegrams_total counter Telegrams since the dongle's start, by result
telegrams.good 1 result="ok"
telegrams.crc 1 result="crc"
""",
    b"""
telegrams.overflow 1 result="overflow"
telegrams.framing 1 result="format"
# values_rejected_total counter Values that could not be used
values_rejected 1 -
""",
    b"""
# meter_rearmed_total counter Times that a silent meter was asked again
rearmed 1 -
# wifi_connected gauge Whether there is Wi-Fi
wifi.connected 1 -
""",
    b"""
# wifi_rssi_dbm gauge Strength of the Wi-Fi signal
wifi.rssi_dbm 1 -
# wifi_drops_total counter Times that Wi-Fi was lost
wifi.drops 1 -
""",
    b"""
# mqtt_connected gauge Whether there is a broker
mqtt.connected 1 -
# mqtt_reconnects_total counter Connections to the broker after the first
mqtt.reconnects 1 -
""",
    b"""
# mqtt_published_total counter Readings that were published
mqtt.published 1 -
""",
    b"""
# mqtt_dropped_total counter Readings that came while there was no broker
mqtt.dropped 1 -
""",
    b"""
# push_sent_total counter Readings that a server has accepted
influx.sent 1 target="influx"
dsmr_reader.sent 1 target="dsmr_reader"
""",
    b"""
# push_dropped_total counter Readings that were due and were lost
influx.dropped 1 target="influx"
dsmr_reader.dropped 1 target="dsmr_reader"
""",
    b"""
# push_kept gauge Readings that wait for the server
influx.kept 1 target="influx"
# http_requests_total counter HTTP requests
http.requests 1 -
""",
    b"""
# http_refused_total counter HTTP requests that were answered with an error
http.refused 1 -
# tcp_clients gauge Clients of the raw telegrams
tcp.clients 1 -
""",
    b"""
# heap_used_bytes gauge Python heap, garbage included
memory.used 1 -
# heap_free_bytes gauge Python heap
memory.free 1 -
""",
    b"""
# heap_size_bytes gauge Python heap
memory.heap 1 -
# idf_free_bytes gauge Free memory for Wi-Fi, sockets and a growth of the Python heap
memory.idf_free 1 -
""",
    b"""
# idf_largest_block_bytes gauge Largest free block of this memory
memory.idf_largest 1 -
# idf_least_free_bytes gauge Least of this memory that was ever free
memory.idf_least 1 -
""",
    b"""
# longest_turn_seconds gauge Longest time that one task held up all others
longest_turn_ms m -
# uptime_seconds gauge Time since start
uptime_s 1 -
""",
)


def collect(pieces) -> list:
    """Returns, for each table, {place in the table: int}. pieces: the pieces of a Report that
    contain complete members. Parses one piece at a time, because all of them together would take
    several kilobytes."""
    numbers = [{} for _ in _REPORT]
    for piece in pieces:
        # A piece is ',"name":value' or the like; the first piece begins with "{" instead.
        text = bytearray(piece)
        text[0] = _OPENING
        text.append(_CLOSING)
        for name, value in json.loads(text).items():  # pyright: ignore[reportArgumentType]
            if not isinstance(value, dict):
                _put(numbers, name, value)
            elif name != "mqtt":
                for part in value:
                    _put(numbers, name + "." + part, value[part])
            elif "connects" in value:  # MQTT is switched on
                value["reconnects"] = max(0, value["connects"] - 1)
                for part in value:
                    _put(numbers, name + "." + part, value[part])
    return numbers


def _put(numbers, path, value):
    if isinstance(value, (bool, int)):  # MicroPython: a bool is no int
        for index, lines in enumerate(_REPORT):
            at = lines.find(b"\n" + path.encode() + b" ")
            if at >= 0:
                numbers[index][at + 1] = int(value)


def samples(out, numbers: list):
    """Writes the numbers to an Exposition; a generator that yields after each one."""
    from p1.render.exposition import samples  # here, because collect() does not need it

    for index, lines in enumerate(_REPORT):

        def number(_, at, found=numbers[index]):
            return (found[at], 0) if at in found else None

        yield from samples(out, lines, number)
