"""The quick stand-in of `micropython`, which `decode` has, gives what the checking one gives."""

import subprocess
import sys
from array import array
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

import rig
from p1 import crc16, framer, obis
from p1.decode import decode
from p1.reading import Reading
from p1.render import numbers, page
from p1.render.json import Json

sys.path.append(str(rig.ROOT / "tools" / "cpython" / "quick"))
import twins

_TEXT = st.binary(max_size=40)
_LINES = st.text("/!a\n", max_size=40).map(str.encode)


def _slice(data, text):
    start = data.draw(st.integers(0, len(text)))
    return start, data.draw(st.integers(start, len(text)))


@given(st.data(), _TEXT, st.integers(0, 0xFFFF))
def test_crc(data, text, crc):
    start, end = _slice(data, text)
    assert twins.crc16_update(text, crc, start, end) == crc16.update(text, crc, start, end)


@given(st.data(), _LINES)
def test_next_mark(data, text):
    arguments = (text, framer._MARKS, *_slice(data, text))
    assert twins.framer_next_mark(*arguments) == framer._next_mark(*arguments)


@given(st.data(), _TEXT)
def test_copies(data, text):
    start, end = _slice(data, text)
    for twin, plain, order in (
        (twins.framer_copy, framer._copy, lambda out: (out, text, 3, start, end)),
        (twins.page_copy, page._copy, lambda out: (out, 3, text, start, end)),
    ):
        ours, theirs = bytearray(50), bytearray(50)
        twin(*order(ours))
        plain(*order(theirs))
        assert ours == theirs


_PLACES = st.sampled_from([255, *range(10), 64, 67, 64 | 32 | 9, 32 | 3])
_NUMBERS = st.lists(st.integers(0, 2**31 - 1), min_size=obis.ROWS, max_size=obis.ROWS)


def _writing(functions, data_of_page):
    """What these two functions of numbers.py leave behind, for a Reading and the one after it."""
    write, update = functions
    readings, size = data_of_page
    page = SimpleNamespace(bytes=bytearray(8192), size=size)
    written = numbers.Written(obis.FIRST_NUMBER, obis.ROWS - obis.FIRST_NUMBER, obis.NUMBER_KEYS)
    facts = []
    for reading in readings:
        if not facts or not update(page, reading, written):
            facts.append(write(page, reading, obis, written))
        facts += [bytes(page.bytes), *written.shown, *written.shown_decimals, *written.ends]
    return facts


@given(
    st.lists(st.tuples(st.integers(0, obis.ROWS - 1), st.integers(0, 2**31 - 1)), max_size=9),
    _NUMBERS,
    st.lists(_PLACES, min_size=obis.ROWS, max_size=obis.ROWS),
    st.integers(1, 9),
)
def test_numbers(changes, mantissas, decimals, size):
    first = SimpleNamespace(mantissa=array("i", mantissas), decimals=bytearray(decimals))
    second = SimpleNamespace(mantissa=array("i", mantissas), decimals=first.decimals)
    for row, mantissa in changes:
        second.mantissa[row] = mantissa
    of_page = ([first, second, first], size)
    quick = (
        lambda *all_: twins.numbers_write_numbers(None, None, *all_),
        lambda page, *all_: twins.numbers_update_numbers(page.bytes, 0, *all_),
    )
    checked = (numbers.write_numbers, numbers.update_numbers)
    assert _writing(quick, of_page) == _writing(checked, of_page)


def test_whole_telegrams():
    """In an interpreter of its own, because the builtins are the quick ones there."""
    files = sorted(map(str, rig.ROOT.glob("host_tests/fixtures/*.txt")))
    command = [sys.executable, str(rig.ROOT / "tools" / "decode.py"), *files]
    quick = subprocess.run(command, capture_output=True, text=True).stdout
    assert quick.splitlines() == [document for file in files for document in _documents(file)]


def _documents(file):
    reading, json, found = Reading(), Json(), []

    def take(telegram, size):
        decode(telegram, size, reading)
        one = json.render(reading)
        found.append(bytes(one.bytes[: one.size]).decode())

    with open(file, "rb") as lines:
        reader = framer.Framer(take)
        for line in lines:
            reader.feed(line, len(line))
    return found
