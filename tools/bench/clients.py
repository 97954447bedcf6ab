"""Whether every further TCP or HTTP client costs what the first one did: memory, writes, CPU."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from statistics import median
from threading import Thread
from typing import NamedTuple

from bench import household
from bench.dongle import Dongle
from bench.figures import Figure, exact
from bench.sink import Sink

_TIMES = 5
_SECONDS = 600
_REQUESTS = 40  # of each HTTP client
_TCP_CLIENTS, _HTTP_CLIENTS = 4, 3


class Cost(NamedTuple):
    """Of one telegram or request."""

    bytes: float
    writes: float
    cpu_us: float


def _cost(dongle: Dongle) -> Cost:
    count, *costs = dongle.numbers()
    return Cost(*[cost / count for cost in costs])


def _drain(client: socket.socket):
    with suppress(ConnectionResetError):  # a telegram may cross our leaving
        while client.recv(65536):
            pass


def _telegrams(dongle: Dongle) -> list[Cost]:
    """By number of TCP clients, from none on."""
    costs = [_cost(dongle)]
    with ExitStack() as stack:
        for _ in range(_TCP_CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", dongle.tcp_port)))
            reader = Thread(target=_drain, args=(client,))
            reader.start()
            stack.callback(reader.join)
            stack.callback(client.shutdown, socket.SHUT_RDWR)
            costs.append(_cost(dongle))
    return costs


def _ask(port: int):
    for _ in range(_REQUESTS):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /reading HTTP/1.0\r\n\r\n")
            _drain(client)  # to the end, or the next would find one client too many


def _requests(dongle: Dongle) -> list[Cost]:
    """By number of HTTP clients, from one on."""
    costs = []
    for _ in range(_HTTP_CLIENTS):
        (clients,) = dongle.numbers()
        with ThreadPoolExecutor(clients) as pool:
            for asked in [pool.submit(_ask, dongle.http_port) for _ in range(clients)]:
                asked.result()
        costs.append(_cost(dongle))
    return costs


def _middle(rounds: list[list[Cost]]) -> list[Cost]:
    return [Cost(*map(median, zip(*costs, strict=True))) for costs in zip(*rounds, strict=True)]


def measure(times: int = _TIMES, seconds: int = _SECONDS) -> tuple[list[Cost], list[Cost]]:
    """Costs of a telegram by number of TCP clients, of a request by number of HTTP clients."""
    # Without sub-meters, whose captures change texts.
    sequence = household.seconds(seconds, submeters=())
    with (
        household.File(sequence) as file,
        Sink() as sink,
        Dongle(sink.port, "clients.py", file, str(times), str(_REQUESTS), heap="64m") as dongle,
    ):
        sink.accept()
        listener = Thread(target=sink.listen, daemon=True)
        listener.start()
        telegrams = _middle([_telegrams(dongle) for _ in range(times)])
        requests = _middle([_requests(dongle) for _ in range(times)])
    listener.join()
    return telegrams, requests


def figures() -> Iterator[Figure]:
    telegrams, requests = measure()
    none, four = telegrams[0], telegrams[4]
    yield Figure(
        "socket_writes_per_telegram_and_tcp_client",
        (four.writes - none.writes) / 4,
        "counted at the socket, 0 to 4 clients",
        1,
        exact,
    )
    yield Figure(
        "bytes_per_telegram_of_four_tcp_clients",
        four.bytes - none.bytes,
        "gc disabled; 64 bits",
        256,
        exact,
    )
    yield Figure(
        "cpu_us_per_telegram_and_tcp_client",
        (four.cpu_us - none.cpu_us) / 4,
        "user and system",
        show=exact,
    )
    yield Figure(
        # A client's own share is less than the system's clock can tell.
        "cpu_per_telegram_four_tcp_clients_to_none",
        four.cpu_us / none.cpu_us,
        "whole dongle",
        2,
    )
    one, three = requests[0], requests[-1]
    how = "GET /reading, three clients at once over one alone"
    yield Figure("bytes_per_request_three_http_clients_to_one", three.bytes / one.bytes, how, 1.5)
    yield Figure("cpu_per_request_three_http_clients_to_one", three.cpu_us / one.cpu_us, how, 1.5)
