# A Reading: what one verified telegram says. Integers and places in the telegram's own text;
# no value is ever a float (the ESP32's have 24 bits).

from array import array

from . import obis, timestamp
from .scan import ABSENT, LINES, NEGATIVE, PLACES, UNKNOWN_LINES, clear


class Submeter:
    """One M-Bus channel: gas, water, heat ... None: the telegram does not say it."""

    def __init__(self, channel):
        self.channel = channel
        self.device_type = None  # OMS medium
        self.type = "other"
        self.id = self.ean = None  # UTF-8
        self.valve_state = None
        self.clear_capture()

    def clear_capture(self):
        self.stamp_at = None  # place of the capture time in the telegram
        self.value_key = None  # b"volume_m3", b"energy_gj" ...
        self.mantissa = self.decimals = 0  # the value


class Reading:
    """Filled by decode(); everybody else only looks.

    By row of the registry: mantissa and decimals of numbers, whose value is
    mantissa / 10^decimals in the key's unit. Stamps are places in `telegram`.
    """

    def __init__(self, country_code="auto", has_room=lambda size: True):
        """country_code: one of country.CODES; has_room: whether so many bytes of memory are free,
        for who reads texts."""
        from .country import profile

        self.country_code = country_code
        self.has_room = has_room
        self.profile = profile(country_code)
        self.mantissa = array("i", bytes(4 * obis.ROWS))
        self.decimals = bytearray(obis.ROWS)
        self.unknown = array("H", bytes(2 * UNKNOWN_LINES))  # starts of lines with unknown codes
        # By line, as scan() says.
        self.line_end = array("H", bytes(2 * LINES))
        self.line_value = array("H", bytes(2 * LINES))
        self.line_row = bytearray(LINES)
        self.line_tens = bytearray(LINES)
        self.body = 0  # where the "!" stands
        self.has_layout = False
        self.telegram = b""
        self.size = 0
        clear(self.decimals, obis.ROWS)
        self.unknown_codes = 0  # of the lines in `unknown`, those whose code is the reason
        # What could not be used: numbers and lines that are no objects; the clock; captures;
        # others.
        self.bad_numbers = self.bad_clock = self.bad_captures = self.bad_texts = 0
        self.is_whole = False  # whether all of the telegram has been read
        self.stamp_at = None  # the meter's clock
        # These count up: edition when anything but numbers and times changes, captures when the
        # sub-meters' do.
        self.edition = self.captures = 0
        self.clear_texts()

    def clear_texts(self):
        """Forgets all that is no number."""
        self.edition += 1
        self.bad_texts = 0
        self.unknown_count = self.unknown_codes
        self.model = None  # the header behind its "/", UTF-8
        self.tariff = None  # its number
        self.texts = {}  # row -> UTF-8
        self.peak_stamp_at = None  # the quarter of monthly_power_peak
        self.peak = None  # (mantissa, decimals) in W
        self.history = []  # (year, month, stamp_at or None, mantissa, decimals), by month, in W
        self.failures = []  # (stamp_at of the end, duration in s)
        self.submeters = []  # a Submeter for each channel that has a line

    @property
    def rejected(self):
        """How many values of the telegram could not be used."""
        return self.bad_numbers + self.bad_clock + self.bad_captures + self.bad_texts

    def has(self, row):
        return self.decimals[row] != ABSENT

    def scaled(self, row, decimals=0):
        """The number of a row in units of 10^-decimals, cut off there; None where absent."""
        places = self.decimals[row]
        if places == ABSENT:
            return None
        value = self.mantissa[row]
        sign = -1 if places & NEGATIVE else 1
        places = (places & PLACES) - decimals
        return sign * (value // 10**places if places > 0 else value * 10**-places)

    def number(self, row):
        """(mantissa, decimals) of a row, the mantissa with its sign; None where absent."""
        places = self.decimals[row]
        if places == ABSENT:
            return None
        value = self.mantissa[row]
        return -value if places & NEGATIVE else value, places & PLACES

    def freshest(self, type, value_key):
        """The sub-meter of this type with the newest value, or None."""
        found = None
        for submeter in self.submeters:
            if (
                submeter.value_key == value_key
                and submeter.type == type
                and (found is None or self._is_later(submeter.stamp_at, found.stamp_at))
            ):
                found = submeter
        return found

    def _is_later(self, at, other_at):
        """Whether one stamp is later than another; no stamp is earlier than any."""
        if at is None or other_at is None:
            return other_at is None and at is not None
        return timestamp.is_later(self.telegram, at, other_at, self.profile.winter_h)
