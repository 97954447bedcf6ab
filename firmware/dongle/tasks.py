# The tasks of a dongle, and what is looked after once a second. Only a start needs this.

# A list of different things.
# pyright: reportArgumentType=false

import asyncio

import machine

_LATE_MS = 30_000  # a task's heartbeat


def begin(app):
    """Makes a task for each part that has something to wait for. Returns those that have something
    to look after: (name, function) in a list."""
    # No function of this module in any of them: it would keep all of it in memory.
    ticks = [(app.wifi.NAME, app.wifi.tick), ("http", app.server.tick)]
    tasks = [("http", app.server.run, app.http_port)]
    if app.port:
        sink = app.cipher or app.framer
        app.port.settle()  # the tasks want what it has held for the network
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

        asyncio.create_task(run(app))
    return ticks
