# Who may: the owner, by his password, and no page but the dongle's own. Loaded when somebody wants
# more than to read.

import asyncio
import os
from binascii import a2b_base64, unhexlify

from micropython import const

from .pbkdf2 import derive, hmac

_TURN_MS = const(20)
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 60_000
_FORGOTTEN_MS = const(600_000)  # after so long without a wrong password the pauses are short again

_NOT_SET = (
    "there is no owner's password yet, so nothing can be changed; set it with "
    '`make configure ARGS="--owner-password"`'
)
_ASK = b'WWW-Authenticate: Basic realm="P1 dongle", charset="UTF-8"\r\n'


class Auth:
    """The password by HTTP's Basic authentication (RFC 7617), with any user. For whoever guesses
    there are pauses, the same for everybody: a few per address would be many for a whole network.
    """

    def __init__(self, stored, health, kept=None):
        """stored: the config's http.password_hash; empty: nobody may. kept: that of another Auth,
        which this one takes the place of."""
        self._stored = stored
        self._health = health
        self._is_busy = False
        # Of the last right password and of the last wrong one, by a key that nobody knows: a poll
        # a second need not be worked out each time, and what asks a second time for the same wrong
        # one guesses nothing. _wrong_ms: uptime of the last wrong one.
        self._right = b""
        kept = kept or (os.urandom(16), b"", 0, 0, 0)
        self._key, self._wrong, self._pause_ms, self._wrong_ms, self.wrong = kept
        self._used_ms = 0  # uptime when somebody last wanted more than to read

    def is_idle(self, for_ms):
        """Whether nobody has needed it for so long."""
        return not self._is_busy and self._health.uptime_ms() - self._used_ms >= for_ms

    def kept(self):
        """What has to be remembered of wrong passwords, their number last; None where there was
        none."""
        known = self._key, self._wrong, self._pause_ms, self._wrong_ms, self.wrong
        return known if self.wrong else None

    async def refuse(self, request, needs_password):
        """None, or (status, text, headers) that refuse the request."""
        self._used_ms = self._health.uptime_ms()
        if request.method != b"GET" and _is_foreign(request):
            return 403, "a page from elsewhere may not do this", b""
        if not needs_password:
            return None
        if not self._stored:
            return 403, _NOT_SET, b""
        password = _password(request.header(b"authorization"))
        if password is None:
            return 401, "this needs the owner's password", _ASK
        # One after the other, or many could guess at once.
        while self._is_busy:
            await asyncio.sleep_ms(_TURN_MS)
        self._is_busy = True
        try:
            return await self._judge(password)
        finally:
            self._is_busy = False

    async def _judge(self, password):
        now_ms = self._health.uptime_ms()
        left_ms = self._wrong_ms + self._pause_ms - now_ms
        if left_ms > 0:
            left_s = (left_ms + 999) // 1000
            text = f"after a wrong password: try again in {left_s} s"
            return 429, text, b"Retry-After: %d\r\n" % left_s
        mark = hmac(self._key, password)
        if _is_same(mark, self._right):
            return None
        if not _is_same(mark, self._wrong):
            if await self._is_right(password):
                self._right = mark
                return None
            self._wrong = mark
            self._slow_down()
        return 401, "this is not the owner's password", _ASK

    async def _is_right(self, password):
        _, iterations, salt, expected = self._stored.split("$")
        key = None
        for each in derive(password, unhexlify(salt), int(iterations)):
            key = each
            await asyncio.sleep_ms(0)
        return _is_same(key, unhexlify(expected))

    def _slow_down(self):
        now_ms = self._health.uptime_ms()
        if now_ms - self._wrong_ms > _FORGOTTEN_MS:
            self._pause_ms = 0
        self._pause_ms = min(2 * self._pause_ms or _FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        self._wrong_ms = now_ms
        self.wrong += 1
        self._health.say("http: a wrong password")


def _is_foreign(request):
    """Whether a browser says that another page sends this (CSRF); other clients say nothing."""
    if request.header(b"sec-fetch-site") not in (None, b"same-origin", b"none"):
        return True
    origin = request.header(b"origin")
    if origin is None:
        return False
    scheme, _, host = origin.lower().partition(b"://")
    # https where a proxy stands in front of the dongle.
    own = request.host and request.host.lower()
    return host != own or scheme not in (b"http", b"https")


def _password(authorization):
    """Of the header's value, bytes; None where there is none."""
    scheme, _, credentials = (authorization or b"").partition(b" ")
    try:
        _, colon, password = a2b_base64(credentials).partition(b":")
    except ValueError:
        return None
    return password if colon and scheme.lower() == b"basic" else None


def _is_same(one, other):
    """Takes as long whatever differs."""
    different = len(one) ^ len(other)
    for a, b in zip(one, other):
        different |= a ^ b
    return not different
