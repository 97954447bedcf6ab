# The P1 telegram: framing, CRC, OBIS objects, the Reading and its renderings.
# Pure: imports neither machine, network, asyncio nor anything of dongle/.
