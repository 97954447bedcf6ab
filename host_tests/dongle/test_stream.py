"""Raw telegrams over TCP: a foreign reader for an hour of them, with bad company beside it."""

import socket
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from dsmr_parser.clients.socket_ import SocketReader
from dsmr_parser.telegram_specifications import BELGIUM_FLUVIUS

from household import PATIENCE_S, Household, needs_micropython, wait_for
from meter import telegrams

pytestmark = [pytest.mark.slow, needs_micropython]

START = datetime(2026, 3, 30, 17, 30)
SECONDS = 3600

# It proves each CRC whatever it reads; what it makes of the other lines is compared elsewhere, and
# takes most of its time.
CLOCK_ONLY = BELGIUM_FLUVIUS | {
    "objects": [
        each for each in BELGIUM_FLUVIUS["objects"] if each["value_name"] == "P1_MESSAGE_TIMESTAMP"
    ]
}


class Meter:
    """Sends the next telegram when next() is called."""

    def __init__(self, sequence):
        self._left = iter(sequence)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.cable = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"

    def asked(self):
        """Waits for the dongle's request."""
        self._server.settimeout(PATIENCE_S)
        self._line = self._server.accept()[0]
        self._line.settimeout(PATIENCE_S)
        # Else TCP keeps each telegram back until the dongle's system has acknowledged the last.
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while self._line.recv(1) != b"1":
            pass

    def next(self):
        telegram = next(self._left, None)
        if telegram:
            self._line.sendall(telegram)

    def close(self):
        self._line.close()
        self._server.close()


class Recorder(threading.Thread):
    """A plain client: all that it is sent."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self._connection = connection
        self.heard = bytearray()
        self.start()

    def run(self):
        with suppress(OSError):
            while data := self._connection.recv(65536):
                self.heard += data


class Restless(threading.Thread):
    """A client that takes something and leaves, again and again."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self._port = port
        self.over = threading.Event()
        self.visits = 0
        self.start()

    def run(self):
        while not self.over.wait(0.05):
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", self._port), PATIENCE_S) as client,
            ):
                client.settimeout(1)
                self.visits += bool(client.recv(100))


def lazy_client(port):
    """One that takes nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    return client


@pytest.mark.timeout(400)
def test_an_hour_of_telegrams_for_dsmr_parser(tmp_path):
    # Short ones: its CRC, in Python, takes most of the time.
    sequence = list(telegrams(START, count=SECONDS, months=2, phases=1))
    meter = Meter(sequence)
    with Household(tmp_path, meter=None, cable=meter.cable) as home:
        meter.asked()
        # Until its first look at the memory, a second after the start, it sends to one client
        # after the other, and what comes meanwhile is left out: here nobody asks for it again.
        wait_for(lambda: home.health()["uptime_s"] >= 2, "it is up")
        plain = home.connect(home.tcp_port)
        recorder = Recorder(plain)
        lazy = lazy_client(home.tcp_port)
        wait_for(lambda: home.health()["tcp"]["clients"] == 2, "two clients")
        # It connects when its first telegram is waited for.
        reader = SocketReader("127.0.0.1", home.tcp_port, CLOCK_ONLY).read()
        threading.Timer(0, lambda: _first(home, meter)).start()
        restless: Restless | None = None
        for second in range(SECONDS):
            telegram: Any = next(reader)
            read = telegram.P1_MESSAGE_TIMESTAMP.value
            assert read.replace(tzinfo=None) == _utc(START) + timedelta(seconds=second)
            restless = restless or Restless(home.tcp_port)
            meter.next()
        wait_for(lambda: bytes(recorder.heard) == b"".join(sequence), "all telegrams, unaltered")
        assert restless
        restless.over.set()
        restless.join()
        health = wait_for(lambda: _dropped(home), "the one that takes nothing is dropped")
        assert health["telegrams"]["good"] == SECONDS
        assert health["tcp"]["dropped"] == 1
        assert restless.visits > 3
        assert not health["task_failures"]
        lazy.close()
        plain.close()
    meter.close()


def _first(home, meter):
    wait_for(lambda: home.health()["tcp"]["clients"] == 3, "three clients")
    meter.next()


def _utc(civil):
    return civil - timedelta(hours=2)  # summer time


def _dropped(home):
    health = home.health()
    return health if health["tcp"]["dropped"] else None
