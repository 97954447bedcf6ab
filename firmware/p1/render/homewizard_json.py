# A Reading in the format of HomeWizard's P1 meter at /api/v1/data (their local API v1, "Recent
# Measurement"). Values that their format does not have are left out.

from array import array

from micropython import const

from .. import obis
from ..scan import ABSENT, NEGATIVE, PLACES
from .numbers import write_numbers
from .page import NUMBER_LENGTH, Full, Page

# As in table.py, but the units are the same everywhere, and the letter is the largest number of
# decimals of their number. "-" as key: not a number of the registry. These lines and the currents
# come first because they need extra code. "l#": one line for each phase, "t#": one for each
# tariff. The spelling "montly" is theirs.
_TABLE = b"""
- 0 wifi_strength
- 0 smr_version
- 0 active_tariff
- 0 montly_power_peak_w
- 3 active_current_a
current_l#_a 3 active_current_l#_a
energy_import_kwh 3 total_power_import_kwh
energy_import_t#_kwh 3 total_power_import_t#_kwh
energy_export_kwh 3 total_power_export_kwh
energy_export_t#_kwh 3 total_power_export_t#_kwh
power_w 0 active_power_w
power_l#_w 0 active_power_l#_w
voltage_l#_v 1 active_voltage_l#_v
frequency_hz 3 active_frequency_hz
voltage_sags_l#_count 0 voltage_sag_l#_count
voltage_swells_l#_count 0 voltage_swell_l#_count
power_failures_count 0 any_power_fail_count
long_power_failures_count 0 long_power_fail_count
average_power_15m_w 0 active_power_average_w
"""

_STRENGTH = const(0)  # the first rows
_VERSION = const(1)
_TARIFF = const(2)
_PEAK = const(3)
_CURRENT = const(4)
_CURRENTS = const(5)
_POWERS = bytes([obis.row(f"power_l{phase}_w") for phase in (1, 2, 3)])  # rows of the registry
_VERSIONS = range(obis.FIRST_VERSION, obis.FIRST_MESSAGE)
_IDS = [row for row in range(obis.FIRST_HEX, obis.FIRST_VERSION) if obis.key(row) == b"meter_id"]

# Their names by device type, and their units by the key of the counted value.
_TYPES = {
    3: b"gas_meter",
    4: b"heat_meter",
    6: b"warm_water_meter",
    7: b"water_meter",
    12: b"inlet_heat_meter",
}
_UNITS = {b"volume_m3": b"m3", b"energy_gj": b"GJ"}

_LARGEST = const(0x7FFFFFFF)
_ZERO = const(0x30)
_NINE = const(0x39)
_DIGITS = b"0123456789ABCDEF"
_STAMP_LENGTH = const(12)


def _rows():
    sources = bytearray()  # rows of the registry, ABSENT if there is none
    places = bytearray()
    keys = bytearray()
    lengths = bytearray()
    for line in _TABLE.strip().split(b"\n"):
        ours, most, theirs = line.split()
        for number in b"1234" if b"t#" in ours else b"123" if b"l#" in ours else b"#":
            digit = bytes((number,))
            key = theirs.replace(b"#", digit)
            name = ours.replace(b"#", digit).decode()
            sources.append(ABSENT if name == "-" else obis.row(name))
            places.append(int(most))
            lengths.append(len(key))
            keys.extend(key)
    return sources, places, bytes(keys), lengths


