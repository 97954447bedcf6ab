# Switches a relay or an LED by the alert of the quarter hour, without any network.


class Relay:
    """signal: with on() and off(), as machine.Signal."""

    def __init__(self, signal, latest, quarter):
        self._signal = signal
        self._latest = latest
        self._quarter = quarter
        self.is_on = False

    def tick(self) -> None:
        """Switches the output. To be called once a second. Without a recent telegram the output
        is off: a silent meter must not leave it on."""
        is_on = self._latest.age_ms() is not None and bool(self._quarter.alert)
        if is_on != self.is_on:
            self.is_on = is_on
            if is_on:
                self._signal.on()
            else:
                self._signal.off()
