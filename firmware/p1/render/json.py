# A Reading as JSON: the document of GET /reading, of the MQTT topic .../reading and of `decode`.

from micropython import const

from .. import obis, timestamp
from ..text import latin
from .numbers import Written, update_numbers, write_numbers
from .page import NUMBER_LENGTH, Full, Page

CAPACITY = 6144  # a telegram of the longest legal kind needs less
_USUAL = const(2816)  # most need no more

_NAME_ROWS = obis.ROWS_OF["hex"] + obis.ROWS_OF["version"]
_MESSAGE_ROWS = obis.ROWS_OF["message"]
_STAMP_AT = len(b'{"timestamp":"')
_OPEN = const(0x7B)
_CLOSE = const(0x7D)


class Json:
    """render(reading) writes the document into page.

    What is no number comes first, behind the clock, and stays where it is until it changes.
    """

    def __init__(self, capacity=CAPACITY, head=0):
        self.page = Page(min(_USUAL, capacity), head, capacity)
        self.cut = 0  # parts of documents that were left out because they found no room
        self._reading = None  # whose texts are on the page, and which of them
        self._edition = self._captures = None
        self._values = []  # of sub-meters, as _submeters() says
        self._numbers_at = 0
        self._written = Written(obis.ROWS)
        self._size = 0  # of the document

    def render(self, reading):
        """Writes the document of this reading and returns the page that holds it."""
        page = self.page
        if self._update_texts(reading) and update_numbers(page, reading, self._written):
            page.size = self._size
        else:
            self._numbers(reading)
        return page

    def _update_texts(self, reading):
        """Writes what is no number anew where it differs. False where the numbers have to move."""
        if reading is not self._reading or reading.edition != self._edition:
            self._texts(reading)
            return False
        if reading.captures != self._captures and not self._update_values(reading):
            self._texts(reading)
            return False
        at = reading.stamp_at
        if at is not None:
            # A name more, and MicroPython would put them all on the heap, each second.
            offset_h = timestamp.utc_offset_h(reading.telegram, at, reading.profile.winter_h)
            timestamp.write_iso(self.page.bytes, _STAMP_AT, reading.telegram, at, offset_h)
        return True

    def _texts(self, reading):
        page = self.page
        cut = self._parts(reading)
        while cut and page.grow():
            cut = self._parts(reading)
        self.cut += cut
        page.limit = len(page.bytes)
        self._numbers_at = page.size
        self._reading = reading
        self._edition = reading.edition
        self._captures = reading.captures

    def _parts(self, reading):
        """Writes all that is no number; returns how many parts found no room."""
        page = self.page
        page.size = 0
        # Numbers matter most: what is left of the page is for the others.
        page.limit = len(page.bytes) - _ending_length(reading)
        cut = 0
        for part in _PARTS:
            size = page.size
            values = None
            try:
                values = part(page, reading)
            except Full:
                page.size = size
                cut += 1
            if part is _submeters:
                self._values = values or []
        return cut

    def _update_values(self, reading):
        """Writes those of sub-meters, each in its place. False where one needs another place."""
        page = self.page
        for start, end, submeter, key, stamp_key, type in self._values:
            if type and reading.freshest(type, submeter.value_key) is not submeter:
                return False
            page.size = start
            try:
                _value(page, reading, submeter, key, stamp_key)
            except Full:
                return False
            if page.size != end:
                return False
        self._captures = reading.captures
        return True

    def _numbers(self, reading):
        page = self.page
        page.size = self._numbers_at
        size = write_numbers(page, reading, obis, self._written) or 1
        page.bytes[0] = _OPEN  # instead of the first key's comma
        page.bytes[size] = _CLOSE
        page.size = self._size = size + 1


# Each part below writes its keys with a comma in front of each.


def _key(page, key):
    page.put(b',"')
    page.put(key)
    page.put(b'":')


def _stamp(page, reading, at):
    page.put(b'"')
    page.stamp(reading.telegram, at, reading.profile.winter_h)
    page.put(b'"')


def _clock(page, reading):
    if reading.stamp_at is not None:
        _key(page, b"timestamp")
        _stamp(page, reading, reading.stamp_at)


def _names(page, reading):
    if reading.model:
        _key(page, b"meter_model")
        page.string(reading.model)
    _texts(page, reading, _NAME_ROWS)


def _messages(page, reading):
    _texts(page, reading, _MESSAGE_ROWS)


def _texts(page, reading, rows):
    written = None
    for row in rows:
        text = reading.texts.get(row)
        key = obis.key(row)
        if text and key != written:
            _key(page, key)
            page.string(text)
            written = key


