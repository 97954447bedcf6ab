"""A board for the tests: MicroPython's unix port on a pseudo terminal.

Its REPL has the raw mode of a real board's, so mpremote's own transport talks to a MicroPython
that runs what it is told. A soft reset ends the unix port; here it starts again, still in the raw
REPL, as a board does. A folder is its flash.
"""

import contextlib
import os
import pty
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

MICROPYTHON = Path(
    os.environ.get("MICROPYTHON") or Path(sys.executable).with_name("micropython")
).absolute()

# What a board's `machine` has and the unix port's lacks. The notes are for the tests to read.
_MACHINE = """\
import sys
_notes = {notes!r}

def _note(line):
    with open(_notes, "a") as file:
        file.write(line + "\\n")

class WDT:
    def __init__(self, id=0, timeout=5000):
        _note("watchdog %d" % timeout)

def unique_id():
    return bytes((2, 0, 0, 0, 0, 42))

def reset():
    _note("reset")
    sys.exit()
"""


class UnixBoard:
    """`flash` holds its files; `port` is where it answers. `modules` (folders) are what it has
    built in, instead of the few names above; `environment` is for these."""

    def __init__(self, folder: Path, modules: tuple[Path, ...] = (), **environment: str):
        self.flash = folder / "flash"
        self._library = folder / "library"
        self._notes = folder / "notes"
        self.flash.mkdir()
        self._library.mkdir()
        (self._library / "machine.py").write_text(_MACHINE.format(notes=str(self._notes)))
        path = ":".join(map(str, modules or (self._library,)))
        self._environment = {**os.environ, **environment, "MICROPYPATH": f":.frozen:{path}"}
        self.plug_in()

    def plug_in(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._process = self._start()
        self._plugged = threading.Lock()
        self._restarter = threading.Thread(target=self._restart)
        self._restarter.start()

    def unplug(self) -> None:
        """Takes away power and cable at once."""
        self._plugged.acquire()
        self._process.kill()
        self._restarter.join()
        os.close(self._master)
        os.close(self._slave)

    def _start(self) -> subprocess.Popen:
        ends = dict.fromkeys(("stdin", "stdout", "stderr"), self._master)
        return subprocess.Popen([MICROPYTHON], cwd=self.flash, env=self._environment, **ends)

    def _restart(self) -> None:
        """A reset ends the process with 0, or 75 where `modules` are those of tools/sim. Being
        killed, or no longer plugged in, ends this."""
        while self._process.wait() in (0, 75) and self._plugged.acquire(blocking=False):
            os.write(self._master, b"soft reboot\r\n")
            self._process = self._start()
            os.write(self._slave, b"\x01")  # Ctrl-A
            self._plugged.release()

    @property
    def notes(self) -> list[str]:
        """The watchdogs that were set and the resets, in order."""
        return self._notes.read_text().splitlines() if self._notes.exists() else []

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.flash).as_posix(): path.read_bytes()
            for path in self.flash.rglob("*")
            if path.is_file()
        }

    def run(self, source: str) -> str:
        """What `source` prints when MicroPython runs it on the board's files."""
        command = [MICROPYTHON, "-c", source]
        return subprocess.run(
            command, cwd=self.flash, capture_output=True, text=True, check=True
        ).stdout


@contextlib.contextmanager
def unix_board(
    folder: Path, modules: tuple[Path, ...] = (), **environment: str
) -> Iterator[UnixBoard]:
    """A board with an empty flash. Skips the test where there is no unix port."""
    if not MICROPYTHON.exists():
        pytest.skip("no MicroPython for the unix port: name one in the variable MICROPYTHON")
    board = UnixBoard(folder, modules, **environment)
    try:
        yield board
    finally:
        board.unplug()
