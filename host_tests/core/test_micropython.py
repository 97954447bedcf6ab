"""The core in the interpreter that it is for, with a heap as small as an ESP32's: with words of
64 bits, and of 32 as there."""

import random
import re

import pytest

import reference
from conftest import (
    FIXTURE_NAMES,
    FIXTURES,
    Receiver,
    a_little_later,
    country_of,
    fixture,
    found_telegrams,
    needs_telegrams,
    take_apart,
    telegram,
)
from make_fixtures import seal
from telegram_shapes import KINDS, sequence


def cpython(data, country="BE"):
    """What core_json.py prints, by CPython."""
    receiver = Receiver(country)
    shown = ""
    for each in receiver.feed(data):
        json = receiver.json(each)
        shown += f"{receiver.reading.rejected} {json}\n"
    return shown.encode()


@pytest.fixture(params=["micropython", "micropython_on_32_bits"], ids=["64 bits", "32 bits"])
def interpreter(request):
    return request.getfixturevalue(request.param)


def test_its_words(interpreter, request):
    bits = request.node.callspec.id.split()[0]
    assert interpreter.run("import sys; print(sys.maxsize)") == b"%d\n" % (
        2 ** (int(bits) - 1) - 1
    )


@pytest.fixture
def same(interpreter, tmp_path):
    """Checks that both interpreters say the same of the telegrams in some bytes."""

    def same(data, country="BE"):
        stream = tmp_path / "stream"
        stream.write_bytes(data)
        expected = cpython(data, country).split(b"\n")
        assert interpreter("core_json.py", country, stream).split(b"\n") == expected
        return len(expected) - 1

    return same


@pytest.mark.parametrize("country", sorted({country_of(name) for name in FIXTURE_NAMES}))
def test_the_same_json_for_every_fixture(same, country):
    names = [name for name in FIXTURE_NAMES if country_of(name) == country]
    assert same(b"".join(map(fixture, names)), country) == len(names) > 0


@needs_telegrams
@pytest.mark.parametrize("country", ["auto", "BE", "NL"])
def test_the_same_json_for_every_telegram_of_others(same, country):
    found = found_telegrams("OK")
    assert same(b"".join(each.data for each in found), country) == len(found) > 0


def test_the_same_json_for_damaged_telegrams_that_a_crc_proves(same):
    chance = random.Random(42)

    def damaged():
        header, lines = take_apart(chance.choice(FIXTURE_NAMES))
        body = bytearray("\r\n".join(chance.sample(lines, len(lines))).encode("latin-1"))
        for _ in range(chance.randrange(8)):
            body[chance.randrange(len(body))] = chance.choice(b"0123456789()*.:-SWk\x00\xe9 ")
        return seal(header + re.sub(rb"/|(?<=\n)!", b"?", bytes(body)) + b"\r\n")

    assert same(b"".join(damaged() for _ in range(300))) == 300


def test_the_same_json_when_a_little_changes_each_time(same):
    chance = random.Random(43)
    telegrams = []
    for name in ("be-50221-3n400", "be-bad-lines", "nl-50-failures-and-sags"):
        header, lines = take_apart(name)
        for _ in range(100):
            lines = a_little_later(lines, chance)
            telegrams.append(telegram(*lines, header=header))
    assert same(b"".join(telegrams)) == 300


def test_the_same_json_for_the_greatest_and_smallest_numbers(same):
    """Beyond 31 bits: an ESP32's integers change their kind there."""
    values = "0 0.000 1 0.001 536870911 536870912 1073.741823 1073741.824 999999999 999999.999"
    telegrams = [
        telegram(
            *(f"1-0:{way}.8.{n}({value}*kWh)" for way in (1, 2) for n in range(1, registers)),
            *(f"1-0:{code}.7.0({value}*W)" for code in (1, 22)),
            f"1-0:2.7.0({other}*W)",
            f"1-0:21.7.0({other}*W)",
            f"1-0:99.97.0(1)(0-0:96.7.19)(000101000024W)({value}*s)",
            f"0-1:24.2.1(230421165102S)({value}*m3)",
        )
        for registers in (3, 6)
        for value in values.split()
        for other in values.split()
    ]
    assert same(b"".join(telegrams)) == len(telegrams)


