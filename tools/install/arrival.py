"""Waits until a dongle that has just been started is on the network and reads its meter."""

import re
import time
from collections.abc import Callable, Iterator

import serial

from install import InstallError

# What the firmware says on its console (lan.py, wifi.py, app.py).
_ADDRESS = re.compile(r"(?:wifi|ethernet): connected .*as (\d+\.\d+\.\d+\.\d+)$")
_TELEGRAM = re.compile(r"meter: the first telegram is read$")


def wait(port: str, within_s: float, hear: Callable[[str], None]) -> tuple[str, bool]:
    """The dongle's address, and whether it has read a telegram within that time; hear(line) gets
    what it says meanwhile. Raises InstallError where it does not get onto the network."""
    address, reads = "", False
    for line in _lines(port, within_s):
        hear(line)
        if found := _ADDRESS.search(line):
            address = found[1]
        reads = reads or bool(_TELEGRAM.search(line))
        if address and reads:
            break
    if not address:
        raise InstallError(
            f"the dongle is not on the network after {within_s:.0f} s. Are name and password of "
            "the Wi-Fi right (`make configure`), is it in reach, and 2.4 GHz? Or the cable, "
            "where there is one? `make monitor` shows what it says from here on"
        )
    return address, reads


def _lines(port: str, within_s: float) -> Iterator[str]:
    """What the board prints. Where its USB is in the chip, the port goes away while it starts."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            with serial.serial_for_url(port, 115200, timeout=0.1) as console:
                line = b""
                while time.monotonic() < until:
                    line += console.readline()  # ends with what has come when the time is up
                    if line.endswith(b"\n"):
                        yield line.decode(errors="replace").rstrip()
                        line = b""
        except serial.SerialException:
            time.sleep(0.1)
