# Pulls from each of the URLs that are the arguments; prints what comes of it as JSON. The flash is
# the current directory.

import asyncio
import json
import sys

from update_flash import Quiet

from dongle.net.dns import Resolver
from dongle.update import fetch
from dongle.update.receive import Update

fetch._ANSWER_MS = 500


async def main():
    firmware = {"version": "0.1.0", "slot": "slot_a", "state": "confirmed", "result": ""}
    answers = []
    for url in sys.argv[1:]:
        update = Update(firmware, Quiet(), lambda why: None)
        status, answer = await fetch.pull(update, url, Resolver())
        answers.append((status, answer, firmware["result"]))
    print(json.dumps(answers))


asyncio.run(main())
