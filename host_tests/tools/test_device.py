"""flash, monitor, the dry runs, and what each says about a port that does not answer."""

import os
import pty
import shlex
import subprocess
import sys
import types
from pathlib import Path

import pytest
import serial

import boards
import device
import owner
from esp_rom import EspRom
from install import InstallError, flash, port
from unix_board import unix_board


@pytest.fixture
def board(tmp_path):
    with unix_board(tmp_path) as board:
        yield board


# --- flash ---


def image(chip_id, partitions_at=0x8000):
    data = bytearray(partitions_at + 64)
    data[0] = 0xE9
    data[12:14] = chip_id.to_bytes(2, "little")
    data[partitions_at : partitions_at + 2] = b"\xaa\x50"
    return bytes(data)


@pytest.mark.parametrize(
    "name, data, complaint",
    [
        ("esp32_generic", image(0, 0x7000), None),
        ("esp32c3", image(5), None),
        ("esp32c6", image(13), None),
        ("esp32s3", image(9), None),
        ("esp32c3", image(9), "is for esp32s3, the board esp32c3 has an esp32c3"),
        ("esp32c3", image(999), "is for a chip with id 999"),
        ("esp32c3", b"<html>404", "is not an ESP32 image"),
        ("esp32c3", b"", "is not an ESP32 image"),
        ("esp32c3", image(5)[:4096], "has no partition table"),
        ("esp32c3", None, "there is no file"),
    ],
)
def test_an_image_is_checked_before_the_flash_is_erased(tmp_path, name, data, complaint):
    file = tmp_path / "image.bin"
    if data is not None:
        file.write_bytes(data)
    if complaint is None:
        return flash.check_image(file, boards.load(name))
    with pytest.raises(InstallError) as error:
        flash.check_image(file, boards.load(name))
    assert complaint in str(error.value)


def downloaded(folder, name, data):
    (folder / "esp32").mkdir(exist_ok=True)
    (folder / "esp32" / name).write_bytes(data)


def test_flash_downloads_then_writes(tmp_path, monkeypatch, board):
    commands = []

    def run(command):
        commands.append(shlex.join(command))
        if "download" in command:
            downloaded(tmp_path, "ESP32_GENERIC_C3-v1.29.0.bin", image(5))

    monkeypatch.setattr(flash, "run", run)
    monkeypatch.setattr(device, "_DOWNLOADS", tmp_path)
    command = ["flash", "--board", "esp32c3", "--port", board.port, "--micropython", "1.29.0"]
    assert device.main(command) == 0
    assert commands == [
        f"{sys.executable} -m mpflash.cli_main --no-interactive --dir {tmp_path} "
        "download --board ESP32_GENERIC_C3 --version 1.29.0",
        f"{sys.executable} -m esptool --chip esp32c3 --port {board.port} --baud 460800 "
        f"write-flash --erase-all 0x0 {tmp_path}/esp32/ESP32_GENERIC_C3-v1.29.0.bin",
    ]
    assert device.main(command) == 0
    assert len(commands) == 3  # what is there is not downloaded again


@pytest.mark.parametrize("answer", [None, b"<html>404"])
def test_a_download_that_fails_says_how_to_go_on_and_leaves_nothing(tmp_path, monkeypatch, answer):
    def run(_):
        if answer:
            downloaded(tmp_path, "ESP32_GENERIC_S3-v1.29.0.bin", answer)

    monkeypatch.setattr(flash, "run", run)
    with pytest.raises(InstallError, match="--firmware"):
        flash.download(boards.load("esp32s3"), "1.29.0", tmp_path)
    assert not any(tmp_path.rglob("*.bin"))


def test_esptool_itself_refuses_another_chip(tmp_path, capfd):
    rom, file = EspRom(), tmp_path / "image.bin"
    file.write_bytes(image(5))
    command = ["flash", "--board", "esp32c3", "--port", rom.port, "--firmware", str(file)]
    assert device.main(command) == 1
    rom.close()
    assert "This chip is ESP32, not ESP32-C3" in "".join(capfd.readouterr())


# --- the port, the dry runs, the monitor ---


def test_a_missing_port_lists_those_that_exist(monkeypatch, capsys):
    here = types.SimpleNamespace(device="/dev/ttyUSB7", description="CP2102")
    monkeypatch.setattr(port.list_ports, "comports", lambda: [here])
    for given in ("", "/dev/no-such-port"):
        assert device.main(["monitor", "--port", given]) == 1
        assert "/dev/ttyUSB7  CP2102" in capsys.readouterr().err


