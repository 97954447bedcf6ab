"""The serial port: opening it, talking to MicroPython behind it, saying why that fails."""

import contextlib
import errno
import io
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from serial.tools import list_ports

from install import InstallError

Result = TypeVar("Result")

_READ_TIMEOUT_S = 10  # else a board that is pulled out in mid-word holds us for ever
_ENTER_TIMEOUT_S = 5
_START_S = 10
_QUIET_S = 0.3  # without a byte: then all is heard
_TRIES = 3  # opening the port resets some boards, and a Ctrl-C while they start is lost


def check(port: str) -> None:
    """Raises InstallError when `port` does not open."""
    if reason := explain(port):
        raise InstallError(reason)


def wait_for(port: str) -> None:
    """Where its USB is in the chip, a board's port goes away while it starts. Raises InstallError
    when `port` does not come back."""
    until = time.monotonic() + _START_S
    while explain(port) and time.monotonic() < until:
        time.sleep(0.2)
    check(port)


def explain(port: str) -> str | None:
    """Why `port` cannot be opened, and what helps. None when it opens."""
    if not port:
        return f"which port? PORT= takes one of these:\n{found()}"
    try:
        serial.serial_for_url(port, exclusive=True).close()
    except serial.SerialException as error:
        return _reason(port, error)
    return None


def _reason(port: str, error: serial.SerialException) -> str:
    if error.errno == errno.ENOENT or "FileNotFoundError" in str(error):
        return f"there is no port {port}. Is the cable a data cable? The ports here:\n{found()}"
    if error.errno == errno.EACCES:
        return (
            f"{port}: not permitted. On Linux the group `dialout` (on some `uucp`) may use serial "
            "ports:\n  sudo usermod -a -G dialout $USER   and log in again"
        )
    # Windows says "PermissionError" to a port that somebody else has open.
    if error.errno in (errno.EBUSY, errno.EAGAIN) or "PermissionError" in str(error):
        return f"{port} is in use: close the monitor, IDE or other program that has it open"
    return f"{port} cannot be opened: {error}"


def found() -> str:
    """The serial ports of this machine, one a line."""
    ports = sorted(list_ports.comports())
    return "\n".join(f"  {port.device}  {port.description}" for port in ports) or "  (none)"


def session(
    port: str, work: Callable[[SerialTransport], Result], say: Callable[[str], None]
) -> Result:
    """What work(transport) returns, in raw_repl(). It is begun a second time where the line lost
    something, or brought something else, such as ESP-IDF's log: so it must be fit for that."""
    try:
        with raw_repl(port) as transport:
            return work(transport)
    except TransportExecError:  # the board has understood
        raise
    except TransportError as error:
        say(f"The serial line was disturbed ({error}). Once more:")
    wait_for(port)
    with raw_repl(port) as transport:
        return work(transport)


@contextlib.contextmanager
def raw_repl(port: str) -> Iterator[SerialTransport]:
    """mpremote's transport in the raw REPL after a soft reset: main.py stopped, the heap clean.
    The board starts anew at the end, also after an error: a dongle that was stopped has to run
    again. Raises InstallError when the port does not open or no MicroPython answers."""
    try:
        transport = SerialTransport(port, timeout=_READ_TIMEOUT_S)
    except TransportError as error:
        raise InstallError(explain(port) or str(error)) from None
    with contextlib.closing(transport):
        _enter(transport)
        try:
            yield transport
        finally:
            # When the board is gone, the error that told us so is the one to show.
            with contextlib.suppress(TransportError, OSError):
                _reset(transport)


def _enter(transport: SerialTransport) -> None:
    for _ in range(_TRIES):
        with _once_more(transport):
            transport.enter_raw_repl(timeout_overall=_ENTER_TIMEOUT_S)
            _hold_watchdog(transport)
            return
    raise InstallError(
        f"no MicroPython answers at {transport.device_name}. A bare board: `make flash` first. "
        "A board that has it: press its reset button and try again"
    )


@contextlib.contextmanager
def _once_more(transport: SerialTransport) -> Iterator[None]:
    """Lets what it is around be tried again. What the board says of its raw REPL may come in two
    parts, one of them late. Then mpremote takes it for the answer to its next question, whether
    the board knows the raw paste mode, and the answer to that for one to a command."""
    transport.use_raw_paste = True
    try:
        with _quiet():
            yield
    except TransportExecError:  # heard and understood
        raise
    except TransportError:
        _hear_out(transport)


def _hear_out(transport: SerialTransport) -> None:
    """Waits for what is still on its way, or it would be taken for the next answer. The command
    may have arrived all the same, and a reset with it: then that is a whole start."""
    now = time.monotonic()
    until, quiet = now + _START_S, now + _QUIET_S
    while (now := time.monotonic()) < min(quiet, until):
        # mpremote's wrapper of a port has only the old name, pyserial's stubs only the new one.
        if waiting := transport.serial.inWaiting():  # pyright: ignore[reportAttributeAccessIssue]
            transport.serial.read(waiting)
            quiet = now + _QUIET_S
        else:
            time.sleep(0.01)


def _quiet() -> contextlib.redirect_stdout:
    """mpremote prints what it did not expect: of a bare board, its boot loader's whole log."""
    return contextlib.redirect_stdout(io.StringIO())


def _hold_watchdog(transport: SerialTransport) -> None:
    """The firmware's watchdog survives Ctrl-C and soft resets and would end us after a minute.
    A second WDT changes its timeout (micropython.md §1.3): ten minutes, until our reset."""
    transport.exec(
        "try:\n"
        " from machine import WDT\n"
        " WDT(timeout=600000)\n"
        "except ImportError: pass"  # a port without a watchdog
    )


def _reset(transport: SerialTransport) -> None:
    """Starts the board anew, as its reset button does."""
    for _ in range(_TRIES):
        with _once_more(transport):
            transport.enter_raw_repl(soft_reset=False)  # from whatever we were interrupted in
            transport.exec_raw_no_follow(
                "import machine, time\ntime.sleep_ms(100)\nmachine.reset()"
            )
            return
    print("The board did not say that it starts anew: press its reset button", file=sys.stderr)
