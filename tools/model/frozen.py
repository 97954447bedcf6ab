# The same with the firmware frozen in, as a board with a MicroPython of its own has it.

include("manifest.py")
include("../../firmware/manifest.py")
