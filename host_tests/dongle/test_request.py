"""The head of a request: what two programs could read in two ways is refused, and of the rest
another parser, h11, makes the same."""

import asyncio
import json

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dongle import room
from dongle.http.body import Body
from dongle.http.request import Refused, Request, read_head

HOST = b"Host: 192.168.1.5\r\n"


def parse(data):
    """The Request, or the status with which it is refused."""
    head = bytearray(data)
    try:
        return Request(head, data.index(b"\r\n\r\n") + 4)
    except Refused as refused:
        return refused.args[0]


# --- What is refused, each in a request that is fine otherwise ---

LINES = [  # instead of a line of a POST to /config with two bytes of body
    b"Content-Length: 2\r\nContent-Length: 2\r\n",
    b"Content-Length: 2\r\nContent-Length: 5\r\n",
    b"Content-Length: 2\r\ncontent-length: 2\r\n",
    b"Content-Length: 2, 2\r\n",
    b"Content-Length: +2\r\n",
    b"Content-Length: -2\r\n",
    b"Content-Length: 0x2\r\n",
    b"Content-Length: 2.0\r\n",
    b"Content-Length: 2 2\r\n",
    b"Content-Length: 2;\r\n",
    b"Content-Length: \r\n",
    b"Content-Length:\r\n",
    b"Content-Length : 2\r\n",
    b"Content-Length\t: 2\r\n",
    b"Content-Length 2\r\n",
    b" Content-Length: 2\r\n",
    b"\tContent-Length: 2\r\n",
    b"Content\r\n-Length: 2\r\n",
    b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding:\r\n",
    b"transfer-encoding: CHUNKED\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding\r\n : chunked\r\n",
    b"X: y\r\n Transfer-Encoding: chunked\r\n",  # obs-fold
    b"X: y\r\n\tz\r\n",
    b"X: y\nTransfer-Encoding: chunked\r\n",  # LF alone
    b"X: y\n\r\n",
    b"X: y\rContent-Length: 2\r\n",  # CR alone
    b"X: y\r\r\n",
    b"X: a\x00b\r\n",
    b"X\x00: b\r\n",
    b"X: a\x0bb\r\n",
    b"X: a\x7fb\r\n",
    b"X: caf\xc3\xa9\r\n",
    b"X: \xff\r\n",
    b"X\xe9: y\r\n",
    b"X: y\r\n\x85: z\r\n",
    b"no colon\r\n",
    b": no name\r\n",
    b"Host: 192.168.1.6\r\n",  # two of them
    b"host: 192.168.1.5\r\n",
    b"HOST:\r\n",
]
REQUEST_LINES = [
    b"POST /config HTTP/1.1",
    b"POST  /config HTTP/1.1",
    b"POST /config  HTTP/1.1",
    b" POST /config HTTP/1.1",
    b"POST /config HTTP/1.1 ",
    b"POST\t/config\tHTTP/1.1",
    b"POST /config\tHTTP/1.1",
    b"POST /con\x00fig HTTP/1.1",
    b"POST /con\rfig HTTP/1.1",
    b"POST /con\nfig HTTP/1.1",
    b"POST /caf\xc3\xa9 HTTP/1.1",
    b"POST /config",
    b"POST config HTTP/1.1",
    b"POST http://192.168.1.5/config HTTP/1.1",
    b"POST 192.168.1.5:80 HTTP/1.1",
    b"POST * HTTP/1.1",
    b"POST /config http/1.1",
    b"POST /config XHTTP/1.1",
    b" /config HTTP/1.1",
    b"",
]


@pytest.mark.parametrize("line", LINES)
def test_ambiguous_headers(line):
    around = [HOST + line, line + HOST, HOST + b"A: b\r\n" + line + b"C: d\r\n"]
    for lines in around:
        assert parse(b"POST /config HTTP/1.1\r\n" + lines + b"\r\n") == 400
    assert parse(b"POST /config HTTP/1.1\r\n" + HOST + b"\r\n").left == 0


@pytest.mark.parametrize("length", [b"2147483648", b"4294967298", b"9" * 20, b"1" + b"0" * 400])
def test_a_length_that_is_no_index_on_32_bits_is_an_answer(length):
    head = b"POST /update HTTP/1.1\r\n" + HOST + b"Content-Length: " + length + b"\r\n\r\n"
    assert parse(head) == 413


@pytest.mark.parametrize("line", REQUEST_LINES[1:])
def test_ambiguous_request_lines(line):
    assert parse(line + b"\r\n" + HOST + b"\r\n") == 400
    assert parse(REQUEST_LINES[0] + b"\r\n" + HOST + b"\r\n").path == b"/config"


@pytest.mark.parametrize(
    "version, status",
    [
        (version, 505)
        for version in (
            b"HTTP/2.0",
            b"HTTP/1.2",
            b"HTTP/1.10",
            b"HTTP/0.9",
            b"HTTP/",
            b"HTTP/HTTP/1.1",
        )
    ],
)
def test_other_versions(version, status):
    assert parse(b"GET / " + version + b"\r\n" + HOST + b"\r\n") == status


