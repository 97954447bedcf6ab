# dongle.config under MicroPython: loads the files that are named; prints a line of JSON for each,
# [config, problems].

import json
import sys

from dongle import config

for path in sys.argv[1:]:
    print(json.dumps(config.load(path)))
