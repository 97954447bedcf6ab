"""The compiled firmware as files, as `make deploy` puts it on the flash of a board with official
MicroPython: bytecode, texts and names go into the heap when they are imported."""

import shutil
from pathlib import Path

import rig
from bench import unix
from build import arch_of, compile_firmware, compile_into
from pack import names_in

_FOLDER = rig.ROOT / "build" / "flash"


def path(micropython: Path) -> str:
    """MICROPYPATH with firmware, stand-ins, umqtt and the programs of device/, compiled for this
    interpreter."""
    rig.micropython_path()  # fetches umqtt
    arch = arch_of(micropython)
    shutil.rmtree(_FOLDER, ignore_errors=True)
    kept = names_in((unix.DEVICE / "endurance.py").read_text())
    compile_firmware(_FOLDER, arch, kept)
    for root in (rig.ROOT / "tools" / "sim", rig.ROOT / "build" / "lib", unix.DEVICE):
        compile_into(_FOLDER, root, "", arch)
    return f"{_FOLDER}:.frozen"
