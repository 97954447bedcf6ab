# Looks up the address of a name without stopping the event loop: getaddrinfo() blocks for up to 14
# seconds, so it runs in a thread. There is only one thread, and it never ends, because starting
# and ending threads uses up memory. The last address of each name is kept, for the time in which
# the name server does not answer.

import _thread
import asyncio
import socket

from micropython import const

from .dial import Unresolved

_TIMEOUT_MS = const(20_000)


class Resolver:
    def __init__(self):
        self._lock = None  # held while there is nothing to look up, so that the thread waits
        self._done = None
        self._turn = asyncio.Lock()  # so that only one task asks at a time
        self._busy = False  # a look-up is running, perhaps one whose caller has given up
        self._question = None
        self._answer = None  # (question, address or exception)
        self._known = {}  # (name, port) -> address

    async def resolve(self, name: str, port: int):
        """Returns the address of name:port, as connect() needs it. Raises Unresolved."""
        if _is_numeric(name):
            return _look_up(name, port)
        async with self._turn:
            if not self._busy:
                self._ask(name, port)
                try:
                    await asyncio.wait_for_ms(self._done.wait(), _TIMEOUT_MS)
                    # An answer that came too late belongs to an earlier question.
                    question, answer = self._answer  # pyright: ignore[reportGeneralTypeIssues]
                    if question == (name, port) and not isinstance(answer, Exception):
                        self._known[question] = answer
                except asyncio.TimeoutError:
                    pass
        known = self._known.get((name, port))
        if known is None:
            raise Unresolved(f"no address for {name}")
        return known

    def _ask(self, name, port):
        if not self._lock:  # made late: with only numeric addresses there is no thread at all
            lock = _thread.allocate_lock()
            lock.acquire()
            self._done = asyncio.ThreadSafeFlag()
            _thread.start_new_thread(self._work, (lock,))
            self._lock = lock
        self._done.clear()
        self._busy = True
        self._question = name, port
        self._lock.release()

    def _work(self, lock):
        while True:
            lock.acquire()
            question = self._question
            try:
                self._answer = question, _look_up(*question)
            except Exception as error:  # any error: resolve() then raises Unresolved
                self._answer = question, error
            self._busy = False
            self._done.set()


def _look_up(name, port):
    return socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)[0][-1]


def _is_numeric(name):
    """Whether it is an IPv4 address in its usual form. All else, 192.168.1.300 or 1.2.3, may be
    looked up as a name, which takes time."""
    parts = name.split(".")
    return len(parts) == 4 and all(
        [part.isdigit() and len(part) < 4 and str(int(part) & 255) == part for part in parts]
    )
