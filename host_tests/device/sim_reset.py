# Each start says why it started and what RTC memory holds, and resets as the argument says.

import asyncio
import sys

import machine

print(machine.reset_cause(), machine.RTC().memory())
machine.RTC().memory(b"from " + sys.argv[1].encode())


async def main():
    try:
        {"hard": machine.reset, "soft": machine.soft_reset, "off": int}[sys.argv[1]]()
    except Exception:
        print("a reset is no exception that a program may catch")


asyncio.run(main())
