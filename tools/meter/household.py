"""A household behind its meter, one second at a time.

Power is a function of the seed and the moment. Energy is counted in W·s and volume in ml, as
integers, so that the registers are exactly the sum of the power that was shown.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from meter.appliances import GAS, STANDBY_W, uses
from meter.civil import BRUSSELS, local, month_start_s, tariff
from meter.solar import Panels

QUARTER_S = 900
HISTORY_MONTHS = 13  # e-MUCS-P1 1.7.1: 0-0:98.1.0 holds thirteen and then rolls


class Submeter:
    """A gas or water meter that is read over the radio about every five minutes."""

    def __init__(self, now_s: int, volume_ml: int, seed: str):
        self._rng = Random(seed)
        self._volume_ml = volume_ml
        self.stamp_s = now_s - self._rng.randrange(280)  # of the last capture
        self.volume_l = volume_ml // 1000  # at that stamp
        self._plan_capture()

    def step(self, now_s: int, flow_ml: int) -> None:
        self._volume_ml += flow_ml
        if now_s == self._visible_s:
            self.stamp_s = now_s - self._lag_s
            self.volume_l = (self._volume_ml - self._lag_s * flow_ml) // 1000
            self._plan_capture()

    def _plan_capture(self):
        # Seen in a recording of twenty minutes: 4:40 to 5:54 apart, shown 0 or 1 s later.
        self._lag_s = self._rng.randint(0, 1)
        self._visible_s = self.stamp_s + self._rng.randint(280, 354) + self._lag_s


class Household:
    """The state of the meter at `now_s` (epoch), the end of the second that was stepped last."""

    def __init__(
        self,
        start: datetime,
        seed: int = 1,
        phases: int = 3,
        months: int = HISTORY_MONTHS,
        solar_w: int = 4600,
    ):
        """`start` is aware, or else local time in Belgium; `months` of history lie before it."""
        if start.tzinfo is None:
            start = start.replace(tzinfo=BRUSSELS)
        if phases not in (1, 3):
            raise ValueError(f"a meter has 1 or 3 phases, not {phases}")
        if not 0 <= months <= HISTORY_MONTHS:
            raise ValueError(f"a meter keeps 0 to {HISTORY_MONTHS} months, not {months}")
        if solar_w < 0:
            raise ValueError("panels give no less than 0 W")
        self.phases = phases
        self.phase_w: tuple[int, ...] = ()
        self.history: tuple[tuple[int, int, int], ...] = ()
        self._seed = seed
        self._panels = Panels(seed, solar_w)
        start_s = int(start.timestamp())
        self._begin_at((start_s - 1) // QUARTER_S * QUARTER_S)
        self._recall_energy(Random(f"{seed}/energy"))
        while self.now_s < start_s:  # so that 1.4.0 is right from the start
            self.step()
        self._recall_peaks(Random(f"{seed}/peaks"), months)

    # -- one second ------------------------------------------------------------------------

    def step(self) -> None:
        """Advance the clock by one second."""
        changes = self._changes.pop(self.now_s, None)
        if changes:
            for line, amount in changes:
                self._flow[line] += amount
        l1_w, l2_w, l3_w, gas_ml, water_ml = self._flow
        l1_w += (self.now_s * 0x9E3779B1 + self._seed) >> 20 & 15  # never quite still
        solar_w = self._panels.power_w(self.now_s)
        if self.phases == 3:
            l3_w -= solar_w
            self.phase_w = (l1_w, l2_w, l3_w)
            net_w = l1_w + l2_w + l3_w
        else:
            net_w = l1_w - solar_w
            self.phase_w = (net_w,)

        # The meter nets over its phases at every instant (e-MUCS-P1 1.7.1 note 3).
        if net_w >= 0:
            self.import_w, self.export_w = net_w, 0
            self.import_ws[self.tariff] += net_w
            self.quarter_ws += net_w
        else:
            self.import_w, self.export_w = 0, -net_w
            self.export_ws[self.tariff] -= net_w

        self.now_s += 1
        self.gas.step(self.now_s, gas_ml)
        self.water.step(self.now_s, water_ml)
        if self.now_s % QUARTER_S == 0:
            self._close_quarter()

    def _close_quarter(self):
        if self.average_w > self.peak_w:
            self.peak_w, self.peak_s = self.average_w, self.now_s
        self.quarter_ws = 0
        # Belgium's offsets are whole hours: days, tariffs and months begin with a quarter.
        moment = local(self.now_s)
        self.tariff = tariff(moment)
        if moment.hour == moment.minute == 0:
            self._plan(moment)
            if moment.day == 1:
                self._close_month()

    def _close_month(self):
        entry = (self.now_s, self.peak_s, self.peak_w)
        self.history = (*self.history, entry)[-HISTORY_MONTHS:]
        self.peak_w, self.peak_s = 0, self.now_s

    def _plan(self, day: datetime):
        """Note what the day will switch on and off."""
        for use in uses(self._seed, day.date(), self.phases):
            line = use.line if self.phases == 3 or use.line >= GAS else 0
            self._change(use.start_s, line, use.amount)
            self._change(use.start_s + use.seconds, line, -use.amount)

    def _change(self, at_s: int, line: int, amount: int):
        self._changes.setdefault(at_s, []).append((line, amount))

    # -- what is shown ---------------------------------------------------------------------

    @property
    def average_w(self) -> int:
        """1.4.0: the energy of the running quarter over a full quarter, a ramp from 0."""
        return self.quarter_ws // QUARTER_S

    def voltage_dv(self, phase: int) -> int:
        """In tenths of a volt: a slow swing, less under load and more with sun."""
        swing = abs((self.now_s + 700 * phase) % 5400 - 2700) // 90
        return 2320 + swing + (self.now_s * 7 + phase * 5) % 4 - self.phase_w[phase] // 150

    # -- the past --------------------------------------------------------------------------

    def _begin_at(self, now_s: int):
        self.now_s = now_s
        moment = local(now_s)
        self.tariff = tariff(moment)
        self._flow = [*STANDBY_W, 0, 0] if self.phases == 3 else [sum(STANDBY_W), 0, 0, 0, 0]
        self._changes = {}
        self._plan(moment - timedelta(days=1))  # what was switched on yesterday may be on still
        self._plan(moment)
        for at_s in [at_s for at_s in self._changes if at_s < now_s]:
            for line, amount in self._changes.pop(at_s):
                self._flow[line] += amount
        self.quarter_ws = 0
        self.peak_w, self.peak_s, self.history = 0, month_start_s(moment), ()

    def _recall_energy(self, rng: Random):
        """Registers of a meter that has hung there for two or three years."""
        days = rng.randint(500, 1100)

        def total(per_day: int) -> int:
            return days * per_day * rng.randint(900, 1100) + rng.randrange(1000)

        self.import_ws = {1: total(3600 * 5), 2: total(3600 * 9)}
        self.export_ws = {1: total(3600 * 4), 2: total(3600 * 2)}
        self.gas = Submeter(self.now_s, total(3200), f"{self._seed}/gas")
        self.water = Submeter(self.now_s, total(260), f"{self._seed}/water")

    def _recall_peaks(self, rng: Random, months: int):
        moment = local(self.now_s)
        months_s = [month_start_s(moment, back) for back in range(months, -1, -1)]
        self.history = tuple(
            (end_s, *self._past_peak(rng, start_s, end_s)) for start_s, end_s in pairwise(months_s)
        )
        last_quarter_s = self.now_s // QUARTER_S * QUARTER_S
        peak_s, peak_w = self._past_peak(rng, months_s[-1], last_quarter_s)
        if peak_w > self.peak_w:
            self.peak_s, self.peak_w = peak_s, peak_w

    def _past_peak(self, rng: Random, start_s: int, end_s: int) -> tuple[int, int]:
        """The end and the power of the highest quarter: some late evening, charging the car."""
        days = (end_s - start_s) // 86400
        if days:
            peak_w = rng.randint(8500, 13500) if self.phases == 3 else rng.randint(3900, 7600)
            return start_s + rng.randrange(days) * 86400 + rng.randint(90, 96) * QUARTER_S, peak_w
        quarters = (end_s - start_s) // QUARTER_S
        if quarters:
            return start_s + rng.randint(1, quarters) * QUARTER_S, rng.randint(300, 900)
        return start_s, 0
