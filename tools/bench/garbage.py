"""Memory that a telegram leaves for the garbage collector."""

from collections.abc import Iterator

from bench import household, unix
from bench.figures import Figure, exact

_SECONDS = 1100


def figures() -> Iterator[Figure]:
    with household.File(household.seconds(_SECONDS)) as file:
        quiet, quiet_bytes, others, other_bytes = map(int, unix.output("garbage.py", file).split())
    yield Figure(
        "gc_bytes_per_telegram",
        quiet_bytes / quiet,
        f"chunks to MQTT packet and HomeWizard JSON, gc disabled, {quiet} telegrams in which "
        "numbers and clock change",
        0,
        exact,
    )
    yield Figure(
        "gc_bytes_per_capture",
        other_bytes / others,
        f"the other {others} telegrams of these {_SECONDS} s, with a new gas or water capture",
        show=exact,
    )
