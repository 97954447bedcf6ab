"""install, from a bare board to the first telegram: flash is played, the rest is real, up to the
console, on which the test speaks as the firmware does."""

import dataclasses
import os
import threading

import pytest

import boards
import build
import device
import rig
from esp_rom import EspRom
from household import Household, needs_micropython, wait_for
from install import InstallError, arrival, flash, port
from test_device import image
from unix_board import unix_board

SSID = ("--ssid", "home", "--password", "geheim", "--mqtt-host", "broker")


@pytest.fixture
def board(tmp_path):
    with unix_board(tmp_path) as board:
        yield board


@pytest.fixture
def command(board, tmp_path, monkeypatch):
    """install's, for a board whose MicroPython runs x64 code."""
    (tmp_path / "image.bin").write_bytes(image(0, 0x7000))
    monkeypatch.setattr(flash, "run", lambda command: None)
    monkeypatch.setattr(device, "build_board", lambda name, **_: x64_build(tmp_path))
    key = str(tmp_path / "no-key.pem")
    files = ("--firmware", str(tmp_path / "image.bin"), "--owner-key", key)
    return ["install", "--board", "esp32_generic", "--port", board.port, *files, *SSID]


def x64_build(folder):
    firmware = folder / "firmware"
    firmware.mkdir()
    (firmware / "main.py").write_text("print('started')\n")
    profile = dataclasses.replace(boards.load("esp32_generic"), arch="x64")
    return folder / "build", build.build(profile, firmware, folder / "build", "1.2.3")


@pytest.fixture
def speak(board):
    """speak(lines): what the board's console says, again and again, once deploy and configure have
    both started it anew. Who opens a port misses what was said before."""
    over, threads = threading.Event(), []

    def start(*lines):
        def run():
            while not over.wait(0.2):
                if board.notes.count("reset") >= 2:
                    os.write(board._master, "".join(f"{line}\r\n" for line in lines).encode())

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


def test_a_bare_board_ends_up_reading_the_meter(board, command, speak, capsys):
    speak(
        "       2 s  wifi: connected to home as 192.0.2.7",
        "       4 s  meter: the first telegram is read",
    )
    assert device.main(command) == 0
    said = capsys.readouterr().out
    steps = [said.index(f"--- {step}") for step in ("1 of 4: flash", "2 of 4: deploy")]
    assert steps == sorted(steps)
    assert said.rstrip().endswith("and reads the meter.")
    assert "http://192.0.2.7/" in said and "geheim" not in said
    assert {"main.py", "config.json"} <= set(board.files())


def test_without_a_meter_it_says_what_to_do(command, speak, capsys):
    speak("       2 s  ethernet: connected as 192.0.2.7")
    assert device.main([*command, "--within", "3"]) == 0
    said = capsys.readouterr().out
    assert "http://192.0.2.7/" in said and "plug it into the meter" in said


def test_without_a_network_it_fails_and_says_why(command, speak, capsys):
    speak("       2 s  wifi: no network configured; run `make configure`")
    assert device.main([*command, "--within", "2"]) == 1
    output = capsys.readouterr()
    assert "wifi: no network configured" in output.out
    assert "not on the network after 2 s" in output.err


def test_a_config_that_is_no_good_leaves_the_board_alone(board, command, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(flash, "run", ran.append)
    assert device.main([*command, "--mqtt-port", "99999"]) == 1
    assert "mqtt.port: expected a whole number" in capsys.readouterr().err
    assert ran == [] and board.files() == {}


def test_a_wrong_chip_ends_it_before_anything_is_written(tmp_path, capfd):
    rom, file = EspRom(), tmp_path / "image.bin"
    file.write_bytes(image(5))
    command = ["install", "--board", "esp32c3", "--port", rom.port, "--firmware", str(file)]
    assert device.main([*command, *SSID]) == 1
    rom.close()
    said = "".join(capfd.readouterr())
    assert "This chip is ESP32, not ESP32-C3" in said and "2 of 4" not in said


def test_a_dry_run_shows_all_steps(capsys):
    command = ["install", "--board", "wt32_eth01", "--dry-run", "--firmware", "x.bin", *SSID]
    assert device.main(command) == 0
    said = capsys.readouterr().out
    marks = ["write-flash --erase-all 0x1000 x.bin", "copy    main.py", "write    config.json"]
    places = [said.index(mark) for mark in [*marks, "listen   60 s"]]
    assert places == sorted(places) and "geheim" not in said


def test_a_port_that_comes_back_is_waited_for_and_one_that_does_not_is_told(monkeypatch):
    answers = ["there is no port", "there is no port", None]
    monkeypatch.setattr(port, "explain", lambda _: answers.pop(0) if len(answers) > 1 else None)
    port.wait_for("/dev/ttyACM0")
    monkeypatch.setattr(port, "explain", lambda _: "there is no port")
    monkeypatch.setattr(port, "_START_S", 0.1)
    with pytest.raises(InstallError, match="there is no port"):
        port.wait_for("/dev/ttyACM0")


@pytest.mark.slow
@needs_micropython
@pytest.mark.parametrize("wired", [False, True])
def test_the_firmware_says_what_is_waited_for(tmp_path, wired):
    profile = rig._BOARD.parents[1] / ("wt32_eth01" if wired else "esp32_generic") / "board.json"
    with Household(tmp_path, broker=1, files={"board.json": profile.read_text()}) as home:

        def first(pattern):
            return next(filter(None, map(pattern.search, home.said)), None)

        assert wait_for(lambda: first(arrival._ADDRESS), "its address")[1] == "127.0.0.1"
        assert wait_for(lambda: first(arrival._TELEGRAM), "its first telegram")
        health = home.health()
        assert health["ethernet" if wired else "wifi"]["connected"] is True
        assert health["wifi"].get("reason") == ("off" if wired else None)
