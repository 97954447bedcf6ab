"""The page that all documents are written on: up to its last byte, and not one further."""

import pytest

from p1.render.page import Full, Page

BEHIND = 8  # bytes behind the limit, which stay as they are

# What is written, and how long that is.
WAYS = {
    "byte": (lambda page: page.byte(0x41), 1),
    "put": (lambda page: page.put(b"abcde"), 5),
    "copy": (lambda page: page.copy(b"xabcdex", 1, 6), 5),
    "plain text": (lambda page: page.string("abc"), 5),
    "a quote": (lambda page: page.string('"'), 4),
    "a control": (lambda page: page.string("\n"), 8),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("missing", [0, 1])
def test_to_the_last_byte_and_no_further(way, missing):
    write, length = WAYS[way]
    page = Page(length + BEHIND)
    page.limit = length - missing
    page.bytes[:] = b"\xaa" * len(page.bytes)
    if missing:
        with pytest.raises(Full):
            write(page)
        assert page.size <= page.limit
    else:
        write(page)
        assert page.size == length
    assert bytes(page.bytes[page.limit :]) == b"\xaa" * (len(page.bytes) - page.limit)


def test_it_grows_by_steps_as_far_as_there_is_room():
    asked = []

    def has_room(size):
        asked.append(size)
        return size <= 10 + 512

    page = Page(256, head=10, most=700, has_room=has_room)
    page.put(b"x" * 256)
    assert page.grow()
    page.put(b"y" * 256)
    assert not page.grow()
    assert asked == [10 + 512, 10 + 700], "with its head"
    assert bytes(page.bytes) == b"x" * 256 + b"y" * 256


def test_it_grows_up_to_the_most():
    page = Page(256, most=600)
    assert page.grow() and page.grow() and not page.grow()
    assert len(page.bytes) == 600
