# The capacity tariff: Flanders bills the highest quarter hour of each month. This module forecasts
# the mean power of the current quarter, and calculates how much is left until a target.
#
# All times are from the meter's own clock. 1.4.0 (average_power_15m_w) is the energy since the
# quarter's start, spread over a whole quarter: it grows from 0 to the quarter's mean.

from micropython import const

from . import obis, timestamp

_AVERAGE = obis.row("average_power_15m_w")
_IMPORT = obis.row("power_import_w")
_ENERGY = obis.row("energy_import_kwh")
_HISTORY = obis.row("power_peak_history")

_QUARTER_S = const(900)
_FLOOR_W = const(2500)  # each month is billed as at least this (VREG, capacity tariff)
_MONTHS = const(12)  # the mean of this month and the eleven months before is billed

_TAU_S = const(60)  # time constant of the smoothed power: short loads (a kettle) count less
_FINE = const(256)  # the smoothed power is stored in 1/256 W: up to 34 kW, sums stay below 2^30
_GAP_S = const(60)  # after a longer gap without Readings, earlier values are not used
_HELD_S = const(890)  # from here on headroom keeps its last value: too little time to divide by

# The alert. It does not start in a quarter's first half minute: then the forecast is little more
# than the present load, and some meters still show the quarter before for a second. It ends 5 %
# below the target: with a smaller margin it would go on and off together with a load that it
# controls. It stays on for at least a minute, whatever it controls.
_EARLY_S = const(30)
_CLEAR_PERCENT = const(95)
_HOLD_S = const(60)

_METER_W = const(100_000)  # the most for a household; faster registers are from another meter


