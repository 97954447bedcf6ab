# Feeds a file to the framer in chunks of several sizes with the heap locked: any allocation is a
# MemoryError. Prints the counters.

import sys

import micropython

from p1.framer import Framer

framer = Framer(lambda telegram, size: None)
for size in (7, 64, 1024):
    chunk = bytearray(size)
    with open(sys.argv[1], "rb") as file:
        got = file.readinto(chunk)
        while got:
            micropython.heap_lock()
            framer.feed(chunk, got)
            micropython.heap_unlock()
            got = file.readinto(chunk)
    micropython.heap_lock()
    framer.reset()
    micropython.heap_unlock()
print(framer.good, framer.crc, framer.overflow, framer.framing)
