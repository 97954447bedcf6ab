# Taking connections, for as long as there is a port to take them at. asyncio's own server ends for
# good, and nobody hears of it, when memory runs out for a single connection.

import asyncio
import socket


async def listen(port, backlog, serve, address="0.0.0.0", network=""):
    """A task with serve(stream) for every connection; serve closes the stream. Never returns.
    address: the one of ours to listen at; network: how the address of a caller has to begin."""
    listener = socket.socket()
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(socket.getaddrinfo(address, port)[0][-1])
        listener.listen(backlog)
        while True:
            await _connection(listener)  # pyright: ignore[reportGeneralTypeIssues]
            try:
                connection, caller = listener.accept()
            except OSError:
                continue  # it has left again, or there is no socket for it
            if not caller[0].startswith(network):
                connection.close()
                continue
            try:
                connection.setblocking(False)
                asyncio.create_task(serve(asyncio.StreamReader(connection)))
            except MemoryError:
                connection.close()  # this one is lost, not the server
    finally:
        listener.close()


def _connection(listener):
    yield asyncio.core._io_queue.queue_read(listener)  # pyright: ignore[reportAttributeAccessIssue]
