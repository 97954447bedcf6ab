"""Bytes in, proven telegrams out: whatever else is on the line."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FIXTURE_NAMES, Receiver, fixture, needs_micropython
from make_fixtures import seal
from p1 import crc16
from p1.framer import CAPACITY, CRC, FRAMING, OVERFLOW, Framer

ONE = fixture("be-lower-case-crc")
OTHER = fixture("be-iskra-walloon-first")
UNPADDED = fixture("nl-warmtelink-unpadded-crc")


def cut(data, cuts):
    bounds = [0, *sorted(min(at, len(data)) for at in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def of_length(size):
    """A telegram of this many bytes."""
    frame = len(seal(b"/FLU5\r\n\r\n\r\n"))
    return seal(b"/FLU5\r\n\r\n" + b"0" * (size - frame) + b"\r\n")


# --- Good telegrams ---


@pytest.mark.parametrize("name", FIXTURE_NAMES)
def test_delivers_a_telegram_byte_for_byte(name):
    receiver = Receiver()
    assert receiver.feed(fixture(name)) == [fixture(name)]
    assert receiver.counters == (1, 0, 0, 0)


@given(cuts=st.lists(st.integers(0, 800), max_size=30))
def test_any_chunking(cuts):
    receiver = Receiver()
    assert receiver.feed(*cut(ONE + UNPADDED + OTHER, cuts)) == [ONE, UNPADDED, OTHER]
    assert receiver.counters == (3, 0, 0, 0)


def test_byte_by_byte():
    assert Receiver().feed(*cut(ONE + OTHER, range(800))) == [ONE, OTHER]


def test_only_the_said_part_of_a_chunk_counts():
    receiver = Receiver()
    receiver.framer.feed(ONE + OTHER, len(ONE))
    assert receiver.telegrams == [ONE]


def test_a_telegram_is_delivered_with_the_last_digit_of_its_crc():
    assert Receiver().feed(ONE[:-2]) == [ONE]
    assert Receiver().feed(UNPADDED[:-2]) == [], "here a fourth digit may still come"
    assert Receiver().feed(UNPADDED[:-1]) == [UNPADDED]


def test_crc_in_either_case_and_without_leading_zeros():
    assert ONE[-6:].islower() and UNPADDED[-6:-5] == b"!"
    for form in ("%04X", "%04x", "%X"):
        body = UNPADDED[: UNPADDED.rindex(b"!")]
        assert Receiver().feed(seal(body, form)) == [seal(body, form)]


def test_line_feeds_alone_are_enough():
    lines = ONE[: ONE.rindex(b"!")].replace(b"\r\n", b"\n")
    assert Receiver().feed(seal(lines)[:-2] + b"\n") == [seal(lines)]


def test_stays_as_it_is_until_the_next_good_one():
    receiver = Receiver()
    receiver.feed(ONE, OTHER[:100], ONE.replace(b"00.123", b"00.124"), b"/" * 50)
    assert bytes(receiver.framer.telegram[: receiver.framer.telegram_size]) == ONE


# --- Between them ---

NOISE = st.lists(
    st.sampled_from([b"/", b"!", b"\r\n", b"\n!", b"!1F0", b"/FLU5\r\n", b"\x00", b"\xff"])
    | st.binary(max_size=5)
).map(b"".join)


@given(noise=NOISE, cuts=st.lists(st.integers(0, 800), max_size=5))
def test_byte_soup_costs_neither_neighbour(noise, cuts):
    receiver = Receiver()
    assert receiver.feed(*cut(ONE + noise + OTHER, cuts)) == [ONE, OTHER]


def test_starts_anywhere_in_a_telegram():
    for start in range(1, len(OTHER)):
        receiver = Receiver()
        assert receiver.feed(OTHER[start:] + ONE) == [ONE]
        assert receiver.counters == (1, 0, 0, 0), "what had no beginning is nobody's fault"


def test_a_telegram_that_breaks_off_anywhere_costs_only_itself():
    for end in range(1, len(OTHER) - 2):
        receiver = Receiver()
        assert receiver.feed(OTHER[:end] + ONE) == [ONE]
        assert receiver.counters == (1, 0, 0, 1)
        assert receiver.framer.bad_reason == FRAMING


def test_glued_telegrams():
    assert Receiver().feed(ONE.rstrip() + OTHER.rstrip() + ONE) == [ONE, OTHER, ONE]
    assert Receiver().feed(ONE.rstrip() + UNPADDED.rstrip() + OTHER) == [ONE, OTHER], (
        "an unpadded CRC needs its line end"
    )


def test_an_interrupted_line_forgets_what_was_under_way():
    receiver = Receiver()
    receiver.framer.reset()
    receiver.feed(OTHER[:100])
    receiver.framer.reset()
    receiver.framer.reset()
    assert receiver.feed(OTHER[100:], ONE) == [ONE]
    assert receiver.counters == (1, 0, 0, 1)


# --- Bad telegrams ---


@pytest.mark.parametrize(
    "trailer", [b"!\r\n", b"!\n", b"! 438b\r\n", b"!G38b\r\n", b"!12-4\r\n", b"!-438\r\n"]
)
def test_without_a_crc_it_is_no_telegram(trailer):
    receiver = Receiver()
    assert receiver.feed(ONE[: ONE.rindex(b"!")] + trailer, OTHER) == [OTHER]
    assert receiver.counters == (1, 0, 0, 1)


def test_an_exclamation_mark_ends_a_telegram_at_a_line_start_only():
    telegram = seal(b"/FLU5!1234\r\n\r\n0-0:96.99.0(Hey!00!)\r\n")
    assert Receiver().feed(telegram) == [telegram]


def test_corruption_of_any_byte_is_rejected():
    """test_micropython.py does it with all values. No content behind the last digit."""
    for at in range(len(ONE) - 2):
        for value in {*b"\n/!", ONE[at] ^ 1} - {ONE[at]}:
            receiver = Receiver()
            receiver.feed(ONE[:at] + bytes([value]) + ONE[at + 1 :])
            assert receiver.telegrams == [], (at, value)
            assert receiver.feed(OTHER) == [OTHER], (at, value)


def test_a_wrong_crc_is_counted_and_kept():
    receiver = Receiver()
    wrong = ONE.replace(b"00.123", b"00.124")
    assert receiver.feed(wrong, OTHER) == [OTHER]
    framer = receiver.framer
    assert receiver.counters == (1, 1, 0, 0)
    assert framer.bad_reason == CRC
    assert bytes(framer.bad[: framer.bad_size]) == wrong
    assert framer.bad_crc == crc16.check(wrong[: wrong.rindex(b"!") + 1])


def test_a_telegram_cut_short_is_kept():
    receiver = Receiver()
    receiver.feed(OTHER[:200], ONE)
    assert bytes(receiver.framer.bad[: receiver.framer.bad_size]) == OTHER[:200]


def test_the_longest_telegram_fits_and_one_byte_more_does_not():
    assert Receiver().feed(of_length(CAPACITY)) == [of_length(CAPACITY)]
    receiver = Receiver()
    assert receiver.feed(of_length(CAPACITY + 1), ONE) == [ONE]
    assert receiver.counters == (1, 0, 1, 0)
    assert receiver.framer.bad_reason == OVERFLOW
    assert receiver.framer.bad_size <= CAPACITY


@given(
    lengths=st.lists(st.integers(20, CAPACITY), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 3 * CAPACITY), max_size=5),
)
def test_buffers_grow_and_the_telegram_before_stays_as_it_was(lengths, cuts):
    sent = [of_length(length) for length in lengths]
    kept = []

    def take(buffer, size):
        kept.append((buffer, size))
        for telegram, (buffer, size) in list(zip(sent, kept, strict=False))[-2:]:
            assert buffer[:size] == telegram

    framer = Framer(take)
    for chunk in cut(b"".join(sent), cuts):
        framer.feed(chunk, len(chunk))
    assert framer.good == len(sent)


@given(cuts=st.lists(st.integers(0, 3 * CAPACITY), max_size=5))
def test_an_endless_telegram_is_counted_once_and_the_next_one_read(cuts):
    receiver = Receiver()
    assert receiver.feed(*cut(of_length(2 * CAPACITY) + ONE, cuts)) == [ONE]
    assert receiver.counters == (1, 0, 1, 0)


def test_a_small_buffer_is_never_overrun():
    """The checking pointers raise where a store would leave the buffer."""
    for capacity in range(12, 40):
        for length in range(20, 44):
            receiver = Receiver(capacity=capacity)
            receiver.feed(*cut(of_length(length) + b"/\r\n!12345\r\n", range(0, 60, 7)))
            assert receiver.framer.good == (length <= capacity)


def test_counters_only_grow_and_tell_the_reasons_apart():
    receiver = Receiver()
    wrong = ONE.replace(b"00.123", b"00.124")
    receiver.feed(ONE, wrong, OTHER[:50], ONE, of_length(CAPACITY + 9), wrong, b"/\n!\n", OTHER)
    assert receiver.counters == (3, 2, 1, 2)


# --- Meters of DSMR 2 and 3, which print no CRC ---


def test_where_there_is_no_crc_a_bare_mark_ends_a_telegram():
    bare = ONE[: ONE.rindex(b"!") + 1] + b"\r\n"
    receiver = Receiver(has_crc=False)
    assert receiver.feed(OTHER[9:], bare, bare[:50], bare) == [bare, bare]
    assert receiver.counters == (2, 0, 0, 1)


@given(cuts=st.lists(st.integers(0, 800), max_size=10))
def test_without_a_crc_any_chunking(cuts):
    bare = OTHER[: OTHER.rindex(b"!") + 1] + b"\r\n"
    assert Receiver(has_crc=False).feed(*cut(bare + bare, cuts)) == [bare, bare]


# --- On the device ---


@needs_micropython
def test_no_allocation_whatever_comes(micropython, tmp_path):
    bad = [ONE.replace(b"00.123", b"00.124"), OTHER[:99], of_length(CAPACITY + 1), b"\n!/\n!1\n"]
    stream = tmp_path / "stream"
    stream.write_bytes(OTHER.join([b"", *bad, UNPADDED]) + fixture("be-seed"))
    counters = micropython("core_chunks.py", stream, stream).split()
    assert [int(counter) for counter in counters] == [3 * 7, 3 * 2, 3 * 1, 3 * 1]


@needs_micropython
def test_without_memory_for_a_long_telegram_the_next_one_is_read(micropython, tmp_path):
    stream = tmp_path / "stream"
    stream.write_bytes(of_length(3000) + ONE)
    before = tmp_path / "before"
    before.write_bytes(ONE + ONE[:50] + ONE)
    counters = micropython("core_chunks.py", before, stream).split()
    assert [int(counter) for counter in counters] == [3, 0, 3, 0]


def test_where_there_is_no_room_a_long_telegram_is_too_long_and_usual_ones_are_read():
    delivered, asked = [], []

    def has_room(size):
        asked.append(size)
        return False

    framer = Framer(lambda buffer, size: delivered.append(bytes(buffer[:size])), has_room=has_room)
    usual = of_length(1500)
    for text in (usual, of_length(4000), usual, usual):
        framer.feed(text, len(text))
    assert delivered == [usual] * 3
    assert framer.overflow == 1 and asked
    assert max(len(framer.telegram), len(framer.bad), len(framer._filling)) <= 2048
