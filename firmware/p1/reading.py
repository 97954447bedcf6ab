# A Reading: the content of one verified telegram, as integers and as places in the telegram's
# text. No value is a float, because floats on the ESP32 have only 24 bits.

from array import array

from . import obis, timestamp
from .scan import ABSENT, LINES, NEGATIVE, PLACES, UNKNOWN_LINES, clear


class Submeter:
    """One M-Bus channel: gas, water, heat ... None means that the telegram does not have it."""

    def __init__(self, channel):
        self.channel = channel
        self.device_type = None  # OMS medium
        self.type = "other"
        self.id = self.ean = None  # UTF-8
        self.valve_state = None
        self.clear_capture()

    def clear_capture(self) -> None:
        self.stamp_at = None  # place of the capture time in the telegram
        self.value_key = None  # b"volume_m3", b"energy_gj" ...
        self.mantissa = self.decimals = 0  # the value


class Reading:
    """Filled by decode(); all other code only reads it.

    mantissa and decimals have an entry for each row of the registry. The value of a number is
    mantissa / 10^decimals in the key's unit. Stamps are places in `telegram`.
    """

    def __init__(self, country_code="auto", has_room=lambda size: True):
        """country_code: one of country.CODES. has_room(size) returns whether `size` bytes of
        memory are free; decode() calls it before it loads texts.py."""
        from .country import profile

        self.country_code = country_code
        self.has_room = has_room
        self.profile = profile(country_code)
        self.mantissa = array("i", bytes(4 * obis.ROWS))
        self.decimals = bytearray(obis.ROWS)
        self.unknown = array("H", bytes(2 * UNKNOWN_LINES))  # starts of lines with unknown codes
        # By line, see scan().
        self.line_end = array("H", bytes(2 * LINES))
        self.line_value = array("H", bytes(2 * LINES))
        self.line_row = bytearray(LINES)
        self.line_tens = bytearray(LINES)
        self.body = 0  # the place of the "!"
        self.has_layout = False
        self.telegram = b""
        self.size = 0
        clear(self.decimals, obis.ROWS)
        self.unknown_codes = 0  # how many lines in `unknown` have a code that is in no row
        # How many could not be used: numbers and lines that are not objects; clock; captures;
        # all others.
        self.bad_numbers = self.bad_clock = self.bad_captures = self.bad_texts = 0
        self.is_whole = False  # whether all of the telegram has been read
        self.stamp_at = None  # place of the meter's clock in the telegram
        # Counters of changes: `edition` of everything except numbers and times, `captures` of the
        # captures of sub-meters.
        self.edition = self.captures = 0
        self.clear_texts()

    def clear_texts(self) -> None:
        """Clears everything that is not a number."""
        self.edition += 1
        self.bad_texts = 0
        self.unknown_count = self.unknown_codes
        self.model = None  # the header after its "/", UTF-8
        self.tariff = None  # its number
        self.texts = {}  # row -> UTF-8
        self.peak_stamp_at = None  # place of the stamp of monthly_power_peak
        self.peak = None  # (mantissa, decimals) in W
        self.history = []  # (year, month, stamp_at or None, mantissa, decimals in W), by month
        self.failures = []  # (stamp_at of the end, duration in s)
        self.submeters = []  # a Submeter for each channel that has a line

    @property
    def rejected(self) -> int:
        """How many values of the telegram could not be used."""
        return self.bad_numbers + self.bad_clock + self.bad_captures + self.bad_texts

    def has(self, row: int) -> bool:
        return self.decimals[row] != ABSENT

    def scaled(self, row: int, decimals: int = 0) -> int | None:
        """Returns the number of a row in units of 10^-decimals, truncated; None if absent."""
        places = self.decimals[row]
        if places == ABSENT:
            return None
        value = self.mantissa[row]
        sign = -1 if places & NEGATIVE else 1
        places = (places & PLACES) - decimals
        return sign * (value // 10**places if places > 0 else value * 10**-places)

    def number(self, row: int) -> tuple | None:
        """Returns (mantissa with its sign, decimals) of a row; None if absent."""
        places = self.decimals[row]
        if places == ABSENT:
            return None
        value = self.mantissa[row]
        return -value if places & NEGATIVE else value, places & PLACES

    def freshest(self, type: str, value_key: bytes) -> Submeter | None:
        """Returns the sub-meter of this type with the newest value, or None."""
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
        """Returns whether one stamp is later than another. A missing stamp counts as earlier."""
        if at is None or other_at is None:
            return other_at is None and at is not None
        return timestamp.is_later(self.telegram, at, other_at, self.profile.winter_h)
