# Accepts TCP connections and never gives up. asyncio's own server ends for ever, without a
# message, when there is no memory for a single connection.

import asyncio
import errno
import socket

from micropython import const

_AGAIN_MS = 2_000  # pause before the next attempt to open a port
_RELIEF_MS = 200  # pause after a connection that could not be accepted
_NO_SOCKET = const(23)  # ENFILE: all sockets are in use, the chip has ten


async def listen(
    name: str,
    port: int,
    backlog: int,
    serve,
    health,
    address: str = "0.0.0.0",
    network: str = "",
) -> None:
    """Starts a task serve(stream) for every connection; serve closes the stream, whose
    get_extra_info(0) is the client's address. Never returns:
    errors are logged under the name, and it tries again. address: the address to listen at, in
    digits; network: how the address of a client has to begin."""
    is_told = False  # whether it was logged that there was no socket for a client
    while True:
        listener = None
        try:
            listener = socket.socket()
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Without getaddrinfo(), because lwIP needs extra memory for that.
            listener.bind((address, port))
            listener.listen(backlog)
            while True:
                await _connection(listener)  # pyright: ignore[reportGeneralTypeIssues]
                error = _accept(listener, serve, network)
                number = getattr(error, "errno", 0)
                if error is None or number == errno.EAGAIN:
                    continue  # the client is served, or it has already left
                if number != _NO_SOCKET:
                    health.failed(name, error)
                elif not is_told:
                    is_told = True
                    health.say(name + ": no socket for another client")
                # The memory or socket that is missing now comes back when clients leave.
                await asyncio.sleep_ms(_RELIEF_MS)
        except (OSError, MemoryError) as error:
            health.failed(name, error)
        finally:
            if listener:
                listener.close()
        await asyncio.sleep_ms(_AGAIN_MS)


def _accept(listener, serve, network):
    """Accepts a connection; returns the error if that has failed, otherwise None."""
    connection = None
    try:
        connection, caller = listener.accept()
        if caller[0].startswith(network):
            connection.setblocking(False)
            asyncio.create_task(serve(asyncio.StreamReader(connection, caller)))
            return None
        error = None
    except (OSError, MemoryError) as failure:  # only this connection is lost, not the server
        error = failure
    if connection:
        connection.close()
    return error


def _connection(listener):
    yield asyncio.core._io_queue.queue_read(listener)  # pyright: ignore[reportAttributeAccessIssue]
