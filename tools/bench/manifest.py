# The unix port with the firmware frozen in, as a board with a frozen build has it; with what is C
# on the chip, or frozen there anyway; and with the program that watches.

include("$(MPY_DIR)/extmod/asyncio")
include("../../firmware/manifest.py")
package("umqtt", base_path="../../build/lib", opt=2)
for stand_in in ("esp32", "machine", "network", "ring", "socket", "wiring", "world"):
    module(stand_in + ".py", base_path="../sim", opt=2)
module("endurance.py", base_path="device", opt=2)
