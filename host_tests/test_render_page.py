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
