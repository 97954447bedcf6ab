"""What survives a reset, and what follows from it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from dongle.logbook import Logbook
from household import Household, needs_micropython, run_on_device, wait_for
from rig import free_port

BOARDS = ROOT / "boards"

MOST_BYTES = 2048  # of an ESP32's RTC memory (ports/esp32/machine_rtc.c)


class Memory:
    """As machine.RTC().memory."""

    def __init__(self, data=b""):
        self.data = data

    def __call__(self, data=None):
        if data is None:
            return self.data
        if len(data) > MOST_BYTES:
            raise ValueError("buffer too long")
        self.data = bytes(data)


def counts(good, rejected):
    return {"good": good, "rejected": rejected, "wifi_drops": 0, "failures": 0}


def test_after_a_power_up_nothing_is_known():
    book = Logbook(Memory())
    assert book.report() == {"boots": 1, "fast": 1, "before": {}, "counts": counts(0, 0)}


def test_a_reset_by_whatever_leaves_how_the_run_was():
    memory = Memory()
    book = Logbook(memory)
    book.note(61, "mqtt: OSError: 5", (60, 1, 0, 0))
    book.note(121, None, (120, 1, 0, 0))
    again = Logbook(memory)
    assert again.report() == {
        "boots": 2,
        "fast": 2,
        "before": {"uptime_s": 121, "failure": "mqtt: OSError: 5"},
        "counts": counts(120, 1),
    }
    again.note(60, None, (59, 0, 0, 0))
    assert again.report()["counts"] == counts(179, 1)
    assert Logbook(memory).report()["counts"] == counts(179, 1)


def test_a_start_that_lasted_ends_the_fast_ones():
    memory = Memory()
    for number in range(1, 4):
        assert Logbook(memory).fast == number
    Logbook(memory).lasted()
    assert Logbook(memory).fast == 1


def test_resets_of_our_own_are_counted_until_they_helped():
    memory = Memory()
    Logbook(memory).ends("no network for 30 minutes")
    book = Logbook(memory)
    assert book.vain == 1 and book.report()["before"] == {"why": "no network for 30 minutes"}
    book.ends("no network for 60 minutes")
    assert Logbook(memory).vain == 2
    Logbook(memory).helped()
    assert Logbook(memory).vain == 0


def test_long_texts_and_many_counts_find_room():
    memory = Memory()
    book = Logbook(memory)
    counts = (2**31,) * 4
    for _ in range(3):
        book.note(2**31, 'é"\n' * 5000, counts)
        book.ends("x" * 5000)
        book = Logbook(memory)
    assert book.boots == 4 and len(memory.data) <= MOST_BYTES
    assert len(book.report()["before"]["failure"]) == 200


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_rubbish_in_the_memory_is_a_power_up(data):
    assert Logbook(Memory(data)).report()["boots"] == 1


def test_what_an_older_version_left_is_a_power_up():
    kept = {"boots": 7, "fast": 1, "vain": 0, "before": {}, "run": {}, "counts": {"good": 5}}
    assert Logbook(Memory(json.dumps(kept).encode())).report()["boots"] == 1


@given(st.binary(min_size=52, max_size=300))
def test_rubbish_that_looks_like_ours_does_no_harm(data):
    book = Logbook(Memory(b"P1 1" + data))
    book.note(1, "failure", (1, 0, 0, 0))
    book.ends("why")
    assert json.loads(json.dumps(book.report()))["counts"]["good"] >= 1


def test_a_start_that_fails_is_told_to_the_next_one():
    memory = Memory()
    Logbook(memory).failed("MemoryError: memory allocation failed")
    assert Logbook(memory).before == {"failure": "MemoryError: memory allocation failed"}


# --- The dongle ---


# One that gives up after its first telegrams, once.
HOPELESS = """
from dongle import app
app._NOTE_MS = 100

def hopeless(self):
    return "for a test" if self.logbook.boots == 1 and self.framer.good > 2 else None

app.App._hopeless = hopeless
"""


@needs_micropython
def test_health_tells_of_the_run_before(tmp_path):
    with Household(tmp_path, before=HOPELESS) as home:
        starts = wait_for(
            lambda: (starts := home.health()["starts"])["boots"] == 2 and starts, "it is back"
        )
        assert starts["fast"] == 2
        assert starts["before"]["why"] == "for a test"
        assert starts["counts"]["good"] >= 2
        assert home.dongle.resets == 1
        assert home.health()["reset_cause"] == "hard reset"


@pytest.mark.slow
@needs_micropython
@pytest.mark.parametrize("case", ["wifi", "memory", "patience", "doubt"])
def test_the_last_resort(case, tmp_path):
    config = {
        "wifi": {"ssid": "home", "password": "secret", "delay_s": 0},
        "http": {"port": free_port()},
        "system": {"watchdog": False},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "board.json").write_bytes((BOARDS / "esp32_generic" / "board.json").read_bytes())
    result = run_on_device("dongle_last_resort.py", case, folder=tmp_path)
    assert result.stdout.endswith("ok\n"), result.stdout + result.stderr


# A dongle that cannot start while there is this file.
FAULTY = """
import os
from dongle import app, safe, start as first
first._FATAL_S = 0
safe._LENGTH_MS = 4_000
whole = app.App

def start(logbook):
    if "fault" in os.listdir():
        raise MemoryError("memory allocation failed, allocating 512 bytes")
    return whole(logbook)

app.App = start
"""


@pytest.mark.slow
@needs_micropython
def test_after_five_fast_starts_safe_mode_and_out_of_it_when_the_fault_is_gone(tmp_path):
    with Household(tmp_path, before=FAULTY, files={"fault": ""}) as home:
        health = wait_for(lambda: home.get("/health"), "it answers in safe mode")
        assert health.status_code == 503
        document = health.json()
        assert document["reason"].startswith(
            "safe mode, because 6 starts ended soon; the last one: MemoryError: memory "
            "allocation failed, allocating 512 bytes: the meter is not read"
        )
        assert document["code"] == "safe_mode"
        assert document["wifi"].keys() >= {"connected"}
        assert home.dongle.resets == 5
        assert home.get("/reading").status_code == 404
        (tmp_path / "fault").unlink()
        home.wait_until_reading()
        assert home.health()["starts"]["fast"] == 1
        assert home.dongle.resets == 6
