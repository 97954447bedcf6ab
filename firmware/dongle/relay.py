# A relay or an LED that follows the quarter hour's alert, without a network in between.

import asyncio

from micropython import const

_LOOK_MS = const(1_000)


class Relay:
    """signal: with on() and off(), as machine.Signal."""

    def __init__(self, signal, latest, quarter):
        self._signal = signal
        self._latest = latest
        self._quarter = quarter
        self.is_on = False

    async def run(self):
        """Off where nothing is known: a silent meter must not keep anything switched."""
        try:
            while True:
                is_on = self._latest.age_ms() is not None and bool(self._quarter.alert)
                if is_on != self.is_on:
                    self.is_on = is_on
                    if is_on:
                        self._signal.on()
                    else:
                        self._signal.off()
                await asyncio.sleep_ms(_LOOK_MS)
        finally:
            self.is_on = False
            self._signal.off()
