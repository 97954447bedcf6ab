"""Whether a byte costs the same in a long telegram as in a short one."""

from collections.abc import Iterator
from statistics import median

from bench import household
from bench.figures import Figure
from bench.unix import Rounds

_ROUNDS = 9
_SECONDS = 60
_TIMES = 8


def figures() -> Iterator[Figure]:
    costs = []
    for model in household.LENGTHS:
        sequence = household.seconds(_SECONDS, **model)
        with household.File(sequence) as file, Rounds(file) as rounds:
            length = len(sequence[0])
            ns = median(1000 * rounds.us("fed", _TIMES) / length for _ in range(_ROUNDS))
        costs.append(ns)
        yield Figure(f"ns_per_byte_at_{length}_bytes", ns, "from chunks to JSON")
    yield Figure(
        "cost_per_byte_longest_to_base",
        costs[-1] / costs[1],
        "no part grows faster than the telegram",
        1.1,
    )