def test_host_is_needed_since_1_1():
    assert parse(b"GET / HTTP/1.1\r\n\r\n") == 400
    assert parse(b"GET / HTTP/1.0\r\n\r\n").host is None


def test_what_is_taken():
    request = parse(
        b"HEAD /reading?a=b HTTP/1.1\r\nhOsT:192.168.1.5:80\r\nX-Y:  \t a b\tc \t\r\n"
        b"Content-Length: 007\r\nEmpty:\r\n\r\nbody"
    )
    assert (request.method, request.path, request.left) == (b"GET", b"/reading", 7)
    assert request.host == b"192.168.1.5:80"
    assert request.header(b"x-y") == b"a b\tc"
    assert request.header(b"empty") == b""
    assert request.header(b"body") is None
    assert request.header(b"x") is None and request.header(b"y") is None


def test_a_header_in_a_value_or_in_the_body_is_none():
    request = parse(
        b"POST / HTTP/1.0\r\nX: content-length:5\r\nY: \r\n\r\nHost: evil.com\r\nX: y\r\n\r\n"
    )
    assert request.left == 0 and request.host is None


# --- What the dongle is called ---

NAMES = [b"localhost", b"p1meter-00002a", b"p1.lan"]
OURS = [
    b"192.168.1.5",
    b"192.168.1.5:8080",
    b"127.0.0.1:",
    b"[::1]",
    b"[fe80::12:3456]:80",
    b"[::ffff:192.168.1.5]:80",
    b"localhost",
    b"LocalHost:80",
    b"p1meter-00002a",
    b"P1Meter-00002A.local:80",
    b"p1meter-00002a.LOCAL",
    b"p1.lan",
    b"P1.LAN:81",
]
THEIRS = [
    b"evil.com",
    b"evil.com:80",
    b"192.168.1.5.evil.com",
    b"192.168.1.5.xip.io",
    b"evil.com.",
    b"p1meter-00002a.evil.com",
    b"p1meter-00002a.local.evil.com",
    b"evil-p1meter-00002a",
    b"p1meter-00002b.local",
    b"x.local",
    b"local",
    b".local",
    b"",
    b":80",
    b"a.p1.lan",
    b"localhost.evil.com",
    b"192.168.1.5@evil.com",
    b"evil.com#192.168.1.5",
    b"evil.com/192.168.1.5",
    b"[evil.com]",
    b"a1",
    b"1a.1a",
]


