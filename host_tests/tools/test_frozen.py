"""What others build from the repository: MicroPython with the firmware frozen in, and mip. Their
own tools read our files: manifestfile from Debian's MicroPython, mip from mpremote."""

import functools
import http.server
import importlib.util
import json
import threading
from types import SimpleNamespace

import pytest
from mpremote import mip

import boards
import build
import debian
import package
import rig

FIRMWARE = build.ROOT / "firmware"
MADE = build.ROOT / "build" / "frozen"


@pytest.fixture(scope="module")
def made():
    """What is to be frozen, by path, once `make frozen` has made it."""
    build.build_frozen(FIRMWARE, MADE)
    files = MADE.rglob("*.py")
    return {path.relative_to(MADE).as_posix() for path in files} - {"manifest.py"}


@pytest.fixture(scope="module")
def micropython():
    try:
        return debian.source()
    except rig.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def frozen(micropython):
    """frozen(manifest): what it names, by path, and the packages it requires, as ports/esp32's
    build asks MicroPython's own tool. Debian's source lacks the packages themselves."""
    path = micropython / "tools/manifestfile.py"
    spec = importlib.util.spec_from_file_location("manifestfile", path)
    assert spec and spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    variables = {
        "MPY_DIR": str(micropython),
        "MPY_LIB_DIR": "",
        "PORT_DIR": str(micropython / "ports/esp32"),
        "BOARD_DIR": "",
    }

    def run(manifest):
        required = []

        class Manifest(tool.ManifestFile):
            def require(self, name, **_):
                required.append(name)

        file = Manifest(tool.MODE_FREEZE, variables)
        file.execute(str(manifest))
        return {found.target_path: found for found in file.files()}, required

    return run


@pytest.mark.parametrize("name", boards.names())
def test_a_board_s_manifest_freezes_the_firmware_and_what_it_needs(frozen, made, name):
    found, required = frozen(boards.BOARDS / name / "manifest.py")
    ours = {path for path, file in found.items() if file.full_path.startswith(str(MADE))}
    assert ours == made >= {"p1/core.py", "dongle/app.py", "slots.py", "boot.py", "main.py"}
    assert {found[path].opt for path in ours} == {3}, "as in tools/build.py"
    assert {"asyncio/__init__.py", "_boot.py"} <= found.keys() and "umqtt.simple" in required


def test_a_board_definition_names_files_that_are_there(micropython):
    port = micropython / "ports/esp32"
    definitions = sorted(boards.BOARDS.glob("*/mpconfigboard.cmake"))
    assert [file.parent.name for file in definitions] == boards.names()
    for file in definitions:
        board = boards.load(file.parent.name)
        text = file.read_text()
        assert f"set(IDF_TARGET {board.chip})" in text
        settings = text.partition("SDKCONFIG_DEFAULTS")[2].partition(")")[0].split()
        folder = "${MICROPY_BOARD_DIR}"
        for path in (*settings, f"{folder}/manifest.py", f"{folder}/mpconfigboard.h"):
            assert (port / path.replace(folder, str(file.parent))).is_file(), path
        assert "${MICROPY_BOARD_DIR}/manifest.py" in text


# --- mip ---


def test_package_json_is_not_stale():
    written = (build.ROOT / package.PACKAGE).read_text()
    assert written == package.package(), "run: python tools/package.py"


def test_the_pages_for_mip_are_not_stale():
    folder = build.ROOT / package.PAGES
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert written == package.whole_pages(), "run: python tools/package.py"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object):
        pass


@pytest.fixture
def repository():
    """The repository on a web server, as a public host of it would show it."""
    handler = functools.partial(Quiet, directory=build.ROOT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("at", ["web", "disk"])
def test_mip_installs_all_of_it(repository, at):
    source = repository if at == "web" else str(build.ROOT / package.PACKAGE)
    folders, files = set(), {}
    board = SimpleNamespace(
        fs_exists=folders.__contains__,
        fs_mkdir=folders.add,
        fs_writefile=lambda path, data, **_: files.update({path: data}),
    )
    mip._install_package(board, source, "nowhere", "/flash", None, True)
    sources = {
        f"/flash/{path.relative_to(FIRMWARE).as_posix()}": path.read_bytes()
        for path in FIRMWARE.rglob("*.py")
    }
    whole = {f"/flash/web/{name}": data for name, data in package.whole_pages().items()}
    assert files == {**sources, **whole}
    assert whole.keys() == {"/flash/web/index.html", "/flash/web/setup.html"}
    assert "/flash/p1/render" in folders
    assert json.loads((build.ROOT / package.PACKAGE).read_text())["version"] == (
        build.project_version()
    )
