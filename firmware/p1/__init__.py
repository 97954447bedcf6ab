# The P1 telegram: framing, CRC, OBIS objects, the Reading and the formats it is written in.
# This package does not import machine, network, asyncio or anything from dongle/.
