# What is known of the runs before this one. Kept in RTC memory, which survives resets of every
# kind but not the loss of power, and does not wear.

import json

from micropython import const

_MOST_BYTES = const(2048)  # of an ESP32's RTC memory
_LONGEST = const(200)  # characters of a text
_NUMBERS = ("boots", "fast", "vain")


class Logbook:
    """memory() gives the bytes kept, memory(bytes) keeps them, as machine.RTC().memory.

    boots  starts since the power came, this one included
    fast   starts in a row that did not last, this one included until lasted()
    vain   resets of our own in a row that have not helped
    """

    def __init__(self, memory):
        self._memory = memory
        kept = _parsed(memory())
        self.boots = kept["boots"] + 1
        self.fast = kept["fast"] + 1
        self.vain = kept["vain"]
        self._write({"before": kept["run"], "run": {}, "counts": _sum(kept)})

    def lasted(self):
        """This start is none of the fast ones."""
        self.fast = 0
        self._write(_parsed(self._memory()))

    def helped(self):
        """What resets were for is well again."""
        if self.vain:
            self.vain = 0
            self._write(_parsed(self._memory()))

    def note(self, uptime_s, failure, counts):
        """How this run is doing. failure: the last one in words, or None; counts: by name."""
        kept = _parsed(self._memory())
        kept["run"]["uptime_s"], kept["run"]["counts"] = uptime_s, counts
        if failure:
            kept["run"]["failure"] = failure[:_LONGEST]
        self._write(kept)

    def ends(self, why):
        """A reset of our own is about to end this run."""
        kept = _parsed(self._memory())
        kept["run"]["why"] = why[:_LONGEST]
        self.vain += 1
        self._write(kept)

    def report(self):
        """For /health: a dict. before: the run before as far as known, with why it was ended where
        that was on purpose; counts: of all runs since the power came."""
        kept = _parsed(self._memory())
        before = dict(kept["before"])
        before.pop("counts", None)
        return {"boots": self.boots, "fast": self.fast, "before": before, "counts": _sum(kept)}

    def _write(self, kept):
        for name in _NUMBERS:
            kept[name] = getattr(self, name)
        data = json.dumps(kept).encode()
        if len(data) <= _MOST_BYTES:
            self._memory(data)


def _parsed(data):
    """What is kept; as if nothing had been, after a power-up or where it is none of ours."""
    try:
        kept = json.loads(data)
        if (
            all([type(kept[name]) is int for name in _NUMBERS])
            and all([isinstance(kept[name], dict) for name in ("before", "run", "counts")])
            and all([type(count) is int for count in _sum(kept).values()])
        ):
            return kept
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return {"boots": 0, "fast": 0, "vain": 0, "before": {}, "run": {}, "counts": {}}


def _sum(kept):
    """The counts of the runs before and of this one together."""
    counts = dict(kept["counts"])
    for name, count in kept["run"].get("counts", {}).items():
        counts[name] = counts.get(name, 0) + count
    return counts
