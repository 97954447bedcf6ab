"""Whatever comes: nothing raises, nothing leaves a buffer, nothing is read that is not there.

corpus.zip holds the inputs that atheris found to reach something new (`make fuzz`); what they
mean is in fuzz_target.py. They run in CPython under checked pointers and in MicroPython.
"""

import re
import zipfile

import fastcrc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuzz_target
import reference
from conftest import FIXTURE_NAMES, FIXTURES, ROOT, Receiver, fixture, needs_micropython, telegram
from fuzz_target import Watch
from p1.reading import Reading
from telegram_shapes import KINDS, meters

CORPUS = ROOT / "host_tests" / "fuzz" / "corpus.zip"
MUTANTS = 10_000


@pytest.fixture(scope="module")
def replayed():
    """Every telegram of the corpus with the document that CPython makes of it. Each was checked:
    alone in a buffer that fits, after others in the framer's, and against the reference."""
    watch = Watch()
    with zipfile.ZipFile(CORPUS) as corpus:
        inputs = [corpus.read(name) for name in corpus.namelist()]
    return [(each, watch.check(each)) for data in inputs for each in fuzz_target.telegrams(data)]


def test_the_corpus(replayed):
    assert len(replayed) > 300
    assert sum(len(document) > 200 for _, document in replayed) > 50


@needs_micropython
def test_the_corpus_in_micropython(replayed, micropython, tmp_path):
    stream = tmp_path / "stream"
    stream.write_bytes(b"".join(each for each, _ in replayed))
    printed = micropython("core_sequence.py", "auto", "has-crc", stream, heap="1M").splitlines()
    assert [line.split(b" ", 1)[1] for line in printed] == [document for _, document in replayed]


@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_micropython
def test_mutants(micropython):
    """The same script ran once for a million."""
    names = [name for name in FIXTURE_NAMES if name != "be-message-1024"]  # slow, and all alike
    paths = [FIXTURES / f"{name}.txt" for name in names]
    printed = micropython("core_mutants.py", str(MUTANTS), "7", *paths, heap="1M", timeout=300)
    made, read, good, crc, _, framing = map(int, printed.split())
    assert made >= MUTANTS and read == good > MUTANTS / 2
    assert crc > MUTANTS / 3 and framing > 100


# --- By hypothesis ---

BYTES = st.sampled_from(b"0123456789()*.:-SWkmVAh \r\n\x00\xe9") | st.integers(0, 254)
EDITS = st.lists(st.tuples(st.integers(0, 1500), BYTES), max_size=4)
SEALED_KINDS = tuple(kind for kind in KINDS if KINDS[kind][1])


@st.composite
def inputs(draw):
    """A meter's telegram and what becomes of it by edits, second after second."""
    data = draw(meters(SEALED_KINDS)).telegram()
    data = data[1 : data.rindex(b"\n!")].removesuffix(b"\r")
    for edits in draw(st.lists(EDITS, max_size=3)):
        data += b"\xff" + b"".join(bytes((at & 255, at >> 8, value)) for at, value in edits)
    return data


@given(inputs())
def test_edited_telegrams(data):
    fuzz_target.check(data)


@given(st.binary(max_size=200) | st.text("()*.:-0123456789\r\n", max_size=200).map(str.encode))
def test_telegrams_of_nonsense(data):
    fuzz_target.check(data)


LINES = [line for name in FIXTURE_NAMES for line in fixture(name).split(b"\r\n")[2:-2]]


@given(st.lists(st.sampled_from(LINES), max_size=25), EDITS, EDITS)
def test_lines_of_all_meters_in_one_telegram(lines, first, second):
    """Codes come twice, in other orders, with other things behind them."""
    data = b"FLU5\n" + b"\n".join(lines).replace(b"\xff", b"")
    for edits in (first, second):
        data += b"\xff" + b"".join(bytes((at & 255, at >> 8, value)) for at, value in edits)
    fuzz_target.check(data)


