# Checks whether a request is allowed: it needs the owner's password, and a page of another site
# may change nothing. Loaded when a request needs more than reading.

import asyncio
import os
from binascii import a2b_base64, unhexlify

from micropython import const

from .pbkdf2 import derive, hmac

TEMPORARY = True  # see forget()

# Places in the list of guesses: the number of wrong passwords, whether a check is under way, the
# HMAC key, the HMAC of the last right password, the callers, and the pause for new callers with
# the uptime at which it began.
_COUNT, _IS_BUSY, _KEY, _RIGHT, _CALLERS = const(0), const(1), const(2), const(3), const(4)
_NEW = const(5)
# Places in a caller's list, and the first two also in that of new callers: the pause after a wrong
# password, the uptime at which the password came, the address, the first bytes of the HMAC of the
# last wrong password, and the uptime at which the last right one came.
_PAUSE_MS, _WRONG_MS, _ADDRESS, _WRONG, _RIGHT_MS = (
    const(0),
    const(1),
    const(2),
    const(3),
    const(4),
)
_MOST_CALLERS = const(4)
_MARK_BYTES = const(8)
_TURN_MS = const(20)
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 60_000
_FORGOTTEN_MS = const(600_000)  # without a wrong password; then the pauses are short again

_NOT_SET = (
    "no owner's password is set, so nothing can be changed; set it with "
    '`make configure ARGS="--owner-password"`'
)
_ASK = b'WWW-Authenticate: Basic realm="P1 dongle", charset="UTF-8"\r\n'
_REFUSED = 401, "wrong_password", "this is not the owner's password", _ASK


class Auth:
    """HTTP Basic authentication (RFC 7617) with the owner's password and any user name. After a
    wrong password there is a pause for the address that it came from. So that a network of many
    addresses cannot guess quickly, each address that is new here with a wrong password also makes
    a pause for all other new ones. The few addresses that were here last are known."""

    def __init__(self, stored, health, guesses):
        """stored: the config's http.password_hash; if it is empty, no password is right. guesses:
        a list, empty at first, that is kept longer than this object. It has the number of wrong
        passwords and the other values above, so that a new Auth goes on with them."""
        self._stored = stored
        self._health = health
        # The list keeps HMACs of the last right and of wrong passwords, with a random key. So a
        # client that polls every second does not need a slow PBKDF2 each time, and the same wrong
        # password sent again does not count as a new guess.
        if not guesses:
            guesses.extend((0, False, os.urandom(16), b"", [], [0, 0]))
        self._guesses = guesses
        self._used_ms = 0  # uptime of the last request

    def is_idle(self, for_ms: int) -> bool:
        """Whether there was no request for that long."""
        idle_ms = self._health.uptime_ms() - self._used_ms
        return not self._guesses[_IS_BUSY] and idle_ms >= for_ms

    async def refuse(self, request, needs_password: bool, address: str = "") -> tuple | None:
        """Returns None if the request is allowed, else the arguments of resource.refuse().
        address: where the request comes from."""
        self._used_ms = self._health.uptime_ms()
        if request.method != b"GET" and _is_foreign(request):
            return 403, "foreign_page", "a page of another site may not do this"
        if not needs_password:
            return None
        if not self._stored:
            return 403, "no_owner_password", _NOT_SET
        password = _password(request.header(b"authorization"))
        if password is None:
            return 401, "password_needed", "this needs the owner's password", _ASK
        # One check at a time, because otherwise many clients could guess at once.
        while self._guesses[_IS_BUSY]:
            await asyncio.sleep_ms(_TURN_MS)
        self._guesses[_IS_BUSY] = True
        try:
            return await self._judge(password, address)
        finally:
            self._guesses[_IS_BUSY] = False

    async def _judge(self, password, address):
        guesses, now_ms = self._guesses, self._health.uptime_ms()
        caller = _known(guesses[_CALLERS], address)
        since = caller or guesses[_NEW]
        left_ms = since[_WRONG_MS] + since[_PAUSE_MS] - now_ms
        if left_ms > 0:
            return _wait(left_ms)
        mark = hmac(guesses[_KEY], password)
        if not _is_same(mark, guesses[_RIGHT]):
            start = mark[:_MARK_BYTES]
            if caller and caller[_WRONG] == start:
                return _REFUSED
            if not await self._is_right(password):
                self._slow_down(caller, address, start)
                return _REFUSED
            guesses[_RIGHT] = mark
        (caller or _meet(guesses[_CALLERS], address, now_ms))[_RIGHT_MS] = now_ms
        return None

    async def _is_right(self, password):
        _, iterations, salt, expected = self._stored.split("$")
        key = None
        for each in derive(password, unhexlify(salt), int(iterations)):
            key = each
            await asyncio.sleep_ms(0)
        return _is_same(key, unhexlify(expected))

    def _slow_down(self, caller, address, mark):
        guesses, now_ms = self._guesses, self._health.uptime_ms()
        if caller:
            _lengthen(caller, now_ms)
        else:
            _lengthen(guesses[_NEW], now_ms)
            caller = _meet(guesses[_CALLERS], address, now_ms)
            caller[:_ADDRESS] = guesses[_NEW]
        caller[_WRONG] = mark
        guesses[_COUNT] += 1
        self._health.say("http: a wrong password")


def _lengthen(pause, now_ms):
    pause_ms = pause[_PAUSE_MS]
    if now_ms - pause[_WRONG_MS] > _FORGOTTEN_MS:
        pause_ms = 0
    pause[_PAUSE_MS] = min(2 * pause_ms or _FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
    pause[_WRONG_MS] = now_ms


def _wait(left_ms):
    left_s = (left_ms + 999) // 1000
    text = f"the last password was wrong; try again in {left_s} s"
    return 429, "password_pause", text, b"Retry-After: %d\r\n" % left_s


def _known(callers, address):
    for caller in callers:
        if caller[_ADDRESS] == address:
            return caller
    return None


def _meet(callers, address, now_ms):
    """Returns the list of a new caller, who takes the place of another if there are enough: of
    one who never said the right password, or not of late, else of the one that was here least
    recently."""
    if len(callers) >= _MOST_CALLERS:
        callers.remove(min(callers, key=lambda caller: _worth(caller, now_ms)))
    callers.append([0, 0, address, b"", None])
    return callers[-1]


def _worth(caller, now_ms):
    right_ms = caller[_RIGHT_MS]
    is_owner = right_ms is not None and now_ms - right_ms < _FORGOTTEN_MS
    return is_owner, max(caller[_WRONG_MS], right_ms or 0)


def _is_foreign(request):
    """Whether a browser says that the request comes from another site (CSRF). Other clients do not
    send these headers."""
    if request.header(b"sec-fetch-site") not in (None, b"same-origin", b"none"):
        return True
    origin = request.header(b"origin")
    if origin is None:
        return False
    scheme, _, host = origin.lower().partition(b"://")
    # https is possible if there is a proxy in front of the dongle.
    own = request.host and request.host.lower()
    return host != own or scheme not in (b"http", b"https")


def _password(authorization):
    """Returns the password (bytes) in the value of the header, or None if there is none."""
    scheme, _, credentials = (authorization or b"").partition(b" ")
    try:
        _, colon, password = a2b_base64(credentials).partition(b":")
    except ValueError:
        return None
    return password if colon and scheme.lower() == b"basic" else None


def _is_same(one, other):
    """Compares in a time that does not depend on where the two differ."""
    different = len(one) ^ len(other)
    for a, b in zip(one, other):
        different |= a ^ b
    return not different
