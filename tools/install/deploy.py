"""Puts a build on a board, over the raw REPL: only what differs, and never half of it.

The order is the safety. main.py is taken away first and put back last, so a board that loses its
power or its cable in between starts into the REPL, never into a mixture of two versions. Each file
arrives under another name and gets its own when its SHA-256 is right. Doing it again completes it.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from mpremote.transport_serial import SerialTransport
from rich.progress import Progress

from build import MANIFEST, SLOT, MpyFormat
from install import InstallError

# All that is in these is ours, config.json is not. The last three are where the firmware was
# before there were slots.
_FOLDERS = ("slot_a", "slot_b", "p1", "dongle", "web")
# What updates over the air leave: with it gone, slot_a is what runs.
_STATE = ("slots.json", "slots.json.new", "slot_b.json", "update.part")
_PARTIAL = ".part"
_CHUNK_BYTES = 1024

# What a board holds, as {path: SHA-256 in hex, or None for a folder}.
Files = dict[str, str | None]

_LIST = """\
import hashlib, os
buffer = memoryview(bytearray(1024))
def show(path):
    try:
        is_folder = os.stat(path)[0] & 0x4000
    except OSError:
        return
    if is_folder:
        print(repr((path, None)))
        for entry in os.ilistdir(path):
            show(path + "/" + entry[0])
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            size = file.readinto(buffer)
            if not size:
                break
            digest.update(buffer[:size])
    print(repr((path, digest.digest().hex())))
for path in {paths!r}:
    show(path)
"""


@dataclass(frozen=True)
class Step:
    verb: str  # remove, rmdir, mkdir, copy
    path: str

    def __str__(self) -> str:
        return f"{self.verb:6}  {self.path}"


def wanted_files(build: Path, more: dict[str, bytes]) -> Files:
    """What the board is to hold: what the manifest of `build` says, and `more`."""
    manifest = json.loads((build / MANIFEST).read_text())
    wanted = {path: file["sha256"] for path, file in manifest["files"].items()}
    return wanted | {path: hashlib.sha256(data).hexdigest() for path, data in more.items()}


def present_files(transport: SerialTransport, wanted: Files) -> Files:
    """What the board holds of ours: the folders, what updates leave, and `wanted`'s files outside
    of these."""
    loose = [path for path in wanted if "/" not in path]
    paths = [*_FOLDERS, *_STATE, *loose, *(path + _PARTIAL for path in loose)]
    listing = transport.exec(_LIST.format(paths=paths)).decode()
    return dict(ast.literal_eval(line) for line in listing.splitlines())


def plan(wanted: Files, present: Files) -> list[Step]:
    """The steps from `present` to `wanted`, in the order that is safe; none when they agree.
    Whatever else is there goes: an old .py would hide our .mpy, an empty folder too."""
    folders = {folder for path in wanted for folder in _parents(path)}
    copies = sorted((path for path in wanted if present.get(path) != wanted[path]), key=_rank)
    stale = [path for path in present if path not in wanted and path not in folders]
    if not copies and not stale:
        return []
    if "main.py" in wanted and "main.py" not in copies:
        copies.append("main.py")
    removed = [path for path in stale if present[path] is not None]
    if "main.py" in present:
        removed.insert(0, "main.py")
    emptied = [path for path in stale if present[path] is None]
    return [
        *(Step("remove", path) for path in removed),
        *(Step("rmdir", path) for path in sorted(emptied, key=_depth, reverse=True)),
        *(Step("mkdir", path) for path in sorted(folders - present.keys(), key=_depth)),
        *(Step("copy", path) for path in copies),
    ]


def _parents(path: str) -> Iterable[str]:
    return (str(parent) for parent in PurePosixPath(path).parents if parent.name)


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _rank(path: str) -> tuple[int, str]:
    """Libraries, then what they read, then what starts them."""
    last = {f"{SLOT}.json": 2, "board.json": 3, "slots.mpy": 4, "boot.py": 4, "main.py": 5}
    return last.get(path, 1 if path.startswith(f"{SLOT}/web/") else 0), path


def deploy(
    transport: SerialTransport, build: Path, progress: Progress, more: dict[str, bytes]
) -> list[Step]:
    """Brings the board to what `build` and `more` hold and returns the steps it took. Raises
    InstallError before the first step when the board cannot run it."""
    check_runs_on(transport, build)
    wanted = wanted_files(build, more)
    steps = plan(wanted, present_files(transport, wanted))
    if not steps:
        return []
    data = {
        step: more.get(step.path) or (build / step.path).read_bytes()
        for step in steps
        if step.verb == "copy"
    }
    task = progress.add_task("", total=sum(map(len, data.values())))
    for step in steps:
        progress.update(task, description=str(step))
        match step.verb:
            case "remove":
                transport.fs_rmfile(step.path)
            case "rmdir":
                transport.fs_rmdir(step.path)
            case "mkdir":
                transport.fs_mkdir(step.path)
            case "copy":
                put(transport, step.path, data[step])
                progress.advance(task, len(data[step]))
    if remaining := plan(wanted, present_files(transport, wanted)):
        raise InstallError(
            f"the board still differs after the copy: {', '.join(map(str, remaining))}"
        )
    return steps


def put(transport: SerialTransport, path: str, data: bytes) -> None:
    """Writes one file: all of it under its name, or nothing."""
    partial = path + _PARTIAL
    transport.fs_writefile(partial, data, _CHUNK_BYTES)
    if transport.fs_hashfile(partial, "sha256") != hashlib.sha256(data).digest():
        raise InstallError(f"{path} arrived damaged. A better cable or port? Then run it again")
    transport.exec(f"import os\nos.rename({partial!r}, {path!r})")


def check_runs_on(transport: SerialTransport, build: Path) -> None:
    """Raises InstallError when the board is another chip than `build` is for, or its MicroPython
    cannot load our .mpy files."""
    transport.exec("import sys\nabout = sys.implementation")
    said = transport.eval("(getattr(about, '_mpy', 0), about._machine)")
    number, machine = cast(tuple[int, str], said)
    board = json.loads((build / "board.json").read_text())
    if (chip := chip_of(machine)) not in (None, board["chip"]):
        raise InstallError(
            f"the board says it is a {machine!r}: that is a {chip}, and the board profile "
            f"{board['name']} is for a {board['chip']}"
        )
    device = MpyFormat.of_number(number)
    for file in build.rglob("*.mpy"):
        needed = MpyFormat.of_file(file.read_bytes())
        native = needed.arch != "none"
        if needed.version != device.version or (native and needed != device):
            path = file.relative_to(build).as_posix()
            raise InstallError(
                f"the board's MicroPython runs .mpy {_text(device)}, {path} is {_text(needed)}. "
                "Another arch: the wrong BOARD. Another version: `make flash` brings the right one"
            )


def _text(needs: MpyFormat) -> str:
    return f"v{needs.version}.{needs.sub_version} for {needs.arch}"


def chip_of(machine: str) -> str | None:
    """The chip that `sys.implementation._machine` names ("Generic ESP32 module with ESP32-C3FH4"
    is an esp32c3), None when it names none that we know."""
    chip = re.search(r"ESP32(?:-?([SCHP]\d+))?", machine.rpartition(" with ")[2])
    return chip and f"esp32{chip[1] or ''}".lower()
