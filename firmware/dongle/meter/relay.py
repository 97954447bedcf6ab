# A relay or an LED that follows the quarter hour's alert, without a network in between.


class Relay:
    """signal: with on() and off(), as machine.Signal."""

    def __init__(self, signal, latest, quarter):
        self._signal = signal
        self._latest = latest
        self._quarter = quarter
        self.is_on = False

    def tick(self):
        """To be called once a second. Off where nothing is known: a silent meter must not keep
        anything switched."""
        is_on = self._latest.age_ms() is not None and bool(self._quarter.alert)
        if is_on != self.is_on:
            self.is_on = is_on
            if is_on:
                self._signal.on()
            else:
                self._signal.off()
