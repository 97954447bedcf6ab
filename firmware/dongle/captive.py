# The name server of the dongle's own access point: whatever a phone asks for is here. So its check
# for the internet ends at the portal, and it opens the set-up page.

import asyncio
import socket

from micropython import const

from p1.render.page import Full, Page

from .dns_packet import ANY, A, Malformed, Record, read_query, write_legacy_answers

_PORT = const(53)
_LONGEST = const(512)  # bytes of a packet (RFC 1035 §4.2.1)
_TTL_S = const(1)  # soon forgotten: the next network knows the names better
_SAME_NAME = b"\xc0\x0c"  # a pointer to the question's


async def answer(address):
    """Answers at this address, with this address. Never returns."""
    page = Page(_LONGEST)
    here = Record(_SAME_NAME, A, _TTL_S, bytes([int(part) for part in address.split(".")]))
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        port.setblocking(False)
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind((address, _PORT))
        while True:
            await _packet(port)  # pyright: ignore[reportGeneralTypeIssues]
            try:
                packet, sender = port.recvfrom(_LONGEST)
                if write(page, packet, here):
                    port.sendto(memoryview(page.bytes)[: page.size], sender)
            except OSError:
                pass  # it asks again
    finally:
        port.close()


def write(page, packet, here):
    """Writes the answer to packet, which may be anything; False where it deserves none. Another
    type than A has no data, so that nobody waits for IPv6."""
    try:
        query = read_query(packet)
        if query is None or len(query.questions) != 1:
            return False
        answers = (here,) if query.questions[0][1] in (A, ANY) else ()
        write_legacy_answers(page, query, packet, answers, ())
    except (Malformed, Full):
        return False
    return True


def _packet(port):
    yield asyncio.core._io_queue.queue_read(port)  # pyright: ignore[reportAttributeAccessIssue]
