"""What a hostile or broken HTTP client does to the dongle: it costs that client, nobody else."""

import json
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from itertools import pairwise

import pytest

from codes import is_error
from household import PATIENCE_S, Household, Listener, needs_micropython, wait_for
from worlds import is_undisturbed, told_by

pytestmark = needs_micropython

REQUEST = b"GET /reading HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLIENTS = 3  # that are served at once
DEADLINE_S = 5  # for an exchange


@pytest.fixture(scope="module")
def listener_and_home(tmp_path_factory):
    with ExitStack() as stack:
        home = stack.enter_context(Household(tmp_path_factory.mktemp("home")))
        listener = Listener(home.mqtt_port)
        stack.callback(listener.stop)
        home.wait_until_connected()
        home.wait_until_reading()
        yield listener, home


@pytest.fixture
def home(listener_and_home):
    """The dongle, which must be as well afterwards as before."""
    home = listener_and_home[1]
    yield home
    assert home.wait_until_reading()
    assert home.health()["task_failures"] == {}


def answer_to(home, data: bytes, half_close: bool = False) -> tuple[int, dict]:
    """(status, JSON body) of what comes back; (0, {}) where nothing does."""
    with home.connect() as client:
        client.sendall(data)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return answer_on(client)


def answer_on(client) -> tuple[int, dict]:
    with client.makefile("rb") as file:
        status = file.readline()
        if not status:
            return 0, {}
        headers = dict(line.rstrip().split(b": ", 1) for line in iter(file.readline, b"\r\n"))
        body = file.read(int(headers[b"Content-Length"]))
        return int(status.split()[1]), json.loads(body)


def test_an_endless_request_line(home):
    with home.connect() as client:
        client.sendall(b"GET /")

        def is_hung_up_on():
            try:
                return not client.send(b"a" * 1000)
            except OSError:
                return True

        wait_for(is_hung_up_on, "it hangs up")
    assert answer_to(home, b"GET /" + b"a" * 1100)[0] == 431


def test_an_endless_head(home):
    status, body = answer_to(home, b"GET /reading HTTP/1.1\r\n" + b"X-Filler: abc\r\n" * 100)
    assert status == 431
    assert "1024" in body["error"]


def test_the_longest_head_that_is_taken(home):
    filler = b"X: " + b"a" * (1024 - len(REQUEST) - 5) + b"\r\n"
    request = REQUEST[:-2] + filler + b"\r\n"
    assert len(request) == 1024
    assert answer_to(home, request)[0] == 200
    assert answer_to(home, b"X" + request)[0] == 431


def test_a_request_split_byte_by_byte(home):
    with home.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(REQUEST)):
            client.send(REQUEST[at : at + 1])
            if at < len(REQUEST) - 1:  # then it answers and hangs up
                home.wait_until_taken(client)
        status, body = answer_on(client)
    assert status == 200 and "timestamp" in body


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"hello\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /reading\r\n\r\n", 400),
        (b"GET reading HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET http://dongle/reading HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"GET /reading HTTP/2.0\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /\xff\xfe\x00 HTTP/1.0\r\n\r\n", 400),
        (b"GET /nothing HTTP/1.0\r\n\r\n", 404),
        (b"GET /reading HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /reading HTTP/1.0\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET /reading HTTP/1.0\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /reading HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"POST /reading HTTP/1.0\r\nContent-Length: 2049\r\n\r\n", 413),
        (b"POST /reading HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.0\r\nContent-Length: 9999999\r\n\r\n" + 5_000 * b"body", 413),
    ],
)
def test_what_is_no_proper_request_gets_its_error(home, request_, status):
    got, body = answer_to(home, request_)
    assert got == status
    assert is_error(body)


def test_binary_junk_is_refused_as_soon_as_it_is_too_much(home):
    assert answer_to(home, os.urandom(3000).replace(b"\n", b"x"))[0] == 431


def test_half_closed_by_the_client(home):
    assert answer_to(home, REQUEST, half_close=True)[0] == 200
    # Half a request and no more to come: there is nothing to answer, nor anything to refuse.
    refused = home.health()["http"]["refused"]
    assert answer_to(home, REQUEST[:-2], half_close=True) == (0, {})
    assert home.health()["http"]["refused"] == refused


def close_at_once(home):
    home.connect().close()


def reset_at_once(home, sent: bytes = REQUEST):
    with home.connect() as client:
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_clients_that_leave_at_once(home):
    before = home.descriptors_at_rest()
    for _ in range(30):
        close_at_once(home)
        reset_at_once(home)
        reset_at_once(home, REQUEST[:10])
        home.health()  # so that not every one of them waits to be accepted
    wait_for(lambda: home.descriptors() <= before, "all of them are closed")
    assert home.get("/reading").is_success


def drip(home, client):
    """A request that never ends, until it is hung up on."""

    def is_hung_up_on():
        try:
            client.send(b"G")
            return client.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    client.setblocking(False)
    wait_for(is_hung_up_on, "it is hung up on")


def test_too_many_clients_and_slow_ones(home):
    """As many as it serves at once dawdle, and with three on TCP nine of the ten sockets of an
    ESP32 are taken; whoever comes then is told so, and served later."""
    refused = home.health()["http"]["refused"]
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as pool:
        before = home.descriptors_at_rest()
        for _ in range(3):
            stack.enter_context(home.connect(home.tcp_port))
        clients = [stack.enter_context(home.connect()) for _ in range(CLIENTS)]
        slow = [pool.submit(drip, home, client) for client in clients]
        # Unless they have left before it has come: on a slow machine they come again.
        answer = wait_for(lambda: refused_by(home, slow, clients, pool, stack), "no place is left")
        assert "too many" in answer.json()["error"]
        assert answer.json()["code"] == "too_many_clients"
        wait_for(lambda: home.get("/reading").is_success, "somebody is free")
        for future in slow:
            future.result()
    wait_for(lambda: home.descriptors() <= before, "all of them are closed")
    assert home.health()["http"]["refused"] > refused


