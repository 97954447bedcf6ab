# A Reading as JSON: the document of GET /reading, of the MQTT topic .../reading and of `decode`.

from micropython import const

from .. import obis, timestamp
from .members import write_value
from .numbers import Written, update_numbers, write_numbers
from .page import Full, Page

CAPACITY = 6144  # a telegram of the longest legal kind needs less
# As the page begins, because later a chip may have no room for it in one piece: three phases, gas,
# water and thirteen months of peaks need no more.
_FIRST = const(3072)

_STAMP_AT = len(b'{"timestamp":"')
_OPEN = const(0x7B)
_CLOSE = const(0x7D)


class Json:
    """render(reading) writes the document into page.

    What is no number comes first, behind the clock, and stays where it is until it changes; then
    parts.py, which writes it, is loaded.
    """

    def __init__(self, capacity=CAPACITY, head=0, has_room=lambda size: True):
        """As of Page; capacity: up to where it may grow."""
        self.page = Page(min(_FIRST, capacity), head, capacity, has_room)
        self.cut = 0  # parts of documents that were left out because they found no room
        self.rewritten = 0  # how often parts.py was needed
        self._write_parts = None  # of parts.py, once it is loaded
        self._reading = None  # whose texts are on the page, and which of them
        self._edition = self._captures = None
        self._values = []  # of sub-meters, as parts.py says
        self._numbers_at = 0
        self._written = Written(obis.FIRST_NUMBER, obis.ROWS - obis.FIRST_NUMBER, obis.NUMBER_KEYS)
        self._size = 0  # of the document

    def render(self, reading):
        """Writes the document of this reading and returns the page that holds it. Raises
        MemoryError where there is none to load parts.py: nothing is on the page then."""
        page = self.page
        if self._update_texts(reading) and update_numbers(page, reading, self._written):
            page.size = self._size
        else:
            self._numbers(reading)
        return page

    def _load(self):
        from .parts import write

        self._write_parts = write

    def forget(self):
        """Lets go of parts.py, for whoever takes it out of memory."""
        self._write_parts = None

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
        page.size = 0
        self._reading = None  # until all is written, should anything fail on the way
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
        """Writes those of sub-meters, each in its place. False where one needs another place."""
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
