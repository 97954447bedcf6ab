# Reads lines of "winter_h stamp epoch" and checks that each stamp is that moment, and that it is
# written with the offset that leads there. Prints how many lines there were.
#
#   core_times.py FILE

import sys

from p1 import timestamp

out = bytearray(25)
count = 0
with open(sys.argv[1], "rb") as file:
    for line in file:
        winter_h, stamp, expected = line.split()
        winter_h = int(winter_h)
        length = timestamp.length(stamp + b")" * 2, 0)
        found = timestamp.epoch(stamp + b")", 0, winter_h)
        offset_h = timestamp.utc_offset_h(stamp + b")", 0, winter_h)
        timestamp.write_iso(out, 0, stamp, 0, offset_h)
        text = b"20%s-%s-%sT%s:%s:%s+%02d:00" % (
            stamp[:2],
            stamp[2:4],
            stamp[4:6],
            stamp[6:8],
            stamp[8:10],
            stamp[10:12],
            offset_h,
        )
        if length != len(stamp) or found != int(expected) or out != text:
            print(line, length, found, bytes(out))
            sys.exit(1)
        count += 1
print(count)
