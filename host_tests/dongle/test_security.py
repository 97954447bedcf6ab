"""The whole dongle: who may do what, by every path and method; pages from elsewhere and foreign
names; and no secret in whatever it says."""

import base64
import hashlib
import json
import re
import socket
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from aiohttp import web

from codes import is_error
from far_end import FarEnd
from household import Household, Listener, needs_micropython, wait_for
from http_grammar import MORE, READ
from worlds import is_undisturbed, told_by

pytestmark = needs_micropython

PASSWORD, WRONG = "owners secret :-)", "guessed secret"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get")
UNKNOWN = ("/nothing", "/config/", "/Config", "/config.json", "/update/push", "/restart/now", "//")
READ_ONLY = ("GET", "HEAD"), True

SALT = b"a secret's salt."
HASH = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, 1000).hex()
STORED = f"pbkdf2-sha256$1000${SALT.hex()}${HASH}"
SECRETS = {
    "wifi": {"password": "wifi secret"},
    "mqtt": {"user": "p1", "password": "mqtt secret"},
    "http": {"password_hash": STORED},
    "influx": {"user": "p1", "password": "influx secret"},
    "dsmr_reader": {"token": "dsmr-reader-secret"},
    "meter": {"key": "5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0", "authentication_key": "ab" * 16},
}

# The parts of an update, as app.py has them once there is one; resets that are only told; and
# little patience with the servers that are pushed to.
STAND_INS = """
from dongle.http import updating
updating.TEMPORARY = False
from dongle.push import pusher as push
push._FIRST_PAUSE_MS, push._LONGEST_PAUSE_MS = 200, 400
import machine
machine.reset = lambda: print("RESET")
class Update:
    async def receive(self, readinto, size):
        buffer, total, check = bytearray(1000), 0, 0
        while True:
            count = await readinto(buffer)
            if not count:
                break
            total += count
            check = (check + sum(memoryview(buffer)[:count])) & 0xffff
        print("UPDATE", total, size)
        return (200 if total == size else 400), {"size": total, "check": check}
async def update(app, take):
    return await take(Update())
updating._update = update
async def pull(app, update):
    print("PULL")
    return 502, {"error": "nothing there", "code": "not_fetched"}
updating._pull = pull
"""


class Record:
    """Everything that a dongle has ever said to a client."""

    def __init__(self, home):
        self.home = home
        self.answers = []  # bytes, heads included

    def raw(self, data: bytes) -> bytes:
        with self.home.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)  # or it would wait whether more comes
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        self.answers.append(answer)
        return answer

    def ask(self, method, path, *headers, password=None, body=b""):
        """A foreign client's request: (status, headers by name, body)."""
        lines = [f"{method} {path} HTTP/1.1", *headers]
        if not any(header.lower().startswith("host:") for header in headers):
            lines.append(f"Host: 127.0.0.1:{self.home.http_port}")
        if password is not None:
            credentials = base64.b64encode(f"owner:{password}".encode()).decode()
            lines.append(f"Authorization: Basic {credentials}")
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        answer = self.raw("\r\n".join([*lines, "", ""]).encode() + body)
        head, _, rest = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        return int(first.split()[1]), {name.lower(): value for name, value in pairs}, rest

    def status(self, *args, **options):
        return self.ask(*args, **options)[0]

    def wrong_password(self):
        """Guesses once, and lets the pause pass that follows."""

        def status():
            return self.status("POST", "/config", password=WRONG)

        assert status() == 401
        wait_for(lambda: status() == 401, "the pause is over")


def echo(request):
    """A web page that an influx.url or dsmr_reader.url may lead to: it says what it was sent."""

    async def answer(asked):
        return web.Response(status=404, text=request(asked))

    answer.__name__ = "echo"
    return answer


