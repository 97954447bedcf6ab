# The device around p1: hardware edges and asyncio tasks, one capability a file.

VERSION = "0.1.0"
