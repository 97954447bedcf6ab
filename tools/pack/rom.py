"""The names that MicroPython's firmware for the ESP32 has in its ROM: rom.txt, and what makes it
of MicroPython's sources.

    python tools/pack/rom.py build/debian/source [ESP32_GENERIC.bin]

A name that is missing in it may be MicroPython's, which packing would take for ours: so it is all
that may be. Marked with "-" are those that a search of an official firmware has not found: nothing
is called so, for that would cost as much as a name of our own.
"""

import ast
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("rom.txt")
_ROOT = Path(__file__).resolve().parents[2]
_API = _ROOT / "tools" / "sim" / "esp32-api.txt"
_UMQTT = _ROOT / "build" / "lib" / "umqtt"  # which `make demo` fetches, as all that use it

# What is compiled for the ESP32, as ports/esp32/esp32_common.cmake names it, and of that what its
# configuration leaves out.
_COMPILED = (
    *("py/*.[ch]", "extmod/*.[ch]", "extmod/nimble/*.c", "ports/esp32/*.[ch]"),
    *("shared/runtime/*.c", "shared/readline/*.c", "shared/netutils/*.c", "shared/timeutils/*.c"),
    *("drivers/dht/*.c", "drivers/bus/softspi.c"),
)
_LEFT_OUT = re.compile(
    "emitinline|asm|profile|modlwip|cyw43|ninaw10|wiznet5k|network_lwip|network_ppp_lwip|axtls|"
    "vfs_posix|vfs_rom|modmarshal|modbtree|machine_usb|mbedtls_config|modopenamp|moductypes_"
)
# What is frozen in, as ports/esp32/boards/manifest.py names it.
_FROZEN = ("extmod/asyncio", "ports/esp32/modules", "lib/micropython-lib")
# Where else it may have names for what our code may come across.
_ALL = ("py", "extmod", "shared", "drivers", "ports/esp32", "ports/unix")


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


def names_in(source: Path, api: str) -> tuple[set[str], set[str]]:
    """Of MicroPython's source tree, and of what dir() said on a chip (tools/sim/esp32-api.txt):
    all names, and those that are in the ROM."""
    everything = [file for folder in _ALL for file in (source / folder).rglob("*.[ch]")]
    compiled = [
        file
        for pattern in _COMPILED
        for file in source.glob(pattern)
        if not _LEFT_OUT.search(file.name)
    ]
    names = _of_c(compiled)
    for file in (source / "py/qstrdefs.h", source / "ports/esp32/qstrdefsport.h"):
        names.update(re.findall(r"^Q\((\w+)\)", file.read_text(), re.MULTILINE))
    for folder in (*(source / each for each in _FROZEN), _UMQTT):
        for file in folder.rglob("*.py"):
            names |= public_names(ast.parse(file.read_text()))
    for line in api.splitlines():
        if line.startswith("## "):
            names.update(re.findall(r"'(\w+)'", line))
    names = {name for name in names if name.isidentifier()}
    return names | _of_c(everything), names


def _of_c(files: Iterable[Path]) -> set[str]:
    names = set()
    for file in files:
        names.update(re.findall(r"\bMP_QSTR_(\w+)", file.read_text(errors="replace")))
    return {name for name in names if name.isidentifier()}


def public_names(tree: ast.Module) -> set[str]:
    """The names that a compiled module has: all but those of local variables."""
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
    names, here = names_in(Path(arguments[0]), _API.read_text())
    if len(arguments) > 1:
        image = Path(arguments[1]).read_bytes()
        here = {name for name in here if name.encode() + b"\0" in image}
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