class Quarter:
    """Call update() with each Reading; all attributes are read-only. None means unknown.

    number                of the quarter hour, counted from 1970-01-01 UTC
    elapsed_s             time since its start
    average_w             energy since its start, spread over a whole quarter (1.4.0)
    forecast_w            the quarter's mean if the power stays as it is, to the nearest W
    forecast_smoothed_w   the same with the exponential mean of the power
    headroom_w            mean power for the rest of the quarter that just reaches the target,
                          rounded down; below 0 if the target is passed. Kept in the last 10 s
    spare_w               headroom_w minus the present power
    target_w              the mean that the quarter should not exceed
    alert                 bool
    is_estimated          the meter has no 1.4.0: average_w is from registers, in steps of 4 W
    month_peak_w          the highest of this month's completed quarters (1.6.0)
    year_mean_peak_w      mean of the peaks of this month so far and of the eleven months before
                          (98.1.0), as far as the meter has them, each at least 2500 W: what this
                          month will be billed if no higher peak comes
    new_peak_cost_ct      what a quarter like the forecast adds to the bills of twelve months; 0 if
                          it is not a new peak
    """

    def __init__(self, target_w=0, rate_ct_per_kw_year=0):
        """target_w: the owner's target; 0: this month's peak, at least 2500 W. rate 0: no rate."""
        self._own_target_w = target_w
        self._rate_ct = rate_ct_per_kw_year
        self._edition = self._month = None  # of the Reading from which the peaks were taken
        self.month_peak_w = self.year_mean_peak_w = None
        self._billed_w = None  # this month's peak as it is billed so far, at least 2500 W
        self._forget()

    def _forget(self):
        self.number = self.elapsed_s = None
        self._power_fine = None  # smoothed, in 1/256 W
        self._start_wh = None  # the import register at the start of the quarter
        self._wh = None  # the same at the last Reading
        self.is_estimated = False
        self.average_w = self.forecast_w = self.forecast_smoothed_w = None
        self.headroom_w = self.spare_w = self.target_w = self.new_peak_cost_ct = None
        self.alert = None
        self._hold_s = 0

    def update(self, reading) -> None:
        """Calculates all values for a new Reading."""
        at = reading.stamp_at
        if at is None:
            self._forget()
            return
        text = reading.telegram
        quarter = timestamp.quarter(text, at, reading.profile.winter_h)
        elapsed_s = timestamp.second_of_quarter(text, at)
        step_s = self._step(quarter, elapsed_s)
        power_w = reading.scaled(_IMPORT)
        self._average(reading, quarter, elapsed_s, step_s)
        self._smooth(power_w, step_s)
        if quarter != self.number:
            self.headroom_w = None
        self.number, self.elapsed_s = quarter, elapsed_s
        self._peaks(reading, timestamp.month(text, at))
        self._forecast(power_w)
        self._decide(step_s)

    def _step(self, quarter, elapsed_s):
        """Returns the seconds since the Reading before; None if there is none, if the clock went
        back, or if it is too long ago."""
        if self.number is None or not 0 <= quarter - self.number <= 1:
            return None
        quarters = quarter - self.number
        step_s = quarters * _QUARTER_S + elapsed_s - self.elapsed_s
        return step_s if 0 <= step_s <= _GAP_S else None

    def _average(self, reading, quarter, elapsed_s, step_s):
        self.average_w = reading.scaled(_AVERAGE)
        self.is_estimated = self.average_w is None
        if not self.is_estimated:
            self._wh = self._start_wh = None
            return
        before_wh, self._wh = self._wh, reading.scaled(_ENERGY, 3)
        if before_wh is None or self._wh is None:
            self._start_wh = None
            return
        grown_wh = self._wh - before_wh
        if quarter != self.number:
            self._start_wh = None
            if step_s:  # energy from before the boundary belongs to the quarter before
                self._start_wh = before_wh + grown_wh * (step_s - elapsed_s) // step_s
        most_s = _QUARTER_S if step_s is None else step_s
        if not 0 <= grown_wh <= _METER_W * most_s // 3600 + 1:
            self._start_wh = None  # the registers are from another meter
        if self._start_wh is not None:
            self.average_w = (self._wh - self._start_wh) * (3600 // _QUARTER_S)

    def _smooth(self, power_w, step_s):
        # Exponential mean by the backward Euler method, which is stable for steps of any length.
        if power_w is None:
            self._power_fine = None
        elif step_s is None or self._power_fine is None:
            self._power_fine = power_w * _FINE
        else:
            weighted = self._power_fine * _TAU_S + power_w * _FINE * step_s
            whole_s = _TAU_S + step_s
            self._power_fine = (weighted + whole_s // 2) // whole_s

    def _peaks(self, reading, month):
        # The edition shows whether the peaks in the Reading can have changed.
        if reading.edition == self._edition and month == self._month:
            return
        self._edition, self._month = reading.edition, month
        self.month_peak_w = self.year_mean_peak_w = self._billed_w = None
        if reading.peak is None:
            return
        # A peak's stamp is the end of its quarter, so the first second of a month belongs to the
        # month before. Meters also show that stamp until the month's first quarter is complete.
        text, at = reading.telegram, reading.peak_stamp_at
        if timestamp.month(text, at) == month and not timestamp.is_month_start(text, at):
            self.month_peak_w = _watts(*reading.peak)
        self._billed_w = total_w = max(self.month_peak_w or 0, _FLOOR_W)
        if not reading.has(_HISTORY):
            return
        months = 1
        for year, number, _, mantissa, decimals in reading.history:
            if 0 < month - (year * 12 + number - 1) < _MONTHS:
                total_w += max(_watts(mantissa, decimals), _FLOOR_W)
                months += 1
        self.year_mean_peak_w = (total_w + months // 2) // months

    def _forecast(self, power_w):
        average_w = self.average_w
        left_s = _QUARTER_S - self.elapsed_s  # pyright: ignore[reportOperatorIssue]
        self.target_w = self._own_target_w or self._billed_w or _FLOOR_W
        self.forecast_w = self.forecast_smoothed_w = None
        self.spare_w = self.new_peak_cost_ct = None
        if average_w is None:
            self.headroom_w = None
            return
        if self.elapsed_s < _HELD_S:
            self.headroom_w = (self.target_w - average_w) * _QUARTER_S // left_s
        if power_w is None:
            return
        self.spare_w = None if self.headroom_w is None else self.headroom_w - power_w
        self.forecast_w = average_w + _share(power_w, left_s)
        smoothed_w = (self._power_fine + _FINE // 2) // _FINE
        self.forecast_smoothed_w = average_w + _share(smoothed_w, left_s)
        if self._rate_ct and self._billed_w:
            # A month's peak is 1/12 of the mean in twelve bills; each bill is 1/12 of the rate.
            more_w = max(self.forecast_w - self._billed_w, 0)
            self.new_peak_cost_ct = (more_w * self._rate_ct + 6000) // 12000

    def _decide(self, step_s):
        if self.forecast_w is None:
            self.alert = None
            return
        self._hold_s = max(self._hold_s - step_s, 0) if step_s is not None else 0
        # Both forecasts must be too high: a kettle that was just switched on does not count yet,
        # and one that was just switched off does not count any more.
        low_w = min(self.forecast_w, self.forecast_smoothed_w)  # pyright: ignore[reportArgumentType]
        if self.elapsed_s >= _EARLY_S and low_w > self.target_w:
            if not self.alert:
                self._hold_s = _HOLD_S
            self.alert = True
        elif self.alert is None or (
            not self._hold_s and low_w * 100 < self.target_w * _CLEAR_PERCENT
        ):
            self.alert = False


def _watts(mantissa, decimals):
    return mantissa // 10**decimals


def _share(power_w, left_s):
    """Returns what left_s seconds with this power add to a quarter's mean, to the nearest W."""
    return (power_w * left_s + _QUARTER_S // 2) // _QUARTER_S
