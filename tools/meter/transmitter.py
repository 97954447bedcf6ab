"""A meter at work: its clock, and the telegrams that it puts on the line when asked.

DSMR 5.0.2 §5.7.1 and 6.1: the first telegram follows the request at once, then comes one every
second, and a release ends the transfer at once, also in mid telegram.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from meter.faults import Pieces
from meter.line import Line

BYTE_S = 10 / 115200  # 8N1
_CHUNK_S = 0.003  # how often bytes are handed to the line
_BACKLOG_S = 1.0  # a telegram that is later than this stays unsent: this computer was too slow


class Source(Protocol):
    """Where telegrams come from: `telegram.Meter` or `replay.Recording`."""

    def step(self) -> None:
        """A second has passed."""

    def telegram(self) -> bytes:
        """The telegram of this second."""
        ...


def _sound(telegram: bytes) -> Pieces:
    return [(0, telegram)]


class Transmitter:
    """Sends a source's telegrams, one every 1/`speed` seconds, over an open line."""

    def __init__(
        self,
        source: Source,
        line: Line,
        faults: Callable[[bytes], Pieces] = _sound,
        speed: float = 1.0,
        paced: bool = True,
    ):
        self._source = source
        self._line = line
        self._faults = faults
        self._period_s = 1 / speed
        self._paced = paced
        self.telegrams = 0  # begun
        self.lost_bytes = 0  # the reader was too slow for them

    async def run(self) -> None:
        """Serve the line until cancelled. OSError when the line itself fails."""
        loop = asyncio.get_running_loop()
        second, due_s = 0, loop.time()  # the present second of the meter, and when it began
        free_s = due_s  # when the line will have sent the telegram before
        served = None
        while True:
            # Each second is sent once to everyone who raises the request.
            turn = self._line.rises, second
            if self._line.requested and turn != served:
                served = turn
                free_s = await self._send(due_s)
            if not await self._sleep_until(due_s + self._period_s):
                continue
            self._source.step()
            second, due_s = second + 1, due_s + self._period_s
            if free_s >= due_s + self._period_s or loop.time() > due_s + _BACKLOG_S:
                served = self._line.rises, second  # its time has passed: the clock did not wait

    async def _send(self, due_s: float) -> float:
        """Put the telegram on the line; returns the moment at which the line is free again."""
        loop = asyncio.get_running_loop()
        rises = self._line.rises
        telegram = self._source.telegram()
        self.telegrams += 1
        hurried = self._period_s < 1 and len(telegram) * BYTE_S > self._period_s
        byte_s = BYTE_S if self._paced and not hurried else 0
        at_s = loop.time() if byte_s else due_s
        for pause_s, data in self._faults(telegram):
            at_s += pause_s * self._period_s
            if not await self._clock_out(data, at_s, byte_s, rises):
                return loop.time()
            at_s += len(data) * byte_s
        return at_s

    async def _clock_out(self, data: bytes, at_s: float, byte_s: float, rises: int) -> bool:
        """Write each byte when its last bit would have left; False when the reader let go."""
        loop = asyncio.get_running_loop()
        sent, next_s = 0, at_s
        while await self._stays(next_s, rises):
            due = int((loop.time() - at_s) / byte_s) if byte_s else len(data)
            chunk = data[sent:due]
            self.lost_bytes += len(chunk) - self._line.write(chunk)
            sent += len(chunk)
            if sent == len(data):
                return True
            next_s = loop.time() + _CHUNK_S
        return False

    async def _stays(self, at_s: float, rises: int) -> bool:
        """Wait; False as soon as this request is no more."""
        while True:
            slept = await self._sleep_until(at_s)
            if not self._line.requested or self._line.rises != rises:
                return False
            if slept:
                return True

    async def _sleep_until(self, at_s: float) -> bool:
        """False when the request line moved first. Always lets others run."""
        try:
            async with asyncio.timeout_at(at_s):
                await self._line.moved.wait()
        except TimeoutError:
            return True
        self._line.moved.clear()
        if self._line.error:
            raise self._line.error
        return False
