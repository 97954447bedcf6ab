# Sets the chip's clock by the meter's clock: at every power-up the chip's begins in the year 2000.
# Only TLS uses the chip's clock, to check the dates in certificates.

import time

from micropython import const

from p1 import timestamp

_LOOK_MS = const(60_000)
_DRIFT_S = const(2)
_OLDEST_YEAR = const(2024)  # a clock with an earlier year has not been set
# time.time() counts from 2000 on the chip, from 1970 elsewhere.
_EPOCH_S = 946_684_800 if time.gmtime(0)[0] == 2000 else 0


class Clock:
    """set_utc: machine.RTC().datetime; now_s: seconds since time's epoch."""

    def __init__(self, latest, health, set_utc, now_s=time.time):
        self._latest = latest
        self._health = health
        self._set_utc = set_utc
        self._now_s = now_s
        self._look_ms = 0  # uptime at which to compare the two clocks again
        latest.listeners.append(self._on_reading)

    def is_set(self) -> bool:
        """Returns whether the chip's clock has been set."""
        return time.gmtime(int(self._now_s()))[0] >= _OLDEST_YEAR

    def _on_reading(self):
        # Not with every telegram, because such large integers become garbage on the chip's heap.
        now_ms = self._health.uptime_ms()
        reading = self._latest.reading
        if now_ms < self._look_ms or reading.stamp_at is None:
            return
        self._look_ms = now_ms + _LOOK_MS
        stamp = timestamp.epoch(reading.telegram, reading.stamp_at, reading.profile.winter_h)
        meter_s = stamp - _EPOCH_S
        if abs(meter_s - int(self._now_s())) > _DRIFT_S:
            year, month, day, hour, minute, second, weekday = time.gmtime(meter_s)[:7]
            self._set_utc((year, month, day, weekday, hour, minute, second, 0))
