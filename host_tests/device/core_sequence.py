# Reads a stream with one Reading for all its telegrams, as the dongle does, and each of them with
# a fresh Reading as well; the two must agree. Prints how many values were unusable, and the JSON.
#
#   core_sequence.py COUNTRY has-crc|no-crc FILE

import gc
import sys

from feed import feed

from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

country = sys.argv[1]
reading = Reading(country)
json = Json()
fresh_json = Json()


def show(telegram, size):
    decode(telegram, size, reading)
    page = json.render(reading)
    document = bytes(memoryview(page.bytes)[: page.size])
    fresh = Reading(country)
    decode(telegram, size, fresh)
    fresh_page = fresh_json.render(fresh)
    if fresh.rejected != reading.rejected or document != fresh_page.bytes[: fresh_page.size]:
        print("after others:", document, reading.rejected)
        print("afresh:", bytes(fresh_page.bytes[: fresh_page.size]), fresh.rejected)
        print(bytes(telegram[:size]))
        sys.exit(1)
    out.write(b"%d " % reading.rejected)
    out.write(document)
    out.write(b"\n")


out = sys.stdout.buffer
framer = Framer(show, sys.argv[2] == "has-crc")
feed(framer, sys.argv[3:], 120)
gc.collect()