def test_numbers_beyond_31_bits_as_the_reference_reads_them(same):
    values = ["0", "0.001", "536870911", "536870912"]
    values += ["1073741823", "1073.74182", "999999999", "999999.999"]
    telegrams = [
        telegram(
            *(f"1-0:{way}.8.{n}({value}*kWh)" for way in (1, 2) for n in range(1, registers)),
            *("1-0:1.7.0(999999999*W)", f"1-0:2.7.0({value}*W)", "1-0:21.7.0(999999*kW)"),
            f"1-0:99.97.0(2)(0-0:96.7.19)(000101000024W)({value}*s)(000101000024W)(2147483647*s)",
            f"0-1:24.2.1(230421165102S)({value}*m3)",
            f"0-2:24.2.1(991231235959W)({value}*m3)",
            *("0-1:24.1.0(3)", "0-2:24.1.0(3)"),
        )
        for registers in (2, 3, 6)
        for value in values
    ]
    assert same(b"".join(telegrams)) == len(telegrams)
    printed = cpython(b"".join(telegrams)).splitlines()
    readings = [reference.load(line.split(b" ", 1)[1]) for line in printed]
    for reading, data in zip(readings, telegrams, strict=True):
        assert reading == reference.reading(data, "BE")
    assert str(readings[len(values) - 1]["energy_import_t1_kwh"]) == "999999.999"
    assert str(readings[2 * len(values) - 1]["energy_import_kwh"]) == "1999999.998"


def test_the_same_json_for_every_kind_of_meter(same):
    kinds = [kind for kind in KINDS if KINDS[kind][1]]
    made = [data for _, data in sequence(32, len(kinds), 2, kinds)]
    assert same(b"".join(made), "auto") == len(made) > len(kinds)


@pytest.mark.parametrize(
    "digits",
    [
        *("C3A9", "E282AC", "F09F9880", "E9", "FF", "C3", "E282", "80", "F8888080"),
        *("C080", "E08080", "EDA080", "EDBFBF", "F0808080", "F4908080", "F5808080"),  # not UTF-8
        *("31 32", " 3132", "3", "3G", "0x31", "31,32", "00", "1F", "7F"),
    ],
)
def test_the_same_json_for_odd_texts(same, digits):
    lines = [f"{code}({digits})" for code in ("0-0:96.1.1", "0-0:96.13.0", "0-1:96.1.0")]
    assert same(telegram(*lines)) == 1


def test_no_corruption_of_a_single_byte_is_delivered(interpreter):
    """All 255 other values in all places. What may pass: the other case of a CRC digit, which
    says the same, and whatever stands behind the last digit."""
    name = "be-lower-case-crc"
    sent = fixture(name)
    *passed, tried = interpreter("core_corruption.py", FIXTURES / f"{name}.txt").splitlines()
    crc = sent.rindex(b"!") + 1
    harmless = {(at, sent[at] ^ 0x20) for at in range(crc, crc + 4) if sent[at : at + 1].isalpha()}
    harmless |= {(at, value) for at in range(crc + 4, len(sent)) for value in range(256)}
    assert int(tried) == 255 * len(sent)
    assert {tuple(map(int, line.split())) for line in passed} <= harmless


@pytest.mark.parametrize("digits", ["01" * 1024, "FF" * 1024, "C3A9" * 512, "G" * 2048])
def test_the_longest_message_fits_the_heap(same, digits):
    assert same(telegram("0-0:96.1.1(31534147)", f"0-0:96.13.0({digits})")) == 1


def test_a_thousand_telegrams_leave_the_memory_as_it_was(interpreter):
    paths = [FIXTURES / f"{name}.txt" for name in FIXTURE_NAMES if name.startswith("be-")]
    lines = interpreter("core_soak.py", *paths).splitlines()
    good, cut, live = zip(*(map(int, line.split()) for line in lines), strict=True)
    assert good == tuple(range(len(paths), 1000 + len(paths), len(paths)))
    assert cut[-1] == 0, "every document found room"
    settled = live[2:]  # by then each of the framer's buffers has had the longest telegram
    assert max(settled) == min(settled), live
