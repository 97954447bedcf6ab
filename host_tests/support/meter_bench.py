"""What the tests of the simulated meter share."""

import asyncio
import os
import re
import selectors
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastcrc import crc16

from meter.household import Household
from meter.line import Line, PtyLine, TcpLine
from meter.telegram import Meter
from meter.transmitter import Source, Transmitter

BRUSSELS = ZoneInfo("Europe/Brussels")
SUMMER_EVENING = datetime(2026, 6, 12, 18, 31, 12)
PROGRAM = Path(__file__).resolve().parents[2] / "tools" / "meter"


_IN_FLIGHT_S = 0.5  # what a pty may need to carry a byte to its other end


class _Selector(selectors.DefaultSelector):
    """Lets no time pass but on its own clock, which goes on to whatever is due next."""

    now_s = 0.0

    def select(self, timeout=None):
        ready = super().select(timeout and min(timeout, _IN_FLIGHT_S))
        if not ready and timeout:
            self.now_s += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s


def play(scene):
    """As asyncio.run(), with a clock that waits for nobody: for scenes whose ends are all here."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(scene)


def crc_is_right(telegram: bytes) -> bool:
    match = re.fullmatch(rb"(/[^/]*!)([0-9A-F]{4})\r\n", telegram, re.DOTALL)
    return bool(match) and crc16.arc(match[1]) == int(match[2], 16)


def line_of(telegram: bytes, obis: str) -> str:
    """What stands behind an OBIS code."""
    found = re.search(rf"^{re.escape(obis)}(\(.*\))\r$", telegram.decode(), re.MULTILINE)
    assert found, f"no {obis}"
    return found[1]


def steps(household: Household, seconds: int) -> None:
    for _ in range(seconds):
        household.step()


class Reader:
    """The other end of the wire."""

    def __init__(self):
        self.bytes = asyncio.StreamReader()
        self._writer: asyncio.StreamWriter  # of a TCP connection
        self._fd: int | None = None  # of a pseudo terminal

    @classmethod
    async def open(cls, address: str) -> "Reader":
        self = cls()
        kind, _, rest = address.partition(":")
        if kind == "tcp":
            host, _, port = rest.rpartition(":")
            self.bytes, self._writer = await asyncio.open_connection(host, int(port))
        else:
            self._fd = os.open(address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            asyncio.get_running_loop().add_reader(self._fd, self._readable, self._fd)
        return self

    def _readable(self, fd: int):
        self.bytes.feed_data(os.read(fd, 4096))

    def request(self, data: bytes) -> None:
        if self._fd is None:
            self._writer.write(data)
        else:
            os.write(self._fd, data)

    async def telegram(self) -> bytes:
        telegram = await self.bytes.readuntil(b"!")
        return telegram + await self.bytes.readexactly(6)

    async def within(self, seconds: float) -> bytes:
        """Everything that comes in this time."""
        data = b""
        try:
            async with asyncio.timeout(seconds):
                while chunk := await self.bytes.read(4096):
                    data += chunk
        except TimeoutError:
            pass
        return data

    def pause(self) -> None:
        if self._fd is None:
            reading = self._writer.transport
            assert isinstance(reading, asyncio.ReadTransport)
            reading.pause_reading()
        else:
            asyncio.get_running_loop().remove_reader(self._fd)

    def close(self) -> None:
        if self._fd is None:
            self._writer.close()
        else:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)


@asynccontextmanager
async def at_work(
    line: Line, source: Source | None = None, **options
) -> AsyncIterator[Transmitter]:
    source = source or Meter(Household(SUMMER_EVENING))
    async with line:
        meter = Transmitter(source, line, **options)
        task = asyncio.create_task(meter.run())
        try:
            yield meter
        finally:
            task.cancel()


@asynccontextmanager
async def plugged_in(line: Line) -> AsyncIterator[Reader]:
    reader = await Reader.open(line.address)
    try:
        yield reader
    finally:
        reader.close()


def clock_of(telegram: bytes) -> datetime:
    return datetime.strptime(line_of(telegram, "0-0:1.0.0")[1:13], "%y%m%d%H%M%S")


LINES = pytest.mark.parametrize("kind", [TcpLine, PtyLine])
