"""deploy, against a real MicroPython: mpremote's transport, the raw REPL, the file operations and
the hashing on the board are the real ones (unix_board.py)."""

import dataclasses
import json
import types
from io import StringIO
from typing import Any

import pytest
from mpremote.transport_serial import SerialTransport
from rich.console import Console
from rich.progress import Progress

import boards
import build
from install import InstallError, deploy, port
from unix_board import unix_board

FIRMWARE = {
    "main.py": "import dongle.app\n",
    **{name: (build.ROOT / "firmware" / name).read_text() for name in ("boot.py", "slots.py")},
    "p1/crc16.py": "import micropython\n@micropython.viper\ndef twice(x: int) -> int:\n"
    "    return x + x\n",
    "p1/render/json.py": "def render(x):\n    return '{%d}' % x\n",
    "dongle/app.py": "from p1 import crc16\nfrom p1.render import json\n"
    "print(json.render(crc16.twice(21)))\n",
    "web/index.html": "<h1>p1</h1>\n" * 400,
    "web/empty.txt": "",
}
PROGRESS = Progress(console=Console(file=StringIO()))


def write_tree(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data if isinstance(data, bytes) else data.encode())


@pytest.fixture
def firmware(tmp_path):
    write_tree(tmp_path / "firmware", FIRMWARE)
    return tmp_path / "firmware"


@pytest.fixture
def make_build(firmware, tmp_path):
    """Builds `firmware` as it is now. The unix port's arch is x64, so the profile is bent."""

    def make(arch="x64"):
        board = dataclasses.replace(boards.load("esp32c3"), arch=arch)
        build.build(board, firmware, tmp_path / "build", "1.2.3")
        return tmp_path / "build"

    return make


@pytest.fixture
def board(tmp_path):
    with unix_board(tmp_path) as board:
        yield board


def run_deploy(board, target, **more):
    """The steps, as text."""
    with port.raw_repl(board.port) as transport:
        return [str(step).split() for step in deploy.deploy(transport, target, PROGRESS, more)]


def start(board):
    """What the board prints at power-up."""
    return board.run("import boot, main")


def built_files(target):
    manifest = json.loads((target / "manifest.json").read_text())
    return {path: (target / path).read_bytes() for path in manifest["files"]}


def test_a_deploy_fills_an_empty_board_in_the_safe_order_and_it_runs(board, make_build):
    target = make_build()
    assert run_deploy(board, target) == [
        ["mkdir", "slot_a"],
        *(["mkdir", f"slot_a/{folder}"] for folder in ("dongle", "p1", "web", "p1/render")),
        *(["copy", f"slot_a/{name}.mpy"] for name in ("dongle/app", "p1/crc16", "p1/render/json")),
        *(["copy", f"slot_a/web/{page}"] for page in ("empty.txt", "index.html.gz")),
        ["copy", "slot_a.json"],
        ["copy", "board.json"],
        *(["copy", name] for name in ("boot.py", "slots.mpy", "main.py")),
    ]
    assert board.files() == built_files(target)
    assert start(board) == "{42}\n"
    assert board.notes[0] == "watchdog 600000"


def test_the_real_firmware_arrives_and_imports(board, tmp_path):
    profile = dataclasses.replace(boards.load("esp32c3"), arch="x64")
    build.build(profile, build.ROOT / "firmware", tmp_path / "build", "1.2.3")
    run_deploy(board, tmp_path / "build")
    assert board.files() == built_files(tmp_path / "build")
    source = "import boot, p1.obis, p1.core; print(p1.core.__file__)"
    assert board.run(source) == "slot_a/p1/core.mpy\n"


def test_a_second_deploy_has_nothing_to_do(board, make_build):
    target = make_build()
    run_deploy(board, target)
    assert run_deploy(board, target) == []


def test_only_what_changed_is_copied_and_main_goes_first_and_comes_last(
    board, make_build, firmware
):
    run_deploy(board, make_build())
    write_tree(firmware, {"dongle/app.py": FIRMWARE["dongle/app.py"] + "print('new')\n"})
    assert run_deploy(board, make_build()) == [
        ["remove", "main.py"],
        ["copy", "slot_a/dongle/app.mpy"],
        ["copy", "slot_a.json"],
        ["copy", "main.py"],
    ]
    assert start(board) == "{42}\nnew\n"


def test_a_file_that_differs_in_one_byte_is_put_right(board, make_build):
    target = make_build()
    run_deploy(board, target)
    file = board.flash / "slot_a/p1/crc16.mpy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert ["copy", "slot_a/p1/crc16.mpy"] in run_deploy(board, target)
    assert board.files() == built_files(target)


def test_stale_files_of_ours_go_and_everything_else_stays(board, make_build):
    target = make_build()
    theirs = {"config.json": "{}", "update.pub": "key", "lib/other.py": "", "notes.txt": "x"}
    write_tree(board.flash, theirs)
    stale = {
        "slot_a/p1/crc16.py": "raise SystemExit('the old source hides the .mpy')",
        "slot_a/p1/render/json.mpy.part": "half",
        "main.py.part": "half",
        "slot_a/web/old/page.html": "gone",
        # As it was before there were slots.
        "p1/render/json.mpy": "old",
        "dongle/app.mpy": "old",
        "web/index.html.gz": "old",
        # What an update over the air has left, in the middle of its trial.
        "slot_b/p1/crc16.mpy": "another",
        "slot_b.json": "{}",
        "slots.json": '{"slot": "slot_b", "previous": "slot_a", "result": "", '
        '"trial": {"version": "9.9.9", "starts": 0}}',
        "slots.json.new": "{",
        "update.part": "{",
    }
    write_tree(board.flash, stale)
    (board.flash / "slot_a/p1/render/json").mkdir(parents=True)  # would hide its .mpy
    run_deploy(board, target)
    assert board.files() == built_files(target) | {
        path: text.encode() for path, text in theirs.items()
    }
    for gone in ("slot_a/web/old", "slot_b", "p1", "dongle", "web"):
        assert not (board.flash / gone).exists()
    assert start(board) == "{42}\n"
    assert run_deploy(board, target) == []


