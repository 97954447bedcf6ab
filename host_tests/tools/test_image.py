"""The image: its file system mounts in MicroPython as the chip's would mount it, and the firmware
starts from there. MicroPython's part is played (micropython_bin.py)."""

import dataclasses
import json
import os
import subprocess

import httpx
import pytest
from esptool import cmds
from esptool.targets import CHIP_DEFS

import boards
import build
import debian
import image
import owner
import pages
import rig
from household import DEVICE, needs_micropython
from install import InstallError, flash, partitions
from micropython_bin import OPEN_END, WITH_VFS, micropython_bin, table

MIB = 1024 * 1024
FILES = {"main.py": b"print(1)\n", "slot_a/p1/large.mpy": bytes(range(256)) * 100, "empty": b""}
C3, ESP32 = boards.load("esp32c3"), boards.load("esp32_generic")


def in_flash(packed, board):
    """The flash that has got this image, up to the end of its 4 MiB."""
    start = CHIP_DEFS[board.chip].BOOTLOADER_FLASH_OFFSET
    return (start * b"\xff" + packed).ljust(4 * MIB, b"\xff")


# --- where the files go ---


@pytest.mark.parametrize(
    "rows, flash_size, offset, size",
    [
        (OPEN_END, "4MB", 2 * MIB, 2 * MIB),
        (OPEN_END, "8MB", 2 * MIB, 6 * MIB),
        (WITH_VFS, "4MB", 2 * MIB, MIB * 3 // 2),
        (OPEN_END.replace("0x1f0000", "0x2f0000"), "4MB", 3 * MIB, MIB),
    ],
    ids=["open end", "open end of 8 MiB", "with a row for files", "larger program"],
)
@pytest.mark.parametrize("board", [C3, ESP32], ids=["esp32c3", "esp32"])
def test_micropython_s_own_table_says_where_the_files_go(board, rows, flash_size, offset, size):
    micropython = micropython_bin(board.chip, rows, flash_size)
    packed = image.pack(micropython, board, FILES)
    whole = in_flash(packed, board)
    assert whole[offset + 8 : offset + 16] == b"littlefs"
    complete = rows if "vfs" in rows else f"{rows}, vfs 1 0x81 {offset} {size}"
    assert whole[0x8000:0x8C00] == table(complete)
    # All else is MicroPython's, bit for bit.
    theirs = in_flash(micropython, board)
    assert whole[:0x8000] == theirs[:0x8000]
    assert whole[0x8C00 : len(theirs.rstrip(b"\xff"))] == theirs[0x8C00:].rstrip(b"\xff")


@pytest.mark.parametrize(
    "damage, complaint",
    [
        (lambda rows: rows[:5] + b"\0" + rows[6:], "missing or damaged"),
        (lambda rows: b"\xff" * len(rows), "missing or damaged"),
        (lambda rows: table(OPEN_END.replace("0x1f0000", "0x3f0000")), "nothing of the flash's"),
    ],
)
def test_a_table_that_is_no_good_is_refused(damage, complaint):
    with pytest.raises(InstallError, match=complaint):
        partitions.for_files(damage(table(OPEN_END)), 4 * MIB)


def test_files_without_room_are_refused():
    with pytest.raises(InstallError, match=r"25,609 bytes of files do not fit into the 16,384"):
        image.file_system(FILES, 16384)


def test_a_micropython_that_is_larger_than_its_partition_is_refused():
    rows = OPEN_END.replace("0x1f0000", "0x100")
    with pytest.raises(InstallError, match="reaches into the partition"):
        image.pack(micropython_bin("esp32c3", rows), C3, FILES)


# --- what the tools say to it ---


@pytest.mark.parametrize("board", list(map(boards.load, boards.names())), ids=boards.names())
def test_esptool_takes_it_as_it_takes_micropython_s(board, tmp_path, capsys):
    file = tmp_path / "image.bin"
    file.write_bytes(image.pack(micropython_bin(board.chip), board, FILES))
    flash.check_image(file, board)
    cmds.image_info(str(file))
    said = capsys.readouterr().out
    assert f"Detected image type: {CHIP_DEFS[board.chip].CHIP_NAME}" in said
    assert "Flash size: 4MB" in said and "(valid)" in said
    start = CHIP_DEFS[board.chip].BOOTLOADER_FLASH_OFFSET
    merged = cmds.merge_bin([(start, str(file))], board.chip, target_offset=start)
    assert merged == file.read_bytes()


@pytest.fixture
def command(tmp_path):
    (tmp_path / "micropython.bin").write_bytes(micropython_bin("esp32c3"))
    return [
        *("--board", "esp32c3", "--firmware", str(tmp_path / "micropython.bin")),
        *("--owner-key", str(tmp_path / "owner-key.pem"), "--output", str(tmp_path / "one.bin")),
    ]


def test_two_builds_are_the_same_bytes(command, tmp_path, monkeypatch):
    assert image.main(command) == 0
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert image.main([*command, "--output", str(tmp_path / "two.bin")]) == 0
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes()


def test_the_manifest_for_browsers_and_the_command_name_the_image(command, tmp_path, capsys):
    assert image.main(command) == 0
    manifest = json.loads((tmp_path / "one.manifest.json").read_text())
    assert manifest["version"] == build.project_version()
    assert manifest["builds"] == [
        {"chipFamily": "ESP32-C3", "parts": [{"path": "one.bin", "offset": 0}]}
    ]
    said = capsys.readouterr().out
    assert f"write-flash --erase-all 0x0 {tmp_path}/one.bin" in said and "passwords" not in said


@pytest.mark.parametrize(
    "config, complaint",
    [
        ('{"mqtt": {"port": "x"}}', "mqtt.port: expected a whole number"),
        ("{", "is not JSON"),
        (None, "No such file"),
    ],
)
def test_a_config_that_is_no_good_is_refused(command, tmp_path, capsys, config, complaint):
    if config:
        (tmp_path / "config.json").write_text(config)
    assert image.main([*command, "--config", str(tmp_path / "config.json")]) == 1
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "one.bin").exists()


