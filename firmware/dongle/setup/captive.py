# The DNS server of the dongle's own access point. It answers every name with the dongle's address.
# So a phone's check for internet access reaches the portal, and the phone opens the set-up page.
#
# It reads one question of a packet (RFC 1035 §4.1) and nothing else. So it does not need
# dns_packet.py, which is three times as large. A packet can contain anything, so the code checks
# every length.

import asyncio
import socket

from micropython import const

TEMPORARY = True  # see forget()

_PORT = const(53)
_LONGEST = const(512)  # bytes of a packet (RFC 1035 §4.2.1)
_HEAD = const(12)
_LONGEST_LABEL = const(63)
_LONGEST_NAME = const(255)
# Bits that are 0 in a plain query: in the first byte of the flags, response and opcode; in the
# second byte, the error code.
_NO_PLAIN_QUERY = const(0xF8)
_NO_PLAIN_QUERY_2 = const(0x0F)
_A, _ANY = const(1), const(255)

# After the id: an authoritative response; one question, one or no answer, nothing else.
_ANSWERED = b"\x84\x00\x00\x01\x00%c\x00\x00\x00\x00"
# A pointer to the question's name, type A, class IN; valid for one second only, because these
# answers are wrong on the phone's next network; 4 bytes of data.
_HERE = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04"


async def answer(address: str) -> None:
    """Runs the server at this address, and answers with this address. Never returns."""
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
                pass  # the phone asks again
    finally:
        port.close()


def to(packet: bytes, here: bytes) -> bytes | None:
    """Returns the answer to packet, or None if it is not a plain query. The answer for other types
    than A has no data, so that a phone does not wait for an IPv6 address."""
    end = _HEAD
    try:
        if packet[2] & _NO_PLAIN_QUERY or packet[3] & _NO_PLAIN_QUERY_2:
            return None
        if packet[4] or packet[5] != 1:
            return None  # not exactly one question
        while packet[end]:
            # A pointer is not valid here: there is no earlier name that it could point to.
            if packet[end] > _LONGEST_LABEL:
                return None
            end += 1 + packet[end]
        kind = packet[end + 1] << 8 | packet[end + 2]
        end += 5
        packet[end - 1]  # raises IndexError if the packet is too short
    except IndexError:
        return None
    if end - _HEAD - 4 > _LONGEST_NAME:
        return None
    is_here = kind in (_A, _ANY)
    question = packet[_HEAD:end]
    return packet[:2] + _ANSWERED % is_here + question + (here if is_here else b"")


def _packet(port):
    yield asyncio.core._io_queue.queue_read(port)  # pyright: ignore[reportAttributeAccessIssue]