SOUP = st.lists(
    st.sampled_from([b"/", b"!", b"\r\n", b"\n!", b"!1F0", b"/FLU5\r\n", b"\x00", b"\xff"])
    | st.sampled_from([fixture(name) for name in FIXTURE_NAMES])
    | st.sampled_from([fixture(name)[:-7] for name in FIXTURE_NAMES])
    | st.binary(max_size=30),
    max_size=8,
)


@settings(max_examples=40)
@given(SOUP, st.integers(1, 3000))
def test_whatever_is_delivered_has_its_crc(soup, step):
    stream = b"".join(soup)
    receiver = Receiver("auto")
    receiver.feed(*(stream[at : at + step] for at in range(0, len(stream), step)))
    for each in receiver.telegrams:
        parts = re.fullmatch(rb"(/[^/]*\n!)([0-9A-Fa-f]{1,4})\r\n", each)
        assert parts
        covered, printed = parts.groups()
        assert fastcrc.crc16.arc(covered) == int(printed, 16)
        receiver.json(each)


# --- What was found so ---


def after_another(*telegrams):
    """What is said of the last, after those before it; it must be what is said of it alone."""
    watch = Watch("BE")
    return [reference.load(watch.check(each).decode()) for each in telegrams][-1]


def lines_of(*registers):
    return telegram("1-0:1.7.0(00.560*kW)", *(f"1-0:2.8.1({each})" for each in registers))


def test_a_code_that_comes_twice_and_is_unusable_once():
    """The later counts, also where the earlier one has only now become usable."""
    said = after_another(
        lines_of("000100.000*kWx", "000104.000*kWh"), lines_of("000101.000*kWh", "000104.000*kWh")
    )
    assert said["energy_export_t1_kwh"] == reference.Number("104.000")
    said = after_another(
        lines_of("000100.000*kWh", "000104.000*kWx"), lines_of("000101.000*kWh", "000104.000*kWh")
    )
    assert said["energy_export_t1_kwh"] == reference.Number("104.000")


def test_a_value_that_was_unusable_a_second_ago():
    for before, now in (
        ("000100.000*kWx", "000101.000*kWh"),
        ("000101.000*kWh", "000100.000*kWx"),
    ):
        watch = Watch("BE")
        for each in (before, now, now, before, before):
            watch.check(lines_of(each))
    assert watch.reading.rejected == 0 or watch.reading.rejected == 1


@pytest.mark.parametrize("stamp", ["632525252525W", "", "230431191500S"])
def test_a_peak_needs_its_stamp_on_either_side(stamp):
    for said in (f"({stamp})(04.509*kW)", f"(04.509*kW)({stamp})"):
        assert "monthly_power_peak_w" not in after_another(telegram(f"1-0:1.6.0{said}"))


@pytest.mark.parametrize("digits", ["A0" * 5, "2031323334A0", "85" * 6, "1C" * 6])
def test_a_version_is_the_same_text_in_both_interpreters(digits):
    """str.strip() takes more for blank in CPython than in MicroPython."""
    said = after_another(telegram(f"0-0:96.1.4({digits})"))
    assert said["protocol_version"] == digits


def test_sums_up_to_31_bits():
    for parts, total in (
        (["999999.999"] * 2, "1999999.998"),
        (["999999.999", "999999.999", "147483.649"], "2147483.647"),
        (["999999.999", "999999.999", "147483.650"], None),
        (["999999999", "1147483648"[:9]], "1114748363"),
        (["0.000000001", "2.14748364"], "2.147483641"),
        (["0.000000001", "3"], None),
    ):
        lines = [f"1-0:1.8.{n}({part}*kWh)" for n, part in enumerate(parts, 1)]
        said = after_another(telegram(*lines))
        assert str(said.get("energy_import_kwh")) == str(total), parts


# --- The longest ---


