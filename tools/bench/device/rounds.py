# Runs a path of paths.py for each line of standard input, which has its name and how often;
# answers with the microseconds per telegram.

import sys
import time

from paths import Paths, load

_paths = Paths(load(sys.argv[1]))


def _measure(name, times):
    path = getattr(_paths, name)
    spent = 0
    for _ in range(times):
        _paths.prime()
        start = time.ticks_us()
        path()
        spent += time.ticks_diff(time.ticks_us(), start)
    return spent / times / len(_paths.telegrams)


for line in sys.stdin:
    name, times = line.split()
    print(_measure(name, int(times)))
