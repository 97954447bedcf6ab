"""A build is complete, for the right architecture, and the same each time."""

import gzip
import hashlib
import json

import pytest

import boards
import build
from build import BuildError, MpyFormat

FIRMWARE = {
    "main.py": "import dongle.app\n",
    "boot.py": "import slots\n",
    "slots.py": "SLOTS = 'slot_a', 'slot_b'\n",
    "p1/crc16.py": "import micropython\n\n@micropython.viper\ndef twice(x: int) -> int:\n"
    "    return x + x\n",
    "p1/render/json.py": "def render(x):\n    assert x, 'no reading'\n    return b'{}'\n",
    "dongle/app.py": "from p1 import crc16\nprint(crc16.twice(21))\n",
    "web/index.html": "<h1>p1</h1>\n" * 50,
    "web/icon.png": "not really",
    "web/js/page.js": "fetch('/reading')\n",
    "notes.txt": "not ours to ship\n",
}

IN_THE_SLOT = (
    *("dongle/app.mpy", "p1/crc16.mpy", "p1/render/json.mpy"),
    *("web/icon.png", "web/index.html.gz", "web/js/page.js.gz"),
)


@pytest.fixture
def firmware(tmp_path):
    for path, text in FIRMWARE.items():
        file = tmp_path / "firmware" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "firmware"


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def built(firmware, tmp_path):
    manifest = build.build(boards.load("esp32c3"), firmware, tmp_path / "built", "1.2.3")
    return manifest, contents(tmp_path / "built")


def test_everything_is_there_and_nothing_else(built):
    manifest, files = built
    assert set(files) == {
        *("main.py", "boot.py", "slots.mpy", "board.json", "manifest.json"),
        *("slot_a.json", *(f"slot_a/{path}" for path in IN_THE_SLOT)),
    }
    assert json.loads(files.pop("manifest.json")) == manifest
    assert {key: manifest[key] for key in ("board", "arch", "version")} == {
        "board": "esp32c3",
        "arch": "rv32imc",
        "version": "1.2.3",
    }
    assert manifest["files"] == {
        path: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for path, data in files.items()
    }
    assert json.loads(files["board.json"])["rx_pin"] == boards.load("esp32c3").rx_pin


def test_the_slot_s_manifest_has_a_line_for_each_file(built):
    _, files = built
    text = files["slot_a.json"].decode()
    needs, *lines, end, _ = text.split("\n")
    assert needs.endswith('"files": [') and end == "]}" and len(lines) == len(IN_THE_SLOT)
    manifest = json.loads(text)
    assert manifest.pop("files") == [
        {
            "path": path,
            "size": len(files[f"slot_a/{path}"]),
            "sha256": hashlib.sha256(files[f"slot_a/{path}"]).hexdigest(),
        }
        for path in IN_THE_SLOT
    ]
    assert manifest == {
        "firmware": "p1-dongle",
        "version": "1.2.3",
        "arch": "rv32imc",
        "mpy": [6, 3],
        "micropython": "1.24.0",
    }


def test_the_page_is_gzipped_and_the_rest_is_not(built):
    _, files = built
    assert (
        gzip.decompress(files["slot_a/web/index.html.gz"]).decode() == FIRMWARE["web/index.html"]
    )
    assert files["slot_a/web/icon.png"].decode() == FIRMWARE["web/icon.png"]
    assert files["main.py"].decode() == FIRMWARE["main.py"]


@pytest.mark.parametrize("name", boards.names())
def test_native_code_is_for_the_board_s_architecture(firmware, tmp_path, name):
    board = boards.load(name)
    build.build(board, firmware, tmp_path / name, "0")
    for path, data in contents(tmp_path / name).items():
        if path.endswith(".mpy"):
            native = path == "slot_a/p1/crc16.mpy"
            assert data[:2] == b"M\x06"
            assert MpyFormat.of_file(data) == ((6, 3, board.arch) if native else (6, 0, "none"))


def test_the_sources_name_in_tracebacks_is_the_board_s(built):
    _, files = built
    assert b"p1/render/json.py" in files["slot_a/p1/render/json.mpy"]


def test_asserts_stay_home(built):
    _, files = built
    assert b"no reading" not in files["slot_a/p1/render/json.mpy"]


def test_two_builds_are_the_same_bytes(firmware, tmp_path, built, monkeypatch):
    elsewhere = firmware.rename(tmp_path / "elsewhere")
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    build.build(boards.load("esp32c3"), elsewhere, tmp_path / "again", "1.2.3")
    assert contents(tmp_path / "again") == built[1]


def test_a_build_leaves_nothing_of_the_one_before(firmware, tmp_path):
    board, target = boards.load("esp32c3"), tmp_path / "built"
    build.build(board, firmware, target, "1")
    (firmware / "p1/crc16.py").unlink()
    build.build(board, firmware, target, "1")
    assert "slot_a/p1/crc16.mpy" not in contents(target)


def test_a_syntax_error_is_told_with_its_line(firmware, tmp_path):
    (firmware / "p1/crc16.py").write_text("a = 1\ndef\n")
    with pytest.raises(BuildError, match=r"p1/crc16\.py does not compile(.|\n)*line 2"):
        build.build(boards.load("esp32s3"), firmware, tmp_path / "built", "1")


def test_without_a_main_there_is_nothing_to_build(tmp_path):
    with pytest.raises(BuildError, match=r"no main\.py"):
        build.build(boards.load("esp32s3"), tmp_path, tmp_path / "built", "1")


@pytest.mark.parametrize("name", boards.names())
def test_the_firmware_itself_compiles(tmp_path, name):
    sources = build.ROOT / "firmware"
    build.build(boards.load(name), sources, tmp_path / "built", build.project_version())
    compiled = {path for path in contents(tmp_path / "built") if path.endswith(".mpy")}
    modules = [path for part in ("p1", "dongle") for path in (sources / part).rglob("*.py")]
    assert len(compiled) == len(modules) + 1  # slots.mpy


def test_the_command_names_what_it_built(capsys):
    assert build.main(["esp32c3"]) == 0
    assert "rv32imc" in capsys.readouterr().out
    assert build.main(["esp8266"]) == 1
    assert "no board 'esp8266'" in capsys.readouterr().err