def refused_by(home, slow, clients, pool, stack):
    """The answer of who is turned away, None of who is served."""
    for at, future in enumerate(slow):
        if future.done():
            clients[at] = stack.enter_context(home.connect())
            slow[at] = pool.submit(drip, home, clients[at])
    answer = home.get("/reading")
    return answer if answer.status_code == 503 else None


world_told = told_by("world_clients.py")

# --- For how long, on a clock that waits for nobody ---


@pytest.mark.slow
@pytest.mark.parametrize("story", ["drips", "says_nothing", "takes_no_answer"])
def test_a_slow_client_is_put_up_with_for_five_seconds(world_told, story):
    facts = world_told(story)
    is_undisturbed(facts)
    for took_ms in facts["took_ms"]:
        assert 1_000 * DEADLINE_S <= took_ms < 1_000 * DEADLINE_S + 1_500
    assert facts["meanwhile"][0] == 503 and "too many" in facts["meanwhile"][1]


@pytest.mark.slow
def test_an_endless_request_is_answered_and_listened_to_for_a_second(world_told):
    facts = world_told("endless_line")
    is_undisturbed(facts)
    assert all(" 431 " in heard for heard in facts["heard"])
    assert max(facts["took_ms"]) < 3_000


def test_more_clients_than_there_are_sockets(home):
    before = home.descriptors_at_rest()
    with ExitStack() as stack:
        for _ in range(16):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", home.http_port))
        wait_for(lambda: home.descriptors() >= before + CLIENTS, "it takes what it can")
    wait_for(lambda: home.get("/reading").is_success, "served when they have left")
    wait_for(lambda: home.descriptors() <= before, "all of them are closed")


def narrow_connection(home):
    """A connection on which little is under way at once: what the client does not take, the dongle
    cannot get rid of."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    client.settimeout(PATIENCE_S)
    client.connect(("127.0.0.1", home.http_port))
    return client


def taken(client) -> int:
    """How many bytes there are until the dongle hangs up."""
    count = 0
    try:
        while piece := client.recv(65536):
            count += len(piece)
    except ConnectionError:
        pass
    return count


def test_clients_that_take_no_answer(home):
    """They keep their places until they are hung up on in the middle of their answers."""
    page = len(home.get("/").content)
    before = home.descriptors_at_rest()
    with ExitStack() as stack:
        clients = [stack.enter_context(narrow_connection(home)) for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(REQUEST.replace(b"/reading", b"/"))
        wait_for(lambda: home.get("/reading").status_code == 503, "they have all the places")
        wait_for(lambda: home.get("/reading").is_success, "others are served")
        wait_for(lambda: home.descriptors() <= before, "all of them are closed")
        counts = [taken(client) for client in clients]
    # The page goes to one at a time; the others have waited for him.
    assert max(counts) < page and any(counts), (counts, page)


@pytest.mark.slow
def test_two_hundred_quick_requests(home):
    paths = ("/reading", "/telegram", "/health", "/")
    assert [home.get(paths[number % 4]).status_code for number in range(200)] == [200] * 200


def test_ten_busy_clients_at_once(home):
    def five(number):
        for _ in range(5):  # it serves fewer at once, but nobody is left out for good
            wait_for(lambda: home.get("/reading").is_success, "its turn")
        return number

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(five, range(10))) == list(range(10))


def abuse(home):
    """A bit of everything that is quick."""
    close_at_once(home)
    reset_at_once(home)
    for request in (
        REQUEST,
        b"GET /nothing HTTP/1.0\r\n\r\n",
        b"GET /" + b"a" * 1100,
        b"POST /reading HTTP/1.0\r\nContent-Length: 5000\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
    ):
        with home.connect() as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(65536)


def live_memory(home) -> int:
    """What is in use right after a collection, of which it looks at two."""
    seen = []

    def after_collections():
        seen.extend(home.health()["memory"]["used"] for _ in range(20))
        return [late for early, late in pairwise(seen) if late < early]

    wait_for(lambda: len(after_collections()) >= 2, "two collections")
    return min(after_collections())


@pytest.mark.slow
def test_abuse_leaves_neither_memory_nor_descriptors_behind(home):
    abuse(home)  # whatever is made once is there now
    descriptors = home.descriptors_at_rest()
    memory = live_memory(home)
    for _ in range(20):
        abuse(home)
    wait_for(lambda: home.descriptors() <= descriptors, "no descriptor is left over")
    grown = live_memory(home) - memory
    print(f"{grown} bytes more after 160 requests, {memory} before; {descriptors} descriptors")
    assert grown < 10_000  # 60 bytes a request


def test_all_the_while_there_were_readings(listener_and_home):
    listener, home = listener_and_home
    wait_for(lambda: len(listener.heard("/reading")) > 5, "readings")
    stamps = [json.loads(message.payload)["timestamp"] for message in listener.heard("/reading")]
    moments = [datetime.fromisoformat(stamp) for stamp in stamps]
    gaps = [(late - early).total_seconds() for early, late in pairwise(moments)]
    # That each second has its reading while others do harm: is_undisturbed() of worlds.py.
    assert len(gaps) >= 5 and min(gaps) >= 1
    health = home.health()
    assert health["telegrams"]["crc"] == health["telegrams"]["overflow"] == 0
    assert health["mqtt"]["connects"] == 1
