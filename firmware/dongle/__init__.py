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

    forget()
    return of(code)


def forget(*others: str) -> None:
    """Takes all modules with TEMPORARY = True, and the others of these names, out of sys.modules.
    The garbage collector then frees each of them when no code uses it any more.

    A module that is needed for a moment is marked TEMPORARY and imported inside the function that
    needs it, which calls forget() after the import. What is still in use stays in memory, but the
    next import loads a second copy. A module that must not exist twice, or whose copy would be too
    large, has TEMPORARY = False while it is in use. Modules with viper code are never marked: only
    a reset frees their memory."""
    while True:
        # One after the other: a list of all names would need a long block of memory.
        for name in sys.modules:
            is_ours = name.startswith("dongle.") or name.startswith("p1.")
            if name in others or (is_ours and getattr(sys.modules[name], "TEMPORARY", False)):
                break
        else:
            break
        del sys.modules[name]
        package, _, own = name.rpartition(".")
        if package in sys.modules:
            # The attribute is missing if the import has failed.
            sys.modules[package].__dict__.pop(own, None)
    gc.collect()
