# What is known of the runs before this one. Kept in RTC memory, which survives resets of every
# kind but not the loss of power, and does not wear.

import struct

from micropython import const

# Who wrote it; boots, fast, vain; uptime in s; the counts of all runs; how long the two texts
# behind it are, in bytes: the last failure, and why there was a reset.
_HEAD = "<4s4I4Q2H"
_HEAD_BYTES = const(56)
_OURS = b"P1 1"
_COUNTS = ("good", "rejected", "wifi_drops", "failures")
_LONGEST = const(200)  # characters of a text; an ESP32's RTC memory has 2048 bytes


class Logbook:
    """memory() gives the bytes kept, memory(bytes) keeps them, as machine.RTC().memory.

    boots  starts since the power came, this one included
    fast   starts in a row that did not last, this one included until lasted()
    vain   resets of our own in a row that have not helped
    """

    def __init__(self, memory):
        self._memory = memory
        self.boots, self.fast, self.vain, uptime_s, counts, failure, why = _parsed(memory())
        self.boots += 1
        self.fast += 1
        self._earlier = counts  # of the runs before
        # As far as known, with why it was ended where that was on purpose.
        self.before = {}
        for name, value in (("uptime_s", uptime_s), ("failure", failure), ("why", why)):
            if value:
                self.before[name] = value
        self._uptime_s, self._counts = 0, counts
        self._failure = self._why = ""
        self._write()

    def lasted(self):
        """This start is none of the fast ones."""
        self.fast = 0
        self._write()

    def helped(self):
        """What resets were for is well again."""
        if self.vain:
            self.vain = 0
            self._write()

    def note(self, uptime_s, failure, counts):
        """How this run is doing. failure: the last one in words, or None; counts: of good
        telegrams, rejected ones, lost connections of Wi-Fi, and failures."""
        self._uptime_s = uptime_s
        self._counts = tuple([sum(pair) for pair in zip(self._earlier, counts)])
        self.failed(failure or self._failure)

    def failed(self, what):
        """The last failure of this run, in words."""
        self._failure = what[:_LONGEST]
        self._write()

    def ends(self, why):
        """A reset of our own is about to end this run."""
        self._why = why[:_LONGEST]
        self.vain += 1
        self._write()

    def report(self):
        """For /health: a dict. before: of the run before; counts: of all runs since the power
        came."""
        counts = dict(zip(_COUNTS, self._counts))
        return {"boots": self.boots, "fast": self.fast, "before": self.before, "counts": counts}

    def _write(self):
        failure, why = self._failure.encode(), self._why.encode()
        numbers = self.boots, self.fast, self.vain, self._uptime_s
        lengths = len(failure), len(why)
        head = struct.pack(_HEAD, _OURS, *(numbers + self._counts + lengths))
        self._memory(head + failure + why)


def _parsed(data):
    """What is kept: boots, fast, vain, uptime, counts and the two texts; as if nothing had been
    after a power-up, or where it is none of ours."""
    if data[:4] == _OURS and len(data) >= _HEAD_BYTES:
        _, boots, fast, vain, uptime_s, *counts, failed, left = struct.unpack_from(_HEAD, data)
        middle = _HEAD_BYTES + failed
        try:
            if len(data) == middle + left:
                failure, why = data[_HEAD_BYTES:middle].decode(), data[middle:].decode()
                return boots, fast, vain, uptime_s, tuple(counts), failure, why
        except ValueError:  # no text
            pass
    return 0, 0, 0, 0, (0, 0, 0, 0), "", ""
