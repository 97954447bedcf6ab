# HomeWizard's document of each telegram in the files, and what it left behind for the garbage
# collector: its bytes in front of it.
#
#   core_homewizard.py COUNTRY FILE ...

import gc
import sys

from feed import feed

import boot  # noqa: F401, as on a board
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.homewizard_json import HomeWizard

reading = Reading(sys.argv[1])
homewizard = HomeWizard()


def show(telegram, size):
    decode(telegram, size, reading)
    gc.collect()
    gc.disable()
    used = gc.mem_alloc()
    page = homewizard.render(reading, b'"home"', 80)
    used = gc.mem_alloc() - used
    gc.enable()
    out.write(b"%d " % used)
    out.write(memoryview(page.bytes)[: page.size])
    out.write(b"\n")


out = sys.stdout.buffer
feed(Framer(show), sys.argv[2:])
