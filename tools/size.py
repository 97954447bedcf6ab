"""What each compiled module takes, against its budget.

    python tools/size.py

Official MicroPython loads a module's file into the heap, so a byte more in a module that is always
on is a byte less for everything else: whether all of it still fits, `make bench` says (endurance).
"""

import sys
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from build import ROOT, compile_mpy

ARCHES = ("xtensawin", "rv32imc")
ALL_BYTES = 192 * 1024  # of the 2 MiB that a flash has for files; an update needs it twice

_USUAL_KIB = 4
_LARGER_KIB = {
    "dongle/app.py": 6,
    "dongle/config.py": 5,
    "dongle/announcement.py": 5,
    "dongle/http.py": 5,
    "p1/obis.py": 7,
    "p1/render/homewizard.py": 5,
    "p1/render/prometheus.py": 5,
    "p1/scan.py": 6,
}


def budget(module: str) -> int:
    """Bytes that the module's .mpy may have."""
    return 1024 * _LARGER_KIB.get(module, _USUAL_KIB)


def modules(arch: str) -> dict[str, int]:
    """The size of each .mpy, by module."""
    firmware = Path(ROOT, "firmware")
    sources = [source for part in ("p1", "dongle") for source in (firmware / part).rglob("*.py")]
    names = [source.relative_to(firmware).as_posix() for source in sources]
    return {
        name: len(compile_mpy(source, name, arch))
        for source, name in sorted(zip(sources, names, strict=True))
    }


def too_large(by_arch: dict[str, dict[str, int]]) -> list[str]:
    """What is over its budget, in words; also where a budget is more than is needed, so that what
    was won is not lost again."""
    complaints = []
    for arch, sizes in by_arch.items():
        for module, size in sizes.items():
            if size > budget(module):
                complaints.append(f"{module}: {size:,} bytes for {arch}, of {budget(module):,}")
        if sum(sizes.values()) > ALL_BYTES:
            complaints.append(f"all: {sum(sizes.values()):,} bytes for {arch}, of {ALL_BYTES:,}")
    for module, kib in _LARGER_KIB.items():
        if max(sizes.get(module, 0) for sizes in by_arch.values()) <= 1024 * (kib - 2):
            complaints.append(f"{module}: a budget of {kib} KiB is 2 KiB too much")
    return complaints


def main() -> int:
    by_arch = {arch: modules(arch) for arch in ARCHES}
    table = Table("module", *ARCHES, "budget", box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for module in by_arch[ARCHES[0]]:
        sizes = (f"{by_arch[arch][module]:,}" for arch in ARCHES)
        table.add_row(module, *sizes, f"{budget(module):,}")
    table.add_section()
    table.add_row("all", *(f"{sum(by_arch[a].values()):,}" for a in ARCHES), f"{ALL_BYTES:,}")
    Console().print(table)
    complaints = too_large(by_arch)
    print("\n".join(complaints), end="\n" if complaints else "")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
