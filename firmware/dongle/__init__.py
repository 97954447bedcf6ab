# The device around p1: hardware edges and asyncio tasks, one capability a file.

import gc
import sys

VERSION = "0.1.0"


def forget(*names):
    """Takes these modules of the dongle, and slots.py, out of memory, as far as nobody has them in
    use: what is wanted now and then is imported where it is, and forgotten after."""
    dongle = sys.modules["dongle"]
    for name in names:
        if sys.modules.pop("dongle." + name, None):
            delattr(dongle, name)
    sys.modules.pop("slots", None)
    gc.collect()
