"""A Belgian smart meter on the laptop: the other end of the wire, none of the dongle's code."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count as count_from

from meter.household import HISTORY_MONTHS, Household
from meter.telegram import Meter, Model


def telegrams(
    start: datetime,
    seed: int = 1,
    count: int | None = None,
    *,
    every_s: int = 1,
    phases: int = 3,
    months: int = HISTORY_MONTHS,
    solar_w: int = 4600,
    **model,
) -> Iterator[bytes]:
    """Telegrams from `start` on, `every_s` apart; `count` of them or without end.

    `model` are the fields of `telegram.Model`: version, grid, submeters, message …
    """
    meter = Meter(Household(start, seed, phases, months, solar_w), Model(**model))
    for number in count_from() if count is None else range(count):
        if number:
            for _ in range(every_s):
                meter.step()
        yield meter.telegram()
