# Fed, the watchdog lets live; in a loop that never ends it does not.

import gc
import time

import micropython

from machine import RTC, WDT


@micropython.viper
def hang():
    while True:
        pass


try:
    WDT(1)  # pyright: ignore[reportCallIssue]  # that is no timeout
except ValueError:
    pass
RTC().memory(b"crumbs")
WDT(timeout=60000)
dog = WDT(timeout=200)
for _ in range(40):
    time.sleep_ms(10)
    gc.collect()
    dog.feed()
print("fed")
hang()
