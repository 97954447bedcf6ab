"""`python tools/bench`: what it says while it measures, and what it does where something is
missing. What it measures is for test_bench_counts.py."""

import os
import subprocess
import sys

import pytest

import rig
from conftest import needs_micropython

BENCH = [sys.executable, str(rig.ROOT / "tools" / "bench")]


@pytest.fixture
def bare(tmp_path):
    """An environment in which neither a compiler nor qemu is found."""
    return {**os.environ, "PATH": str(tmp_path)}


def bench(*arguments, environment=None):
    return subprocess.run(
        [*BENCH, *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


def test_it_lists_its_parts_and_how_long_they_take():
    told = bench("--list")
    assert told.returncode == 0
    first, *lines = told.stdout.splitlines()
    assert first.startswith("8 parts, about ") and " minutes " in first
    listed = [line.split()[0] for line in lines if not line.startswith("(")]
    assert " ".join(listed) == "speed linear garbage loop clients latency memory sizes"
    assert all(" second" in line or " minute" in line for line in lines)


def test_it_says_what_it_does_before_it_is_done():
    """Through a pipe: what is not flushed would come together with the table."""
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # else nothing need be flushed
    with subprocess.Popen(
        [*BENCH, "sizes"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first, second = process.stdout.readline(), process.stdout.readline()
        process.kill()
        rest = process.stdout.read()
    assert first.startswith("1 part, about 5 seconds")
    assert second == "1 of 1: sizes, 5 seconds: the compiled files\n"
    assert rest == ""


@needs_micropython
def test_what_a_machine_lacks_is_left_out_and_named(bare):
    told = bench("memory", "target", "linear", environment=bare)
    assert told.returncode == 0, told.stderr
    assert "ns per byte" in told.stdout and "crc rv32imc instructions" in told.stdout
    assert [line for line in told.stdout.splitlines() if line.startswith("left out")] == [
        "left out: memory: no C compiler for 32 bits: apt install gcc-multilib make",
        "left out: the rest of target: xtensawin: qemu-xtensa is not installed: "
        "apt install qemu-user",
    ]


def test_without_micropython_the_sizes_are_still_told():
    told = bench("garbage", "sizes", environment={**os.environ, "MICROPYTHON": "/not/here"})
    assert told.returncode == 0, told.stderr
    assert "mpy bytes xtensawin" in told.stdout
    assert told.stdout.splitlines()[-1] == (
        "left out: garbage: MICROPYTHON names /not/here, which cannot be run"
    )


def test_a_python_package_that_is_missing_is_left_out_too(tmp_path):
    # A module of this name that is found first, and cannot be imported.
    (tmp_path / "dsmr_parser.py").write_text("raise ModuleNotFoundError(name='dsmr_parser')\n")
    told = bench("speed", "sizes", environment={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == (
        "left out: speed: the Python package dsmr_parser is not here: "
        ".venv/bin/pip install --group bench"
    )


def test_a_module_of_our_own_that_is_missing_is_a_fault(tmp_path):
    (tmp_path / "dsmr_parser.py").write_text("import bench.nothing\n")
    told = bench("speed", environment={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert told.returncode == 1 and "No module named 'bench.nothing'" in told.stderr


def test_where_nothing_can_be_measured_it_fails(bare):
    told = bench("memory", environment=bare)
    assert told.returncode == 1
    assert told.stdout.splitlines()[-1].startswith("left out: memory: no C compiler")
