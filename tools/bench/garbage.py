"""Memory that a telegram leaves for the garbage collector."""

from collections.abc import Iterator

import debian
from bench import household, unix
from bench.figures import Figure, exact

_SECONDS = 1100
_HEAP = "6m"  # room for their telegrams and garbage; to ask how much is used, all of it is visited


def figures() -> Iterator[Figure]:
    yield from measure("", "64 bits")
    yield from measure("_on_32_bits", "32 bits", micropython=debian.micropython())


def measure(suffix: str, words: str, **options) -> Iterator[Figure]:
    """options: of unix.command()."""
    with household.File(household.seconds(_SECONDS)) as file:
        output = unix.output("garbage.py", file, heap=_HEAP, **options)
    telegrams, captures, left = map(int, output.split())
    yield Figure(
        "gc_bytes_per_telegram" + suffix,
        left / telegrams,
        f"{words}; chunks to MQTT packet and HomeWizard JSON, gc disabled, {telegrams} telegrams, "
        f"{captures} of them with a new gas or water capture",
        0,
        exact,
    )