ECHOES = [
    echo(lambda asked: f"no {asked.path_qs}"),
    echo(lambda asked: asked.headers.get("Authorization", "nobody")),
    echo(lambda asked: asked.headers.get("Authorization", "nobody").split()[-1]),
    echo(lambda asked: "x" * 80 + asked.headers.get("Authorization", "nobody")),
    echo(lambda asked: "who is influx secret? or dsmr-reader-secret"),
    echo(lambda asked: "y" * 90 + "influx secret dsmr-reader-secret"),
]


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Several dongles, which start all at once."""

    def household(name, changes, **options):
        config = {section: dict(values) for section, values in SECRETS.items()}
        del config["meter"]
        for section, values in changes.items():
            config[section] = {**config.get(section, {}), **values}
        home = Household(tmp_path_factory.mktemp(name), config=config, before=STAND_INS, **options)
        return Record(stack.enter_context(home))

    with ExitStack() as stack:
        server = FarEnd(204, *(10 * ECHOES))
        server.start()
        stack.callback(server.stop)
        url = f"http://127.0.0.1:{server.port}"
        pushed = {
            "influx": {"url": url + "/write?db=p1&u=p1&p=url-secret", "interval_s": 1},
            "dsmr_reader": {"url": url + "/api?key=url-secret", "interval_s": 1},
        }
        everything = {"homewizard": {"enabled": True}, "mqtt": {"telegram": True}, **pushed}
        home = household("home", everything)
        port = home.home.mqtt_port
        listener = Listener(port, "#")
        stack.callback(listener.stop)
        yield SimpleNamespace(
            server=server,
            listener=listener,
            home=home,
            closed=household(
                "closed",
                {"http": {"read_password": True}, "homewizard": {"enabled": True}},
                broker=port,
                dongle_id="02000000005e",
            ),
            ownerless=household(
                "ownerless",
                {"http": {"password_hash": ""}},
                broker=port,
                dongle_id="0200000000aa",
                meter=None,
            ),
            encrypted=household(
                "encrypted", {"meter": SECRETS["meter"]}, broker=port, dongle_id="0200000000bb"
            ),
        )


def settled(record, **options):
    wait_for(lambda: record.home.get("/nothing"), "it is up")
    assert record.status("GET", "/", **options) == 200
    return record


@pytest.fixture(scope="module")
def home(street):
    record = settled(street.home)
    wait_for(lambda: record.status("GET", "/live") == 200, "a reading")
    record.wrong_password()
    return record


@pytest.fixture(scope="module")
def closed(street):
    record = settled(street.closed, password=PASSWORD)
    record.wrong_password()
    return record


@pytest.fixture(scope="module")
def ownerless(street):
    return settled(street.ownerless)


# --- Every path, every method, with and without the password ---


def paths_of(record):
    """All that the server has, as it says itself."""
    status, _, body = record.ask("GET", "/nothing")
    assert status == 404
    return json.loads(body)["error"].partition("there are ")[2].split(", ")


def is_there(status):
    """An answer of the function itself; 503 where nothing is known yet, 404 of /telegram/bad, 400
    of what wants a body."""
    return status in (200, 400, 404, 502, 503)


def expected(path, method, password, is_closed):
    """The status, 0 for whatever the function says."""
    methods, needs_password = MORE.get(path, READ_ONLY)
    if method not in methods:
        return 405
    is_read = method in ("GET", "HEAD")
    if (is_read and not is_closed) or not (is_read or needs_password):
        return 0
    return 0 if password == PASSWORD else 401


def check_all(record, is_closed):
    paths = paths_of(record)
    assert set(paths) == {*READ, *MORE}
    seen = {}
    for path in paths:
        for method in METHODS:
            for password in (None, WRONG, PASSWORD):
                status, headers, body = record.ask(method, path, password=password)
                case = path, method, password
                want = expected(*case, is_closed)
                assert status == want or (want == 0 and is_there(status)), (case, status)
                if method == "HEAD":
                    assert body == b"", case
                elif status >= 400:
                    assert is_error(json.loads(body)), case
                if status == 401:
                    assert headers["www-authenticate"].startswith("Basic realm="), case
                if status == 405:
                    allowed = ", ".join(sorted(MORE.get(path, READ_ONLY)[0]))
                    assert headers["allow"] == allowed, case
                seen[case] = status
    return seen


def test_every_path_and_method(home):
    seen = check_all(home, is_closed=False)
    assert seen["/reading", "GET", None] == 200
    assert seen["/identify", "POST", PASSWORD] == 200
    assert seen["/api/v1/identify", "PUT", None] == 200
    assert seen["/update/pull", "POST", PASSWORD] == 502
    assert home.home.said.count("PULL") == 1
    wait_for(lambda: "RESET" in home.home.said, "it would have been reset")
    assert home.home.said.count("RESET") == 1
    assert home.home.health()["task_failures"] == {}


@pytest.mark.slow
def test_every_path_and_method_where_reading_needs_the_password_too(closed):
    # The list of what there is stands in the 404, which tells nothing of the house.
    seen = check_all(closed, is_closed=True)
    assert seen["/reading", "GET", PASSWORD] == 200
    assert seen["/health", "GET", None] == 401


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown_paths(home, closed, path):
    for record in (home, closed):
        for method in METHODS:
            for password in (None, WRONG, PASSWORD):
                assert record.status(method, path, password=password) == 404


def test_without_an_owners_password_nothing_can_be_changed(ownerless):
    for path, (methods, needs_password) in MORE.items():
        if not needs_password:
            continue
        for password in (None, "", PASSWORD):
            status, _, body = ownerless.ask("POST", path, password=password)
            assert status == 403
            assert "--owner-password" in json.loads(body)["error"]
        if "GET" in methods:
            assert ownerless.status("GET", path) == 200
    assert "RESET" not in ownerless.home.said


def test_homewizards_api_is_closed_unless_it_is_wanted(ownerless):
    for path in ("/api", "/api/v1/data", "/api/v1/telegram", "/api/v1/system", "/api/v1/identify"):
        for method in METHODS:
            assert ownerless.status(method, path) == 403


world_told = told_by("world_clients.py")


def test_wrong_passwords_are_counted_and_slowed(street):
    record = settled(street.encrypted)
    assert record.home.get("/health").json()["http"]["wrong_passwords"] == 0
    guesses = 0

    def is_slowed():
        """Each guess that is looked at doubles the pause, so that in the end one meets it, however
        slow this machine is."""
        nonlocal guesses
        status, headers, body = record.ask("POST", "/identify", password=f"guess {guesses}")
        guesses += status == 401
        return (headers, body) if status == 429 else None

    headers, body = wait_for(is_slowed, "a guess that is not looked at")
    assert f"try again in {headers['retry-after']} s" in json.loads(body)["error"]
    assert record.status("GET", "/config") == 200, "reading goes on"
    wait_for(lambda: record.status("POST", "/identify", password=PASSWORD) == 200, "it is over")
    assert record.home.get("/health").json()["http"]["wrong_passwords"] == guesses
    assert sum("a wrong password" in line for line in record.home.said) == guesses


@pytest.mark.slow
def test_each_guess_makes_the_next_wait_twice_as_long(world_told):
    facts = world_told("guesses")
    is_undisturbed(facts)
    assert facts["at_last"] == [200] * 6
    for number, (pause_ms, told) in enumerate(zip(facts["pauses_ms"], facts["told"], strict=True)):
        wait_s = 2**number
        assert told.endswith(f"try again in {wait_s} s")
        assert 1_000 * wait_s <= pause_ms < 1_000 * wait_s + 600  # it is tried twice a second


# --- Pages from elsewhere ---

FOREIGN = [
    ("Origin: http://evil.com",),
    ("Origin: null",),
    ("Origin: http://127.0.0.1:1",),
    ("Sec-Fetch-Site: cross-site",),
    ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"),
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_from_elsewhere_changes_nothing(home, headers):
    before = home.ask("GET", "/config")[2]
    for path, (methods, _) in MORE.items():
        for method in methods:
            if method in ("POST", "PUT"):
                body = b'{"mqtt": {"prefix": "evil"}}'
                # As browsers send it along once it is known.
                status = home.status(method, path, *headers, password=PASSWORD, body=body)
                assert status == 403, (method, path)
    assert home.ask("GET", "/config")[2] == before


def test_its_own_page_may(home):
    own = f"Origin: http://127.0.0.1:{home.home.http_port}", "Sec-Fetch-Site: same-origin"
    assert home.status("POST", "/config", *own, password=PASSWORD, body=b"{}") == 200
    assert home.status("PUT", "/api/v1/identify", *own) == 200


def test_no_page_from_elsewhere_may_read_an_answer(home):
    for path in paths_of(home):
        for method in ("GET", "OPTIONS"):
            _, headers, _ = home.ask(method, path, "Origin: http://evil.com")
            assert not [name for name in headers if name.startswith("access-control-")]
            assert headers["x-content-type-options"] == "nosniff"


# --- Foreign names ---


@pytest.mark.parametrize("host", ["evil.com", "evil.com:80", "127.0.0.1.evil.com", "x.local", ""])
def test_by_a_foreign_name_nothing_is_to_be_had(home, host):
    for path in [*paths_of(home), *UNKNOWN]:
        for method in ("GET", "HEAD", "POST", "PUT"):
            status, _, body = home.ask(method, path, f"Host: {host}", password=PASSWORD)
            assert status == 421, (method, path)
            assert b"/reading" not in body


def test_by_its_own_names_all_is_to_be_had(home):
    for host in ("127.0.0.1", "[::1]:80", "localhost", "p1meter-00002a", "P1meter-00002A.local"):
        assert home.status("GET", "/reading", f"Host: {host}") == 200
        assert home.status("POST", "/config", f"Host: {host}", password=PASSWORD) == 400


# --- Too large, too clever ---


@pytest.mark.parametrize(
    "path",
    [
        "/../config.json",
        "/web/../config.json",
        "/%2e%2e/config.json",
        "/..%2fconfig.json",
        "/%2fconfig.json",
        "/config.json",
        "/./config.json",
        "//config.json",
        "/\\config.json",
        "/web/index.html",
        "/board.json",
        "/rtc.bin",
        "/config%00",
        "/config;.json",
        "/reading/../../config.json",
    ],
)
def test_no_path_leads_to_a_file(home, path):
    for method in ("GET", "POST"):
        assert home.status(method, path, password=PASSWORD) == 404


def test_what_is_too_large(home):
    def status(path, size, method="POST"):
        lines = f"{method} {path} HTTP/1.0\r\nContent-Length: {size}\r\n"
        credentials = base64.b64encode(f":{PASSWORD}".encode()).decode()
        lines += f"Authorization: Basic {credentials}\r\n\r\n"
        return int(home.raw(lines.encode() + b"x" * min(size, 100_000)).split()[1])

    assert status("/config", 4096) == 400
    assert status("/config", 4097) == 413
    assert status("/identify", 2048) == 200
    assert status("/identify", 2049) == 413
    assert status("/reading", 2049) == 413
    assert status("/nothing", 2049) == 413
    assert status("/api/v1/system", 2049, "PUT") == 413
    assert status("/restart", 10**400) == 413


def test_ambiguous_requests_are_refused_before_anything_is_done(home):
    credentials = base64.b64encode(f":{PASSWORD}".encode())
    head = b"POST /config HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + credentials
    inner = b'{"mqtt": {"prefix": "smuggled"}}'
    length = b"\r\nContent-Length: %d" % len(inner)
    for lines in (
        length + length,
        length + b"\r\nTransfer-Encoding: chunked",
        b"\r\nTransfer-Encoding: chunked",
        b"\r\n Content-Length: 0" + length,
        length.replace(b":", b" :"),
        length + b"\r\nX: y\nZ: z",
        length + b"\r\nX: \x00",
        length + b"\r\nHost: localhost",
        length + b"\r\nAuthorization: Basic " + credentials,
        length + b"\r\nOrigin: http://localhost\r\nOrigin: http://evil.com",
    ):
        assert home.raw(head + lines + b"\r\n\r\n" + inner).startswith(b"HTTP/1.1 400 "), lines
    assert b"smuggled" not in home.ask("GET", "/config")[2]
    # One connection, one request: whatever else comes on it is nobody's.
    two = b"GET /reading HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2
    assert home.raw(two).count(b"HTTP/1.1 ") == 1


# --- Long bodies, which are taken as they come ---


def upload_head(home, size, *headers, password=PASSWORD):
    credentials = base64.b64encode(f"owner:{password}".encode()).decode()
    lines = ["POST /update HTTP/1.1", "Host: localhost", f"Content-Length: {size}", *headers]
    return "\r\n".join([*lines, f"Authorization: Basic {credentials}", "", ""]).encode()


@pytest.mark.slow
def test_a_long_body_may_take_longer_than_any_other_exchange(world_told):
    facts = world_told("long_body")
    assert facts["took_ms"] > 20_000  # others get 5 s
    assert facts["answer"] == "HTTP/1.1 200 OK"
    assert facts["turn_ms"] < 50 and facts["failures"] == {}


def test_a_long_body_is_taken_as_it_comes(home):
    data = bytes(range(256)) * 1200  # more than its heap would like to keep
    with home.home.connect() as client, client.makefile("rb") as answer:
        client.sendall(upload_head(home.home, len(data)))
        size = -(-len(data) // 14)
        for at in range(0, len(data), size):
            home.home.wait_until_taken(client)
            client.sendall(data[at : at + size])
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        told = json.loads(answer.read().partition(b"\r\n\r\n")[2])
    assert told == {"size": len(data), "check": sum(data) & 0xFFFF}


def test_a_long_body_is_not_even_read_without_the_password(home):
    with home.home.connect() as client, client.makefile("rb") as answer:
        expect = "Expect: 100-continue"
        client.sendall(upload_head(home.home, 1_000_000, expect, password=WRONG))
        assert answer.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    assert not any("1000000" in line for line in home.home.said)


def test_who_waits_for_permission_gets_it(home):
    with home.home.connect() as client, client.makefile("rb") as answer:
        client.sendall(upload_head(home.home, 5, "Expect: 100-continue"))
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert answer.readline() == b"\r\n"
        client.sendall(b"12345")
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"


def test_who_leaves_in_the_middle_costs_nothing(home):
    def ended():
        return home.home.said.count("UPDATE 5000 100000")

    before = home.home.descriptors_at_rest()
    for times in range(5):
        with home.home.connect() as client:
            client.sendall(upload_head(home.home, 100_000) + b"x" * 5000)
        wait_for(lambda times=times: ended() > times, "it ends")
    wait_for(lambda: home.home.descriptors() <= before, "all of them are closed")
    assert home.home.health()["task_failures"] == {}


# --- Secrets ---


def words():
    """Everything that nobody may read, in every form in which it may show."""
    plain = [PASSWORD, WRONG, STORED, HASH, SALT.hex(), "url-secret"]
    for values in SECRETS.values():
        plain += [value for key, value in values.items() if key != "user"]
        if "user" in values:
            plain.append(f"{values['user']}:{values['password']}")
    plain += [f"owner:{password}" for password in (PASSWORD, WRONG)]
    encoded = [base64.b64encode(word.encode()).decode() for word in plain]
    # The head of a word tells already.
    return {word[:10] for word in plain + encoded}


def find(heard: str):
    return {word for word in words() if re.search(re.escape(word), heard, re.IGNORECASE)}


def test_the_search_finds_them():
    assert find("xx mqtt secret") and find("cDE6bXF0dCBzZWNyZXQ=") and not find("mqtt: connected")


def test_nobody_ever_hears_a_secret(street, home, closed, ownerless):
    """Must be the last one: it looks through all that the others have heard."""

    def pushed():
        return len(street.server.pushes) > 2 * len(ECHOES)

    home.home.wait_until_connected()
    wait_for(pushed, "servers that repeat what they hear")
    for record in (home, closed, ownerless, street.encrypted):
        for path in paths_of(record):
            record.ask("GET", path, password=PASSWORD)
    for spoil in (lambda value: [value], lambda value: value * 99, lambda value: {value: value}):
        wrong = {
            section: {key: spoil(value) for key, value in values.items() if key != "user"}
            for section, values in SECRETS.items()
        }
        body = json.dumps(wrong).encode()
        status, _, body = home.ask("POST", "/config", password=PASSWORD, body=body[:4096])
        assert status == 400
    wait_for(lambda: street.listener.heard("/health"), "MQTT")
    with home.home.connect(home.home.tcp_port) as client:
        raw = client.recv(65536)
    heard = {
        "answers": b"".join(
            answer
            for record in (home, closed, ownerless, street.encrypted)
            for answer in record.answers
        ).decode("latin-1"),
        "console": "\n".join(
            line
            for record in (home, closed, ownerless, street.encrypted)
            for line in record.home.said
        ),
        "topics": "\n".join(
            f"{message.topic} {message.payload.decode('latin-1')}"
            for message in street.listener.messages
        ),
        "tcp": raw.decode("latin-1"),
    }
    assert all(heard.values())
    assert len(home.answers) > 500
    for where, text in heard.items():
        assert not find(text), (where, find(text))


def test_all_the_while_the_meter_was_read(home):
    health = home.home.health()
    assert health["telegrams"]["crc"] == health["telegrams"]["overflow"] == 0
    assert health["task_failures"] == {}


def test_a_change_counts_after_the_restart(tmp_path):
    config = {"http": {"password_hash": STORED}, "mqtt": {"host": ""}}
    with Household(tmp_path, meter=None, config=config) as household:
        record = settled(Record(household))
        change = b'{"http": {"metrics": false}, "wifi": {"hostname": "other"}}'
        status, _, answer = record.ask("POST", "/config", password=PASSWORD, body=change)
        assert (status, json.loads(answer)) == (200, {"restart": True, "missing": []})
        assert record.status("GET", "/metrics") == 200
        assert record.status("GET", "/reading", "Host: other.local") == 421
        assert record.status("POST", "/restart", password=PASSWORD) == 200
        wait_for(lambda: household.dongle.resets == 1, "it is reset")
        settled(record)
        assert record.status("GET", "/metrics") == 404
        assert record.status("GET", "/reading", "Host: other.local") == 503
        assert household.health()["reset_cause"] == "hard reset"
        saved = json.loads((tmp_path / "config.json").read_text())
        assert saved["wifi"] == {
            "ssid": "home",
            "password": "wifi secret",
            "hostname": "other",
            "delay_s": 0,
        }


@pytest.mark.slow
def test_a_guesser_does_not_slow_down_the_owner(world_told):
    facts = world_told("guesser")
    is_undisturbed(facts)
    # Now and then all places are taken, which is no matter of passwords.
    assert 429 not in facts["owner"] and 401 not in facts["owner"]
    assert facts["owner"].count(200) >= 40
    assert facts["guessed"] > 200 and 1 <= facts["looked_at"] <= 20
