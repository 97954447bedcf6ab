import gc

import slots

# Collects garbage early. Otherwise garbage would lie between the objects that stay, and no free
# block would be long enough for a large buffer.
gc.threshold(4096)

slots.start()
if slots.state["trial"]:
    # For a new firmware that hangs before it starts its own watchdog: this one restarts the
    # chip, and after some starts slots.py rolls back.
    from machine import WDT

    WDT(timeout=60_000)
    del WDT
del slots