def test_the_wrong_micropython_is_refused(command, capsys):
    assert image.main([*command, "--board", "esp32s3"]) == 1
    assert "is for esp32c3, the board esp32s3" in capsys.readouterr().err
    assert image.main(["--board", "esp32c3"]) == 1
    assert "FIRMWARE= takes the .bin of MicroPython's ESP32_GENERIC_C3" in capsys.readouterr().err


# --- in MicroPython ---


@pytest.fixture(params=["64 bits", "32 bits"])
def micropython(request):
    if request.param == "64 bits":
        return rig.micropython()
    try:
        return debian.micropython()
    except rig.Missing as missing:
        pytest.skip(str(missing))


class Started:
    """A MicroPython that has mounted the image, up to where the dongle serves HTTP."""

    def __init__(self, folder, micropython, files, path):
        packed = image.pack(micropython_bin("esp32c3"), C3, files)
        (folder / "flash.bin").write_bytes(in_flash(packed, C3))
        flash_and_partition = (folder / "flash.bin", f"{2 * MIB}", f"{2 * MIB}")
        self._process = subprocess.Popen(
            [micropython, "-X", "heapsize=1m", DEVICE / "image_start.py", *flash_and_partition],
            env={"PATH": os.environ["PATH"], "MICROPYPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = []
        assert self._process.stdout
        self._output = self._process.stdout
        for line in self._output:
            self.said.append(line.strip())
            if "http: on port" in line:
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._output.close()

    def files(self):
        return dict(line.split()[1:] for line in self.said if line.startswith("file "))


@pytest.fixture
def built(tmp_path, micropython):
    """contents(frozen): of an image whose native code this MicroPython runs."""
    board = dataclasses.replace(C3, arch=build.arch_of(micropython))
    manifest = build.build(board, build.ROOT / "firmware", tmp_path / "build", "1.2.3")
    key, config = tmp_path / "owner-key.pem", tmp_path / "config.json"
    owner.make(key)
    config.write_text(json.dumps({"http": {"port": rig.free_port()}, "tcp": {"port": 0}}))
    return lambda frozen: image.contents(tmp_path / "build", manifest, key, config, frozen)


@needs_micropython
def test_the_firmware_starts_from_the_image(micropython, built, tmp_path):
    files = built(frozen=False)
    folders = rig.micropython_path().split(":")
    path = ":".join(folder for folder in folders if not folder.endswith("firmware"))
    with Started(tmp_path, micropython, files, path) as dongle:
        assert "http: on port" in dongle.said[-1], dongle.said
        assert "imported slot_a/dongle/__init__.mpy" in dongle.said
        assert not [line for line in dongle.said if "config:" in line]
        assert dongle.files() == {path: str(len(data)) for path, data in files.items()}
    assert {"update.pub", "config.json", "slot_a/p1/core.mpy"} <= files.keys()


@needs_micropython
def test_a_frozen_firmware_finds_the_rest_in_the_image(micropython, built, tmp_path):
    files = built(frozen=True)
    loose = {path for path in files if not path.startswith("web/")}
    assert loose == {"board.json", "config.json", "update.pub"}
    # The sources stand for what is frozen.
    with Started(tmp_path, micropython, files, rig.micropython_path()) as dongle:
        assert dongle.files().keys() == files.keys()
        port = json.loads(files["config.json"])["http"]["port"]
        page = httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
        assert page.text == pages.page(pages.WEB / "index.html").decode()
        health = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()
        assert health["firmware"]["slot"] is None and health["config_problems"] == []