def test_the_owner_s_key_comes_along_and_a_new_one_replaces_it(board, make_build):
    target = make_build()
    key = {"update.pub": b"a key"}
    assert ["copy", "update.pub"] in run_deploy(board, target, **key)
    assert board.files() == built_files(target) | key
    assert run_deploy(board, target, **key) == []
    new = {"update.pub": b"a new key"}
    assert run_deploy(board, target, **new) == [
        ["remove", "main.py"],
        ["copy", "update.pub"],
        ["copy", "main.py"],
    ]
    assert board.files() == built_files(target) | new


@pytest.mark.parametrize("survivors", range(0, 9, 2))
def test_pulled_out_at_any_file_and_run_again_it_ends_right(
    board, make_build, firmware, monkeypatch, survivors
):
    run_deploy(board, make_build())
    write_tree(board.flash, {"config.json": '{"mine": 1}'})
    write_tree(firmware, {path: f"{text}\nnew = 1\n" for path, text in FIRMWARE.items()})
    written = []
    write_file = SerialTransport.fs_writefile

    def write_until_unplugged(self, path, data, chunk_size):
        if len(written) == survivors:
            write_file(self, path, data[: len(data) // 2], chunk_size)
            board.unplug()
        written.append(path)
        write_file(self, path, data, chunk_size)

    target = make_build()
    with monkeypatch.context() as patch:
        patch.setattr(SerialTransport, "fs_writefile", write_until_unplugged)
        with pytest.raises((port.TransportError, OSError)):
            run_deploy(board, target)
    assert "main.py" not in board.files()

    board.plug_in()
    run_deploy(board, target)
    assert board.files() == built_files(target) | {"config.json": b'{"mine": 1}'}


def test_after_ctrl_c_the_board_starts_anew(board, make_build, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    target = make_build()
    monkeypatch.setattr(SerialTransport, "fs_hashfile", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_deploy(board, target)
    monkeypatch.undo()
    run_deploy(board, target)
    assert board.notes[:2] == ["watchdog 600000", "reset"]
    assert board.files() == built_files(target)


def test_a_damaged_copy_never_gets_the_file_s_name(board, make_build, monkeypatch):
    write_file = SerialTransport.fs_writefile

    def damage(self, path, data, chunk_size):
        write_file(self, path, b"!" + data[1:], chunk_size)

    monkeypatch.setattr(SerialTransport, "fs_writefile", damage)
    with pytest.raises(InstallError, match=r"slot_a/dongle/app\.mpy arrived damaged"):
        run_deploy(board, make_build())
    assert set(board.files()) == {"slot_a/dongle/app.mpy.part"}


def test_another_architecture_is_refused_before_anything_changes(board, make_build):
    write_tree(board.flash, {"main.py": "mine"})
    with pytest.raises(
        InstallError, match=r"v6\.3 for x64, slot_a/p1/crc16\.mpy is v6\.3 for rv32imc"
    ):
        run_deploy(board, make_build("rv32imc"))
    assert board.files() == {"main.py": b"mine"}


def test_another_mpy_version_is_refused(board, make_build):
    file = make_build() / "slot_a/dongle/app.mpy"
    file.write_bytes(b"M\x05" + file.read_bytes()[2:])
    with pytest.raises(InstallError, match=r"slot_a/dongle/app\.mpy is v5\.0 for none"):
        run_deploy(board, file.parents[2])


@pytest.mark.parametrize(
    "machine, number, complaint",
    [
        ("ESP32C3 module with ESP32C3", 6 | 3 << 8 | 11 << 10, None),
        ("Some board with ESP32-C3FH4", 6 | 3 << 8 | 11 << 10, None),
        ("Generic ESP32 module with ESP32", 6 | 3 << 8 | 10 << 10, "that is a esp32, and"),
        ("Generic ESP32S3 module with ESP32S3", 6 | 3 << 8 | 10 << 10, "that is a esp32s3, and"),
        ("Something with RP2040", 6 | 3 << 8 | 4 << 10, "runs .mpy v6.3 for armv6m"),
        ("ESP32C3 module with ESP32C3", 0, "runs .mpy v0.0 for none"),
        ("ESP32C3 module with ESP32C3", 6 | 2 << 8 | 11 << 10, "runs .mpy v6.2 for rv32imc"),
    ],
)
def test_the_wrong_chip_or_micropython_is_refused(make_build, machine, number, complaint):
    transport: Any = types.SimpleNamespace(exec=lambda _: b"", eval=lambda _: (number, machine))
    target = make_build("rv32imc")
    if complaint is None:
        return deploy.check_runs_on(transport, target)
    with pytest.raises(InstallError) as error:
        deploy.check_runs_on(transport, target)
    assert complaint in str(error.value)
