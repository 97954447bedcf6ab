"""The names that MicroPython's firmware for the ESP32 has in its ROM: rom.txt, and what makes it of
MicroPython's sources.

    python tools/pack/rom.py build/debian/source [ESP32_GENERIC.bin]

A name that is missing in it may be MicroPython's, which packing would take for ours: so it is all
that may be. Marked with "-" are those that a search of an official firmware has not found: nothing
is called so, for that would cost as much as a name of our own.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("rom.txt")
_API = Path(__file__).resolve().parents[1] / "sim" / "esp32-api.txt"

# What is compiled for the ESP32, as ports/esp32/esp32_common.cmake names it.
_COMPILED = (
    *("py/*.[ch]", "extmod/*.[ch]", "extmod/nimble/*.c", "ports/esp32/*.[ch]"),
    *("shared/runtime/*.c", "shared/readline/*.c", "shared/netutils/*.c", "shared/timeutils/*.c"),
    *("drivers/dht/*.c", "drivers/bus/softspi.c"),
)
# Of that what its configuration leaves out.
_LEFT_OUT = re.compile(
    "emitinline|asm|profile|modlwip|cyw43|ninaw10|wiznet5k|network_lwip|network_ppp_lwip|axtls|"
    "vfs_posix|vfs_rom|modmarshal|modbtree|machine_usb|mbedtls_config|modopenamp|moductypes_"
)
# What is frozen in, as ports/esp32/boards/manifest.py names it.
_FROZEN = ("extmod/asyncio", "ports/esp32/modules", "lib/micropython-lib")


@cache
def known_names() -> frozenset[str]:
    """All that may be MicroPython's own."""
    lines = _LIST.read_text().splitlines()
    return frozenset(line.lstrip("-") for line in lines if not line.startswith("#"))


@cache
def rom_names() -> frozenset[str]:
    """Those of them that are in the ROM."""
    lines = _LIST.read_text().splitlines()
    return frozenset(line for line in lines if line[:1] not in "#-")


def names_in(source: Path, api: str) -> set[str]:
    """Of MicroPython's source tree, and of what dir() said on a chip (tools/sim/esp32-api.txt)."""
    names = set()
    for pattern in _COMPILED:
        for file in source.glob(pattern):
            if not _LEFT_OUT.search(file.name):
                names.update(re.findall(r"\bMP_QSTR_(\w+)", file.read_text(errors="replace")))
    for file in (source / "py/qstrdefs.h", source / "ports/esp32/qstrdefsport.h"):
        names.update(re.findall(r"^Q\((\w+)\)", file.read_text(), re.MULTILINE))
    for folder in _FROZEN:
        for file in (source / folder).rglob("*.py"):
            names |= _kept_names(ast.parse(file.read_text()))
    for line in api.splitlines():
        if line.startswith("## "):
            names.update(re.findall(r"'(\w+)'", line))
    return {name for name in names if name.isidentifier()}


def _kept_names(tree: ast.Module) -> set[str]:
    """The names that a compiled module has: not those of local variables."""
    found = set()
    for node in ast.walk(tree):
        for field in ("name", "attr", "arg", "asname"):
            if isinstance(value := getattr(node, field, None), str):
                found.add(value)
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found.update(each.id for each in node.targets if isinstance(each, ast.Name))
    return found


def main(arguments: list[str]) -> int:
    source = Path(arguments[0])
    names = names_in(source, _API.read_text())
    image = Path(arguments[1]).read_bytes() if len(arguments) > 1 else None
    here = [name for name in names if image is None or name.encode() + b"\0" in image]
    head = (
        "# Names in the ROM of MicroPython's ESP32 firmware, one a line: see rom.py, which made\n"
        "# this of the sources of MicroPython 1.25 and of tools/sim/esp32-api.txt (1.26.1).\n"
    )
    lines = [name if name in here else f"-{name}" for name in sorted(names)]
    _LIST.write_text(head + "".join(f"{line}\n" for line in lines))
    print(f"{len(names)} names, {len(here)} of them in the ROM")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
