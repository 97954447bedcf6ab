"""A serial line that hands over half of an answer late, or something else in the midst of it:
each tool tries again by itself, or says what is wrong."""

import contextlib
import dataclasses
import json

import pytest
import serial

import boards
import build
import device
from household import wait_for
from install import InstallError, arrival, flash, port
from pack.back import Back
from test_device import image
from test_selftest import MODULES, PROFILE
from unix_board import unix_board

RAW_PASTE = b"\x05A\x01"  # mpremote's question before each command
# (how many bytes of the answer come first, what comes then)
LATE = (0, b"raw REPL; CTRL-B to exit\r\n>")  # half of what the board said before
NOISE = (4, b"E (2413) wifi: lost\r\n")  # ESP-IDF's log


class BadLine:
    """A serial line with faults: {command, counted from 1 since the port was opened: LATE or
    NOISE}. Each happens once."""

    def __init__(self, line, faults):
        self._line, self._faults = line, faults
        self._commands, self._first, self._said = 0, 0, b""

    def __getattr__(self, name):
        return getattr(self._line, name)

    def write(self, data):
        if data == RAW_PASTE:
            self._commands += 1
            if self._commands in self._faults:
                self._first, self._said = self._faults.pop(self._commands)
        return self._line.write(data)

    def read(self, size=1):
        read = b""
        while len(read) < size:
            if self._said and not self._first:
                piece, self._said = self._said[: size - len(read)], self._said[size - len(read) :]
            elif piece := self._line.read(1):
                self._first -= bool(self._first)
            else:
                break
            read += piece
        return read

    def inWaiting(self):
        return (0 if self._first else len(self._said)) + self._line.inWaiting()


@pytest.fixture
def bad_line(monkeypatch):
    """bad_line(faults): a list of the faults of the ports that are opened next, in order. What
    has not happened stays in them."""

    def make(*faults):
        left = list(faults)

        class Bad(port.SerialTransport):
            def __init__(self, *args, **options):
                super().__init__(*args, **options)
                self.serial = BadLine(self.serial, left.pop(0) if left else {})

        monkeypatch.setattr(port, "SerialTransport", Bad)

    return make


@pytest.fixture
def board(tmp_path):
    with unix_board(tmp_path) as board:
        yield board


@pytest.fixture
def firmware(tmp_path, monkeypatch):
    """A small one, for a board whose MicroPython runs x64 code. Its files."""
    (tmp_path / "firmware").mkdir()
    for name in ("main.py", "boot.py", "one.py", "two.py"):
        (tmp_path / "firmware" / name).write_text(f"print('{name}')\n")
    profile = dataclasses.replace(boards.load("esp32_generic"), arch="x64")
    made = build.build(profile, tmp_path / "firmware", tmp_path / "build", "1.2.3")
    monkeypatch.setattr(device, "build_board", lambda name, **_: (tmp_path / "build", made))
    return {path: (tmp_path / "build" / path).read_bytes() for path in made["files"]}


def deploy_command(board, tmp_path):
    key = str(tmp_path / "no-key.pem")
    return ["deploy", "--board", "esp32_generic", "--port", board.port, "--owner-key", key]


def starts_anew(board):
    wait_for(lambda: "reset" in board.notes, "the board's reset")


# --- What is late when the port has just been opened ---


@pytest.mark.parametrize("times", [1, 2])
def test_what_comes_late_is_waited_for_anew(board, bad_line, times):
    faults = dict.fromkeys(range(1, times + 1), LATE)
    bad_line(faults)
    with port.raw_repl(board.port) as transport:
        assert not faults
        assert transport.exec("print(6 * 7)").split() == [b"42"]
    assert board.notes[0] == "watchdog 600000"
    starts_anew(board)


def test_a_line_on_which_all_comes_late_is_told(board, bad_line):
    bad_line(dict.fromkeys(range(1, 100), LATE))
    with pytest.raises(InstallError, match="no MicroPython answers"), port.raw_repl(board.port):
        pass


def test_a_board_that_is_to_start_anew_is_told_so_again(board, bad_line):
    faults = {2: LATE}  # after the watchdog's
    bad_line(faults)
    with port.raw_repl(board.port):
        pass
    assert not faults
    starts_anew(board)


def test_a_board_that_cannot_be_started_anew_is_told(board, bad_line, capsys):
    bad_line({2: LATE, 3: LATE, 4: LATE})
    with port.raw_repl(board.port):
        pass
    assert "press its reset button" in capsys.readouterr().err


