# A client of HTTP that sees each byte. Its socket is the system's: what it writes is none of the
# dongle's writes.

import asyncio

from usocket import getaddrinfo, socket


async def ask(port, path, version="1.0"):
    """(head, body) of the answer, as they came."""
    there = socket()
    there.connect(getaddrinfo("127.0.0.1", port)[0][-1])
    there.write(f"GET {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n\r\n")
    there.setblocking(False)
    answer = b""
    reader = asyncio.StreamReader(there)
    while True:
        piece = await reader.read(4096)
        if not piece:
            break
        answer += piece
    there.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def length(head):
    """That the head tells of the body."""
    return int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
