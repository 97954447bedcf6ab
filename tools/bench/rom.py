"""Firmware, stand-ins and the programs of device/ as the image of a ROMFS, from which MicroPython
runs bytecode and reads texts where they lie, as a chip does from its flash."""

from pathlib import Path

from mpremote.romfs import VfsRomWriter

import rig
from build import compile_mpy

_ARCH = "x64"


def _compiled() -> dict[str, bytes]:
    """Path in the image -> .mpy."""
    rig.micropython_path()  # fetches umqtt
    sources = [(rig.ROOT / "firmware", part) for part in ("p1", "dongle")]
    sources += [(rig.ROOT / "tools" / "sim", ""), (rig.ROOT / "build" / "lib", "umqtt")]
    sources += [(Path(__file__).parent / "device", "")]
    modules = {}
    for root, part in sources:
        for source in (root / part).rglob("*.py"):
            name = source.relative_to(root).with_suffix(".mpy").as_posix()
            modules[name] = compile_mpy(source, name, _ARCH)
    return modules


def _write(writer: VfsRomWriter, modules: dict[str, bytes]):
    folders = {}
    for name, data in sorted(modules.items()):
        folder, slash, rest = name.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = data
        else:
            writer.mkfile(name, data)
    for folder, inside in folders.items():
        writer.opendir(folder)
        _write(writer, inside)
        writer.closedir()


def write() -> Path:
    """Where the image is now."""
    writer = VfsRomWriter()
    _write(writer, _compiled())
    path = rig.ROOT / "build" / "bench.romfs"
    path.write_bytes(writer.finalise())
    return path
