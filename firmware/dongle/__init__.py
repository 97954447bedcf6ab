# The device around p1: hardware access and asyncio tasks. Each file has one capability.

import asyncio
import gc
import sys

VERSION = "0.1.0"

# A task holds this lock while it has something large in memory: a long document, an announcement.
# One of them fits into memory, two would not.
large = asyncio.Lock()
# A buffer for the task that holds the lock. Allocated at the start: later there may be no free
# block of this size.
scratch = bytearray(512)


def in_words(code: str) -> str:
    """Returns what a code of /health means, in English."""
    from .words import of

    forget("dongle.words")
    return of(code)


def forget(*names: str) -> None:
    """Removes these modules from sys.modules, so that the garbage collector can free what no code
    uses any more. Seldom used modules are imported inside functions and forgotten afterwards."""
    for name in names:
        if sys.modules.pop(name, None):
            package, _, own = name.rpartition(".")
            if package:
                # The attribute is missing if the import has failed.
                sys.modules[package].__dict__.pop(own, None)
    gc.collect()
