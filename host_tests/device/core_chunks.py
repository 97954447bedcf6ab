# Feeds a file to the framer in chunks of several sizes with the heap locked: any allocation is a
# MemoryError. Another one before, thrice, for which each of the
# three buffers may be made larger. Prints the counters.
#
#   core_chunks.py BEFORE FILE

import sys

import micropython

from p1.framer import Framer

framer = Framer(lambda telegram, size: None)
with open(sys.argv[1], "rb") as file:
    before = file.read()
for _ in range(3):
    framer.feed(before, len(before))
framer.good = framer.crc = framer.overflow = framer.framing = 0
for size in (7, 64, 1024):
    chunk = bytearray(size)
    with open(sys.argv[2], "rb") as file:
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
