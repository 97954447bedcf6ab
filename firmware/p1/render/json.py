# A Reading as JSON: the document of GET /reading, of the MQTT topic .../reading and of `decode`.

from micropython import const

from .. import obis, timestamp
from .members import write_value
from .numbers import Written, update_numbers, write_numbers
from .page import Full, Page

CAPACITY = 6144  # a telegram of the longest legal kind needs less
# The first size of the page, enough for three phases, gas, water and thirteen months of peaks.
# Later a chip may not have so much memory in one piece.
_FIRST = const(3072)

_STAMP_AT = len(b'{"timestamp":"')
_OPEN = const(0x7B)
_CLOSE = const(0x7D)


class Json:
    """render(reading) writes the document into page.

    The clock comes first, then everything else that is not a number. That part keeps its place and
    text until a value in it changes; then parts.py, which writes it, is loaded. Numbers come last.
    """

    def __init__(self, capacity=CAPACITY, head=0, has_room=lambda size: True):
        """The same as for Page, but capacity is the size up to which it may grow."""
        self.page = Page(min(_FIRST, capacity), head, capacity, has_room)
        self.cut = 0  # how many parts of documents were left out because they did not fit
        self.rewritten = 0  # how often parts.py was needed
        self._write_parts = None  # write() of parts.py, once that is loaded
        self._reading = None  # the Reading whose texts are on the page, and its counters then
        self._edition = self._captures = None
        self._values = []  # the values of sub-meters, see write() of parts.py
        self._numbers_at = 0
        self._written = Written(obis.FIRST_NUMBER, obis.ROWS - obis.FIRST_NUMBER, obis.NUMBER_KEYS)
        self._size = 0  # of the document

    def render(self, reading) -> Page:
        """Writes the document of a Reading and returns its page. Raises MemoryError if there is no
        memory to load parts.py: then the page is empty."""
        page = self.page
        if self._update_texts(reading) and update_numbers(page, reading, self._written):
            page.size = self._size
        else:
            self._numbers(reading)
        return page

    def _load(self):
        from .parts import write

        self._write_parts = write

    def forget(self) -> None:
        """Drops the reference to parts.py, so that the module can be unloaded."""
        self._write_parts = None

    def _update_texts(self, reading):
        """Updates what is not a number, if it differs. Returns False if the numbers must move."""
        if reading is not self._reading or reading.edition != self._edition:
            self._texts(reading)
            return False
        if reading.captures != self._captures and not self._update_values(reading):
            self._texts(reading)
            return False
        at = reading.stamp_at
        if at is not None:
            # With one more local name MicroPython would put them all on the heap, each second.
            offset_h = timestamp.utc_offset_h(reading.telegram, at, reading.profile.winter_h)
            timestamp.write_iso(self.page.bytes, _STAMP_AT, reading.telegram, at, offset_h)
        return True

    def _texts(self, reading):
        page = self.page
        page.size = 0
        self._reading = None  # set at the end, so that it stays None after an error
        self.rewritten += 1
        if self._write_parts is None:
            self._load()
        write = self._write_parts
        cut, self._values = write(page, reading)  # pyright: ignore[reportOptionalCall]
        while cut and page.grow():
            cut, self._values = write(page, reading)  # pyright: ignore[reportOptionalCall]
        self.cut += cut
        page.limit = len(page.bytes)
        self._numbers_at = page.size
        self._reading = reading
        self._edition = reading.edition
        self._captures = reading.captures

    def _update_values(self, reading):
        """Writes the values of sub-meters in their places. Returns False if one does not fit."""
        page = self.page
        for start, end, submeter, key, stamp_key, type in self._values:
            if type and reading.freshest(type, submeter.value_key) is not submeter:
                return False
            page.size = start
            try:
                write_value(page, reading, submeter, key, stamp_key)
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