def test_a_port_in_use_is_told(board, capsys):
    with port.raw_repl(board.port):
        assert device.main(["configure", "--port", board.port, "--ssid", "x"]) == 1
    assert f"{board.port} is in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, hint",
    [
        (serial.SerialException(13, "could not open port: Permission denied"), "dialout"),
        (serial.SerialException("could not open port 'COM3': PermissionError(13, …)"), "in use"),
        (serial.SerialException("could not open 'COM3': FileNotFoundError(2, …)"), "no port"),
    ],
)
def test_a_port_that_does_not_open_says_why(monkeypatch, error, hint):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    assert hint in port.explain("COM3")


def test_a_port_without_micropython_behind_it_is_told(monkeypatch):
    monkeypatch.setattr(port, "_READ_TIMEOUT_S", 0.05)
    monkeypatch.setattr(port, "_ENTER_TIMEOUT_S", 0.05)
    master, slave = pty.openpty()
    with (
        pytest.raises(InstallError, match="no MicroPython answers"),
        port.raw_repl(os.ttyname(slave)),
    ):
        pass
    os.close(master)
    os.close(slave)


class LateLine:
    """A serial line on which half of what the board says comes late: what it says of its raw REPL,
    `times` times, when mpremote has already asked for the next thing."""

    SAID = b"raw REPL; CTRL-B to exit\r\n>"
    RAW_PASTE = b"\x05A\x01"

    def __init__(self, line, times):
        self._line, self.times, self._late = line, times, b""

    def __getattr__(self, name):
        return getattr(self._line, name)

    def write(self, data):
        if data == self.RAW_PASTE and self.times:
            self.times -= 1
            self._late = self.SAID
        return self._line.write(data)

    def read(self, size=1):
        said, self._late = self._late[:size], self._late[size:]
        return said + (self._line.read(size - len(said)) if len(said) < size else b"")

    def inWaiting(self):
        return len(self._late) + self._line.inWaiting()


@pytest.fixture
def late_line(monkeypatch):
    """late_line(times): what comes late on the port that is opened next."""

    def make(times):
        class Late(port.SerialTransport):
            def __init__(self, *args, **options):
                super().__init__(*args, **options)
                self.serial = LateLine(self.serial, times)

        monkeypatch.setattr(port, "SerialTransport", Late)

    return make


@pytest.mark.parametrize("times", [1, 2])
def test_what_comes_late_is_waited_for_anew(board, late_line, times):
    late_line(times)
    with port.raw_repl(board.port) as transport:
        assert isinstance(transport.serial, LateLine) and transport.serial.times == 0
        assert transport.exec("print(6 * 7)").split() == [b"42"]
    assert "watchdog 600000" in board.notes


def test_a_line_on_which_all_comes_late_is_told(board, late_line):
    late_line(99)
    with pytest.raises(InstallError, match="no MicroPython answers"), port.raw_repl(board.port):
        pass


def test_dry_runs_need_no_board_and_show_the_order(capsys, tmp_path):
    key = str(tmp_path / "owner-key.pem")
    assert device.main(["deploy", "--board", "esp32c3", "--dry-run", "--owner-key", key]) == 0
    steps = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert steps[-2:] == [["copy", "main.py"], ["reset"]]
    assert steps.index(["mkdir", "slot_a/p1"]) < steps.index(["copy", "slot_a/p1/core.mpy"])
    assert ["copy", "update.pub"] not in steps

    owner.make(Path(key))
    assert device.main(["deploy", "--board", "esp32c3", "--dry-run", "--owner-key", key]) == 0
    assert "copy    update.pub" in capsys.readouterr().out
    Path(key).write_text("no key")
    assert device.main(["deploy", "--board", "esp32c3", "--dry-run", "--owner-key", key]) == 1
    assert "no private key in PEM" in capsys.readouterr().err

    assert device.main(["flash", "--board", "esp32_generic", "--dry-run", "--firmware", "x"]) == 0
    assert "--chip esp32 --port PORT --baud 460800 write-flash --erase-all 0x1000 x" in (
        capsys.readouterr().out
    )
    assert device.main(["configure", "--dry-run", "--password", "geheim"]) == 0
    assert "geheim" not in (output := capsys.readouterr().out) and "***" in output
    assert device.main(["monitor", "--dry-run"]) == 0
    assert "mpremote connect PORT resume repl" in capsys.readouterr().out


def test_the_monitor_shows_the_board_and_ctrl_bracket_leaves(board):
    master, slave = pty.openpty()
    command = [sys.executable, device.__file__, "monitor", "--port", board.port]
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    process = subprocess.Popen(command, start_new_session=True, **ends)
    os.close(slave)
    seen = read_until(master, b"Use Ctrl-]")
    os.write(master, b"print(6 * 7)\r")
    seen += read_until(master, b"\n42")
    os.write(master, b"\x1d")
    assert process.wait(5) == 0
    assert b"Ctrl-] leaves" in seen
    os.close(master)


def read_until(file, text):
    seen = b""
    while text not in seen:
        seen += os.read(file, 1024)
    return seen
