# The current quarter hour as JSON: the document of GET /quarter and of the MQTT topic .../quarter.

from .page import Page

CAPACITY = 416  # all keys with the longest numbers need 403

_MINUTE_AT = len(b"2026-03-30T17:")

# The same names as in the Reading, if it has them, in the order in which render() writes them.
_KEYS = (
    b',"elapsed_s":,"average_power_w":,"forecast_power_w":,"forecast_smoothed_power_w":'
    b',"headroom_w":,"spare_w":,"target_power_w":,"month_peak_w":,"year_mean_peak_w":'
    b',"new_peak_cost_ct":,'
)


class QuarterJson:
    """render(quarter, reading) writes the document into page."""

    def __init__(self, head=0):
        self.page = Page(CAPACITY, head)

    def render(self, quarter, reading) -> Page:
        """Writes the values of a Quarter after its update() with this Reading, which must have a
        clock. Returns the page. Unknown values are left out."""
        page = self.page
        page.size = 0
        page.put(b'{"timestamp":"')
        _stamp(page, reading)
        page.put(b'","start":"')
        start = page.size
        _stamp(page, reading)
        _set_back(page.bytes, start + _MINUTE_AT, quarter.elapsed_s // 60)
        page.put(b'"')
        at = _number(page, 0, quarter.elapsed_s)
        at = _number(page, at, quarter.average_w)
        at = _number(page, at, quarter.forecast_w)
        at = _number(page, at, quarter.forecast_smoothed_w)
        at = _number(page, at, quarter.headroom_w)
        at = _number(page, at, quarter.spare_w)
        at = _number(page, at, quarter.target_w)
        at = _number(page, at, quarter.month_peak_w)
        at = _number(page, at, quarter.year_mean_peak_w)
        _number(page, at, quarter.new_peak_cost_ct)
        if quarter.alert is not None:
            page.put(b',"alert":true' if quarter.alert else b',"alert":false')
        page.put(b',"estimated":true}' if quarter.is_estimated else b',"estimated":false}')
        return page


def _number(page, at, value):
    """Writes a value with the key that starts at _KEYS[at], unless the value is None. Returns
    where the next key starts."""
    end = _KEYS.find(b",", at + 1)
    if value is not None:
        page.copy(_KEYS, at, end)
        page.number(value)
    return end


def _stamp(page, reading):
    page.stamp(reading.telegram, reading.stamp_at, reading.profile.winter_h)


def _set_back(out, at, minutes):
    """Sets the time "mm:ss" at out[at] back by so many minutes, and its seconds to 0."""
    minute = out[at] * 10 + out[at + 1] - 11 * 0x30 - minutes
    out[at] = 0x30 + minute // 10
    out[at + 1] = 0x30 + minute % 10
    out[at + 3] = out[at + 4] = 0x30
