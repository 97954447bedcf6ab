"""Whether the whole dongle lives in little memory: MQTT, HTTP polled, two TCP clients, thousands
of telegrams as fast as they are taken. Then the same with everything on that there is.

In a MicroPython of 32 bits, as the chip's, with the firmware frozen in and in files; and of
64 bits, where objects are twice as large. What the chip has outside its heap comes on top of the
size that is told: the stand-ins for modules that are C there, a UART with its ring, a radio.
"""

import http.client
import http.server
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from threading import Event, Thread

import debian
from bench import flash, frozen, household
from bench.dongle import Dongle
from bench.figures import Figure, exact
from bench.sink import Sink

_TELEGRAMS, _FEWER_TELEGRAMS = 10_000, 2_000
_GOAL_KIB, _GOAL_WITH_EVERYTHING_KIB = 64, 96
_TRIAL = 750
_LEAST_KIB, _MOST_KIB, _STEP_KIB = 48, 192, 2  # of the search for the smallest heap
_DIFFERENT = 1_000  # telegrams that are sent over and over
_POLL_S = 0.1
_PATIENCE_S = 30
_USUAL = {"homeassistant": {"discovery": "device"}}


class _Clients:
    """Two that take raw telegrams, and one that polls the paths in turn."""

    def __init__(self, dongle: Dongle, paths: tuple[str, ...]):
        self.begun, self._over = Event(), Event()  # the telegrams have
        self._paths = paths
        self.answers = self.failed = self.telegram_bytes = 0
        self._threads = [Thread(target=self._poll, args=(dongle.http_port,))]
        self._threads += [Thread(target=self._listen, args=(dongle.tcp_port,)) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._over.set()
        self.begun.set()
        for thread in self._threads:
            thread.join()

    def _poll(self, port: int):
        self.begun.wait()
        for path in cycle(self._paths):
            if self._over.wait(_POLL_S):
                return
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read()
                self.answers += 1
            except (OSError, http.client.HTTPException):
                self.failed += 1

    def _listen(self, port: int):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(_POLL_S)
            while True:
                try:
                    received = len(client.recv(65536))
                    if not received:
                        return  # the dongle ended
                    self.telegram_bytes += received
                except TimeoutError:
                    if self._over.is_set():
                        return


class _Server(http.server.BaseHTTPRequestHandler):
    """InfluxDB and dsmr-reader, content with everything."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(204 if "write" in self.path else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def usual(micropython: Path, **environment: str) -> "Chip":
    """With what is on by default, and MQTT."""
    return Chip(_USUAL, ("/reading",), micropython, **environment)


@contextmanager
def everything(micropython: Path) -> Iterator["Chip"]:
    """With all that can be switched on but TLS and the own mDNS responder, which official
    MicroPython leaves no port for."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        config = {
            **_USUAL,
            "mqtt": {"telegram": True, "dsmr_reader_topics": True},
            "homewizard": {"enabled": True},
            "influx": {"url": url + "/write?db=p1", "interval_s": 1},
            "dsmr_reader": {"url": url + "/api", "token": "secret", "interval_s": 1},
        }
        yield Chip(config, ("/reading", "/metrics", "/api", "/api/v1/data"), micropython)
        server.shutdown()


