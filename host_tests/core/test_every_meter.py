"""More than 10 000 telegrams of all shapes, read by us and by two others that are not ours."""

import re
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
import reference
from conftest import Receiver, found_telegrams, needs_micropython, needs_telegrams
from fuzz_target import Watch
from telegram_shapes import KINDS, meters, sequence

METERS, EACH = 2520, 4  # 10 080 telegrams

# Their stamps are not those of a central European calendar: dsmr-parser knows no other.
STRANGE_CLOCKS = ("SE", "DK", "LT", "NL2", "BE-walloon")


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_micropython
def test_agrees_with_dsmr_parser_and_the_reference(micropython, tmp_path, capsys):
    """The core runs where it is at home, with one Reading over all; that it says the same afresh
    is checked there."""
    made = list(sequence(2026, METERS, EACH))
    comparison = oracle.Comparison()
    keys = set()
    for has_crc in (True, False):
        telegrams = [(kind, data) for kind, data in made if KINDS[kind][1] is has_crc]
        country = "auto" if has_crc else "NL3"
        stream = tmp_path / f"stream-{has_crc}"
        stream.write_bytes(b"".join(data for _, data in telegrams))
        crc = "has-crc" if has_crc else "no-crc"
        printed = micropython(
            "core_sequence.py", country, crc, stream, heap="1M", timeout=300
        ).splitlines()
        assert len(printed) == len(telegrams)
        for (kind, data), line in zip(telegrams, printed, strict=True):
            reading = reference.load(line.split(b" ", 1)[1].decode())
            assert reading == reference.reading(data, country), (kind, data)
            comparison.check(kind, data, reading, kind.startswith(STRANGE_CLOCKS))
            keys.update(reading)
    with capsys.disabled():
        comparison.table("generated telegrams compared with dsmr-parser and the reference")
    assert comparison.telegrams.total() == METERS * EACH >= 10_000
    assert set(KINDS) == set(comparison.telegrams)
    ours = {*oracle.NUMBERS.values(), *oracle.TEXTS.values()}
    assert not ours - set(comparison.compared), "never compared with dsmr-parser"
    assert not {*reference.NUMBERS, *reference.TEXTS} - keys - LONELY, "in no telegram"


# What no kind of meter in telegram_shapes.py has.
LONELY = {f"message_text_{n}" for n in range(2, 6)}


@settings(max_examples=40)
@given(meter=meters(), seconds=st.integers(1, 4))
def test_in_cpython_afresh_or_after_others_as_the_reference(meter, seconds):
    """The same under checked pointers, in buffers that end where the telegram does."""
    watch = Watch("auto" if meter.has_crc else "NL3", meter.has_crc)
    for _ in range(seconds):
        watch.check(meter.telegram())


def test_a_street_of_meters_on_one_reading():
    watch = Watch()
    kinds = [kind for kind in KINDS if KINDS[kind][1]]
    for _, telegram in sequence(7, len(kinds) * 2, 2, kinds):
        watch.check(telegram)


def test_what_the_shapes_hold():
    """That the generator makes what it promises; else the tests above prove less than they say."""
    found = {"months": set(), "channels": set(), "never": 0, "two gas": 0, "long": 0}
    same_size = total = 0
    for _, group in groupby(sequence(3, 1280, 2), key=lambda each: each[0]):
        telegrams = [data for _, data in group]
        for before, data in pairwise(telegrams):
            total += 1
            same_size += len(before) == len(data)
        for data in telegrams:
            text = data.decode("latin-1")
            history = re.search(r"^0-0:98\.1\.0\((\d+)\)\(1-0", text, re.MULTILINE)
            found["months"].update([int(history[1])] if history else [])
            types = re.findall(r"^0-(\d):24\.1\.0\(0*(\d+)\)", text, re.MULTILINE)
            found["channels"] |= {int(channel) for channel, _ in types}
            found["two gas"] += sum(medium == "3" for _, medium in types) > 1
            found["never"] += "632525252525" in text or "700101" in text
            found["long"] += len(data) > 2500
    assert found["months"] >= set(range(14)) and found["channels"] == {1, 2, 3, 4}
    assert min(found["never"], found["two gas"], found["long"]) > 10
    assert same_size > total / 2, "most telegrams have the size of the one before"


# --- Other people's ---

# Their stamps' letters are out of season, so that only the civil times can agree.
OUT_OF_SEASON = ("DK-amsreader-1.txt", "BE-dsmrparser-1.txt", "BE-emucs171-2.txt")

compared = oracle.Comparison()


def _code(pattern, text):
    """The OBIS code of the line that a pattern of dsmr-parser has found."""
    line = re.search(pattern, text, re.MULTILINE)
    assert line
    return line[0].split("(")[0]


@needs_telegrams
@pytest.mark.parametrize("found", found_telegrams("OK", "NOCRC"), ids=str)
def test_agrees_on_the_telegrams_of_others(found):
    has_crc = found.verdict == "OK"
    country = "auto" if has_crc else "NL3"
    receiver = Receiver(country, has_crc=has_crc)
    [telegram] = receiver.feed(found.data)
    reading = reference.load(receiver.json(telegram))
    assert reading == reference.reading(telegram, country)
    patterns = compared.check(found.name, telegram, reading, found.name in OUT_OF_SEASON)
    text = telegram.decode("latin-1")
    unread = {
        _code(pattern, text) for name, pattern in patterns.items() if name not in oracle.OURS
    }
    assert unread <= set(reading.get("unknown", ())), "neither read nor unknown to us"


def test_what_was_compared_of_others(capsys):
    if not compared.telegrams:
        pytest.skip(needs_telegrams.kwargs["reason"])
    with capsys.disabled():
        compared.table("telegrams of others compared with dsmr-parser and the reference")
