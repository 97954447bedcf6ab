"""What the compiled firmware takes of a board's flash."""

from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, exact
from build import ROOT, compile_mpy

ARCHES = ("xtensawin", "rv32imc")
# Bytes of all modules, of the 2 MiB that a flash has for files. What is on by default has to
# fit into RAM as well, but that is `endurance`'s affair.
BUDGET = 192 * 1024


def modules(arch: str) -> dict[str, int]:
    """The size of each .mpy, by module."""
    firmware = Path(ROOT, "firmware")
    sources = [source for part in ("p1", "dongle") for source in (firmware / part).rglob("*.py")]
    names = [source.relative_to(firmware).as_posix() for source in sources]
    return {
        name: len(compile_mpy(source, name, arch))
        for source, name in sorted(zip(sources, names, strict=True))
    }


def figures() -> Iterator[Figure]:
    by_arch = {arch: modules(arch) for arch in ARCHES}
    for arch, sizes in by_arch.items():
        yield Figure(
            f"mpy_bytes_{arch}", sum(sizes.values()), f"{len(sizes)} modules", BUDGET, exact
        )
    for name, size in by_arch[ARCHES[0]].items():
        key = name.removesuffix(".py").replace("/", "_")
        yield Figure(f"mpy_bytes_{key}", size, ARCHES[0], show=exact)
