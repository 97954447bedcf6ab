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
from p1.render import page
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


def _twin(onto, numbers, keys):
    return twins.page_write_numbers(None, None, onto, numbers, keys)


_PLACES = st.sampled_from([255, *range(10), 64, 67, 64 | 32 | 9, 32 | 3])


@given(st.data(), st.integers(0, 9))
def test_numbers(data, size):
    some = st.integers(0, 2**31 - 1)
    numbers = SimpleNamespace(
        mantissa=array("i", data.draw(st.lists(some, min_size=obis.ROWS, max_size=obis.ROWS))),
        decimals=bytearray(data.draw(st.lists(_PLACES, min_size=obis.ROWS, max_size=obis.ROWS))),
    )
    pages = [SimpleNamespace(bytes=bytearray(8192), size=size) for _ in range(2)]
    ends = [
        write(one, numbers, obis)
        for write, one in zip((_twin, page.write_numbers), pages, strict=True)
    ]
    assert ends[0] == ends[1]
    assert pages[0].bytes == pages[1].bytes


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
        found.append(one.bytes[: one.size].decode())

    with open(file, "rb") as lines:
        reader = framer.Framer(take)
        for line in lines:
            reader.feed(line, len(line))
    return found
