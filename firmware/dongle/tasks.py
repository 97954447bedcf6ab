# Creates the tasks of the dongle. Needed only at the start.

import asyncio

import machine

from . import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .app import App

TEMPORARY = True  # see forget()

_LATE_MS = 30_000  # a heartbeat is late after this time


def begin(app: "App") -> list:
    """Creates the tasks of the parts. Returns the functions that must be called once a second, as
    a list of (name, function)."""
    # No task may use a function of this module: that would keep the whole module in memory.
    ticks = [(app.wifi.NAME, app.wifi.tick), ("http", app.server.tick)]
    tasks: list[tuple] = [("http", app.server.run, app.http_port)]
    if app.port:
        sink = app.cipher or app.framer
        app.port.settle()  # frees the memory that was reserved for the network, see hold.py
        app.port.begin(sink, app.framer)
        tasks.append(("port", app.port.read, sink, app.latest))
        ticks.append(("rearm", app.port.tick))
    if app.mqtt:
        tasks.append(("mqtt", app.mqtt.run))
        ticks.append(("mqtt", app.mqtt.look))
    if app.mdns:
        tasks.append(("mdns", app.announce))
    if app.relay:
        ticks.append(("relay", app.relay.tick))
    if app.stream:
        tasks.append(("tcp", app.stream.run, app.tcp_port))
    for name, push in app.pushes.items():
        tasks.append((name, push.run))
    for name, *_ in tasks:
        if name in ("port", "mqtt"):
            app.health.expect(name, _LATE_MS)
    is_trial = app.firmware["state"] == "trial"
    if app.has_watchdog or is_trial:
        app.health.watch(machine.WDT)
    for task in tasks:
        asyncio.create_task(app.keep(*task))
    if is_trial:
        from .update.trial import run

        forget()
        asyncio.create_task(run(app))
    ticks.append(("guard", app.look))
    return ticks
