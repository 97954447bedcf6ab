# Which firmware runs: the one in the folder slot_a, the one in slot_b or, if the slot is "", the
# one that is frozen into MicroPython. boot.py reads this choice, and an update writes it. An
# update never changes this file, boot.py or main.py: they bring the old firmware back when the
# new one does not work.
#
# slot_a.json describes the content of slot_a. It also shows that the slot is complete, because an
# update writes it last and deletes it first. The choice is in slots.json. It is replaced as a
# whole, so that a power cut leaves either the old file or the new one. Without slots.json, as
# after `make deploy`, the first slot with a firmware runs.
#
#   slot      the firmware that runs
#   previous  the firmware that ran before; it runs again if slot fails its trial
#   trial     null when slot has passed its trial; before that {"version": its version, "starts":
#             how often it has been started}
#   result    the result of the last update, in words

import json
import os
import sys

from micropython import const

SLOTS = ("slot_a", "slot_b")

_STATE = "slots.json"
_STARTS = const(3)  # in a trial; more than one, because a power cut is no fault of the firmware

state = None  # the state at the start, for the firmware that runs


def manifest(slot: str) -> str:
    """Returns the path of the file that describes a slot."""
    return slot + ".json"


def read() -> dict:
    """Returns the state as above. If slots.json is missing or wrong, picks a firmware that can
    run."""
    previous, result = "", ""
    try:
        with open(_STATE) as file:
            found = json.load(file)
        if _is_state(found):
            if _is_complete(found["slot"]):
                return found
            previous = found["previous"]
        result = "slots.json names no firmware that can run"
    except OSError:
        pass
    except Exception:  # no error here may stop the dongle from starting
        result = "slots.json is not valid JSON"
    for slot in (previous,) + SLOTS:
        if slot and _is_complete(slot):
            return {"slot": slot, "previous": "", "trial": None, "result": result}
    return {"slot": "", "previous": "", "trial": None, "result": result}


def write(state: dict) -> None:
    """Writes the state atomically. Raises OSError."""
    beside = _STATE + ".new"
    try:
        with open(beside, "w") as file:
            json.dump(state, file)
        os.rename(beside, _STATE)
    except OSError:
        discard(beside)
        raise


def discard(path: str) -> None:
    """Removes a file if it exists."""
    try:
        os.remove(path)
    except OSError:
        pass


def roll_back(state: dict, why: str) -> dict:
    """Returns the state that makes the previous firmware run again; why: the reason, in words."""
    result = f"{state['trial']['version']} rolled back: {why}"
    return {"slot": state["previous"], "previous": "", "trial": None, "result": result}


def start() -> None:
    """Runs at power-up: counts a start of a trial or ends the trial, and puts the slot that runs
    into sys.path."""
    global state
    state = read()
    if state["trial"]:
        if state["trial"]["starts"] < _STARTS:
            state["trial"]["starts"] += 1
        else:
            state = roll_back(state, f"did not pass its trial in {_STARTS} starts")
            print(state["result"])
        try:
            write(state)
        except OSError as error:
            # Without a count the trial might never end.
            if state["trial"]:
                state = roll_back(state, f"the flash cannot be written ({error})")
    if state["slot"]:
        sys.path.insert(0, state["slot"])


def _is_complete(slot):
    if slot == "":
        return True
    try:
        os.stat(manifest(slot))
    except OSError:
        return False
    return True


def _is_state(found):
    if not isinstance(found, dict):
        return False
    known = ("",) + SLOTS
    trial = found.get("trial", 0)
    return (
        found.get("slot") in known
        and found.get("previous") in known
        and isinstance(found.get("result"), str)
        and (
            trial is None
            or (
                isinstance(trial, dict)
                and isinstance(trial.get("starts"), int)
                and trial["starts"] >= 0
                and isinstance(trial.get("version"), str)
            )
        )
    )
