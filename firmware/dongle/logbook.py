# A record of the earlier runs. It is in RTC memory, which does not wear. RTC memory keeps its
# content over every kind of reset, but not without power.

import struct

from micropython import const

# A mark of this format; boots, fast, vain, uptime in s; the counts of all runs; the lengths in
# bytes of the two texts that follow: the last failure, and the reason for the reset.
_HEAD = "<4s4I4Q2H"
_HEAD_BYTES = const(56)
_OURS = b"P1 1"
_COUNTS = ("good", "rejected", "wifi_drops", "failures")
_LONGEST = const(200)  # characters of a text; an ESP32's RTC memory has 2048 bytes


class Logbook:
    """memory: machine.RTC().memory or the like; memory() reads the bytes, memory(bytes) writes.

    boots  starts since power-up, including this one
    fast   starts in a row that were soon followed by a reset, including this one until lasted()
    vain   resets in a row that the firmware made on purpose and that did not help
    """

    def __init__(self, memory):
        self._memory = memory
        self.boots, self.fast, self.vain, uptime_s, counts, failure, why = _parsed(memory())
        self.boots += 1
        self.fast += 1
        self._earlier = counts  # of the runs before
        # What is known of the run before; why: the reason if the firmware ended it on purpose.
        self.before = {}
        for name, value in (("uptime_s", uptime_s), ("failure", failure), ("why", why)):
            if value:
                self.before[name] = value
        self._uptime_s, self._counts = 0, counts
        self._failure = self._why = ""
        self._write()

    def lasted(self) -> None:
        """This run has lasted long enough: it is not a fast start."""
        self.fast = 0
        self._write()

    def helped(self) -> None:
        """The problem that caused the resets is gone."""
        if self.vain:
            self.vain = 0
            self._write()

    def note(self, uptime_s: int, failure: str | None, counts: tuple) -> None:
        """Records the state of this run. failure: the last one in words, or None; counts: numbers
        of good telegrams, rejected ones, lost Wi-Fi connections, and failures."""
        self._uptime_s = uptime_s
        self._counts = tuple([sum(pair) for pair in zip(self._earlier, counts)])
        self.failed(failure or self._failure)

    def failed(self, what: str) -> None:
        """Records the last failure of this run, in words."""
        self._failure = what[:_LONGEST]
        self._write()

    def ends(self, why: str) -> None:
        """Records that the firmware is about to reset the chip, and why."""
        self._why = why[:_LONGEST]
        self.vain += 1
        self._write()

    def report(self) -> dict:
        """Returns the part for /health. before: the previous run; counts: of all runs since
        power-up."""
        counts = dict(zip(_COUNTS, self._counts))
        return {"boots": self.boots, "fast": self.fast, "before": self.before, "counts": counts}

    def _write(self):
        failure, why = self._failure.encode(), self._why.encode()
        numbers = self.boots, self.fast, self.vain, self._uptime_s
        lengths = len(failure), len(why)
        head = struct.pack(_HEAD, _OURS, *(numbers + self._counts + lengths))
        self._memory(head + failure + why)


def _parsed(data):
    """Returns boots, fast, vain, uptime, counts and the two texts. They are zero and empty after a
    power-up, or if the data is not in this format."""
    if data[:4] == _OURS and len(data) >= _HEAD_BYTES:
        _, boots, fast, vain, uptime_s, *counts, failed, left = struct.unpack_from(_HEAD, data)
        middle = _HEAD_BYTES + failed
        try:
            if len(data) == middle + left:
                failure, why = data[_HEAD_BYTES:middle].decode(), data[middle:].decode()
                return boots, fast, vain, uptime_s, tuple(counts), failure, why
        except ValueError:  # not UTF-8
            pass
    return 0, 0, 0, 0, (0, 0, 0, 0), "", ""
