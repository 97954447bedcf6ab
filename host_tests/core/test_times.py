"""Every kind of moment of 2000 to 2099, against zoneinfo, in both interpreters."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conftest import needs_micropython
from p1 import timestamp

# Winter hours ahead of UTC, and a zone that has them over the whole century. The tz database
# knows the civil time of 2000 to 2002 better than the directive in Lithuania (it had none in
# 1999 to 2002), so there the century begins in 2003.
ZONES = [(1, ZoneInfo("Europe/Brussels"), 2000), (2, ZoneInfo("Europe/Vilnius"), 2003)]


def changes(zone, year):
    """The two moments (UTC) at which the clocks change."""
    for month in (3, 10):
        moment = datetime(year, month, 24, tzinfo=UTC)
        before = moment.astimezone(zone).utcoffset()
        while moment.astimezone(zone).utcoffset() == before:
            moment += timedelta(minutes=30)
        yield moment


def moments(zone, first_year):
    """Around every change of the clocks, every four minutes for four hours and second by second
    at its very edge; and one a day (in Lithuania every fifth day), at an hour that moves."""
    for year in range(first_year, 2100):
        for change in changes(zone, year):
            for minute in range(-120, 121, 4):
                yield change + timedelta(minutes=minute)
            for second in range(-5, 6):
                yield change + timedelta(seconds=second)
                yield change + timedelta(hours=1, seconds=second)
                yield change + timedelta(hours=-1, seconds=second)
    day = datetime(first_year, 1, 1, 12, tzinfo=UTC)
    while day.year < 2100:
        yield day
        day += timedelta(days=1 if first_year == 2000 else 5, seconds=7919)
    yield datetime(2099, 12, 31, 20, 59, 59, tzinfo=UTC)


def lines():
    """(winter_h, stamp, epoch) of all moments, as the meter prints them with its letter, and
    without where no later moment has the same digits."""
    for winter_h, zone, first_year in ZONES:
        for moment in moments(zone, first_year):
            local = moment.astimezone(zone)
            epoch = int(moment.timestamp())
            letter = "S" if local.dst() else "W"
            yield winter_h, f"{local:%y%m%d%H%M%S}{letter}", epoch
            if local.fold or local.replace(fold=1).utcoffset() == local.utcoffset():
                yield winter_h, f"{local:%y%m%d%H%M%S}", epoch


@pytest.fixture(scope="module")
def all_lines():
    return list(lines())


def test_there_are_enough(all_lines):
    with_letter = [stamp for _, stamp, _ in all_lines if len(stamp) == 13]
    assert len(with_letter) > 70_000
    assert {stamp[:2] for stamp in with_letter} == {f"{year:02}" for year in range(100)}
    assert len({stamp[2:6] for stamp in with_letter}) == 366
    both = [stamp[:12] for stamp in with_letter]
    assert len(both) - len(set(both)) > 5_000, "the hour that exists twice"


def test_in_cpython(all_lines):
    for winter_h, stamp, epoch in all_lines:
        text = stamp.encode() + b")"
        assert timestamp.epoch(text, 0, winter_h) == epoch, (winter_h, stamp)


@needs_micropython
def test_in_micropython(all_lines, micropython, tmp_path):
    path = tmp_path / "moments"
    path.write_text(
        "".join(f"{winter_h} {stamp} {epoch}\n" for winter_h, stamp, epoch in all_lines)
    )
    assert int(micropython("core_times.py", path, timeout=100)) == len(all_lines)


@pytest.mark.parametrize("winter_h, zone, first_year", ZONES)
def test_without_a_letter_the_later_of_two(winter_h, zone, first_year):
    for year in range(first_year, 2100):
        _, autumn = changes(zone, year)
        for minute in range(-60, 60):
            local = (autumn + timedelta(minutes=minute)).astimezone(zone)
            text = f"{local:%y%m%d%H%M%S})".encode()
            later = local.replace(fold=1)
            assert timestamp.epoch(text, 0, winter_h) == later.timestamp()
            assert timestamp.utc_offset_h(text, 0, winter_h) == winter_h


def test_every_day_of_the_century_and_no_other():
    """What a calendar has, in CPython's checked pointers too."""
    for year in range(100):
        for month in range(14):
            for day in range(33):
                text = f"{year:02}{month:02}{day:02}120000W)".encode()
                try:
                    datetime(2000 + year, month, day)
                except ValueError:
                    assert timestamp.length(text, 0) == 0, text
                else:
                    assert timestamp.length(text, 0) == 13, text
