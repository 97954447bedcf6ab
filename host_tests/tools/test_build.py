"""A build is complete, for the right architecture, and the same each time."""

import gzip
import hashlib
import json

import pytest

import boards
import build
from build import BuildError, MpyFormat

_SCRIPT = '<script type="module" src="js/page.js"></script>\n'

FIRMWARE = {
    "main.py": "from dongle import app\n\napp.run()\n",
    "boot.py": "import slots\n",
    "slots.py": "SLOTS = 'slot_a', 'slot_b'\n",
    "p1/crc16.py": "import micropython\n\n@micropython.viper\ndef twice(x: int) -> int:\n"
    "    return x + x\n",
    "p1/render/json.py": "def render(x):\n    assert x, 'no reading'\n    return b'{}'\n",
    "dongle/app.py": "from p1 import crc16\n\ndef run():\n    print(crc16.twice(21))\n",
    "web/index.html": "<!-- Ours. -->\n" + "  <h1>p1</h1>\n" * 50 + _SCRIPT,
    "web/icon.png": "not really",
    "web/js/page.js": "// Asks.\nfetch('/reading')\n",
    "notes.txt": "not ours to ship\n",
}

IN_THE_SLOT = (
    *("dongle/app.mpy", "p1/crc16.mpy", "p1/render/json.mpy"),
    *("web/icon.png", "web/index.html.gz"),
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
        *("main.py", "boot.py", "slots.mpy", "board.json", "manifest.json", "names.json"),
        *("slot_a.json", *(f"slot_a/{path}" for path in IN_THE_SLOT)),
    }
    assert json.loads(files.pop("manifest.json")) == manifest
    assert json.loads(files.pop("names.json"))["files"]["p1/render/json.py"]
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


def test_the_page_is_whole_and_gzipped_and_the_rest_is_not(built):
    _, files = built
    page = gzip.decompress(files["slot_a/web/index.html.gz"]).decode()
    script = "<script>\n\"use strict\"\nfetch('/reading')\n</script>\n"
    assert page == "<h1>p1</h1>\n" * 50 + script
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


def test_a_readable_build_is_what_the_sources_are(firmware, tmp_path, built):
    build.build(boards.load("esp32c3"), firmware, tmp_path / "debug", "1.2.3", is_debug=True)
    files = contents(tmp_path / "debug")
    assert set(files) == set(built[1]) - {"names.json"}
    # What a traceback calls it: the others cost memory.
    name = b"p1/render/json.py"
    assert name in files["slot_a/p1/render/json.mpy"]
    assert name not in built[1]["slot_a/p1/render/json.mpy"]


def test_a_group_is_one_file(firmware, tmp_path):
    (firmware / "groups.toml").write_text('"p1/core" = ["p1.crc16", "p1.render.json"]\n')
    build.build(boards.load("esp32c3"), firmware, tmp_path / "built", "1.2.3")
    files = contents(tmp_path / "built")
    assert {path for path in files if path.startswith("slot_a/p1/")} == {"slot_a/p1/core.mpy"}
    members = json.loads(files["names.json"])["files"]["p1/core.py"]
    assert members == ["p1/crc16.py", "p1/render/json.py"]


def test_what_cannot_be_packed_is_told(firmware, tmp_path):
    (firmware / "groups.toml").write_text('"p1/core" = ["p1.gone"]\n')
    with pytest.raises(BuildError, match=r"p1/core has p1\.gone, and there is no such module"):
        build.build(boards.load("esp32c3"), firmware, tmp_path / "built", "1.2.3")


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
    (firmware / "p1/render/json.py").unlink()
    build.build(board, firmware, target, "1")
    assert "slot_a/p1/render/json.mpy" not in contents(target)


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
    files = contents(tmp_path / "built")
    slot = {path for path in files if path.startswith(f"{build.SLOT}/") and path.endswith(".mpy")}
    made = json.loads(files[build.NAMES])["files"]
    modules = [
        path
        for part in ("p1", "dongle")
        for path in (sources / part).rglob("*.py")
        if path.name != "__init__.py" or path.parent == sources / part  # folders are for people
    ]
    assert sum(map(len, made.values())) == len(modules)
    wanted = {f"{build.SLOT}/{path.removesuffix('.py')}.mpy" for path in made}
    # Without packages that are empty.
    assert slot <= wanted and all(path.endswith("__init__.mpy") for path in wanted - slot)


def test_the_command_names_what_it_built(capsys):
    assert build.main(["esp32c3"]) == 0
    assert "rv32imc" in capsys.readouterr().out
    assert build.main(["esp8266"]) == 1
    assert "no board 'esp8266'" in capsys.readouterr().err