def longest():
    """Thirteen months, a message of 1024 characters, four sub-meters, a failure log: 4.5 kB."""
    history = "".join(
        f"({closing}01000000W)(25{n % 12 + 1:02}15120000W)({n:02}.123*kW)"
        for n, closing in enumerate([*range(2502, 2513), 2601, 2602])
    )
    failures = "".join(f"(2501{n + 1:02}101500W)({n:010}*s)" for n in range(10))
    lines = [
        "0-0:96.1.4(50221)",
        "0-0:96.1.1(3153414733323030303030303432)",
        "0-0:96.1.2(353431343438383030303030303030303432)",
        "0-0:1.0.0(260330174629S)",
        *(f"1-0:{way}.8.{n}(99999{n}.999*kWh)" for way in (1, 2) for n in (1, 2)),
        "0-0:96.14.0(0001)",
        "1-0:1.4.0(01.880*kW)",
        "1-0:1.6.0(260310204500W)(07.416*kW)",
        f"0-0:98.1.0(13)(1-0:1.6.0)(1-0:1.6.0){history}",
        f"1-0:99.97.0(10)(0-0:96.7.19){failures}",
        *("1-0:1.7.0(00.988*kW)", "1-0:2.7.0(00.000*kW)"),
        *(f"1-0:{c + 20 * n}.7.0(00.31{n}*kW)" for c in (21, 22) for n in range(3)),
        *(f"1-0:{32 + 20 * n}.7.0(234.{n}*V)" for n in range(3)),
        *(f"1-0:{31 + 20 * n}.7.0(001.6{n}*A)" for n in range(3)),
        *(f"1-0:{32 + 20 * n}.{d}.0(0000{n})" for d in (32, 36) for n in range(3)),
        *("0-0:96.3.10(1)", "0-0:17.0.0(99.999*kW)", "1-0:31.4.0(999.99*A)"),
        *(f"0-{n}:96.3.10(0)" for n in range(1, 5)),
        f"0-0:96.13.0({'4F6E646572627265' * 128})",
        "0-0:96.13.1(3031203631203831)",
    ]
    for n, (medium, unit) in enumerate(((3, "m3"), (7, "m3"), (4, "GJ"), (3, "m3")), 1):
        lines += [
            f"0-{n}:24.1.0({medium:03})",
            f"0-{n}:96.1.1(37464C4F32323030303030303{n}34)",
            f"0-{n}:96.1.2(353431343438383030303030303030303{n}34)",
            f"0-{n}:24.4.0(1)",
            f"0-{n}:24.2.3(26033017450{n}S)(0046{n}.041*{unit})",
        ]
    lines += [f"1-0:{n}.99.9(00000000)" for n in range(100, 102)]
    return telegram(*lines)


def test_the_longest_telegram_in_full():
    data = longest()
    assert 4400 < len(data) < 4700
    receiver = Receiver("auto")
    reading = reference.load(receiver.json(data))
    assert reading == reference.reading(data, "auto")
    assert len(reading["power_peak_history"]) == 13 and len(reading["power_failures"]) == 10
    assert len(reading["submeters"]) == 4 and len(reading["message_text"]) == 1024
    assert len(reading["unknown"]) == 2 and not receiver.reading.rejected
    assert reading["gas_m3"] == reference.Number("464.041")


def test_the_longest_telegram_is_the_first_after_power_up():
    """Power comes back anywhere in the one before."""
    data = longest()
    receiver = Receiver("auto")
    expected = receiver.json(data)
    for start in range(1, len(data), 101):
        receiver = Receiver("auto")
        assert receiver.feed(data[start:], data) == [data], start
    assert receiver.json(data) == expected
    assert Reading("auto").size == 0


@needs_micropython
def test_the_longest_telegram_in_micropython(micropython, tmp_path):
    """After each of many beginnings, and in a heap that is small."""
    data = longest()
    stream = tmp_path / "stream"
    starts = range(1, len(data), 11)
    stream.write_bytes(b"".join(data[start:] + data for start in starts))
    printed = micropython("core_json.py", "auto", stream, heap="128k").decode().splitlines()
    assert printed == [f"0 {Receiver('auto').json(data)}"] * len(starts)
