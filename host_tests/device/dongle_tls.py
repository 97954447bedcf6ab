# MQTT clients, one after the other, each until it is connected or knows why not. Argument: a file
# with {case: {"settings": the section mqtt, "clock": whether the chip knows the time, "free":
# bytes of each region of the chip's own memory}}. Prints {case: [reason, what was done with a
# socket that would block, how often another task had its turn, sockets left over]}.

import asyncio
import json
import socket
import sys

import memory
import world
from dongle import in_words
from dongle.health import Health
from dongle.latest import HEAD
from dongle.mqtt import link, tls
from dongle.mqtt import session as mqtt
from dongle.net.dns import Resolver
from p1.render.page import Page

world.names["broker.lan"] = "127.0.0.1"
link.HANDSHAKE_MS = 3_000
Health.say = lambda self, text: None


class Wifi:
    up = True

    def doubt(self):
        pass

    trust = doubt


class Latest:
    page = Page(100, HEAD)

    def __init__(self):
        self.listeners = []

    def age_ms(self):
        return None


class Discovery:
    """Never asked: there is no reading, and no session that lasts."""

    id, base = "02000000715c", b"p1/02000000715c/"

    def connected(self):
        pass

    def heard(self, packet):
        pass

    def settle(self):
        pass


class Clock:
    def __init__(self, set):
        self._set = set

    def is_set(self):
        return self._set


async def watch(turns):
    while True:
        await asyncio.sleep_ms(20)
        turns[0] += 1


unblocked = []  # the sockets that do not block
blocking = []  # what was done with others


def note_blocking(owner, name, socket_of):
    whole = getattr(owner, name)

    def noting(*arguments):
        if socket_of(arguments) not in unblocked:
            blocking.append(name)
        return whole(*arguments)

    setattr(owner, name, noting)


def note_setblocking():
    whole = socket.socket.setblocking

    def noting(one, on):
        if on and one in unblocked:
            unblocked.remove(one)
        elif not on:
            unblocked.append(one)
        return whole(one, on)

    socket.socket.setblocking = noting


note_setblocking()
note_blocking(socket.socket, "connect", lambda arguments: arguments[0])
note_blocking(socket.socket, "write", lambda arguments: arguments[0])
note_blocking(tls.Tls, "wrap", lambda arguments: arguments[1])


async def try_(settings, clock):
    turns = [0]
    blocking.clear()
    unblocked.clear()
    way = tls.Tls(settings["ca"], settings["host"], Clock(clock)) if settings["tls"] else None
    options = (Health(), lambda: b"{}", Discovery(), way)
    client = mqtt.Mqtt(settings, Latest(), Wifi(), Resolver(), *options)
    tasks = [asyncio.create_task(client.run()), asyncio.create_task(watch(turns))]
    while client.code == "not_tried_yet":
        await asyncio.sleep_ms(10)
    reason = client.reason or in_words(client.code)
    for task in tasks:
        task.cancel()
    await asyncio.sleep_ms(20)
    return reason, list(blocking), turns[0], world.sockets


async def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    results = {}
    for name, case in cases.items():
        memory.chip = {"regions": case["free"]}
        results[name] = await try_(case["settings"], case["clock"])
    print(json.dumps(results))


asyncio.run(main())
