# A part that a config switches on and that finds no memory is left out, and says so; the rest
# starts. In the directory: config.json, in which all of them are switched on, and board.json.

import asyncio
import errno
import json
import sys

import world
from dongle import app

TOPICS = "mqtt.dsmr_reader_topics"
PARTS = {
    # As health.problems calls it: its module and class, and what is still there of it.
    "quarter": ("meter.capacity", "Capacity", lambda dongle: dongle.capacity),
    "mqtt": ("mqtt.session", "Mqtt", lambda dongle: dongle.mqtt),
    "tcp": ("stream", "Stream", lambda dongle: dongle.stream),
    "homewizard": ("http.homewizard", "Api", lambda dongle: dongle.server.routes.get(b"/api")),
    TOPICS: (
        "mqtt.dsmr_topics",
        "DsmrTopics",
        lambda dongle: dongle.mqtt and (dongle.mqtt._more or None),
    ),
    "influx": ("push.influx", "Influx", lambda dongle: dongle.pushes.get("influx")),
    "dsmr_reader": (
        "push.dsmr_reader",
        "DsmrReader",
        lambda dongle: dongle.pushes.get("dsmr_reader"),
    ),
    "relay": ("meter.relay", "Relay", lambda dongle: dongle.relay),
    "mdns": ("net.mdns", "Mdns", lambda dongle: dongle.mdns),
    "history": ("meter.history", "History", lambda dongle: dongle.server.routes.get(b"/history")),
}
NEEDS = {"quarter": ("quarter", "relay", "history"), "mqtt": (TOPICS,)}


class NoRoom:
    """In the place of a part: it listens already when the memory is full."""

    error: BaseException

    def __init__(self, *arguments, **named):
        for argument in arguments + tuple(named.values()):
            if hasattr(argument, "listeners"):
                argument.listeners.append(self._hear)
        raise NoRoom.error

    def _hear(self):
        raise AssertionError("nobody is there to hear it")


class NoModule:
    """In the place of a module that cannot be loaded."""

    TEMPORARY = False

    def __getattr__(self, name):
        raise MemoryError(name)


def forget(module):
    sys.modules.pop("dongle." + module, None)
    package, _, name = ("dongle." + module).rpartition(".")
    if hasattr(sys.modules.get(package), name):
        delattr(sys.modules[package], name)


def start():
    dongle: Any = app.App()
    assert dongle.server and dongle.framer and dongle.port and dongle.wifi
    return dongle


def check(part, whole):
    dongle = start()
    _, _, find = PARTS[part]
    assert find(dongle) is None, part
    for other, (_, _, find) in PARTS.items():
        if other != part and other not in NEEDS.get(part, ()):
            assert find(dongle) is not None, (part, other)
    told = [problem for problem in dongle.health.problems if problem.startswith(part + ": ")]
    assert len(dongle.health.problems) == 1 and len(told) == 1, dongle.health.problems
    assert "too little memory" in told[0] and "PSRAM" in told[0]
    assert len(dongle.latest.listeners) < len(whole.latest.listeners) or part in (
        TOPICS,
        "homewizard",
        "mdns",
        "relay",
    )
    report = json.loads(b"".join(list(dongle.report().pieces())))
    assert report["config_problems"] == dongle.health.problems
    return dongle


modules: dict = sys.modules
whole = start()
assert all(find(whole) is not None for _, _, find in PARTS.values())
assert whole.health.problems == []
for part, (module, name, _) in PARTS.items():
    for error in (MemoryError("making"), OSError(errno.ENOMEM)):
        NoRoom.error = error
        there = __import__("dongle." + module)
        there = sys.modules["dongle." + module]
        setattr(there, name, NoRoom)
        setattr(there, "TEMPORARY", False)  # noqa: B010
        check(part, whole)
        forget(module)
    modules["dongle." + module] = NoModule()
    check(part, whole)
    forget(module)


# What has no memory at all still runs.
async def run():
    for module, *_ in PARTS.values():
        modules["dongle." + module] = NoModule()
    dongle = start()
    told = {problem.partition(": ")[0] for problem in dongle.health.problems}
    assert told == set(PARTS) - {"relay", "history", TOPICS}, (
        "of what needs another one nobody speaks"
    )
    task = asyncio.create_task(dongle.run())
    await asyncio.sleep_ms(100)
    world.interfaces.clear()  # a client from outside does not mind whether our Wi-Fi is up
    reader, client = await asyncio.open_connection("127.0.0.1", dongle.http_port)
    client.write(b"GET /health HTTP/1.0\r\n\r\n")
    await client.drain()
    answer = await asyncio.wait_for_ms(reader.read(), 3000)
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert document["config_problems"] == dongle.health.problems
    assert document["tcp"] == {"clients": 0, "dropped": 0}
    task.cancel()


asyncio.run(run())
print("ok")
