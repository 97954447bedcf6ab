"""The simulated meter's port."""

import asyncio
import os
import re
import tty
from datetime import timedelta
from itertools import pairwise

import pytest

from meter.faults import Schedule
from meter.household import Household
from meter.line import SerialLine, TcpLine, open_line
from meter.telegram import Meter, Model
from meter.transmitter import BYTE_S, Transmitter
from meter_bench import (
    LINES,
    SUMMER_EVENING,
    at_work,
    clock_of,
    crc_is_right,
    play,
    plugged_in,
)


@LINES
def test_a_telegram_takes_its_wire_time(kind):
    async def scene():
        line, loop = kind(), asyncio.get_running_loop()
        async with at_work(line), plugged_in(line) as reader:
            assert await reader.within(0.3) == b"", "nobody asked yet"
            asked_s = loop.time()
            reader.request(b"1")
            first_byte = await reader.bytes.readexactly(1)
            assert loop.time() - asked_s < 0.5
            first = first_byte + await reader.telegram()
            assert loop.time() - asked_s >= len(first) * BYTE_S > 0.1
            second = await reader.telegram()
            assert crc_is_right(first) and crc_is_right(second)
            assert clock_of(second) == clock_of(first) + timedelta(seconds=1)

    play(scene())


@LINES
def test_a_release_ends_it_at_once(kind):
    async def scene():
        line = kind()
        async with at_work(line), plugged_in(line) as reader:
            reader.request(b"1")
            begun = await reader.bytes.readexactly(200)
            reader.request(b"0")
            begun += await reader.within(0.4)
            assert b"!" not in begun and len(begun) < 1200
            reader.request(b"01")  # asked anew: from the beginning, also within one second
            assert crc_is_right(await reader.telegram())

    play(scene())


@LINES
def test_the_next_reader_finds_a_clean_released_line(kind):
    async def scene():
        line = kind()
        async with at_work(line):
            async with plugged_in(line) as reader:
                reader.request(b"1")
                await reader.bytes.readexactly(200)
            await asyncio.sleep(0.1)
            async with plugged_in(line) as reader:
                assert await reader.within(0.3) == b""
                reader.request(b"1")
                assert crc_is_right(await reader.telegram())

    play(scene())


@LINES
def test_a_tied_request_asks_always(kind):
    async def scene():
        line = kind(tied=True)
        async with at_work(line, speed=20), plugged_in(line) as reader:
            reader.request(b"0")
            for _ in range(3):
                assert crc_is_right(await reader.telegram())

    play(scene())


def test_only_one_reader():
    async def scene():
        line = TcpLine()
        async with at_work(line, speed=20), plugged_in(line) as first:
            first.request(b"1")
            await first.telegram()
            async with plugged_in(line) as second:
                second.request(b"1")
                assert await second.bytes.read() == b"", "it is hung up on"
            assert crc_is_right(await first.telegram())
            async with plugged_in(line) as third:
                third.request(b"1")
                first.close()
                assert crc_is_right(await third.telegram()), "the first has left meanwhile"

    play(scene())


def test_a_uart():
    async def scene():
        loop = asyncio.get_running_loop()
        far_end, device = os.openpty()
        tty.setraw(device)
        received = asyncio.StreamReader()
        loop.add_reader(far_end, lambda: received.feed_data(os.read(far_end, 4096)))
        async with at_work(SerialLine(os.ttyname(device), tied=True)):
            telegram = await received.readuntil(b"!") + await received.readexactly(6)
        assert crc_is_right(telegram)
        loop.remove_reader(far_end)
        os.close(far_end)
        os.close(device)

    play(scene())


class Adapter:
    """A UART adapter as pyserial shows it."""

    def __init__(self, *_, **__):
        self.high: bool | None = False  # None: it was pulled out
        self.sent, self.flushed = b"", 0
        self.out_waiting = 0

    @property
    def cts(self):
        if self.high is None:
            raise OSError("the adapter is gone")
        return self.high

    def write(self, data):
        self.sent += data
        return len(data)

    def reset_output_buffer(self):
        self.flushed += 1

    def close(self):
        pass


@pytest.mark.parametrize("inverted", [False, True])
def test_cts_is_the_request_line_of_a_uart(monkeypatch, inverted):
    adapter = Adapter()
    adapter.high = inverted
    monkeypatch.setattr("meter.line.serial.Serial", lambda *_, **__: adapter)

    async def scene():
        async with SerialLine("/dev/any", inverted_cts=inverted) as line:
            meter = asyncio.create_task(Transmitter(Meter(Household(SUMMER_EVENING)), line).run())
            await asyncio.sleep(0.05)
            assert adapter.sent == b""
            adapter.high = not inverted
            await asyncio.sleep(0.1)
            adapter.high = inverted
            await asyncio.sleep(0.05)
            assert adapter.sent.startswith(b"/FLU5") and b"!" not in adapter.sent
            assert adapter.flushed == 1
            adapter.high = None
            with pytest.raises(OSError, match="gone"):
                await asyncio.wait_for(meter, 60)

    play(scene())


@LINES
def test_a_slow_reader_loses_bytes_and_the_clock_goes_on(kind):
    async def scene():
        line, household = kind(), Household(SUMMER_EVENING)
        begin_s = household.now_s
        source = Meter(household, Model(message="x" * 1024))
        async with at_work(line, source, speed=1000) as meter, plugged_in(line) as reader:
            reader.request(b"1")
            reader.pause()
            async with asyncio.timeout(600):
                while not meter.lost_bytes or household.now_s < begin_s + 100:
                    await asyncio.sleep(0.02)

    play(scene())


def test_speed_leaves_no_second_out():
    async def scene():
        line, loop = TcpLine(), asyncio.get_running_loop()
        async with at_work(line, speed=100), plugged_in(line) as reader:
            begin_s = loop.time()
            reader.request(b"1")
            clocks = [clock_of(await reader.telegram()) for _ in range(61)]
            assert loop.time() - begin_s > 0.59
            assert {b - a for a, b in pairwise(clocks)} == {timedelta(seconds=1)}

    play(scene())


@pytest.mark.parametrize("paced, speed", [(True, 6), (False, 10)])
def test_silence_on_the_line_misses_its_seconds(paced, speed):
    async def scene():
        line, faults = TcpLine(), Schedule(["silence=5@2"])
        async with (
            at_work(line, faults=faults, speed=speed, paced=paced),
            plugged_in(line) as reader,
        ):
            reader.request(b"1")
            before, after = [clock_of(await reader.telegram()) for _ in range(2)]
            missing = (after - before).seconds - 1
            assert missing == 5

    play(scene())


@pytest.mark.parametrize(
    "text", ["", "tcp", "tcp:1", "tcp:localhost:", "tcp:h:99999", "pty:x", "serial:", "serial:a,b"]
)
def test_an_address_that_means_nothing(text):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        open_line(text)
