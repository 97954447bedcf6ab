# What asyncio waits with: nothing is waited for, time goes on.

import time

from memory import outside

_POLL = 3


class Poller:
    """As select.poll, for stand-ins in memory."""

    def __init__(self):
        self._wanted = {}  # id -> (stream, flags)

    @outside
    def register(self, stream, flags=5):
        self._wanted[id(stream)] = (stream, flags)

    modify = register

    def unregister(self, stream):
        del self._wanted[id(stream)]

    def ipoll(self, timeout_ms=-1):
        ready = self._ready()
        left_ms = timeout_ms
        while not ready and left_ms:
            step_ms = time.next_ms()
            if step_ms is None or 0 <= left_ms < step_ms:
                if left_ms < 0:
                    raise RuntimeError("nothing will ever happen again")
                time.pass_ms(left_ms)
                return ready
            time.pass_ms(step_ms)
            if left_ms > 0:
                left_ms -= step_ms
            ready = self._ready()
        if not timeout_ms:
            time.pass_ms(0)
        return ready

    @outside
    def _ready(self):
        found = []
        for stream, flags in self._wanted.values():
            now = stream.ioctl(_POLL, flags)
            if now:
                found.append((stream, now))
        return found
