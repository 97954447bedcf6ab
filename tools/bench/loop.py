"""The whole dongle at work: memory per telegram and per request, writes per reading."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import debian
from bench import household
from bench.dongle import Dongle
from bench.figures import Figure, exact
from bench.sink import Sink

_SECONDS = 150  # from one capture of a sub-meter to the next at least
REQUEST_BYTES = 2800  # that a GET of /reading leaves behind on 32 bits, at most
_WARM, _REQUESTS = 3, 50  # as in device/loop.py


def _request(port: int, times: int):
    for _ in range(times):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/reading", timeout=5).read()


def _quiet_seconds() -> list[bytes]:
    """Without sub-meters, whose captures change texts."""
    return household.seconds(_SECONDS, submeters=())


def measure(micropython: Path | None = None) -> dict[str, float]:
    """micropython: as unix.command()."""
    with (
        household.File(_quiet_seconds()) as file,
        Sink() as sink,
        Dongle(sink.port, "loop.py", file, heap="32m", micropython=micropython) as dongle,
    ):
        sink.accept()
        listener = Thread(target=sink.listen, daemon=True)
        listener.start()
        telegrams, used, published, writes = dongle.numbers()
        _request(dongle.http_port, _WARM)
        dongle.numbers()
        _request(dongle.http_port, _REQUESTS)
        requests, request_bytes = dongle.numbers()
    listener.join()
    return {
        "bytes": used / telegrams,
        "writes": writes / published,
        "request_bytes": request_bytes / requests,
    }


def figures() -> Iterator[Figure]:
    found = measure()
    yield Figure(
        "loop_bytes_per_telegram",
        found["bytes"],
        "gc disabled, whole dongle with asyncio, 120 bytes a wake-up, published by MQTT; 64 bits",
        3072,
        exact,
    )
    yield Figure(
        "socket_writes_per_reading", found["writes"], "MQTT, counted at the socket", 1, exact
    )
    yield Figure(
        "bytes_per_http_request", found["request_bytes"], "GET /reading; 64 bits", show=exact
    )
    yield Figure(
        "bytes_per_http_request_on_32_bits",
        measure(debian.micropython())["request_bytes"],
        "GET /reading; gc disabled, some 300 of it the stand-in for a socket",
        REQUEST_BYTES,
        exact,
    )
