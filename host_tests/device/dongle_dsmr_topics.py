# dsmr-reader's topics leave nothing for the garbage collector. Argument: a telegram's file.

import gc
import sys

from dongle.mqtt.dsmr_topics import DsmrTopics
from p1.decode import decode
from p1.reading import Reading

with open(sys.argv[1], "rb") as file:
    telegram = file.read()
reading = Reading("BE")
decode(telegram + bytes(64), len(telegram), reading)
topics = DsmrTopics(True)
size = topics.render(reading).size
gc.collect()
gc.disable()
used = gc.mem_alloc()
for _ in range(100):
    topics.render(reading)
assert gc.mem_alloc() - used < 100, "it allocates"  # the loop itself does, once
assert size > 1000
print("ok")
