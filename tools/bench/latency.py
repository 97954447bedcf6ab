"""From the last digit of the CRC on the wire to the complete MQTT packet at the broker."""

import os
import time
import tty
from collections.abc import Iterator
from statistics import median, quantiles

from bench import household
from bench.dongle import Dongle
from bench.figures import Figure
from bench.sink import Sink

_TELEGRAMS = 64
_WARM = 4
_BYTE_S = 10 / 115200
_BEHIND_DIGITS = 2  # CR and LF
_PAUSE_S = 0.05
_STEP_S = 0.001  # a USB frame: so often a serial adapter hands over what came


def _write_paced(line: int, data: bytes) -> float:
    """Writes what the wire would have brought meanwhile, as a serial adapter does; returns when
    the last byte was written."""
    start = time.perf_counter()
    sent = 0
    while True:
        written = time.perf_counter()
        due = min(len(data), int((written - start) / _BYTE_S))
        os.write(line, data[sent:due])
        sent = due
        if sent == len(data):
            return written
        time.sleep(_STEP_S)


def _measure() -> list[float]:
    master, slave = os.openpty()
    tty.setraw(slave)
    found = []
    sequence = household.seconds(_TELEGRAMS)
    cable = os.ttyname(slave)
    with Sink() as sink, Dongle(sink.port, "start.py", heap="512k", P1_CABLE=cable) as dongle:
        sink.accept()
        os.read(master, 1)  # the request
        for telegram in sequence:
            time.sleep(_PAUSE_S)
            covered, rest = telegram[:-_BEHIND_DIGITS], telegram[-_BEHIND_DIGITS:]
            written = _write_paced(master, covered)
            sink.reading()
            found.append(1000 * (time.perf_counter() - written))
            os.write(master, rest)
        del dongle
    os.close(master)
    os.close(slave)
    return found[_WARM:]


def figures() -> Iterator[Figure]:
    found = _measure()
    how = f"last CRC digit on a pty at 115200 to the MQTT packet at a sink, {len(found)} telegrams"
    yield Figure("latency_median_ms", median(found), how, 0.5)
    yield Figure("latency_p90_ms", quantiles(found, n=10)[-1], "the same", 1.5)
