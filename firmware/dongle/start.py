# The first and the last of a dongle: what takes memory before all else, then all else, and what
# becomes of a start that fails.

import asyncio
import sys
import time

from micropython import const

import machine

from . import forget
from .logbook import Logbook

_MOST_FAST = const(5)  # starts in a row that did not last, then safe mode
_FATAL_S, _FATAL_AGAIN_S = 10, 600  # before a reset where nothing works at all
_POLL_AGAIN_MS = const(50)  # after a poll that failed


def run():
    """Runs the dongle; never returns."""
    logbook, made = None, []
    try:
        hold()
        logbook = Logbook(machine.RTC().memory)
        try:
            asyncio.run(_live(logbook, made))
        finally:  # on Ctrl-C too
            for dongle in made:
                if dongle.mdns:
                    dongle.mdns.goodbye()
    except Exception as error:
        fail(error, logbook)


async def _live(logbook, made):
    dongle = _safe(logbook) if logbook.fast > _MOST_FAST else _app(logbook)
    made.append(dongle)
    outlast_poll(dongle.health)  # pyright: ignore[reportAttributeAccessIssue]
    await dongle.run()


def hold():
    """See hold.py."""
    from .hold import hold

    hold()
    forget("dongle.hold")


def _app(logbook):
    from . import app

    return app.App(logbook)


def _safe(logbook):
    from .safe import Safe

    return Safe(logbook)


def outlast_poll(health):
    """asyncio ends where its poll fails, as on the chip when lwIP has no memory for one. From now
    on that is told instead, and the tasks go on whose time has come: the deadlines among them give
    memory back."""
    queue = asyncio.core._io_queue  # pyright: ignore[reportAttributeAccessIssue]
    wait = queue.wait_io_event

    def wait_io_event(left_ms):
        try:
            wait(left_ms)
        except (OSError, MemoryError) as error:
            health.failed("poll", error)
            time.sleep_ms(min(left_ms, _POLL_AGAIN_MS) if left_ms >= 0 else _POLL_AGAIN_MS)

    queue.wait_io_event = wait_io_event


def fail(error, logbook):
    """What should never happen: time to read it on the console, and for Ctrl-C; and where it
    happens again and again, no reset every few seconds. The next start knows what it was."""
    again = False
    try:
        what = f"{type(error).__name__}: {error}"
        print("start:", what)
        sys.print_exception(error)
        if logbook:
            again = logbook.fast > _MOST_FAST
            logbook.failed(what)
    except MemoryError:
        pass
    time.sleep(_FATAL_AGAIN_S if again else _FATAL_S)
    machine.reset()