class HomeWizard:
    """render() writes the document into page."""

    # Has the attributes of the registry from which write_numbers() takes the keys.
    _SOURCE, _MOST, KEYS, KEY_LENGTH = _rows()
    first = keys_at = 0

    def __init__(self):
        rows = len(self._SOURCE)
        # The attributes of a Reading and of a Written, which share their arrays here.
        self.mantissa = self.shown = array("i", [0] * rows)
        self.decimals = self.shown_decimals = bytearray(rows)
        self.ends = array("H", [0] * rows)
        self._numbers_length = sum(self.KEY_LENGTH) + rows * (len(b',"":') + NUMBER_LENGTH)
        self.page = Page(self._numbers_length + 1024)

    def render(self, reading, ssid: bytes, strength: int | None) -> Page:
        """Writes the document of a Reading (None: there is none yet), and returns its page.

        ssid: the network's name as JSON. strength: of its signal in %, None if unknown. Parts
        that do not fit are left out, but never numbers.
        """
        page = self.page
        page.size = 0
        page.limit = len(page.bytes) - len(b"]}")
        page.put(b'{"wifi_ssid":')  # without this key clients take it for their API v2
        page.put(ssid)
        self._take(reading, strength)
        page.reserve(self._numbers_length)
        page.size = write_numbers(page, self, self, self)
        if reading:
            for part in _PARTS:
                size = page.size
                try:
                    part(page, reading)
                except Full:
                    page.size = size
        page.limit = len(page.bytes)
        page.put(b"}")
        return page

    def _take(self, reading, strength):
        for row in range(len(self.decimals)):
            self.decimals[row] = ABSENT
        if strength is not None:
            self._put(_STRENGTH, strength, 0)
        if not reading:
            return
        for row in range(len(self._SOURCE)):
            source = self._SOURCE[row]
            if source != ABSENT and reading.has(source):
                self._put(row, reading.mantissa[source], reading.decimals[source])
        self._add_currents()
        for phase in range(3):
            # Meters print currents without a sign.
            if reading.has(_POWERS[phase]) and reading.decimals[_POWERS[phase]] & NEGATIVE:
                self._negate(_CURRENTS + phase)
        if reading.tariff is not None:
            self._put(_TARIFF, reading.tariff, 0)
        if reading.peak:
            self._put(_PEAK, reading.peak[0], reading.peak[1])
        for row in _VERSIONS:
            text = reading.texts.get(row)
            if text:
                self._put_version(text)
                break

    def _put(self, row, mantissa, decimals):
        """Stores a number, truncated to the decimals that theirs has."""
        while decimals & PLACES > self._MOST[row]:
            mantissa //= 10
            decimals -= 1
        self.mantissa[row] = mantissa
        self.decimals[row] = decimals if mantissa else decimals & PLACES

    def _add_currents(self):
        """Sets the total current: the sum of the absolute values (API v2, "current_a"). There is
        none if the phases differ in their number of decimals, which is so on no meter."""
        total = 0
        decimals = ABSENT
        for row in range(_CURRENTS, _CURRENTS + 3):
            if self.decimals[row] != ABSENT:
                if decimals == ABSENT:
                    decimals = self.decimals[row] & PLACES
                elif decimals != self.decimals[row] & PLACES:
                    return
                total += self.mantissa[row]
        if decimals != ABSENT and total <= _LARGEST:
            self._put(_CURRENT, total, decimals)

    def _negate(self, row):
        if self.decimals[row] != ABSENT and self.mantissa[row]:
            self.decimals[row] |= NEGATIVE

    def _put_version(self, text):
        """Stores 50 for "50217", which is the P1 version and the e-MUCS version."""
        if len(text) > 1 and _ZERO <= text[0] <= _NINE and _ZERO <= text[1] <= _NINE:
            self._put(_VERSION, 10 * (text[0] - _ZERO) + text[1] - _ZERO, 0)


# Each function below writes one part, with a comma before each key.


def _model(page, reading):
    if reading.model:
        page.put(b',"meter_model":')
        page.string(reading.model)


def _id(page, reading):
    for row in _IDS:
        text = reading.texts.get(row)
        if text:
            page.put(b',"unique_id":')
            _hex(page, text)
            return


def _peak_stamp(page, reading):
    if reading.peak and _is_stamp(reading, reading.peak_stamp_at):
        page.put(b',"montly_power_peak_timestamp":')
        _stamp(page, reading, reading.peak_stamp_at)


def _gas(page, reading):
    meter = reading.freshest("gas", b"volume_m3")
    if not meter:
        return
    page.put(b',"total_gas_m3":')
    page.number(meter.mantissa, meter.decimals)
    if _is_stamp(reading, meter.stamp_at):
        page.put(b',"gas_timestamp":')
        _stamp(page, reading, meter.stamp_at)
    if meter.id:
        page.put(b',"gas_unique_id":')
        _hex(page, meter.id)


def _external(page, reading):
    is_first = True
    for meter in reading.submeters:
        type = _TYPES.get(meter.device_type)
        unit = _UNITS.get(meter.value_key)
        # Without an id or a stamp a client rejects the whole document.
        if not (type and unit and meter.id and _is_stamp(reading, meter.stamp_at)):
            continue
        size = page.size
        try:
            page.put(b',"external":[' if is_first else b",")
            page.put(b'{"unique_id":')
            _hex(page, meter.id)
            page.put(b',"type":"')
            page.put(type)
            page.put(b'","timestamp":')
            _stamp(page, reading, meter.stamp_at)
            page.put(b',"value":')
            page.number(meter.mantissa, meter.decimals)
            page.put(b',"unit":"')
            page.put(unit)
            page.put(b'"}')
            is_first = False
        except Full:
            page.size = size
    if not is_first:
        page.limit += 1
        page.put(b"]")


_PARTS = (_model, _id, _peak_stamp, _gas, _external)


def _hex(page, text):
    """Writes an id as hex digits, as meters send it; also an id that was sent as plain text."""
    page.put(b'"')
    for at in range(len(text)):
        page.byte(_DIGITS[text[at] >> 4])
        page.byte(_DIGITS[text[at] & 15])
    page.put(b'"')


def _is_stamp(reading, at):
    """Returns whether there is a stamp that JSON allows as a number: from 2010 on, without a 0."""
    return at is not None and reading.telegram[at] != _ZERO


def _stamp(page, reading, at):
    page.copy(reading.telegram, at, at + _STAMP_LENGTH)
