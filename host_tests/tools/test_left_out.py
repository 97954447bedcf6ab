"""What a run of the tests says about those that it left out (support/left_out.py)."""

import os
import subprocess
import sys

import pytest

import left_out
import rig

TESTS = """
import pytest

@pytest.mark.slow
def test_slow():
    pass

@pytest.mark.slow
def test_slow_too():
    pass

@pytest.mark.skipif(True, reason="no chromium: apt install chromium")
@pytest.mark.parametrize("number", range(3))
def test_page(number):
    pass

def test_broker():
    pytest.skip("no mosquitto: apt install mosquitto")

def test_quick():
    assert {quick}
"""
SKIPPED = [
    "left out: 3 tests: no chromium: apt install chromium",
    "left out: 1 test: no mosquitto: apt install mosquitto",
]
SLOW = "left out: 2 slow tests: `make test-all` runs them"
ELSEWHERE = (
    "left out, because they take longer: `make bench`, `make fuzz`, `make fuzz-http`, `make soak`"
)


@pytest.fixture
def run(tmp_path):
    """run(options): the lines at the end of a run of TESTS."""

    def start(*options, quick=True):
        (tmp_path / "tests").mkdir(exist_ok=True)
        (tmp_path / "tests" / "test_some.py").write_text(TESTS.replace("{quick}", str(quick)))
        (tmp_path / "pytest.ini").write_text(
            "[pytest]\ntestpaths = tests\nmarkers = slow\naddopts = -p left_out -p no:anyio\n"
        )
        told = subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.path.dirname(left_out.__file__)},
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        said = [number for number, line in enumerate(told) if line.startswith("left out")]
        assert said == list(range(len(told) - 1 - len(said), len(told) - 1)), "not at the end"
        return [told[number] for number in said]

    return start


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_what_a_run_left_out_is_told_at_its_end(run, workers):
    assert run(*workers, "-m", "not slow") == [SLOW, *SKIPPED]
    assert run(*workers) == [*SKIPPED, ELSEWHERE]


def test_it_is_told_also_below_failures(run):
    assert run("-m", "not slow", quick=False) == [SLOW, *SKIPPED]


def test_who_asks_for_some_tests_hears_of_these_only(run):
    assert run("tests/test_some.py") == SKIPPED
    assert run("tests", "-k", "quick") == []
    assert run("-k", "broker") == SKIPPED[1:]


def test_make_test_leaves_out_what_it_says():
    """The words of the Makefile that left_out.py goes by."""
    makefile = (rig.ROOT / "Makefile").read_text()
    assert '$(if $(TESTS),$(TESTS),-m "not slow")' in makefile
    for target in ("test-all", "bench", "fuzz", "fuzz-http", "soak"):
        assert f"\n{target}:" in makefile
