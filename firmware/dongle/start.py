# Starts the dongle: first hold.py, which allocates memory, then everything else. Handles a start
# that fails.

import asyncio
import sys
import time

from micropython import const

import machine

from . import forget
from .logbook import Logbook

_MOST_FAST = const(5)  # fast starts in a row (see logbook.py); after more of them, safe mode
_FATAL_S, _FATAL_AGAIN_S = 10, 600  # before the reset after a fatal error
_POLL_AGAIN_MS = const(50)  # after a poll that failed


def run() -> None:
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
    outlast_poll(dongle.health)
    await dongle.run()


def hold() -> None:
    """See hold.py."""
    from .hold import hold

    hold()
    forget()


def _app(logbook):
    from . import app

    return app.App(logbook)


def _safe(logbook):
    from .safe import Safe

    return Safe(logbook)


def outlast_poll(health) -> None:
    """asyncio stops if its poll raises an exception, as it does on the chip when lwIP has no
    memory. From now on the error is only recorded, and the tasks that are due go on: some of them
    close connections at their deadline, which frees memory."""
    queue = asyncio.core._io_queue  # pyright: ignore[reportAttributeAccessIssue]
    wait = queue.wait_io_event

    def wait_io_event(left_ms):
        try:
            wait(left_ms)
        except (OSError, MemoryError) as error:
            health.failed("poll", error)
            time.sleep_ms(min(left_ms, _POLL_AGAIN_MS) if left_ms >= 0 else _POLL_AGAIN_MS)

    queue.wait_io_event = wait_io_event


def fail(error: Exception, logbook: Logbook | None) -> None:
    """Handles a fatal error: prints it, keeps it in the logbook for the next start, waits and
    resets. The pause leaves time to read the console and to press Ctrl-C. It is longer when this
    happens again and again."""
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
