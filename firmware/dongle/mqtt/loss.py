# Says why a session with a broker has ended. In memory only while that is needed.

import asyncio
import errno

from ..net.dial import Unresolved
from .link import TLS_EOF, Lost

TEMPORARY = True  # see forget()

_CLOSED = "connection_closed"
_EPIPE = 32  # which the module errno lacks
_UNREACHED = (errno.ETIMEDOUT, errno.EHOSTUNREACH)


def explain(error: Exception) -> tuple:
    """Returns (code, words, whether the network itself may be down); the words are None if
    words.py has them. Raises the error again if it is not one that a broker or a network
    causes."""
    if isinstance(error, asyncio.TimeoutError):
        return "no_answer", "no answer from the broker", True
    if isinstance(error, EOFError):
        return _CLOSED, None, False
    if isinstance(error, Unresolved):
        return "name_not_found", str(error), False
    if isinstance(error, Lost):
        return error.args[0], error.args[1] if len(error.args) > 1 else None, False
    if not isinstance(error, OSError):
        raise error
    if error.errno in (TLS_EOF, _EPIPE, errno.ECONNRESET):
        return _CLOSED, None, False
    name = errno.errorcode.get(error.errno) or f"(error {error.errno})"
    return "no_connection", f"no connection: {name}", error.errno in _UNREACHED
