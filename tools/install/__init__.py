"""From a bare board to a running dongle: flash, deploy, configure. tools/device.py is the door."""


class InstallError(Exception):
    """A step did not work; the message says what to do about it."""
