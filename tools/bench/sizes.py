"""What the compiled firmware takes of a board's flash."""

from collections.abc import Iterator

from bench.figures import Figure, exact
from size import ALL_BYTES, ARCHES, budget, files


def figures() -> Iterator[Figure]:
    by_arch = {arch: files(arch) for arch in ARCHES}
    for arch, sizes in by_arch.items():
        yield Figure(
            f"mpy_bytes_{arch}", sum(sizes.values()), f"{len(sizes)} files", ALL_BYTES, exact
        )
    for name, size in by_arch[ARCHES[0]].items():
        key = name.removesuffix(".py").replace("/", "_")
        yield Figure(f"mpy_bytes_{key}", size, ARCHES[0], budget(name), exact)
