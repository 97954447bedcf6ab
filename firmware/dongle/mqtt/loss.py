# Says in words why a session with a broker has ended. In memory only while that is needed.

import asyncio
import errno

from ..net.dial import Unresolved
from .link import TLS_EOF, Lost

TEMPORARY = True  # see forget()

CLOSED = "the broker closed the connection"
_EPIPE = 32  # which the module errno lacks
_UNREACHED = (errno.ETIMEDOUT, errno.EHOSTUNREACH)


def explain(error: Exception) -> tuple:
    """Returns (words, whether the network itself may be down). Raises the error again if it is
    not one that a broker or a network causes."""
    if isinstance(error, asyncio.TimeoutError):
        return "no answer from the broker", True
    if isinstance(error, EOFError):
        return CLOSED, False
    if isinstance(error, (Lost, Unresolved)):
        return str(error), False
    if isinstance(error, OSError):
        return words(error), error.errno in _UNREACHED
    raise error


def words(error: OSError) -> str:
    """Returns what an OSError of a connection means, in words for a person."""
    if error.errno in (TLS_EOF, _EPIPE, errno.ECONNRESET):
        return CLOSED
    name = errno.errorcode.get(error.errno)
    return f"no connection: {name or f'(error {error.errno})'}"
