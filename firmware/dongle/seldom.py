# Modules that are wanted now and then: imported where they are, and forgotten after.

import gc
import sys


def forget(*names):
    """Takes these modules of the dongle, and slots.py, out of memory, as far as nobody has them
    in use."""
    dongle = sys.modules["dongle"]
    for name in names:
        if sys.modules.pop("dongle." + name, None):
            delattr(dongle, name)
    sys.modules.pop("slots", None)
    gc.collect()
