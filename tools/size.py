"""What each file of the packed firmware takes, against its budget.

    python tools/size.py

Official MicroPython loads a file into the heap, so a byte more in one that is always on is a byte
less for everything else: whether all of it still fits, host_tests/dongle/test_budgets.py says.
"""

import sys

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from build import ROOT, compile_packed, packed_sources

ARCHES = ("xtensawin", "rv32imc")
ALL_BYTES = 192 * 1024  # of the 2 MiB that a flash has for files; an update needs it twice

_USUAL_KIB = 4
_LARGER_KIB = {
    "dongle/announcement": 6,
    "dongle/app": 13,
    "dongle/hold": 5,  # with the names of all others
    "dongle/session": 7,
    "p1/core": 25,
    "p1/obis": 5,
    "dongle/start": 6,
    "p1/homewizard_json": 5,
    "p1/texts": 6,
}


def budget(file: str) -> int:
    """Bytes that a file may have."""
    return 1024 * _LARGER_KIB.get(file, _USUAL_KIB)


def files(arch: str) -> dict[str, int]:
    """The size of each .mpy, by its path without that ending."""
    compiled = compile_packed(packed_sources(ROOT / "firmware"), arch)
    return {path.removesuffix(".mpy"): len(data) for path, data in sorted(compiled)}


def too_large(by_arch: dict[str, dict[str, int]]) -> list[str]:
    """What is over its budget, in words; also where a budget is more than is needed, so that what
    was won is not lost again."""
    complaints = []
    for arch, sizes in by_arch.items():
        for file, size in sizes.items():
            if size > budget(file):
                complaints.append(f"{file}: {size:,} bytes for {arch}, of {budget(file):,}")
        if sum(sizes.values()) > ALL_BYTES:
            complaints.append(f"all: {sum(sizes.values()):,} bytes for {arch}, of {ALL_BYTES:,}")
    for file, kib in _LARGER_KIB.items():
        if max(sizes.get(file, 0) for sizes in by_arch.values()) <= 1024 * (kib - 2):
            complaints.append(f"{file}: a budget of {kib} KiB is 2 KiB too much")
    return complaints


def main() -> int:
    by_arch = {arch: files(arch) for arch in ARCHES}
    table = Table("file", *ARCHES, "budget", box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for file in by_arch[ARCHES[0]]:
        sizes = (f"{by_arch[arch][file]:,}" for arch in ARCHES)
        table.add_row(file, *sizes, f"{budget(file):,}")
    table.add_section()
    table.add_row("all", *(f"{sum(by_arch[a].values()):,}" for a in ARCHES), f"{ALL_BYTES:,}")
    Console().print(table)
    complaints = too_large(by_arch)
    print("\n".join(complaints), end="\n" if complaints else "")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
