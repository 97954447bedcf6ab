# A new firmware on trial: it stays when it reads the meter and is on the network, for then it can
# be replaced again. When it does not get there, the one before comes back.

import asyncio

from micropython import const

import slots

from .. import forget

_TELEGRAMS = const(10)
_WITHIN_MS = 600_000
_LOOK_MS = 1_000


async def run(app):
    """The task of it."""
    try:
        await prove(app.firmware, app.framer, app.wifi, app.health, app.reset)
    except Exception as error:
        app.health.failed("trial", error)
        app.reset("the trial failed")  # that was one of its starts
    forget("dongle.update.trial", "slots")
    if not app.has_watchdog:
        app.renew("the trial is over")  # nothing else stops the trial's


async def prove(firmware, framer, wifi, health, reset):
    """Returns when this firmware has proved itself; where it does not, there is a reset(why).
    firmware: what runs, as /health shows it: a dict, in which the result is noted. Raises OSError
    where the flash cannot be written."""
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
    state["result"] = f"{firmware['version']} has proved itself"
    slots.write(state)
    health.say("update: " + state["result"])
    firmware["state"], firmware["result"] = "confirmed", state["result"]
