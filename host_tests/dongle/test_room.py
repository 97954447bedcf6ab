"""The network's memory: nobody sends from what the radio and lwIP want for themselves."""

import asyncio
from unittest import mock

import pytest

from dongle import room

# What nobody sends from while others may give back what they have, and what nobody ever does; and
# of it in one piece.
WANTED, KEPT = 14_500, 8_000
WANTED_IN_ONE_PIECE, KEPT_IN_ONE_PIECE = 8_250, 5_000
WANTED_AGAIN = 16_500
PATIENCE = 21  # pauses


class Memory:
    """ESP-IDF's heap: regions of free bytes, in one piece each."""

    def __init__(self):
        self.free = []
        self.asked = 0

    def idf_heap_info(self, capabilities):
        self.asked += 1
        return [(100_000, free, free, 0) for free in self.free]


@pytest.fixture
def memory(monkeypatch):
    memory = Memory()
    monkeypatch.setattr(room.esp32, "idf_heap_info", memory.idf_heap_info)
    monkeypatch.setattr(room.Watch, "has_plenty", False)
    monkeypatch.setattr(room.Watch, "reserve", WANTED)
    return memory


def wait(size):
    """(what for_network() said, after how many pauses)"""
    pauses = []

    async def sleep_ms(ms):
        pauses.append(ms)

    with mock.patch.object(asyncio, "sleep_ms", sleep_ms, create=True):
        return asyncio.run(room.for_network(size)), len(pauses)


@pytest.mark.parametrize("size", [0, 100, 1_500, 5_000])
def test_what_is_sent_leaves_what_is_kept(memory, size):
    # Twice its bytes and 700, as tools/sim/memory.py has it of segments under way.
    memory.free = [WANTED + 700 + 2 * size]
    assert wait(size) == (True, 0)
    memory.free = [WANTED + 700 + 2 * size - 1]
    assert wait(size) == (True, PATIENCE)
    memory.free = [KEPT + 700 + 2 * size]
    assert wait(size) == (True, 0)  # it is known that nothing is given back
    memory.free = [KEPT + 700 + 2 * size - 1]
    assert wait(size) == (False, 40)


def test_more_is_kept_again_once_there_is_enough(memory):
    watch = room.Watch()
    memory.free = [KEPT + 700]
    assert wait(0) == (True, PATIENCE)
    for free, kept in ((WANTED_AGAIN - 1, KEPT), (WANTED_AGAIN, WANTED)):
        memory.free = [free]
        watch.look()
        memory.free = [kept + 700]
        assert room.has_network(0)
        memory.free = [kept + 700 - 1]
        assert not room.has_network(0)


def test_the_largest_block_counts_too(memory):
    for kept, piece in ((WANTED, WANTED_IN_ONE_PIECE), (KEPT, KEPT_IN_ONE_PIECE)):
        room.Watch.reserve = kept
        memory.free = [piece + 700 + 200 - 1] * 4
        assert not room.has_network(100)
        memory.free[0] += 1
        assert room.has_network(100)


def test_it_waits_for_what_others_give_back(memory):
    memory.free = [1_000]
    original = memory.idf_heap_info

    def given_back(capabilities):
        if memory.asked == 7:
            memory.free = [50_000]
        return original(capabilities)

    room.esp32.idf_heap_info = given_back
    assert wait(1_000) == (True, 7)


def test_where_there_is_plenty_nobody_asks_until_the_next_look(memory):
    memory.free = [100_000]
    watch = room.Watch()
    assert not watch.look()
    asked = memory.asked
    assert all(room.has_network(5_000) for _ in range(10))
    assert memory.asked == asked
    memory.free = [1_000]
    watch.look()
    assert not room.has_network(0)


def test_a_minute_without_memory_is_too_long(memory):
    watch = room.Watch()
    memory.free = [4_000]
    assert [watch.look() for _ in range(60)] == [False] * 59 + [True]
    memory.free = [30_000]
    assert not watch.look()
    memory.free = [4_000]
    assert not watch.look()


@pytest.mark.parametrize("free, is_there", [(131_000, True), (130_999, False)])
def test_a_buffer_may_stay_beside_what_comes_and_goes(monkeypatch, free, is_there):
    monkeypatch.setattr(room, "free", lambda: free)
    assert room.fits(101_000) == is_there
