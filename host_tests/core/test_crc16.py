"""CRC-16/ARC against published vectors and against fastcrc's."""

from itertools import pairwise

import fastcrc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import found_telegrams, needs_telegrams
from p1 import crc16

PRINTED = {
    "BE-domoticz-1.txt": 0x0F77,
    "BE-dsmrparser-1.txt": 0x3AD7,
    "BE-dsmrparser-2.txt": 0xC4B0,
    "BE-rewiskra-1.txt": 0x6690,
    "LU-athombspec-1.txt": 0x8B52,
    "NL-dsmrparser-1.txt": 0x6EEE,
    "NL-dsmrparser-2.txt": 0x56DD,
    "NL-warmtelink-1.txt": 0x0B9F,
    "HU-dsmrparser-1.txt": 0x99DA,
    "AT-dsmrparser-1.txt": 0x7EF9,
}


def test_check_value():
    assert crc16.check(b"123456789") == 0xBB3D
    assert crc16.check(b"") == 0


@needs_telegrams
@pytest.mark.parametrize("found", found_telegrams("OK"), ids=str)
def test_vectors_from_real_meters(found):
    covered, printed = found.data.rsplit(b"!", 1)
    assert crc16.check(covered + b"!") == int(printed, 16)


@needs_telegrams
@pytest.mark.parametrize("name, crc", PRINTED.items())
def test_vectors_copied_from_real_meters(name, crc):
    """What those print, kept here apart from how the test above reads it."""
    [data] = [found.data for found in found_telegrams("OK") if found.name == name]
    assert crc16.check(data[: data.rindex(b"!") + 1]) == crc


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_any_chunking_gives_what_fastcrc_gives(data, cuts):
    crc = 0
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(bounds):
        crc = crc16.update(data, crc, start, end)
    assert crc == fastcrc.crc16.arc(data)


def test_every_start_and_every_length():
    data = bytearray(range(0xF0, 0x100)) + b"/FLU5"
    for start in range(len(data) + 1):
        for end in range(start, len(data) + 1):
            assert crc16.update(data, 0, start, end) == fastcrc.crc16.arc(bytes(data[start:end]))


@given(crc=st.integers(0, 0xFFFF), data=st.binary(min_size=1, max_size=9))
def test_continues_from_any_register(crc, data):
    assert crc16.update(data, crc, 0, len(data)) == fastcrc.crc16.arc(data, crc)


@pytest.mark.parametrize("start, end", [(0, 5), (0, 8), (1, 5), (3, 6), (4, 5), (-1, 3), (-2, 2)])
def test_the_checking_pointer_raises_outside(start, end):
    with pytest.raises(IndexError):
        crc16.update(b"1234", 0, start, end)
