# MicroPython's own modules, and ours: `make frozen` makes them.

include("$(PORT_DIR)/boards/manifest.py")
include("../../build/frozen/manifest.py")