class Chip:
    """Starts dongles with a heap of so many KiB, and what the chip has elsewhere on top."""

    def __init__(
        self,
        config: dict[str, dict],
        paths: tuple[str, ...],
        micropython: Path,
        **environment: str,
    ):
        """paths: what an HTTP client asks for."""
        self._config, self._paths = config, paths
        self._micropython, self._environment = micropython, environment
        self._elsewhere_bytes = 0
        with Sink() as sink, self.dongle(sink, "", _MOST_KIB) as dongle:
            self._elsewhere_bytes = dongle.numbers()[0]

    def dongle(self, sink: Sink, cable: str, heap_kib: int) -> Dongle:
        return Dongle(
            sink.port,
            "endurance",
            heap=str(heap_kib * 1024 + self._elsewhere_bytes),
            config=self._config,
            micropython=self._micropython,
            P1_CABLE=cable,
            **self._environment,
        )

    def measure(self, telegrams: int, heap_kib: int) -> dict[str, float]:
        """RuntimeError where the heap does not do."""
        sequence = household.seconds(_DIFFERENT)
        with socket.create_server(("127.0.0.1", 0)) as meter, Sink() as sink:
            meter.settimeout(_PATIENCE_S)
            cable = f"tcp:127.0.0.1:{meter.getsockname()[1]}"
            with self.dongle(sink, cable, heap_kib) as dongle:
                dongle.numbers()  # what is elsewhere
                line, _ = meter.accept()
                line.settimeout(_PATIENCE_S)
                line.recv(1)  # the request
                sink.accept()
                time.sleep(1)
                clients = _Clients(dongle, self._paths)
                time.sleep(1)  # they are connected
                sent = 0
                try:
                    for number in range(telegrams):
                        line.sendall(sequence[number % _DIFFERENT])
                        sent += 2 * len(sequence[number % _DIFFERENT])
                        sink.reading()
                        clients.begun.set()
                finally:
                    clients.stop()
                    line.close()
                lines = [dongle.numbers() for _ in range(telegrams // 250)]
        used = [line[1] for line in lines]
        third = len(used) // 3
        return {
            "growth": min(used[-third:]) - min(used[third : 2 * third]),
            "used": used[-1] - self._elsewhere_bytes,
            "failures": lines[-1][2],
            "answers": clients.answers,
            "failed_requests": clients.failed,
            "lost_bytes": sent - clients.telegram_bytes,
        }

    def smallest_heap_kib(self) -> int:
        """In which _TRIAL telegrams succeed."""
        low, high = _LEAST_KIB, _MOST_KIB
        while high - low > _STEP_KIB:
            middle = (low + high) // (2 * _STEP_KIB) * _STEP_KIB
            try:
                found = self.measure(_TRIAL, middle)
                works = not found["failures"] and not found["failed_requests"]
            except (RuntimeError, OSError):  # it ended, or never connected
                works = False
            low, high = (low, middle) if works else (middle, high)
        return high


def _figures(chip: Chip, telegrams: int, goal_kib: int, suffix: str, what: str):
    needed = chip.smallest_heap_kib()
    heap = goal_kib if needed <= goal_kib else needed + _STEP_KIB
    found = chip.measure(telegrams, heap)
    yield Figure(
        f"smallest_heap_kib{suffix}",
        needed,
        f"{what}; 32 bits, firmware frozen; without stand-ins",
        goal_kib,
        exact,
    )
    yield Figure(
        f"used_in_endurance_bytes{suffix}", found["used"], "of it in use at the end", show=exact
    )
    how = f"{telegrams} telegrams, {found['answers']} requests, 2 TCP clients, {heap} KiB heap"
    yield Figure(f"task_failures_in_endurance{suffix}", found["failures"], how, 0, exact)
    yield Figure(f"failed_requests_in_endurance{suffix}", found["failed_requests"], how, 0, exact)
    yield Figure(f"lost_bytes_in_endurance{suffix}", found["lost_bytes"], how, 0, exact)
    yield Figure(f"growth_in_endurance_bytes{suffix}", found["growth"], how, 512, exact)


def _elsewhere(chip: Chip, suffix: str, how: str) -> Figure:
    return Figure(f"smallest_heap_kib{suffix}", chip.smallest_heap_kib(), how, show=exact)


def figures() -> Iterator[Figure]:
    frozen_32, frozen_64 = frozen.micropython(32), frozen.micropython(64)
    what = "MQTT, HTTP and TCP"
    yield from _figures(usual(frozen_32), _TELEGRAMS, _GOAL_KIB, "", what)
    yield _elsewhere(usual(frozen_64), "_on_64_bits", f"{what}; with objects twice as large")
    official = debian.micropython()
    in_files = usual(official, MICROPYPATH=flash.path(official))
    how = f"{what}; the compiled firmware in files, as with official MicroPython"
    yield _elsewhere(in_files, "_in_files", how)
    what, suffix = "all at once", "_with_everything"
    with everything(frozen_32) as chip:
        yield from _figures(chip, _FEWER_TELEGRAMS, _GOAL_WITH_EVERYTHING_KIB, suffix, what)
    with everything(frozen_64) as chip:
        how = f"{what}; with objects twice as large"
        yield _elsewhere(chip, suffix + "_on_64_bits", how)
