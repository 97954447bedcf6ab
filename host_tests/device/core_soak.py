# A thousand telegrams through framer, decode and JSON, the files again and again. Prints after
# each round how many were good, how many parts found no room, and the live memory.
#
#   core_soak.py FILE ...

import gc
import sys

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
chunk = bytearray(256)
while framer.good < 1000:
    for name in sys.argv[1:]:
        with open(name, "rb") as file:
            size = file.readinto(chunk)
            while size:
                framer.feed(chunk, size)
                size = file.readinto(chunk)
    gc.collect()
    print(framer.good, json.cut, gc.mem_alloc())
