"""The simulated meter's faults."""

import re
from random import Random

import pytest

from meter import telegrams
from meter.faults import FAULTS, Rule, Schedule
from meter_bench import SUMMER_EVENING, crc_is_right


@pytest.fixture(scope="module")
def telegram():
    return next(telegrams(SUMMER_EVENING))


def damage(name, telegram, seed=1, **amount):
    """The bytes and the pauses of a fault."""
    pieces = FAULTS[name](telegram, Random(seed), **amount)
    return b"".join(data for _, data in pieces), [pause_s for pause_s, _ in pieces]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_the_same_for_the_same_seed(name, telegram):
    assert damage(name, telegram, 1) == damage(name, telegram, 1)
    for seed in range(200):  # whatever the seed and however short a recording is
        damage(name, telegram[: seed % 20 + 1], seed)


@pytest.mark.parametrize("seed", range(50))
def test_what_each_fault_does(telegram, seed):
    def bytes_of(name, **amount):
        return damage(name, telegram, seed, **amount)[0]

    noisy = bytes_of("noise-between", amount=40)
    assert noisy.endswith(telegram) and len(noisy) == len(telegram) + 40

    def differences(other):
        return [a ^ b for a, b in zip(telegram, other, strict=True) if a != b]

    assert len(differences(bytes_of("noise-inside", amount=8))) == 8
    (flipped,) = differences(bytes_of("bit-flip"))
    assert flipped.bit_count() == 1

    shorter = bytes_of("lost", amount=20)
    assert any(shorter == telegram[:n] + telegram[n + 20 :] for n in range(len(telegram)))

    assert telegram.startswith(bytes_of("truncated")) and b"!" not in bytes_of("truncated")
    assert bytes_of("truncated", amount=100) == telegram[:100]

    other = bytes_of("wrong-crc")
    assert other[:-6] == telegram[:-6] and re.fullmatch(rb"[0-9A-F]{4}\r\n", other[-6:])

    assert bytes_of("glued") == telegram * 2
    overlapping = bytes_of("overlap")
    assert overlapping.endswith(telegram) and telegram.startswith(overlapping[: -len(telegram)])
    assert overlapping.count(b"!") == 1

    long = bytes_of("endless")
    assert len(long) > 6144 and long.startswith(b"/FLU5") and b"!" not in long
    assert long.count(b"/") == 1

    for name in ("noise-inside", "bit-flip", "lost", "truncated", "wrong-crc", "endless"):
        assert not crc_is_right(bytes_of(name)), name


def test_silence_and_brown_out_take_their_time(telegram):
    assert damage("silence", telegram, amount=7) == (b"", [7])
    data, pauses = damage("brown-out", telegram, amount=3)
    head = data.rstrip(b"\0")
    assert pauses == [0, 3]
    assert telegram.startswith(head) and 2 <= len(data) - len(head) <= 15


def test_a_schedule_strikes_as_told(telegram):
    sound = [(0, telegram)]

    def struck(rules, count=1000, seed=1):
        schedule = Schedule(rules, seed)
        return [n for n in range(1, count + 1) if schedule(telegram) != sound]

    assert struck([]) == []
    assert struck(["silence"], 5) == [1, 2, 3, 4, 5]
    assert struck(["silence=3@4", "truncated@6"]) == [4, 6]
    often = struck(["bit-flip:0.1"])
    assert 60 < len(often) < 140
    assert often == struck(["bit-flip:0.1"]) != struck(["bit-flip:0.1"], seed=2)
    assert Rule.parse("silence=3").apply(telegram, Random(1)) == [(3, b"")]


@pytest.mark.parametrize("text", ["", "x", "silence:2", "silence@0", "silence=x", "lost:1.2.3"])
def test_a_rule_that_means_nothing(text):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Rule.parse(text)
