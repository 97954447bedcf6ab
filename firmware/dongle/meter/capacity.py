# The running quarter hour of the capacity tariff, as JSON. It is updated with each telegram and
# rendered only when it is needed.

from p1.quarter import Quarter
from p1.render.quarter_json import QuarterJson

from ..latest import HEAD


class Capacity:
    def __init__(self, settings, latest):
        """settings: the section "quarter" of the config."""
        self._latest = latest
        self._json = QuarterJson(HEAD)
        self.page = self._json.page
        self._is_rendered = False
        self.quarter = Quarter(settings["target_w"], settings["rate_ct_per_kw_year"])
        latest.listeners.append(self._on_reading)

    def _on_reading(self):
        self._is_rendered = False
        self.quarter.update(self._latest.reading)

    def render(self) -> bool:
        """Updates the page; returns False if the telegram is too old or the quarter not known."""
        if self._latest.age_ms() is None or self.quarter.elapsed_s is None:
            return False
        if not self._is_rendered:
            self._json.render(self.quarter, self._latest.reading)
            self._is_rendered = True
        return True

    def document(self) -> memoryview:
        """Returns what render() has written, as a view that is valid until the next telegram."""
        return memoryview(self.page.bytes)[: self.page.size]
