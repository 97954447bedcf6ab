"""Stories of a dongle in a world in memory whose clock waits for nobody: what is a matter of time
is the same there on every computer. The programs are in host_tests/device/tales."""

import json
from pathlib import Path

import pytest

import rig
from household import DEVICE
from soak import campaign


class World:
    """told(story): the facts of a story of the program, which is told when somebody first asks
    for it. folder: an empty one."""

    def __init__(self, program: str, folder: Path):
        self._program = DEVICE / "tales" / program
        self._facts: dict[str, dict] = {}
        try:
            self._flash = campaign.deploy(
                folder, self._program.with_name("tale.py"), self._program
            )
        except rig.Missing as missing:
            pytest.skip(str(missing))

    def told(self, story: str) -> dict:
        if story not in self._facts:
            with campaign.world(str(self._program), story, deployed=self._flash) as process:
                assert process.stdout
                said = process.stdout.read()
            print(said)  # pytest shows it where a test fails
            last = said.splitlines()[-1] if said else ""
            assert last.startswith("{"), f"{story} has not come to its end: {said[-2000:]}"
            self._facts[story] = json.loads(last)
        return self._facts[story]


def told_by(program: str):
    """A fixture of a module, told: see World.told()."""

    @pytest.fixture(scope="module")
    def told(tmp_path_factory):
        return World(program, tmp_path_factory.mktemp("world")).told

    return told


def is_undisturbed(facts: dict):
    """What holds in every story: whatever others do or leave undone, the loop is not held up, and
    the meter is read and the telegrams passed on each second."""
    assert facts["turn_ms"] < 50  # only what waits takes time in that world
    assert facts["gap_ms"] < 2_000
    assert facts["resets"] == 0
    assert facts["failures"] == {}