@pytest.mark.parametrize("host", OURS)
def test_a_name_of_its_own(host):
    assert parse(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").is_for(NAMES)


@pytest.mark.parametrize("host", THEIRS)
def test_a_name_of_somebody_elses(host):
    assert not parse(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").is_for(NAMES)


def test_no_name_at_all():
    assert parse(b"GET / HTTP/1.0\r\n\r\n").is_for(NAMES)


@given(st.from_regex(rb"\A[a-z0-9-]{1,9}(\.[a-z0-9-]{1,9}){0,3}\.[a-z]{2,9}\Z"))
def test_any_other_domain(host):
    known = host.removesuffix(b".local") in NAMES
    assert parse(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").is_for(NAMES) == known


# --- Against another parser ---

tokens = st.from_regex(rb"\A[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}\Z")
names = tokens | st.sampled_from(
    [b"Host", b"Content-Length", b"Transfer-Encoding", b"content-length", b"HOST", b"Expect"]
)
values = st.binary(max_size=12) | st.sampled_from(
    [b" 5", b"5", b" 0", b"chunked", b" 192.168.1.5", b"\t5 ", b"5,5", b""]
)
ends = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\n ", b"\r\n\t", b" \r\n", b""])
colons = st.sampled_from([b":"] * 12 + [b" :", b": ", b"", b"::", b"\t:"])
header_lines = st.tuples(names, colons, values, ends).map(b"".join)
request_lines = st.tuples(
    tokens | st.sampled_from([b"GET", b"POST", b"HEAD"]),
    st.sampled_from([b" "] * 9 + [b"  ", b"\t"]),
    st.sampled_from([b"/", b"/config?x=y", b"/%00", b"*", b"http://a/"]) | st.binary(max_size=9),
    st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b" HTTP/1.1", b" HTTP/2.0", b""]),
    st.sampled_from([b"\r\n"] * 9 + [b"\n", b"\r"]),
).map(b"".join)
heads = st.tuples(
    request_lines, st.just(HOST) | st.just(b""), st.lists(header_lines, max_size=5).map(b"".join)
).map(lambda parts: b"".join(parts) + b"\r\n\r\n")
damaged = st.tuples(heads, st.integers(0, 200), st.binary(max_size=3)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
)


@given(heads | damaged)
@example(b"POST /config HTTP/1.1\r\nHost: 192.168.1.5\r\nContent-Length: 5\r\n\r\n")
def test_what_is_taken_another_parser_reads_alike(data):
    data += b"\r\n\r\n"
    data = data[: data.index(b"\r\n\r\n") + 4]
    request = parse(data)
    if isinstance(request, int):
        return
    theirs = h11.Connection(h11.SERVER)
    theirs.receive_data(data)
    event = theirs.next_event()
    assert isinstance(event, h11.Request), "it does not wait for more either"
    method = b"GET" if event.method == b"HEAD" else event.method
    assert (request.method, request.path) == (method, event.target.split(b"?")[0])
    headers = dict(event.headers)
    assert request.left == int(headers.get(b"content-length", 0))
    assert b"transfer-encoding" not in headers
    assert request.host == headers.get(b"host")
    for name, value in headers.items():
        if [other for other, _ in event.headers].count(name) == 1:
            assert request.header(name) == value


# --- Reading it ---


class Stream:
    """Brings these pieces; None stands for a moment without any."""

    def __init__(self, *pieces):
        self.pieces, self.written = list(pieces), b""

    async def readinto(self, view):
        if not self.pieces:
            return 0
        piece = self.pieces.pop(0)
        if piece is None:
            return None
        count = min(len(piece), len(view))
        view[:count] = piece[:count]
        if count < len(piece):
            self.pieces.insert(0, piece[count:])
        return count

    def write(self, data):
        self.written += data

    async def drain(self):
        pass


def read(*pieces, space=64):
    head = bytearray(space)
    stream = Stream(*pieces)
    end, size = asyncio.run(read_head(stream, head))
    return bytes(head[:end]), bytes(head[end:size]) if end else b"", stream


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_head_in_any_pieces(first, second):
    data = b"GET / HTTP/1.0\r\nX: y\r\n\r\nthe body"
    cuts = sorted((min(first, len(data)), min(second, len(data))))
    pieces = [data[: cuts[0]], None, data[cuts[0] : cuts[1]], data[cuts[1] :]]
    head, begun, _ = read(*[piece for piece in pieces if piece is None or piece])
    assert head == b"GET / HTTP/1.0\r\nX: y\r\n\r\n"
    assert data.startswith(head + begun)


def test_a_head_that_is_too_long_or_never_ends():
    with pytest.raises(Refused) as refused:
        read(b"GET / HTTP/1.0\r\n" + b"x" * 60)
    assert refused.value.args[0] == 431
    assert read(b"GET / HTTP/1.0\r\n")[0] == b""
    assert read()[0] == b""


def body_of(length, begun, *pieces, expect=b""):
    data = b"POST / HTTP/1.1\r\n" + HOST + expect + b"Content-Length: %d\r\n\r\n" % length
    stream = Stream(*pieces)
    return Body(stream, parse(data), memoryview(begun)), stream


def content(stream):
    """All of it, a few bytes at a time."""
    data, buffer = b"", bytearray(5)
    while count := stream.readinto(buffer):
        data += buffer[:count]
    return data


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """CPython does not tell how much there is."""
    monkeypatch.setattr(room, "has", lambda size: True)


@pytest.mark.parametrize(
    "begun, pieces",
    [
        (b"the body", ()),
        (b"the bodyand more", ()),
        (b"", (b"the body",)),
        (b"the", (b" b", None, b"ody")),
        (b"t", (b"he bodyand more",)),
    ],
)
def test_a_body_in_any_pieces(begun, pieces):
    body, _ = body_of(8, begun, *pieces)
    assert content(asyncio.run(body.whole())) == b"the body"

    async def by_threes():
        body, _ = body_of(8, begun, *pieces)
        got, buffer = b"", bytearray(3)
        while count := await body.readinto(buffer):
            got += buffer[:count]
        assert await body.readinto(buffer) == 0
        return got

    assert asyncio.run(by_threes()) == b"the body"


@pytest.mark.parametrize("length", [1, 255, 256, 257, 700])
@pytest.mark.parametrize("character", ["a", "é", "€", "\N{ELECTRIC PLUG}"])
@pytest.mark.parametrize("offset", range(4))
def test_a_long_body_may_be_cut_within_a_character(length, character, offset):
    data = b"x" * offset + character.encode() * length
    body, _ = body_of(len(data), data[:7], data[7:])
    assert content(asyncio.run(body.whole())) == data


@pytest.mark.parametrize("end", [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\x80"])
@pytest.mark.parametrize("start", [b"", b"x" * 255, b"x" * 256, b"x" * 300])
def test_a_body_that_is_no_utf8(start, end):
    data = start + end
    body, _ = body_of(len(data), b"", data)
    stream = asyncio.run(body.whole())
    with pytest.raises(ValueError):
        json.loads(content(stream))


def test_a_body_that_ends_too_early():
    body, _ = body_of(8, b"the", b" b")
    with pytest.raises(EOFError):
        asyncio.run(body.whole())


@pytest.mark.parametrize(
    "expect, told",
    [(b"", b""), (b"Expect: 100-continue\r\n", b"HTTP/1.1 100 Continue\r\n\r\n")],
)
def test_who_waits_to_be_told_is_told(expect, told):
    body, stream = body_of(8, b"", expect=expect)
    asyncio.run(body.go_on())
    assert stream.written == told
