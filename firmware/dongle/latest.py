# The latest Reading, which every interface serves: decoded and rendered once per telegram.

import asyncio
import sys
import time

from micropython import const

from p1 import decode
from p1.reading import Reading
from p1.render.json import Json

from . import forget

HEAD = 128  # bytes in front of the page: for MQTT's topic, which a config may make 90 long
_QUIET = const(5)  # telegrams with nothing new, after which what reads it is forgotten
_MOST_POSTPONED = const(5)
_TURN_MS, _TURNS = 25, 40  # as long as somebody may wait for the network's memory
_STALE_MS = 30_000  # older than this, a reading is no longer "now" (meters send every 1 or 10 s)


class Latest:
    """take() is the framer's deliver. Listeners are called right after, without arguments, once
    for each telegram; they must not wait. failed(error) hears of one that raises: it costs neither
    the port nor the other listeners anything."""

    def __init__(
        self,
        country_code,
        failed=sys.print_exception,
        ticks_ms=time.ticks_ms,
        has_room=lambda size: True,
        fits=lambda size: True,
    ):
        """has_room(size): whether so many bytes of memory are free; fits(size): whether a buffer
        of so many may stay."""
        self._ticks_ms = ticks_ms
        self._json = Json(head=HEAD, has_room=fits)
        self.page = self._json.page  # the reading as JSON, where age_ms() is not None
        self.telegram_bytes = b""
        self.telegram_size = 0
        self._taken_ms = None
        self.reading = Reading(country_code, self._may_load)
        self._has_room = has_room
        self._postponed = 0  # telegrams in a row
        self.rejected = 0  # unusable values since start
        self.listeners = []
        self.taken = 0  # telegrams
        self._edition = 0  # of the views: with the next one, those of the one before hold no more
        self.in_use = 0  # how many are in the middle of sending those that hold
        self._rewritten = self._quiet = 0
        self._failed = failed

    def take(self, telegram, size):
        # Should decoding fail, there is nothing to show rather than half a reading.
        self._taken_ms = None
        self._end_views()
        self.telegram_bytes, self.telegram_size = telegram, size
        try:
            decode.decode(telegram, size, self.reading)
            self._json.render(self.reading)
        except decode.Postponed:
            self._postponed += 1
            return
        except MemoryError as error:
            self._failed(error)  # the next telegram tries again
            return
        self._postponed = 0
        self.rejected += self.reading.rejected
        self._taken_ms = self._ticks_ms()
        self.taken += 1
        for listener in self.listeners:
            try:
                listener()
            except Exception as error:
                self._failed(error)
        self._rest()

    def _end_views(self):
        self._edition += 1
        self.in_use = 0

    async def hold(self, wait):
        """Awaits what the sender of a view has to wait for, and returns what that gives. Raises
        EOFError where it took too long: the rest of the view may be of the next telegram."""
        edition = self._edition
        self.in_use += 1
        try:
            found = await wait
        finally:
            if self._edition == edition:
                self.in_use -= 1
        if self._edition != edition:
            raise EOFError
        return found

    async def let_go(self):
        """Waits until nobody is in the middle of sending; a second at the most."""
        for _ in range(_TURNS):
            if not self.in_use:
                return
            await asyncio.sleep_ms(_TURN_MS)
        self._end_views()

    def _may_load(self, size):
        """Whether there is room to read new texts; after some telegrams it is tried all the
        same."""
        return self._postponed >= _MOST_POSTPONED or self._has_room(size)

    def _rest(self):
        """Forgets what is needed when more than numbers change, when that was not for a while."""
        if self._json.rewritten != self._rewritten:
            self._rewritten, self._quiet = self._json.rewritten, 0
        elif self._quiet < _QUIET:
            self._quiet += 1
            if self._quiet == _QUIET:
                decode.forget()
                self._json.forget()
                forget("p1.texts", "p1.country")  # with what is in one file with it

    def age_ms(self):
        """Since the last good telegram; None before the first one or when it has gone stale."""
        if self._taken_ms is None:
            return None
        age_ms = time.ticks_diff(self._ticks_ms(), self._taken_ms)
        # Ticks compare over 6 days only: what is stale is forgotten before they wrap.
        if not 0 <= age_ms <= _STALE_MS:
            self._taken_ms = None
            return None
        return age_ms

    def json(self):
        """The reading as JSON: a view that holds until the next telegram; None where stale."""
        if self.age_ms() is None:
            return None
        return memoryview(self.page.bytes)[: self.page.size]

    def telegram(self):
        """The telegram byte for byte: a view that holds until the next one; None where stale."""
        if self.age_ms() is None:
            return None
        return memoryview(self.telegram_bytes)[: self.telegram_size]