# --- Each tool, with what is late at its start and at its end, or noise in the midst ---


@pytest.mark.parametrize(
    "faults", [{1: LATE}, *({number: NOISE} for number in (2, 5, 9, 20))], ids=str
)
def test_deploy_ends_right(board, bad_line, firmware, tmp_path, faults, capsys):
    happens = faults.copy()
    bad_line(happens)
    assert device.main(deploy_command(board, tmp_path)) == 0
    assert not happens
    assert board.files() == firmware
    starts_anew(board)
    is_told = "The serial line was disturbed" in capsys.readouterr().out
    assert is_told == (NOISE in faults.values())


def test_deploy_on_a_line_that_stays_bad_says_how_to_go_on(
    board, bad_line, firmware, tmp_path, capsys
):
    bad_line(*({5: NOISE} for _ in range(9)))
    assert device.main(deploy_command(board, tmp_path)) == 1
    assert "Running it again completes it" in capsys.readouterr().err
    assert "main.py" not in board.files()


@pytest.mark.parametrize("faults", [{1: LATE}, {2: NOISE}, {5: NOISE}], ids=str)
def test_configure_ends_right(board, bad_line, faults):
    happens = faults.copy()
    (board.flash / "config.json").write_text('{"tcp": {"port": 0}}')
    bad_line(happens)
    command = ["configure", "--port", board.port, "--ssid", "home", "--password", "geheim"]
    assert device.main(command) == 0
    assert not happens
    config = json.loads(board.files()["config.json"])
    assert config == {"tcp": {"port": 0}, "wifi": {"ssid": "home", "password": "geheim"}}
    starts_anew(board)


def test_install_ends_right(board, bad_line, firmware, tmp_path, monkeypatch):
    (tmp_path / "image.bin").write_bytes(image(0, 0x7000))
    monkeypatch.setattr(flash, "run", lambda command: None)
    monkeypatch.setattr(device.arrival, "wait", lambda *_: ("192.0.2.7", True))
    faults = ({1: LATE}, {1: LATE, 3: NOISE})  # of deploy, of configure
    bad_line(*faults)
    files = ["--firmware", str(tmp_path / "image.bin"), *deploy_command(board, tmp_path)[5:]]
    options = ["--board", "esp32_generic", "--port", board.port, *files, "--ssid", "home"]
    assert device.main(["install", *options]) == 0
    assert not any(faults)
    assert set(board.files()) == {*firmware, "config.json", "device.json"}


def test_the_self_test_is_not_disturbed(tmp_path, bad_line, capsys):
    faults = {1: LATE, 4: NOISE}
    bad_line(faults)
    with unix_board(tmp_path, MODULES) as board:
        (board.flash / "board.json").write_text(json.dumps(PROFILE | {"ethernet": {"phy": "x"}}))
        command = ["selftest", "--port", board.port, "--wait", "0.1", "--reports", str(tmp_path)]
        assert device.main(command) in (0, 1)  # no meter is there
    assert not faults
    output = capsys.readouterr()
    assert "For a bug report" in output.out and "stopped half-way" not in output.err


# --- Those that only listen ---


class Console:
    """Hands over these pieces, and nothing in between."""

    def __init__(self, *pieces):
        self._pieces = list(pieces)

    def readline(self):
        return self._pieces.pop(0) if self._pieces else b""


def test_wait_puts_a_line_together(monkeypatch):
    console = Console(
        b"       2 s  wifi: conn", b"", b"ected to home as 192.0.2", b".7\r\n", b"       4 s  ",
        b"", b"meter: the first telegram is read\r\n",
    )  # fmt: skip
    monkeypatch.setattr(serial, "serial_for_url", lambda *_, **__: contextlib.nullcontext(console))
    heard = []
    assert arrival.wait("/dev/some", 60, heard.append) == ("192.0.2.7", True)
    assert len(heard) == 2


@pytest.mark.parametrize("size", [1, 2, 7, 19])
def test_the_monitor_puts_a_traceback_together(size):
    names = {"functions": {"dongle/app.py": {"a": ["run (app.py:12)"]}}, "names": {}}
    said = b'one\r\nTraceback (most recent call last):\r\n  File "dongle/app.py", line 1, in a\r\n'
    back = Back(names)
    shown = b"".join(back.hear(said[at : at + size]) for at in range(0, len(said), size))
    expected = said.replace(b", line 1, in a", b", in run (app.py:12)")
    assert shown + back.rest() == expected
