# Which firmware runs: the one in the folder slot_a, the one in slot_b or, "", the one that is
# frozen into MicroPython. boot.py asks, an update decides. An update touches neither this file
# nor boot.py and main.py: they bring the dongle back when the new firmware does not work.
#
# What a slot holds stands in the file of its name, slot_a.json, which also says that all of it is
# there: it comes last and goes first. The decision is in slots.json. It is replaced as a whole, so
# that a power cut leaves the old one or the new one. Without it, as after `make deploy`, the first
# slot with a firmware runs.
#
#   slot      what runs
#   previous  what ran before, and comes back when slot does not prove itself
#   trial     null once slot has proved itself; before that {"version": its version, "starts":
#             how often it has been started}
#   result    what became of the last update, in words

import json
import os
import sys

from micropython import const

SLOTS = ("slot_a", "slot_b")

_STATE = "slots.json"
_STARTS = const(3)  # of a trial: a power cut is not the firmware's fault

state = None  # what start() found, for the firmware that it started


def manifest(slot):
    """The path of the file that says what is in a slot."""
    return slot + ".json"


def read():
    """The state as above, a dict; where the file is missing or wrong, the best that can run."""
    previous, result = "", ""
    try:
        with open(_STATE) as file:
            found = json.load(file)
        if _is_state(found):
            if _is_complete(found["slot"]):
                return found
            previous = found["previous"]
        result = "slots.json names nothing that runs"
    except OSError:
        pass
    except Exception:  # whatever it is, it must not keep the dongle from starting
        result = "slots.json is no JSON"
    for slot in (previous,) + SLOTS:
        if slot and _is_complete(slot):
            return {"slot": slot, "previous": "", "trial": None, "result": result}
    return {"slot": "", "previous": "", "trial": None, "result": result}


def write(state):
    """Makes it so, now or never. Raises OSError."""
    beside = _STATE + ".new"
    try:
        with open(beside, "w") as file:
            json.dump(state, file)
        os.rename(beside, _STATE)
    except OSError:
        discard(beside)
        raise


def discard(path):
    """Removes a file, if it is there."""
    try:
        os.remove(path)
    except OSError:
        pass


def roll_back(state, why):
    """The state after which the firmware before runs again; why: in words."""
    result = f"{state['trial']['version']} rolled back: {why}"
    return {"slot": state["previous"], "previous": "", "trial": None, "result": result}


def start():
    """At power-up: counts the start of a trial, or ends it, and lets imports find what runs."""
    global state
    state = read()
    if state["trial"]:
        if state["trial"]["starts"] < _STARTS:
            state["trial"]["starts"] += 1
        else:
            state = roll_back(state, f"did not prove itself in {_STARTS} starts")
            print(state["result"])
        try:
            write(state)
        except OSError as error:
            # What cannot be counted might be tried for ever.
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
