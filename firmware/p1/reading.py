# A Reading: what one verified telegram says. Integers and places in the telegram's own text;
# no value is ever a float (the ESP32's have 24 bits).

from array import array

from . import country, obis, timestamp
from .scan import ABSENT, LINES, NEGATIVE, PLACES, UNKNOWN_LINES, clear


class Submeter:
    """One M-Bus channel: gas, water, heat ... None: the telegram does not say it."""

    def __init__(self, channel):
        self.channel = channel
        self.clear()
        self.clear_capture()

    def clear(self):
        self.device_type = None  # OMS medium
        self.id = self.ean = None  # UTF-8
        self.valve_state = None

    def clear_capture(self):
        self.stamp_at = None  # place of the capture time in the telegram
        self.value_key = None  # b"volume_m3", b"energy_gj" ...
        self.mantissa = self.decimals = 0  # the value

    @property
    def type(self):
        return obis.DEVICE_TYPES.get(self.device_type, "other")  # pyright: ignore[reportArgumentType, reportCallIssue]

    @property
    def is_empty(self):
        return self.device_type is None and self.id is None and self.value_key is None


class Reading:
    """Filled by decode(); everybody else only looks.

    By row of the registry: mantissa and decimals of numbers, whose value is
    mantissa / 10^decimals in the key's unit. Stamps are places in `telegram`.
    """

    def __init__(self, country_code=country.AUTO):
        self.country_code = country_code
        self.mantissa = array("i", [0] * obis.ROWS)
        self.decimals = bytearray(obis.ROWS)
        self.unknown = array("H", [0] * UNKNOWN_LINES)  # starts of lines with unknown codes
        self.submeters = [Submeter(channel + 1) for channel in range(obis.CHANNELS)]
        # By line, as scan() says.
        self.line_end = array("H", [0] * LINES)
        self.line_value = array("H", [0] * LINES)
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
        self.profile = country.PROFILES[self.country_code]
        self.bad_texts = 0
        self.unknown_count = self.unknown_codes
        self.model = None  # the header behind its "/", UTF-8
        self.tariff = None  # its number
        self.texts = {}  # row -> UTF-8
        self.peak_stamp_at = None  # the quarter of monthly_power_peak
        self.peak = None  # (mantissa, decimals) in W
        self.history = []  # (year, month, stamp_at or None, mantissa, decimals), by month, in W
        self.failures = []  # (stamp_at of the end, duration in s)
        for submeter in self.submeters:
            submeter.clear()

    @property
    def rejected(self):
        """How many values of the telegram could not be used."""
        return self.bad_numbers + self.bad_clock + self.bad_captures + self.bad_texts

    @property
    def tariff_name(self):
        """ "day" or "night"; None where the country has no name for the tariff's number."""
        return self.profile.tariff_names.get(self.tariff)

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

    def text(self, key):
        """The text (UTF-8) with this key (bytes); None where absent."""
        rows = [row for row in self.texts if obis.key(row) == key]
        return self.texts[min(rows)] if rows else None

    def add_unknown(self, line):
        """Notes the line that starts there as one that the registry does not explain."""
        if self.unknown_count < len(self.unknown):
            self.unknown[self.unknown_count] = line
            self.unknown_count += 1

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
