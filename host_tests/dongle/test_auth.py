"""The owner's password: what is stored of it, who passes, and how guessing is slowed."""

import asyncio
import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongle.http import auth, pbkdf2
from dongle.http.request import Refused, Request

# --- PBKDF2 ---

# Password, salt, iterations and the first 32 bytes of the key. The first two are RFC 7914, 11;
# the others RFC 6070's with SHA-256 for SHA-1, as many libraries have them.
VECTORS = [
    (
        b"passwd",
        b"salt",
        1,
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
    ),
    (
        b"Password",
        b"NaCl",
        80000,
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
    ),
    (
        b"password",
        b"salt",
        1,
        "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b",
    ),
    (
        b"password",
        b"salt",
        2,
        "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43",
    ),
    (
        b"password",
        b"salt",
        4096,
        "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a",
    ),
    (
        b"passwordPASSWORDpassword",
        b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
        4096,
        "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1",
    ),
]


def key_of(password, salt, iterations):
    *_, key = pbkdf2.derive(password, salt, iterations)
    return key


@pytest.mark.parametrize("password, salt, iterations, key", VECTORS)
def test_published_vectors(password, salt, iterations, key):
    assert (key_of(password, salt, iterations) or b"").hex() == key


@given(st.binary(max_size=200), st.binary(max_size=64), st.integers(1, 40))
def test_any_password_as_pythons_own(password, salt, iterations):
    theirs = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    assert key_of(password, salt, iterations) == theirs


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_as_pythons_own(key, message):
    assert pbkdf2.hmac(key, message) == hmac.digest(key, message, "sha256")


# --- Who passes ---

PASSWORD = "correct horse"
STORED = "pbkdf2-sha256$100${}${}".format(
    bytes(range(16)).hex(),
    hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), bytes(range(16)), 100).hex(),
)


class Health:
    """With a clock of its own."""

    def __init__(self):
        self.now_ms = 1_000
        self.said = []

    def uptime_ms(self):
        return self.now_ms

    def say(self, text):
        self.said.append(text)


class Door:
    """An Auth and its clock. try_(password) and ask(*headers) give what it says, as a status: 200
    where it lets the request pass."""

    def __init__(self, stored=STORED):
        self.health = Health()
        self._stored, self.guesses = stored, []
        self.forget()

    def ask(self, *headers, method="POST", needs_password=True, address="192.168.1.2"):
        status, *_ = self.answer(
            *headers, method=method, needs_password=needs_password, address=address
        )
        return status

    def answer(self, *headers, method="POST", needs_password=True, address="192.168.1.2"):
        lines = [f"{method} /config HTTP/1.1", "Host: 192.168.1.5", *headers, "", ""]
        head = bytearray("\r\n".join(lines).encode())
        request = Request(head, len(head))
        return asyncio.run(self.auth.refuse(request, needs_password, address)) or (200, "", "")

    def try_(self, password, address="192.168.1.2"):
        return self.ask(basic(password), address=address)

    def forget(self):
        """As App does when nobody has needed it for a while."""
        self.auth = auth.Auth(self._stored, self.health, self.guesses)


def basic(password, user="owner"):
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Authorization: Basic {credentials}"


@pytest.fixture
def door(monkeypatch):
    async def sleep_ms(ms):
        await asyncio.sleep(0)

    monkeypatch.setattr(asyncio, "sleep_ms", sleep_ms, raising=False)
    return Door()


def test_the_password_opens_whoever_says_it(door):
    assert door.ask(basic(PASSWORD)) == 200
    assert door.ask(basic(PASSWORD, user="")) == 200
    assert door.ask(basic(PASSWORD, user="admin")) == 200
    assert door.ask(basic(PASSWORD).replace("Basic", "bAsIc")) == 200


@pytest.mark.parametrize(
    "header",
    [
        "X: y",
        "Authorization: Basic",
        "Authorization: Basic !",
        "Authorization: Basic =",
        "Authorization: Bearer " + base64.b64encode(b"owner:correct horse").decode(),
        "Authorization: Basic " + base64.b64encode(b"correct horse").decode(),
        "Authorization: " + base64.b64encode(b"owner:correct horse").decode(),
    ],
)
def test_without_a_password_one_is_asked_for_and_nothing_counted(door, header):
    status, _, _, headers = door.answer(header)
    assert status == 401
    assert headers.startswith(b"WWW-Authenticate: Basic realm=")
    assert door.guesses[0] == 0 and door.health.said == []
    assert door.try_(PASSWORD) == 200


@pytest.mark.parametrize("password", ["", "x", "correct hors", "correct horse ", "Correct horse"])
def test_another_password_does_not(door, password):
    assert door.try_(password) == 401
    assert door.guesses[0] == 1


