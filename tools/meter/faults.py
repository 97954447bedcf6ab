"""What goes wrong between a meter and its reader, on demand.

A fault turns a telegram into pieces, `(pause_s, bytes)`: the pause comes first. It takes a
random generator, and an amount whose unit its docstring gives; the same generator gives the
same damage.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from fastcrc import crc16

Pieces = list[tuple[float, bytes]]


def noise_between(telegram: bytes, rng: Random, amount: int = 40) -> Pieces:
    """So many random bytes before the telegram, which is whole."""
    return [(0, rng.randbytes(amount) + telegram)]


def noise_inside(telegram: bytes, rng: Random, amount: int = 8) -> Pieces:
    """So many bytes of what the CRC covers come out as other bytes."""
    damaged = bytearray(telegram)
    for position in _positions(telegram, rng, amount):
        damaged[position] ^= rng.randint(1, 255)
    return [(0, bytes(damaged))]


def bit_flip(telegram: bytes, rng: Random, amount: int = 1) -> Pieces:
    """So many bytes of what the CRC covers have one bit wrong, as happens most in the field."""
    damaged = bytearray(telegram)
    for position in _positions(telegram, rng, amount):
        damaged[position] ^= 1 << rng.randrange(8)
    return [(0, bytes(damaged))]


def lost(telegram: bytes, rng: Random, amount: int = 20) -> Pieces:
    """So many bytes in a row are not there, as when a receiver overruns."""
    start = rng.randrange(max(1, _covered(telegram) - amount))
    return [(0, telegram[:start] + telegram[start + amount :])]


def truncated(telegram: bytes, rng: Random, amount: int = 0) -> Pieces:
    """Ends before its `!`; after so many bytes, if given."""
    return [(0, telegram[: amount or rng.randrange(_covered(telegram))])]


def wrong_crc(telegram: bytes, rng: Random, amount: int = 0) -> Pieces:
    """Whole but for the CRC, which is off by these bits, if given."""
    covered = telegram[: _covered(telegram)]
    crc = crc16.arc(covered) ^ (amount or rng.randint(1, 0xFFFF))
    return [(0, b"%s%04X\r\n" % (covered, crc))]


def silence(telegram: bytes, rng: Random, amount: int = 5) -> Pieces:
    """Nothing for so many seconds."""
    return [(amount, b"")]


def glued(telegram: bytes, rng: Random, amount: int = 2) -> Pieces:
    """So many times without a pause between."""
    return [(0, telegram * amount)]


def overlap(telegram: bytes, rng: Random, amount: int = 0) -> Pieces:
    """The telegram begins inside another, after so many bytes, if given."""
    return [(0, truncated(telegram, rng, amount)[0][1] + telegram)]


def endless(telegram: bytes, rng: Random, amount: int = 8000) -> Pieces:
    """So many bytes: one header, then good lines over and over, never a `!`."""
    head, blank, lines = telegram[: _covered(telegram) - 1].partition(b"\r\n\r\n")
    lines = lines or b"\r\n"  # of a recording that holds no telegram
    return [(0, (head + blank + lines * (amount // len(lines) + 1))[:amount])]


def brown_out(telegram: bytes, rng: Random, amount: int = 2) -> Pieces:
    """The supply collapses in mid telegram and comes back after so many seconds."""
    # The line floats up, which an inverted receiver takes for a break: a few NULs each time.
    head = truncated(telegram, rng)[0][1]
    return [(0, head + bytes(rng.randint(1, 12))), (amount, bytes(rng.randint(1, 3)))]


FAULTS = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        noise_between,
        noise_inside,
        bit_flip,
        lost,
        truncated,
        wrong_crc,
        silence,
        glued,
        overlap,
        endless,
        brown_out,
    )
}

_RULE = re.compile(
    r"(?P<name>[a-z-]+)(=(?P<amount>\d+))?(:(?P<share>\d*\.?\d+)|@(?P<once>[1-9]\d*))?"
)


@dataclass(frozen=True)
class Rule:
    """Which fault, how often (0 to 1), or once at the telegram of that number (from 1)."""

    fault: Callable[..., Pieces]
    amount: int | None = None
    probability: float = 1.0
    once: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """`NAME[=AMOUNT][:PROBABILITY | @NUMBER]`, e.g. `silence=30@5`, `bit-flip:0.002`."""
        match = _RULE.fullmatch(text)
        if not match or match["name"] not in FAULTS:
            raise ValueError(f"{text!r}: a fault is NAME[=AMOUNT][:PROBABILITY|@NUMBER]")
        probability = float(match["share"] or 1)
        if not 0 <= probability <= 1:
            raise ValueError(f"{text!r}: a probability is 0 to 1")
        amount, once = (int(match[key]) if match[key] else None for key in ("amount", "once"))
        return cls(FAULTS[match["name"]], amount, probability, once)

    def strikes(self, number: int, rng: Random) -> bool:
        return number == self.once if self.once else rng.random() < self.probability

    def apply(self, telegram: bytes, rng: Random) -> Pieces:
        extra = () if self.amount is None else (self.amount,)
        return self.fault(telegram, rng, *extra)


class Schedule:
    """Telegrams in, pieces out; the first rule that strikes has the telegram."""

    def __init__(self, rules: Iterable[Rule | str] = (), seed: int = 1):
        self._rules = [Rule.parse(rule) if isinstance(rule, str) else rule for rule in rules]
        self._rng = Random(f"{seed}/faults")
        self._number = 0
        self.struck = 0

    def __call__(self, telegram: bytes) -> Pieces:
        self._number += 1
        for rule in self._rules:
            if telegram and rule.strikes(self._number, self._rng):
                self.struck += 1
                return rule.apply(telegram, self._rng)
        return [(0, telegram)]


def _positions(telegram: bytes, rng: Random, amount: int) -> list[int]:
    covered = _covered(telegram)
    return rng.sample(range(covered), min(amount, covered))


def _covered(telegram: bytes) -> int:
    """How many bytes the CRC is taken over: up to and with the last `!`, or all of them."""
    return telegram.rfind(b"!") + 1 or len(telegram)
