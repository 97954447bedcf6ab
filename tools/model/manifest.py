# What the official firmware has built in, and the stand-ins of its modules; and, as on a board
# with a MicroPython of its own, the firmware.

import os

include("$(MPY_DIR)/extmod/asyncio")
package("umqtt", base_path="../../build/lib", opt=3)
for stand_in in ("esp32", "machine", "memory", "network", "ring", "socket", "wiring", "world"):
    module(stand_in + ".py", base_path="../sim", opt=2)
module("tls.py", base_path=".", opt=2)
if os.environ.get("FROZEN_MORE"):
    include(os.environ["FROZEN_MORE"])