def test_a_colon_may_be_in_the_password(monkeypatch, door):
    salt = b"8 octets"
    key = hashlib.pbkdf2_hmac("sha256", b"a:b:c", salt, 100).hex()
    assert Door(f"pbkdf2-sha256$100${salt.hex()}${key}").try_("a:b:c") == 200


def test_without_a_stored_password_nobody_may(door):
    door = Door("")
    for headers in ((), (basic(PASSWORD),), (basic(""),)):
        status, _, reason, *_ = door.answer(*headers)
        assert status == 403
        assert "make configure" in reason and "--owner-password" in reason
    assert door.guesses[0] == 0


def test_the_key_is_derived_once(door, monkeypatch):
    derived = []

    def derive(*arguments):
        derived.append(arguments)
        return pbkdf2.derive(*arguments)

    monkeypatch.setattr(auth, "derive", derive)
    assert [door.try_(PASSWORD) for _ in range(5)] == [200] * 5
    assert len(derived) == 1
    assert door.try_("wrong") == 401
    door.health.now_ms += 1_000
    assert [door.try_("wrong") for _ in range(5)] == [401] * 5
    assert len(derived) == 2


def test_neither_the_password_nor_its_hash_stays_in_memory(door):
    door.try_(PASSWORD)
    kept = repr(vars(door.auth)).replace(repr(STORED), "")
    assert PASSWORD not in kept
    assert hashlib.sha256(PASSWORD.encode()).digest() not in vars(door.auth).values()


# --- How guessing is slowed ---


def wait_of(door):
    """In s, from Retry-After of whoever comes now; 0 where somebody may try."""
    status, _, reason, headers = door.answer(basic("another guess"))
    if status != 429:
        return 0
    wait_s = int(headers.removeprefix(b"Retry-After: "))
    assert f"in {wait_s} s" in reason
    return wait_s


def test_each_guess_makes_the_next_wait_twice_as_long_up_to_a_minute(door):
    waits = []
    for guess in range(9):
        assert door.try_(f"guess {guess}") == 401
        waits.append(wait_of(door))
        assert door.try_(PASSWORD) == 429, "nor the right one: else it would be known"
        door.health.now_ms += 1000 * waits[-1] - 1
        door.forget()
        assert door.try_(PASSWORD) == 429
        door.health.now_ms += 1
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert door.try_(PASSWORD) == 200
    assert door.guesses[0] == 9
    assert door.health.said == ["http: a wrong password"] * 9


def test_a_right_one_in_between_makes_guessing_no_quicker(door):
    waits = []
    for guess in range(4):
        assert door.try_(PASSWORD) == 200
        door.try_(f"guess {guess}")
        waits.append(wait_of(door))
        door.health.now_ms += 1000 * waits[-1]
        door.forget()
    assert waits == [1, 2, 4, 8]


def test_after_ten_quiet_minutes_the_wait_is_short_again(door):
    for guess in range(4):
        door.try_(f"guess {guess}")
        door.health.now_ms += 60_000
    door.health.now_ms += 600_000
    door.try_("one more")
    assert wait_of(door) == 1


def test_the_same_wrong_one_again_and_again_keeps_nobody_else_out(door):
    """As from a program that was not told of the new password."""
    assert door.try_("the old one") == 401
    for _ in range(100):
        door.health.now_ms += 1_000
        door.forget()
        assert door.try_("the old one") == 401
        assert door.try_(PASSWORD) == 200
    assert door.guesses[0] == 1


def test_what_is_remembered_does_not_grow(door):
    before, size = len(repr(vars(door.auth))), len(door.guesses)
    for guess in range(50):
        door.try_(f"guess {guess}" * 20)
        door.health.now_ms += 60_000
        door.forget()
    assert len(repr(vars(door.auth))) < before + 400
    assert len(door.guesses) == size


def test_many_at_once_are_one_after_the_other(door):
    """Else each of them would be a guess before the first has made the others wait."""

    def request(guess):
        head = bytearray(f"POST / HTTP/1.0\r\n{basic(guess)}\r\n\r\n".encode())
        return door.auth.refuse(Request(head, len(head)), True)

    async def at_once():
        return await asyncio.gather(*[request(f"guess {number}") for number in range(3)])

    statuses = [refused[0] for refused in asyncio.run(at_once())]
    assert sorted(statuses) == [401, 429, 429]
    assert door.guesses[0] == 1


def test_one_that_is_cut_off_lets_the_next_one_in(door):
    async def cut_off():
        head = bytearray(f"POST / HTTP/1.0\r\n{basic(PASSWORD)}\r\n\r\n".encode())
        task = asyncio.ensure_future(door.auth.refuse(Request(head, len(head)), True))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cut_off())
    assert door.try_(PASSWORD) == 200


# --- Whom a guesser slows down ---

GUESSER = "192.168.1.66"


