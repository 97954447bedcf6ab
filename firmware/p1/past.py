# The history: the last hour in steps of ten seconds and the last two days in quarter hours. It is
# only in memory, in ring buffers that are allocated at the start; nothing is written to the flash.
#
# All times are from the meter's own clock. If that goes back, or ahead by more than a ring holds,
# the ring is cleared.

from array import array

from micropython import const

from . import obis

_POWER = obis.row("power_w")
_IMPORT = obis.row("power_import_w")
_EXPORT = obis.row("energy_export_kwh")

STEP_S = const(10)
WINDOWS = const(360)  # windows of STEP_S: an hour
QUARTERS = const(192)  # two days
_QUARTER_S = const(900)
# In the ring of windows a power takes three bytes: its difference to _BELOW_ALL_W, which is lower
# than every real power. Zero means unknown.
_BELOW_ALL_W = const(-0x800000)
_UNKNOWN = const(0xFFFF)  # in the rings of quarters
_MOST_W = const(0xFFFE)
# A quarter without data in its first or last 15 s is unknown; meters send every 1 or 10 s.
_EDGE_S = const(15)


class Past:
    """Call update() with each Reading. Windows and quarters are counted from 1970-01-01 UTC.

    window, quarter   the current ones, None before the first Reading with a clock; the history
                      has the WINDOWS and QUARTERS before them, and some of these may be unknown
    """

    def __init__(self):
        self.window = self.quarter = None
        self._power_w = bytearray(3 * WINDOWS)
        self._import_w = array("H", [0] * QUARTERS)
        self._export_w = array("H", [0] * QUARTERS)
        self._peak_w = array("H", [0] * QUARTERS)
        self._sum_w = self._count = 0  # of the readings in the current window
        self._clear_quarter()

    def _clear_quarter(self):
        self._elapsed_s = 0  # in the current quarter, at the last Reading
        self._mean_w = None  # the expected mean of this quarter
        self._start_wh = self._end_wh = None  # the export register
        self._highest_w = None

    def power_w(self, window: int) -> int | None:
        """Returns the mean of import minus export in a window; None if unknown."""
        ring, at = self._power_w, 3 * (window % WINDOWS)
        stored = ring[at] | ring[at + 1] << 8 | ring[at + 2] << 16
        return stored + _BELOW_ALL_W if stored else None

    def import_w(self, quarter: int) -> int | None:
        """Returns the mean import in a quarter, which the capacity tariff bills, or None."""
        return _known(self._import_w, quarter)

    def export_w(self, quarter: int) -> int | None:
        """Returns the mean export in a quarter; None if unknown."""
        return _known(self._export_w, quarter)

    def peak_w(self, quarter: int) -> int | None:
        """Returns the highest import power of all Readings in a quarter; None if unknown."""
        return _known(self._peak_w, quarter)

    def update(self, reading, running) -> None:
        """Adds a Reading. running: a Quarter that has already been updated with this Reading."""
        if running.elapsed_s is None:
            return
        import_w = reading.scaled(_IMPORT)
        power_w = reading.scaled(_POWER)
        self._to_window(running.number * (_QUARTER_S // STEP_S) + running.elapsed_s // STEP_S)
        if power_w is None:
            power_w = import_w
        if power_w is not None:
            self._sum_w += power_w
            self._count += 1
        self._to_quarter(running.number)
        self._in_quarter(running, import_w, reading.scaled(_EXPORT, 3))

    def _to_window(self, window):
        if self.window is None or not 0 <= window - self.window < WINDOWS:
            for at in range(len(self._power_w)):
                self._power_w[at] = 0
            self.window = window
            self._sum_w = self._count = 0
        while self.window < window:
            self._close_window(3 * (self.window % WINDOWS))
            self.window += 1
            self._sum_w = self._count = 0

    def _close_window(self, at):
        ring, count, stored = self._power_w, self._count, 0
        if count:
            stored = (self._sum_w + count // 2) // count - _BELOW_ALL_W
            if not 0 < stored < 0x1000000:
                stored = 0  # impossible for a household
        ring[at] = stored & 0xFF
        ring[at + 1] = stored >> 8 & 0xFF
        ring[at + 2] = stored >> 16

    def _to_quarter(self, quarter):
        if self.quarter is None or not 0 <= quarter - self.quarter < QUARTERS:
            for at in range(QUARTERS):
                self._import_w[at] = self._export_w[at] = self._peak_w[at] = _UNKNOWN
            self.quarter = quarter
            self._clear_quarter()
        while self.quarter < quarter:
            self._close(self.quarter % QUARTERS)
            self.quarter += 1
            self._clear_quarter()

    def _close(self, at):
        export_w = None
        if self._start_wh is not None and self._end_wh is not None:
            export_w = (self._end_wh - self._start_wh) * (3600 // _QUARTER_S)
        is_whole = self._elapsed_s >= _QUARTER_S - _EDGE_S
        self._import_w[at] = _stored(self._mean_w if is_whole else None)
        self._export_w[at] = _stored(export_w if is_whole else None)
        self._peak_w[at] = _stored(self._highest_w)

    def _in_quarter(self, running, import_w, export_wh):
        self._elapsed_s = running.elapsed_s
        # The average misses the time after the last Reading (1 or 10 s); the forecast includes it.
        self._mean_w = running.average_w if running.forecast_w is None else running.forecast_w
        if self._elapsed_s <= _EDGE_S and self._start_wh is None:
            self._start_wh = export_wh
        self._end_wh = export_wh
        if import_w is not None:
            self._highest_w = max(import_w, self._highest_w or 0)


def _known(ring, quarter):
    value = ring[quarter % QUARTERS]
    return None if value == _UNKNOWN else value


def _stored(value):
    return _UNKNOWN if value is None or value < 0 else min(value, _MOST_W)
