# dongle.config under MicroPython: loads the files that are named; prints a list of
# [config, problems].

import json
import sys

from dongle import config

print(json.dumps([config.load(path) for path in sys.argv[1:]]))