def test_a_guesser_slows_down_his_own_address_only(door):
    """For an hour one guesses each second, and the owner asks each second."""
    looked_at = 0
    for second in range(3600):
        looked_at += door.try_(f"guess {second}", GUESSER) == 401
        if second != 0:  # in the first second each address that is new here waits
            assert door.try_(PASSWORD) == 200
        door.health.now_ms += 1_000
        door.forget()
    assert 60 <= looked_at <= 70


def test_the_owner_needs_not_have_been_there_before(door):
    for second in range(1000):
        door.try_(f"guess {second}", GUESSER)
        door.health.now_ms += 1_000
    assert door.try_(PASSWORD) == 200


def test_the_owner_who_errs_waits_at_his_own_address(door):
    assert door.try_(PASSWORD) == 200
    assert door.try_("a slip") == 401
    assert door.try_(PASSWORD) == 429
    door.health.now_ms += 1_000
    assert door.try_(PASSWORD) == 200


def test_a_whole_network_guesses_little_and_not_at_the_owners_cost(door):
    assert door.try_(PASSWORD) == 200
    looked_at = 0
    for second in range(3600):
        for turn in range(3):
            guesser = f"192.168.1.{(second * 3 + turn) % 250 + 4}"
            looked_at += door.try_(f"guess {second} {turn}", guesser) == 401
        if second % 500 == 499:  # he was right ten minutes ago at most
            assert door.try_(PASSWORD) == 200
        door.health.now_ms += 1_000
        door.forget()
    assert looked_at == door.guesses[0] < 5 * 60 + 30


def test_four_addresses_of_a_guesser_do_not_push_out_the_owner(door):
    assert door.try_(PASSWORD) == 200
    for second in range(599):
        for number in range(4, 12):
            door.try_(f"guess {second}", f"192.168.1.{number}")
        door.health.now_ms += 1_000
    assert door.try_(PASSWORD) == 200
    door.health.now_ms += 601_000  # the guessers were away as well
    assert door.try_(PASSWORD) == 200


def test_many_addresses_are_not_remembered(door):
    for number in range(4, 250):
        door.try_(f"guess {number}", f"192.168.1.{number}")
        door.health.now_ms += 60_000
    assert len(repr(door.guesses)) < 600


def test_guesses_at_once_from_new_addresses_are_one_guess(door):
    def request(number):
        head = bytearray(f"POST / HTTP/1.0\r\n{basic(number)}\r\n\r\n".encode())
        return door.auth.refuse(Request(head, len(head)), True, f"192.168.1.{number}")

    async def at_once():
        return await asyncio.gather(*[request(number) for number in range(9)])

    assert sorted(refused[0] for refused in asyncio.run(at_once())) == [401] + [429] * 8


# --- From which page ---


@pytest.mark.parametrize(
    "headers, passes",
    [
        ((), True),
        (("Origin: http://192.168.1.5",), True),
        (("Origin: https://192.168.1.5",), True),  # behind a proxy
        (("origin: HTTP://192.168.1.5",), True),
        (("Sec-Fetch-Site: same-origin",), True),
        (("Sec-Fetch-Site: none",), True),
        (("Origin: http://192.168.1.5", "Sec-Fetch-Site: same-origin"), True),
        (("Origin: http://192.168.1.6",), False),
        (("Origin: http://192.168.1.5:8080",), False),
        (("Origin: http://192.168.1.5.evil.com",), False),
        (("Origin: http://evil.com/192.168.1.5",), False),
        (("Origin: ftp://192.168.1.5",), False),
        (("Origin: 192.168.1.5",), False),
        (("Origin: null",), False),
        (("Origin:",), False),
        (("Sec-Fetch-Site: cross-site",), False),
        (("Sec-Fetch-Site: same-site",), False),
        (("Sec-Fetch-Site:",), False),
        (("Origin: http://192.168.1.5", "Sec-Fetch-Site: cross-site"), False),
        (("Origin: http://evil.com", "Sec-Fetch-Site: same-origin"), False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_only_its_own_page_may_send_something(door, headers, passes, method):
    assert door.ask(basic(PASSWORD), *headers, method=method) == (200 if passes else 403)
    assert door.ask(*headers, method=method, needs_password=False) == (200 if passes else 403)
    # Before the password: a page from elsewhere may not even guess.
    assert door.ask(*headers, method=method) == (401 if passes else 403)


def test_reading_is_left_to_the_browser(door):
    foreign = "Origin: http://evil.com", "Sec-Fetch-Site: cross-site"
    assert door.ask(basic(PASSWORD), *foreign, method="GET") == 200
    assert door.ask(*foreign, method="GET") == 401


@pytest.mark.parametrize(
    "header", ["Authorization: Basic eA==", "Origin: null", "sec-fetch-site:"]
)
def test_two_of_a_kind_are_refused(door, header):
    with pytest.raises(Refused) as refused:
        door.ask(basic(PASSWORD) if "Auth" in header else header, header)
    assert refused.value.args[0] == 400
