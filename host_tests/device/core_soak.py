# A thousand telegrams through framer, decode and JSON, the files again and again. Prints after
# each round how many were good, how many parts found no room, and the live memory.
#
#   core_soak.py FILE ...

import gc
import sys

from feed import feed

import boot  # noqa: F401, as on a board
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

reading = Reading()
json = Json()


def show(telegram, size):
    decode(telegram, size, reading)
    json.render(reading)


framer = Framer(show)
while framer.good < 1000:
    feed(framer, sys.argv[1:], 256)
    gc.collect()
    print(framer.good, json.cut, gc.mem_alloc())
