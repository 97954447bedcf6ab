import gc

import slots

# Garbage is collected early. Late, it would lie between what stays, and no large buffer would
# find its room.
gc.threshold(4096)

slots.start()
if slots.state["trial"]:
    # A firmware that does not get as far as its own watchdog is started again, and then not.
    from machine import WDT

    WDT(timeout=60_000)
    del WDT
del slots
