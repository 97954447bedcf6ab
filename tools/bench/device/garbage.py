# The memory that each telegram leaves behind, from its chunks to the bytes of the MQTT packet and
# of HomeWizard's document.
# Prints how many telegrams there were, how many of them with a new capture of a sub-meter, and
# their bytes in all.

import gc
import sys

from paths import Paths, load

from dongle.latest import HEAD
from dongle.mqtt.wire import Packet
from p1.render.homewizard_json import HomeWizard
from p1.render.json import Json

_WARM = 30  # chunks of the first telegrams, in which everything is new


class _ToThePacket(Paths):
    taken = 0

    def __init__(self, telegrams):
        Paths.__init__(self, telegrams)
        self.json = Json(head=HEAD)
        self.packet = Packet(b"p1/02000000002a/reading", self.json.page)
        self.homewizard = HomeWizard()

    def take(self, telegram, size):
        Paths.take(self, telegram, size)
        self.packet.encode()
        self.homewizard.render(self.reading, b'"home"', 80)
        self.taken += 1


def _count(paths):
    taken, captures = paths.taken, paths.reading.captures
    gc.collect()
    gc.disable()
    used = gc.mem_alloc()
    for number in range(_WARM, len(paths.chunks)):
        paths.feed(number)
    used = gc.mem_alloc() - used
    return paths.taken - taken, paths.reading.captures - captures, used


_paths = _ToThePacket(load(sys.argv[1]))
for _number in range(_WARM):
    _paths.feed(_number)
print(*_count(_paths))
