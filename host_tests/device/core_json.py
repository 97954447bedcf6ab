# Prints what each telegram in the files says: how many values were unusable, then its JSON.
#
#   core_json.py COUNTRY FILE ...

import sys

from feed import feed

import boot  # noqa: F401, as on a board
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

reading = Reading(sys.argv[1])
json = Json()


def show(telegram, size):
    decode(telegram, size, reading)
    page = json.render(reading)
    out.write(b"%d " % reading.rejected)
    out.write(memoryview(page.bytes)[: page.size])
    out.write(b"\n")


out = sys.stdout.buffer
feed(Framer(show), sys.argv[2:])
