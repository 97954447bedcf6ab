"""Whether the whole dongle lives in little memory: MQTT, HTTP polled, two TCP clients, thousands
of telegrams as fast as they are taken; firmware and stand-ins compiled as the build does.

The heap is that of a 64-bit MicroPython, where objects are twice as large as on the chip, and it
also holds the stand-ins for the chip and the UART's ring, which the chip has elsewhere; so their
share is given too.
"""

import shutil
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import rig
from bench import household
from bench.dongle import Dongle
from bench.figures import Figure, exact
from bench.sink import Sink
from build import compile_mpy

_TELEGRAMS = 10_000
_HEAP_KIB = 96
_TRIAL = 750
_DIFFERENT = 1_000  # telegrams that are sent over and over
_RING = 8192  # of dongle/port.py
_POLL_S = 0.1
_PATIENCE_S = 30


def _compiled() -> Path:
    """Firmware and stand-ins as .mpy for this machine."""
    target = rig.ROOT / "build" / "bench"
    shutil.rmtree(target, ignore_errors=True)
    firmware, stand_ins = rig.ROOT / "firmware", rig.ROOT / "tools" / "sim"
    sources = [(firmware, part) for part in ("p1", "dongle")] + [(stand_ins, "")]
    rig.micropython_path()  # fetches umqtt
    sources.append((rig.ROOT / "build" / "lib", "umqtt"))
    for root, part in sources:
        for source in (root / part).rglob("*.py"):
            name = source.relative_to(root).with_suffix(".mpy")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(compile_mpy(source, str(name), "x64"))
    return target


class _Clients:
    """Two that take raw telegrams, and one that polls /reading."""

    def __init__(self, dongle: Dongle):
        self._over = Event()
        self.answers = self.failed = self.telegram_bytes = 0
        self._threads = [Thread(target=self._poll, args=(dongle.http_port,))]
        self._threads += [Thread(target=self._listen, args=(dongle.tcp_port,)) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _poll(self, port: int):
        while not self._over.wait(_POLL_S):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/reading", timeout=5).read()
                self.answers += 1
            except OSError:
                self.failed += 1

    def _listen(self, port: int):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(_POLL_S)
            while not self._over.is_set():
                try:
                    self.telegram_bytes += len(client.recv(65536))
                except TimeoutError:
                    pass


def measure(telegrams: int, heap_kib: int) -> dict[str, float]:
    """RuntimeError where the heap does not do."""
    sequence = household.seconds(_DIFFERENT)
    path = f"{_compiled()}:.frozen:{Path(__file__).parent / 'device'}"
    with socket.create_server(("127.0.0.1", 0)) as meter, Sink() as sink:
        meter.settimeout(_PATIENCE_S)
        cable = f"tcp:127.0.0.1:{meter.getsockname()[1]}"
        with Dongle(
            sink.port, "endurance.py", heap=f"{heap_kib}k", P1_CABLE=cable, MICROPYPATH=path
        ) as dongle:
            (stand_ins,) = dongle.numbers()
            line, _ = meter.accept()
            line.settimeout(_PATIENCE_S)
            line.recv(1)  # the request
            sink.accept()
            time.sleep(1)
            clients = _Clients(dongle)
            try:
                for number in range(telegrams):
                    line.sendall(sequence[number % _DIFFERENT])
                    sink.reading()
            finally:
                clients.stop()
                line.close()
            lines = [dongle.numbers() for _ in range(telegrams // 250)]
    used = [line[1] for line in lines]
    third = len(used) // 3
    return {
        "stand_ins": stand_ins,
        "growth": min(used[-third:]) - min(used[third : 2 * third]),
        "used": used[-1],
        "failures": lines[-1][2],
        "answers": clients.answers,
        "failed_requests": clients.failed,
    }


def _needed() -> int:
    """The smallest heap, in steps of 4 KiB, in which _TRIAL telegrams succeed."""
    low, high = 128, 320
    while high - low > 4:
        middle = (low + high) // 8 * 4
        try:
            found = measure(_TRIAL, middle)
            works = not found["failures"] and not found["failed_requests"]
        except (RuntimeError, OSError):  # it ended, or never connected
            works = False
        low, high = (low, middle) if works else (middle, high)
    return high


def figures() -> Iterator[Figure]:
    needed = _needed()
    heap = max(_HEAP_KIB, needed + 8)
    found = measure(_TELEGRAMS, heap)
    yield Figure("smallest_heap_kib", needed, "whole dongle and stand-ins, 64 bits", show=exact)
    yield Figure(
        "smallest_heap_without_stand_ins_kib",
        needed - (found["stand_ins"] + _RING) / 1024,
        "the same less what stand-ins and UART ring take",
        _HEAP_KIB,
        exact,
    )
    how = f"{_TELEGRAMS} telegrams, {found['answers']} requests, 2 TCP clients, {heap} KiB heap"
    yield Figure("task_failures_in_endurance", found["failures"], how, 0, exact)
    yield Figure("failed_requests_in_endurance", found["failed_requests"], how, 0, exact)
    yield Figure("growth_in_endurance_bytes", found["growth"], how, 512, exact)
