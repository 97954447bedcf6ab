# The trial of a new firmware. It is kept if it reads the meter and reaches the network, because
# then it can be updated again. Otherwise the firmware before it is restored.

import asyncio

from micropython import const

import slots

from .. import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device

TEMPORARY = True  # see forget()

_TELEGRAMS = const(10)
_WITHIN_MS = 600_000
_LOOK_MS = 1_000


async def run(device: "Device") -> None:
    """Runs the trial as a task."""
    try:
        await prove(device.firmware, device.framer, device.wifi, device.health, device.reset)
    except Exception as error:
        device.health.failed("trial", error)
        device.reset("the trial failed")  # counts as one of the starts that a trial has
    forget("slots")
    if not device.has_watchdog:
        device.renew("the trial is over")  # only a restart stops the watchdog of the trial


async def prove(firmware: dict, framer, wifi, health, reset) -> None:
    """Returns when this firmware has passed the trial; otherwise calls reset(why). firmware: the
    dict about the running firmware that /health shows; the result is written into it. Raises
    OSError if the flash cannot be written."""
    while framer.good < _TELEGRAMS or not wifi.address():
        if health.uptime_ms() > _WITHIN_MS:
            why = f"{framer.good} good telegrams in {_WITHIN_MS // 60_000} minutes"
            if not wifi.address():
                why += ", and no network"
            slots.write(slots.roll_back(slots.read(), why))
            reset("new firmware rolled back: " + why)
        await asyncio.sleep_ms(_LOOK_MS)
    state = slots.read()
    state["trial"] = None
    state["result"] = f"{firmware['version']} has passed its trial"
    slots.write(state)
    health.say("update: " + state["result"])
    firmware["state"], firmware["result"] = "confirmed", state["result"]
