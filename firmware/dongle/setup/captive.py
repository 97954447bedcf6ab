# The name server of the dongle's own access point: whatever a phone asks for is here. So its check
# for the internet ends at the portal, and it opens the set-up page.
#
# Of a packet (RFC 1035 §4.1) it reads one question and no more, so it does without dns_packet.py,
# which is three times as large. Anybody may send anything: nothing in here trusts a length.

import asyncio
import socket

from micropython import const

_PORT = const(53)
_LONGEST = const(512)  # bytes of a packet (RFC 1035 §4.2.1)
_HEAD = const(12)
_LONGEST_LABEL = const(63)
_LONGEST_NAME = const(255)
_NO_PLAIN_QUERY = const(0xF8)  # response, opcode: all 0 in a query that counts; and in its second
_NO_PLAIN_QUERY_2 = const(0x0F)  # byte the error code
_A, _ANY = const(1), const(255)

# Behind its id: a response, and authoritative; one question, as many answers, nothing else.
_ANSWERED = b"\x84\x00\x00\x01\x00%c\x00\x00\x00\x00"
# The question's name again (a pointer), A, the internet's, soon forgotten: after one second, for
# the next network knows the names better; four bytes.
_HERE = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04"


async def answer(address):
    """Answers at this address, with this address. Never returns."""
    here = _HERE + bytes([int(part) for part in address.split(".")])
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        port.setblocking(False)
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind((address, _PORT))
        while True:
            await _packet(port)  # pyright: ignore[reportGeneralTypeIssues]
            try:
                packet, sender = port.recvfrom(_LONGEST)
                found = to(packet, here)
                if found:
                    port.sendto(found, sender)
            except OSError:
                pass  # it asks again
    finally:
        port.close()


def to(packet, here):
    """The answer to packet, which may be anything; None where it deserves none. Another type than
    A has no data, so that nobody waits for IPv6."""
    end = _HEAD
    try:
        if packet[2] & _NO_PLAIN_QUERY or packet[3] & _NO_PLAIN_QUERY_2:
            return None
        if packet[4] or packet[5] != 1:
            return None  # not one question
        while packet[end]:
            # No pointer: there is nothing before it that it could lead to.
            if packet[end] > _LONGEST_LABEL:
                return None
            end += 1 + packet[end]
        kind = packet[end + 1] << 8 | packet[end + 2]
        end += 5
        packet[end - 1]  # all of it is there
    except IndexError:
        return None
    if end - _HEAD - 4 > _LONGEST_NAME:
        return None
    is_here = kind in (_A, _ANY)
    question = packet[_HEAD:end]
    return packet[:2] + _ANSWERED % is_here + question + (here if is_here else b"")


def _packet(port):
    yield asyncio.core._io_queue.queue_read(port)  # pyright: ignore[reportAttributeAccessIssue]
