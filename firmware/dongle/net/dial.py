# Begins a TCP connection without waiting for it.

import errno
import socket


class Unresolved(Exception):
    """No address is known for a name now."""


def dial(address) -> socket.socket:
    """Returns a non-blocking socket that is connecting to address (as getaddrinfo() returns it).
    The first write shows whether the connection was made. Raises OSError."""
    connection = socket.socket()
    connection.setblocking(False)
    try:
        connection.connect(address)
    except OSError as error:
        if error.errno != errno.EINPROGRESS:
            connection.close()
            raise
    return connection
