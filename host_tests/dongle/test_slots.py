"""Which firmware starts: what slots.json says, and whatever else may be in it."""

import json
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as some

import slots
from conftest import FIRMWARE

TRIAL = {"version": "0.2.0", "starts": 0}


@pytest.fixture
def flash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", ".frozen"])
    return tmp_path


def fill(flash, *names):
    for slot in names:
        (flash / f"{slot}.json").write_text("{}")


def state(slot, previous="", trial=None, result=""):
    return {"slot": slot, "previous": previous, "trial": trial, "result": result}


def start(*power_ups):
    """What runs after so many power-ups."""
    for _ in range(*power_ups or [1]):
        sys.path[:] = ["", ".frozen"]
        slots.start()
    return sys.path[0]


def test_without_a_slot_the_frozen_firmware_runs(flash):
    assert start() == "" and sys.path == ["", ".frozen"]
    assert slots.state == state("")


@pytest.mark.parametrize("present, runs", [(["slot_a"], "slot_a"), (["slot_b"], "slot_b")])
def test_without_a_decision_the_slot_that_is_there_runs(flash, present, runs):
    fill(flash, *present)
    assert start() == runs and slots.state == state(runs)
    assert not (flash / "slots.json").exists()


@pytest.mark.parametrize("runs", ["slot_a", "slot_b", ""])
def test_what_has_proved_itself_runs_and_nothing_is_written(flash, runs):
    fill(flash, "slot_a", "slot_b")
    slots.write(state(runs, "slot_a"))
    before = (flash / "slots.json").read_text()
    for _ in range(9):
        assert start() == runs
    assert (flash / "slots.json").read_text() == before


@pytest.mark.parametrize("previous", ["slot_a", ""])
def test_a_trial_has_three_starts(flash, previous):
    fill(flash, "slot_a", "slot_b")
    slots.write(state("slot_b", previous, TRIAL))
    for number in (1, 2, 3):
        assert start() == "slot_b"
        assert slots.state["trial"] == {"version": "0.2.0", "starts": number}
    for _ in range(9):
        assert start() == previous
        why = "0.2.0 rolled back: did not pass its trial in 3 starts"
        assert slots.state == state(previous, result=why)


def test_a_start_that_cannot_be_counted_is_none(flash, monkeypatch):
    fill(flash, "slot_a", "slot_b")
    slots.write(state("slot_b", "slot_a", TRIAL))

    def fail(*_):
        raise OSError(28)

    monkeypatch.setattr("os.rename", fail)
    for _ in range(9):
        assert start() == "slot_a"
        assert "rolled back: the flash cannot be written" in slots.state["result"]
    assert not (flash / "slots.json.new").exists()


@pytest.mark.parametrize(
    "named, runs",
    [
        (state("slot_b", "slot_a", TRIAL), "slot_a"),
        (state("slot_b", ""), "slot_a"),
        (state("slot_b", "slot_b"), "slot_a"),
    ],
)
def test_a_slot_that_is_not_complete_does_not_run(flash, named, runs):
    fill(flash, "slot_a")
    slots.write(named)
    assert start() == runs
    assert slots.state["result"] == "slots.json names no firmware that can run"


values = some.none() | some.booleans() | some.integers() | some.text(max_size=9) | some.just(TRIAL)
states = some.fixed_dictionaries(
    {},
    optional={
        "slot": some.sampled_from(["slot_a", "slot_b", "slot_c", ".."]) | values,
        "previous": some.sampled_from(["slot_a", "slot_b"]) | values,
        "trial": values | some.dictionaries(some.sampled_from(["version", "starts"]), values),
        "result": values,
    },
)


@given(
    some.binary(max_size=40)
    | states.map(lambda value: json.dumps(value).encode())
    | values.map(lambda value: json.dumps(value).encode())
)
def test_whatever_slots_json_is_something_runs(tmp_path_factory, text):
    flash = tmp_path_factory.mktemp("flash")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(flash)
        patch.setattr(sys, "path", [])
        fill(flash, "slot_a")
        (flash / "slots.json").write_bytes(text)
        assert start(5) in ("slot_a", "")
        assert not slots.state["trial"]


def run_boot(monkeypatch):
    """The watchdogs that boot.py sets."""
    timeouts = []
    machine = types.SimpleNamespace(WDT=lambda timeout: timeouts.append(timeout))
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.setattr("gc.threshold", lambda bytes: None, raising=False)
    exec((FIRMWARE / "boot.py").read_text(), {})
    return timeouts


def test_only_a_trial_starts_under_a_watchdog(flash, monkeypatch):
    fill(flash, "slot_a", "slot_b")
    assert run_boot(monkeypatch) == []
    slots.write(state("slot_b", "slot_a", TRIAL))
    assert run_boot(monkeypatch) == [60_000]
