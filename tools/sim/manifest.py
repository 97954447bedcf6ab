# The unix port with the firmware frozen in, as a board with a frozen build has it; and what is C
# on the chip, or frozen there anyway.

include("$(MPY_DIR)/extmod/asyncio")
include("../../firmware/manifest.py")
package("umqtt", base_path="../../build/lib", opt=2)
for stand_in in ("esp32", "machine", "network", "socket", "world"):
    module(stand_in + ".py", opt=2)