def _ending_length(reading):
    """How long the numbers can become, with the bracket."""
    length = len(b"{}")
    for row in range(obis.ROWS):
        if reading.has(row) and obis.ROW_UNIT[row] != obis.NOT_A_NUMBER:
            length += len(b',"":-') + obis.KEY_LENGTH[row] + NUMBER_LENGTH
    return length


def _tariff(page, reading):
    if reading.tariff is not None:
        _key(page, b"tariff")
        page.number(reading.tariff)
        if reading.tariff_name:
            _key(page, b"tariff_name")
            page.string(reading.tariff_name)


def _peak(page, reading):
    if reading.peak:
        _key(page, b"monthly_power_peak_w")
        page.number(*reading.peak)
        if reading.peak_stamp_at is not None:
            _key(page, b"monthly_power_peak_timestamp")
            _stamp(page, reading, reading.peak_stamp_at)


def _history(page, reading):
    if not reading.history:
        return
    _key(page, b"power_peak_history")
    page.put(b"[")
    for at, (year, month, stamp_at, mantissa, decimals) in enumerate(reading.history):
        page.put(b'%s{"month":"%04d-%02d","timestamp":' % (b"," if at else b"", year, month))
        _stamp(page, reading, stamp_at)
        _key(page, b"power_w")
        page.number(mantissa, decimals)
        page.put(b"}")
    page.put(b"]")


def _failures(page, reading):
    if not reading.failures:
        return
    _key(page, b"power_failures")
    page.put(b"[")
    for at, (stamp_at, duration_s) in enumerate(reading.failures):
        page.put(b',{"timestamp":' if at else b'{"timestamp":')
        _stamp(page, reading, stamp_at)
        _key(page, b"duration_s")
        page.number(duration_s)
        page.put(b"}")
    page.put(b"]")


def _submeters(page, reading):
    """Returns the values among what it writes: of each its start and end on the page, and what
    _value() was asked for; behind these the type where it is the freshest of that type."""
    values = []
    first = True
    for submeter in reading.submeters:
        if submeter.is_empty:
            continue
        if first:
            _key(page, b"submeters")
        page.put(b'[{"channel":' if first else b',{"channel":')
        first = False
        _submeter(page, reading, submeter)
        key = submeter.value_key
        if key:
            start = page.size
            _value(page, reading, submeter, key, b"timestamp")
            values.append((start, page.size, submeter, key, b"timestamp", None))
        page.put(b"}")
    if not first:
        page.put(b"]")
    for type, value_key, key, stamp_key in obis.TOP_LEVEL:
        submeter = reading.freshest(type, value_key)
        if submeter:
            start = page.size
            _value(page, reading, submeter, key, stamp_key)
            values.append((start, page.size, submeter, key, stamp_key, type))
    return values


def _submeter(page, reading, submeter):
    page.number(submeter.channel)
    _key(page, b"type")
    page.string(submeter.type)
    for key in ("device_type", "id", "ean", "valve_state"):
        value = getattr(submeter, key)
        if value is not None:
            _key(page, key.encode())
            if isinstance(value, int):
                page.number(value)
            else:
                page.string(value)


def _value(page, reading, submeter, key, stamp_key):
    if submeter.stamp_at is not None:
        _key(page, stamp_key)
        _stamp(page, reading, submeter.stamp_at)
    _key(page, key)
    page.number(submeter.mantissa, submeter.decimals)


def _unknown(page, reading):
    if not reading.unknown_count:
        return
    _key(page, b"unknown")
    telegram = reading.telegram
    separator = b"{"
    lines = []
    for number in range(reading.unknown_count):
        start = reading.unknown[number]
        end = telegram.find(b"\n", start, reading.size)
        bracket = telegram.find(b"(", start, end)
        if telegram[end - 1] == 0x0D:
            end -= 1
        lines.append((telegram[start:bracket], telegram[bracket:end]))
    for number, (code, value) in enumerate(lines):
        if code in [later for later, _ in lines[number + 1 :]]:
            continue  # printed again further down, where it counts
        page.put(separator)
        page.string(latin(code))
        page.put(b":")
        page.string(latin(value))
        separator = b","
    page.put(b"}")


# Whole parts, in the order in which they are written: what finds no room is left out as a whole.
_PARTS = (
    _clock,
    _tariff,
    _names,
    _peak,
    _history,
    _failures,
    _submeters,
    _messages,
    _unknown,
)
