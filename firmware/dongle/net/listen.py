# Taking connections, for as long as there is a port to take them at. asyncio's own server ends for
# good, and nobody hears of it, when memory runs out for a single connection.

import asyncio
import errno
import socket

from micropython import const

_AGAIN_MS = 2_000  # before a port that cannot be had is tried again
_RELIEF_MS = 200  # after a connection for which there was no room
_NO_SOCKET = const(23)  # ENFILE: the chip has ten


async def listen(name, port, backlog, serve, health, address="0.0.0.0", network=""):
    """A task with serve(stream) for every connection; serve closes the stream. Never returns: what
    fails is told under this name, and tried again. address: the one of ours to listen at, in
    digits; network: how the address of a caller has to begin."""
    is_told = False  # that there was no socket for somebody
    while True:
        listener = None
        try:
            listener = socket.socket()
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Without getaddrinfo(), for which lwIP needs memory of its own.
            listener.bind((address, port))
            listener.listen(backlog)
            while True:
                await _connection(listener)  # pyright: ignore[reportGeneralTypeIssues]
                error = _accept(listener, serve, network)
                number = getattr(error, "errno", 0)
                if error is None or number == errno.EAGAIN:
                    continue  # he is served, or has left again
                if number != _NO_SOCKET:
                    health.failed(name, error)
                elif not is_told:
                    is_told = True
                    health.say(name + ": no socket for another client")
                # What is short now comes back as clients leave.
                await asyncio.sleep_ms(_RELIEF_MS)
        except (OSError, MemoryError) as error:
            health.failed(name, error)
        finally:
            if listener:
                listener.close()
        await asyncio.sleep_ms(_AGAIN_MS)


def _accept(listener, serve, network):
    """Takes a connection; gives the error with which that failed, or None."""
    connection = None
    try:
        connection, caller = listener.accept()
        if caller[0].startswith(network):
            connection.setblocking(False)
            asyncio.create_task(serve(asyncio.StreamReader(connection)))
            return None
        error = None
    except (OSError, MemoryError) as failure:  # this one is lost, not the server
        error = failure
    if connection:
        connection.close()
    return error


def _connection(listener):
    yield asyncio.core._io_queue.queue_read(listener)  # pyright: ignore[reportAttributeAccessIssue]
