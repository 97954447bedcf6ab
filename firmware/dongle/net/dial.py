# A connection that is begun without waiting for it, and what keeps one from being begun.

import errno
import socket


class Unresolved(Exception):
    """The name has no address now."""


def dial(address):
    """A non-blocking socket on its way to address, as getaddrinfo() gives it. Whether it gets
    there shows in the first write. Raises OSError."""
    connection = socket.socket()
    connection.setblocking(False)
    try:
        connection.connect(address)
    except OSError as error:
        if error.errno != errno.EINPROGRESS:
            connection.close()
            raise
    return connection
