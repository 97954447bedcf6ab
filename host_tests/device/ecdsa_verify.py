# Argument: a JSON file with a list of [x, y, digest, signature], in hex. Prints, as JSON, for each
# whether it verifies and after how many steps.

import json
import sys
from binascii import unhexlify

from dongle.update.ecdsa import verify

verdicts = []
with open(sys.argv[1]) as file:
    for x, y, digest, signature in json.load(file):
        steps = list(verify((int(x, 16), int(y, 16)), unhexlify(digest), unhexlify(signature)))
        verdicts.append((steps[-1], len(steps)))
print(json.dumps(verdicts))
