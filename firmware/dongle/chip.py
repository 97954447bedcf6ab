# What the chip says of itself. Only a start needs this.

from binascii import hexlify

import machine


def number():
    """Its own, in hexadecimal digits: the dongle's id."""
    return hexlify(machine.unique_id()).decode()


def hostname(number):
    """The dongle's name on the network, unless it was given another."""
    return "p1meter-" + number[-6:]


def reset_cause():
    """Why it has started, in words."""
    causes = {
        machine.PWRON_RESET: "power on",
        machine.HARD_RESET: "hard reset",
        machine.WDT_RESET: "watchdog",
        machine.DEEPSLEEP_RESET: "deep sleep",
        machine.SOFT_RESET: "soft reset",
    }
    return causes.get(machine.reset_cause(), "unknown")
