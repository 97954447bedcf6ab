"""Solar panels: power by the height of the sun and the clouds that pass."""

import math

_LATITUDE, _LONGITUDE_DEG = math.radians(51.0), 4.4  # the middle of Flanders
_KNOT_S = 30  # the sky is drawn this often, and straight lines in between
_CLOUD_KNOTS = 4  # one cloud passes in two minutes


class Panels:
    def __init__(self, seed: int, peak_w: int):
        self._seed = seed
        self._peak_w = peak_w
        self._knot = None
        self._from_w = self._to_w = 0

    def power_w(self, epoch_s: int) -> int:
        """A function of the seed and the moment alone, whatever was asked before."""
        knot, into_s = divmod(epoch_s, _KNOT_S)
        if knot != self._knot:
            self._knot = knot
            self._from_w, self._to_w = self._knot_w(knot), self._knot_w(knot + 1)
        return self._from_w + (self._to_w - self._from_w) * into_s // _KNOT_S

    def _knot_w(self, knot: int) -> int:
        height = _sine_of_height(knot * _KNOT_S)
        if height <= 0:
            return 0
        return int(self._peak_w * height**1.15 * self._clearness(knot))

    def _clearness(self, knot: int) -> float:
        """0 to 1. A day is clear, overcast or, most often, a sky of passing clouds."""
        kind = _draw(self._seed, knot * _KNOT_S // 86400)
        cloud = _draw(self._seed + 1, knot // _CLOUD_KNOTS)
        if kind < 0.25:
            return 1 - 0.02 * cloud
        if kind < 0.5:
            return 0.1 + 0.15 * cloud
        return 1.0 if cloud < 0.5 else 1.15 - 0.9 * cloud


def _sine_of_height(epoch_s: int) -> float:
    days, day_s = divmod(epoch_s, 86400)
    season = 2 * math.pi * (days % 365.2425 + 10) / 365.2425
    declination = -math.radians(23.44) * math.cos(season)
    hour_angle = math.radians(day_s / 240 + _LONGITUDE_DEG - 180)
    return math.sin(_LATITUDE) * math.sin(declination) + math.cos(_LATITUDE) * math.cos(
        declination
    ) * math.cos(hour_angle)


def _draw(seed: int, n: int) -> float:
    """A number in [0, 1) that depends on its arguments alone (the mixer of splitmix64)."""
    x = (n * 0x9E3779B97F4A7C15 + seed * 0xD1342543DE82EF95) & 0xFFFFFFFFFFFFFFFF
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    x = (x ^ x >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return (x >> 11) / (1 << 53)
