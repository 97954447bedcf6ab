# As on a board with a MicroPython of its own: with the firmware frozen in.

include("../manifest.py")
include("../../../firmware/manifest.py")
