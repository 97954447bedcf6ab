"""What a family switches on in a day, as a list of uses of the five lines into the house."""

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random
from typing import NamedTuple

from meter.civil import BRUSSELS

L1, L2, L3, GAS, WATER = range(5)

STANDBY_W = (95, 60, 45)


class Use(NamedTuple):
    """`amount` flows in `line` for `seconds`: W on L1 to L3, ml/s on GAS and WATER."""

    start_s: int
    seconds: int
    line: int
    amount: int


def uses(seed: int, day: date, phases: int) -> Iterator[Use]:
    """Everything that is switched on between this midnight and the next; none lasts a day."""
    rng = Random(f"{seed}/{day}")
    yield from _fridge(rng, day)
    yield from _lights(rng, day)
    yield from _kettle(rng, day)
    yield from _cooking(rng, day)
    yield from _dishwasher(rng, day)
    yield from _laundry(rng, day)
    yield from _car(rng, day, phases)
    yield from _heating(rng, day)
    yield from _bathroom(rng, day)


def _at(day: date, hours: float) -> int:
    """The epoch at which the clock on the wall shows this hour of the day."""
    wall = datetime.combine(day, time(tzinfo=BRUSSELS)) + timedelta(seconds=round(hours * 3600))
    return int(wall.timestamp())


def _cycles(start_s: int, count: int, on_s: int, off_s: int, line: int, amount: int):
    """A thermostat."""
    for cycle in range(count):
        yield Use(start_s + cycle * (on_s + off_s), on_s, line, amount)


def _fridge(rng: Random, day: date):
    start_s = _at(day, 0) + rng.randrange(3000)
    while start_s < _at(day + timedelta(days=1), 0):
        yield Use(start_s, rng.randint(840, 1080), L1, 85)
        start_s += rng.randint(2700, 3300)


def _lights(rng: Random, day: date):
    yield Use(_at(day, rng.uniform(6.3, 6.8)), rng.randint(3600, 6000), L2, rng.randint(120, 200))
    yield Use(_at(day, rng.uniform(17, 18)), rng.randint(16000, 20000), L2, rng.randint(180, 320))


def _kettle(rng: Random, day: date):
    for hour in (7, 10, 15.5, 20):
        if rng.random() < 0.8:
            yield Use(_at(day, rng.gauss(hour, 0.3)), rng.randint(110, 220), L2, 2010)


def _cooking(rng: Random, day: date):
    start_s = _at(day, rng.uniform(17.6, 18.8))
    yield from _cycles(start_s, rng.randint(15, 30), 35, 25, L3, 1800)
    if rng.random() < 0.5:
        heated_s = start_s + 600
        yield Use(start_s, 600, L1, 2400)
        yield from _cycles(heated_s, rng.randint(15, 30), 40, 60, L1, 2400)


def _dishwasher(rng: Random, day: date):
    if rng.random() < 0.6:
        start_s = _at(day, rng.uniform(20, 21))
        yield Use(start_s, 900, L2, 1900)
        yield Use(start_s + 2400, 700, L2, 1900)


def _laundry(rng: Random, day: date):
    if rng.random() < 0.4:
        start_s = _at(day, rng.uniform(9, 16) if day.weekday() >= 5 else rng.uniform(18.5, 20))
        heating_s = rng.randint(800, 1300)
        yield Use(start_s, heating_s, L3, 2050)
        yield from _cycles(start_s + heating_s, 90, 25, 10, L3, 180)
        yield Use(start_s + heating_s + 3200, 480, L3, 420)


def _car(rng: Random, day: date, phases: int):
    if rng.random() < 3 / 7:
        start_s = _at(day, rng.uniform(22.05, 22.6))
        seconds = rng.randint(5400, 14400)
        for line in range(phases):
            yield Use(start_s, seconds, line, 3650)


def _heating(rng: Random, day: date):
    coldness = 0.5 + 0.5 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)
    burning_s = round(1600 * coldness) - 200
    if burning_s > 60:
        first_s = _at(day, rng.uniform(5.5, 6.5))
        yield from _cycles(first_s, 22, burning_s, 2700 - burning_s, GAS, 330)


def _bathroom(rng: Random, day: date):
    for _ in range(rng.randint(1, 3)):
        start_s, seconds = _at(day, rng.uniform(6.3, 8)), rng.randint(240, 480)
        yield Use(start_s, seconds, WATER, 150)
        yield Use(start_s, seconds, GAS, 520)
    for _ in range(rng.randint(10, 18)):
        yield Use(_at(day, rng.uniform(6.5, 23)), rng.randint(20, 70), WATER, rng.randint(60, 120))
