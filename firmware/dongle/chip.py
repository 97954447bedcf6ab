# What the chip knows about itself. Needed only at the start.

from binascii import hexlify

import machine

TEMPORARY = True  # see forget()


def number() -> str:
    """Returns the chip's unique number in hexadecimal digits: the dongle's id."""
    return hexlify(machine.unique_id()).decode()


def hostname(number: str) -> str:
    """Returns the dongle's default name on the network."""
    return "p1meter-" + number[-6:]


def reset_cause() -> str:
    """Returns why the chip has started, in words."""
    causes = {
        machine.PWRON_RESET: "power on",
        machine.HARD_RESET: "hard reset",
        machine.WDT_RESET: "watchdog",
        machine.DEEPSLEEP_RESET: "deep sleep",
        machine.SOFT_RESET: "soft reset",
    }
    return causes.get(machine.reset_cause(), "unknown")
