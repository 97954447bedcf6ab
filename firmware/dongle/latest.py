# The latest Reading, which every interface serves. Decodes and renders each telegram once.

import asyncio
import sys
import time

from micropython import const

from p1 import decode
from p1.reading import Reading
from p1.render.json import Json

from . import forget

HEAD = 128  # bytes before the page, for the MQTT topic, which can have 90 bytes
_QUIET = const(5)  # after so many telegrams without new texts, the modules for these are forgotten
_MOST_POSTPONED = const(5)
_TURN_MS, _TURNS = 25, 40  # as long as a sender may wait for the network's memory
_STALE_MS = 30_000  # an older reading is stale (meters send every 1 or 10 s)


class Latest:
    """The framer calls take() with each telegram. Then take() calls each listener once, without
    arguments; a listener must not wait. If a listener raises an exception, failed(error) is
    called, and the port and the other listeners go on."""

    def __init__(
        self,
        country_code,
        failed=sys.print_exception,
        ticks_ms=time.ticks_ms,
        has_room=lambda size: True,
        fits=lambda size: True,
    ):
        """has_room(size): whether so many bytes of memory are free; fits(size): whether there is
        memory to keep a buffer of so many bytes."""
        self._ticks_ms = ticks_ms
        self._json = Json(head=HEAD, has_room=fits)
        self.page = self._json.page  # the reading as JSON, valid while age_ms() is not None
        self.telegram_bytes = b""
        self.telegram_size = 0
        self._taken_ms = None
        self.reading = Reading(country_code, self._may_load)
        self._has_room = has_room
        self._postponed = 0  # telegrams in a row
        self.rejected = 0  # unusable values since the start
        self.listeners = []
        self.taken = 0  # telegrams since the start
        self._edition = 0  # goes up with each telegram, which makes the earlier views invalid
        self.in_use = 0  # how many tasks are sending a valid view
        self._rewritten = self._quiet = 0
        self._failed = failed

    def take(self, telegram: bytearray, size: int) -> None:
        # If decoding fails, there is no reading, instead of half of one.
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
        """Awaits `wait` for the sender of a view, and returns its result. Raises EOFError if the
        view became invalid in the meantime: the rest may be of the next telegram."""
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

    async def let_go(self) -> None:
        """Waits until no task is sending a view, for a second at most."""
        for _ in range(_TURNS):
            if not self.in_use:
                return
            await asyncio.sleep_ms(_TURN_MS)
        self._end_views()

    def _may_load(self, size):
        """Whether there is memory to read new texts. After some postponed telegrams, it is tried
        in any case."""
        return self._postponed >= _MOST_POSTPONED or self._has_room(size)

    def _rest(self):
        """Forgets the modules for changed texts if only numbers have changed for a while."""
        if self._json.rewritten != self._rewritten:
            self._rewritten, self._quiet = self._json.rewritten, 0
        elif self._quiet < _QUIET:
            self._quiet += 1
            if self._quiet == _QUIET:
                decode.forget()
                self._json.forget()
                forget()

    def age_ms(self) -> int | None:
        """Returns the time since the last good telegram; None if there is none or it is stale."""
        if self._taken_ms is None:
            return None
        age_ms = time.ticks_diff(self._ticks_ms(), self._taken_ms)
        # Ticks can be compared over 6 days only, so a stale time is dropped before they wrap.
        if not 0 <= age_ms <= _STALE_MS:
            self._taken_ms = None
            return None
        return age_ms

    def json(self) -> memoryview | None:
        """Returns the reading as JSON, a view that is valid until the next telegram; None if the
        reading is stale."""
        if self.age_ms() is None:
            return None
        return memoryview(self.page.bytes)[: self.page.size]

    def telegram(self) -> memoryview | None:
        """Returns the telegram byte for byte, a view that is valid until the next one; None if the
        telegram is stale."""
        if self.age_ms() is None:
            return None
        return memoryview(self.telegram_bytes)[: self.telegram_size]
