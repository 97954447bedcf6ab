# The device around p1: hardware edges and asyncio tasks, one capability a file.

import asyncio
import gc
import sys

VERSION = "0.1.0"

# Held by whoever has something large in memory for its moment: a long document, an announcement.
# One after the other they fit, together they would not.
large = asyncio.Lock()
# For who holds it: later on there may be no such piece of memory any more.
scratch = bytearray(512)


def forget(*names):
    """Takes these modules out of memory, as far as nobody has them in use: what is wanted now and
    then is imported where it is, and forgotten after."""
    for name in names:
        if sys.modules.pop(name, None):
            package, _, own = name.rpartition(".")
            if package:
                # Not there where its import has failed half-way.
                sys.modules[package].__dict__.pop(own, None)
    gc.collect()
