# Uptime, heartbeats and the age of a reading on a clock that wraps like the ESP32's, every 12.4
# days. The unix port's own ticks_diff wraps elsewhere, so the modules get this clock's.

import json

import memory
from dongle import health, latest, report_dongle, room

_PERIOD = 1 << 30
_DAY_MS = 24 * 3600 * 1000
TELEGRAM = b"/FLU5\r\n\r\n1-0:1.7.0(00.123*kW)\r\n!109A\r\n"


class Clock:
    def __init__(self, now):
        self.now = now

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, late, early):
        half = _PERIOD // 2
        return ((late - early + half) & (_PERIOD - 1)) - half

    def go_on(self, ms):
        self.now = (self.now + ms) % _PERIOD


clock = Clock(_PERIOD - 5_000)
assert clock.ticks_diff(0, _PERIOD - 1) == 1 and clock.ticks_diff(_PERIOD - 1, 0) == -1
health.time = latest.time = clock

# Uptime is the sum of what passed, whatever the clock shows.
h = health.Health(clock.ticks_ms)
passed_ms = 0
for step_ms in [1_000] * 10 + [3_600_000] * 24 * 40 + [5 * _DAY_MS] * 10 + [1]:
    clock.go_on(step_ms)
    passed_ms += step_ms
    assert h.uptime_ms() == passed_ms
assert passed_ms > 7 * _PERIOD

# A heartbeat is neither late nor in time because of the wrap.
clock.now = _PERIOD - 20_000
h.expect("port", 30_000)
clock.go_on(30_000)
assert clock.now < 20_000 and h.late() == []
clock.go_on(1)
assert h.late() == ["port"]
h.beat("port")
assert h.late() == []

# A reading grows old across the wrap, and is not young again a whole period later.
clock.now = _PERIOD - 4_000
kept = latest.Latest("BE", ticks_ms=clock.ticks_ms)
assert kept.age_ms() is None and kept.json() is None and kept.telegram() is None
kept.take(bytearray(TELEGRAM), len(TELEGRAM))
assert kept.age_ms() == 0
assert bytes(kept.json() or b"") == b'{"meter_model":"FLU5","power_import_w":123}'
clock.go_on(9_000)
assert kept.age_ms() == 9_000
clock.go_on(21_000)
assert kept.age_ms() == 30_000 and bytes(kept.telegram() or b"") == TELEGRAM
clock.go_on(1)
assert kept.age_ms() is None and kept.json() is None and kept.telegram() is None
clock.now = _PERIOD - 4_000
assert kept.age_ms() is None


# The memory. On the chip, mem_free() counts what the heap could grow by, too.
class Gc:
    def mem_alloc(self):
        return 50_000

    def mem_free(self):
        return 90_000


class Sys:
    platform = "esp32"


regions = [(100_000, 30_000, 28_000, 9_000), (16_000, 4_000, 4_000, 3_000)]
memory.regions = lambda: regions
report_dongle.gc = room.gc = Gc()
idf = {"idf_free": 34_000, "idf_largest": 28_000, "idf_least": 12_000}
assert json.loads(report_dongle._memory()) == dict(idf, used=50_000, free=90_000, heap=140_000)
room.sys = Sys
assert json.loads(report_dongle._memory()) == dict(idf, used=50_000, free=62_000, heap=112_000)
print("ok")
