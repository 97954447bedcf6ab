"""The simulated meter's recordings and its command."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter import telegrams
from meter.cli import main
from meter.replay import Recording, oddities, split
from meter_bench import (
    LINES,
    PROGRAM,
    SUMMER_EVENING,
    at_work,
    play,
    plugged_in,
)


@pytest.fixture(scope="module")
def telegram():
    return next(telegrams(SUMMER_EVENING))


@given(st.lists(st.sampled_from([b"/", b"!", b"\r\n", b"\n", b"A", b"!12AB\r\n"])).map(b"".join))
def test_splitting_alters_no_byte(recording):
    assert b"".join(split(recording)) == recording


def test_where_a_recording_is_split(telegram):
    short = b"/NWA-WARMTELINK\r\n\r\n0-0:1.0.0()\r\n!B9F\r\n"
    assert split(telegram * 2 + short) == [telegram, telegram, short]
    assert split(b"/X\n\n1\n!\n/Y\n\n2\n!") == [b"/X\n\n1\n!\n", b"/Y\n\n2\n!"]
    assert split(b"tail\r\n!1234\r\n" + telegram) == [b"tail\r\n!1234\r\n", telegram]
    assert split(telegram + b"\r\n\r\n") == [telegram + b"\r\n\r\n"]
    assert split(telegram + b"/cut") == [telegram, b"/cut"]
    assert split(b"") == []


def test_what_is_odd_about_a_recording(telegram):
    def odd(recording):
        return list(oddities(split(recording)))

    assert odd(telegram * 2) == []
    assert odd(b"") == ["is empty"]
    assert "LF line ends" in odd(telegram.replace(b"\r", b""))[0]
    assert odd(telegram + b"/cut") == ["(telegram 2) has no end"]
    assert odd(b"x" + telegram) == ["(telegram 1) does not begin with '/'"]
    assert odd(telegram[:-6].replace(b"!", b"") + telegram) == ["(telegram 1) holds a second '/'"]


@LINES
def test_a_replay_is_byte_exact_and_loops(kind, telegram):
    recording = b"\0junk" + telegram + telegram.replace(b"\r\n", b"\n") + b"/cut off"

    async def scene():
        line, source = kind(), Recording(split(recording))
        async with at_work(line, source, speed=50), plugged_in(line) as reader:
            await asyncio.sleep(0.1)  # time that nobody asks in costs no telegram
            reader.request(b"1")
            assert await reader.bytes.readexactly(3 * len(recording)) == 3 * recording

    play(scene())


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, PROGRAM, *map(str, arguments)], capture_output=True, **options
    )


def test_the_command_prints_what_the_module_makes():
    options = ("--start", SUMMER_EVENING.isoformat(), "--seed", 9, "--phases", 1, "--months", 2)
    expected = b"".join(telegrams(SUMMER_EVENING, 9, 3, phases=1, months=2))
    done = run("--print", "-n", 3, *options)
    assert done.stdout == expected and done.stderr == b"" and done.returncode == 0


def test_the_command_replays_and_warns(tmp_path, telegram):
    whole, cut = tmp_path / "whole.txt", tmp_path / "cut.txt"
    whole.write_bytes(telegram)
    cut.write_bytes(telegram[:99])
    done = run("--print", "-n", 3, "--replay", whole, cut)
    assert done.stdout == telegram + telegram[:99] + telegram
    assert done.stderr.decode().splitlines() == [
        f"meter: {cut} (telegram 1) has no end; it is sent as it is"
    ]


def test_the_command_serves_for_its_time():
    done = run("tcp:127.0.0.1:0", "--seconds", 0.2)
    assert re.fullmatch(rb"tcp:127\.0\.0\.1:[1-9]\d*\n", done.stdout)
    assert done.returncode == 0 and done.stderr == b""


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ((), "either a line or --print"),
        (("nowhere",), "'nowhere': a line is"),
        (("--print", "--fault", "ghost"), "'ghost': a fault is"),
        (("--print", "--replay", "no-such-file"), "no-such-file"),
        (("--print", "--start", "noon"), "noon"),
        (("--print", "--submeters", "oil"), "not oil"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, reason, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert reason in capsys.readouterr().err


def test_the_command_ends_on_ctrl_c_without_a_word():
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "tcp:127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    port = int(process.stdout.readline().rpartition(b":")[2])
    with socket.create_connection(("127.0.0.1", port)) as reader:
        reader.sendall(b"1")
        assert reader.recv(1) == b"/"
        for _ in range(20):  # an impatient Ctrl-C
            process.send_signal(signal.SIGINT)
            time.sleep(0.002)  # else they are one and the same signal; nothing is looked at then
        assert process.communicate(timeout=60) == (b"", b"")
        assert process.returncode == 0


def test_the_iterator_goes_on_without_end():
    assert len(list(islice(telegrams(SUMMER_EVENING), 3))) == 3
