# Functions of the firmware for the self-test (tools/selftest/device/checks.py). They use the same
# modules as the normal operation, and a build does not shorten their names. In memory only during
# `make selftest`.


import asyncio
import gc
import time

from . import VERSION, forget
from . import config as config_file
from .meter.port import DataRequest


def version() -> str:
    return VERSION


def request(board: dict) -> tuple:
    """Sets up the data request line, released. Returns the functions (request, release)."""
    line = DataRequest(board["request_drive"], board["request_pin"], board["request_active"])
    return line.request, line.release


def ssid() -> str:
    """Returns the name of the configured network, "" if there is none."""
    return config_file.load()[0]["wifi"]["ssid"]


def work(text: bytes) -> tuple:
    """Processes a telegram (bytes), and the same telegram damaged. Returns how many were good, how
    many had a wrong CRC, the JSON, and how long CRC, decoding and JSON took, in microseconds."""
    from p1.decode import decode
    from p1.framer import Framer
    from p1.reading import Reading
    from p1.render.json import Json

    sizes = []
    framer = Framer(lambda _, size: sizes.append(size))
    reading, json = Reading("BE"), Json()
    gc.collect()
    times = [time.ticks_us()]
    _feed(framer, text)
    times.append(time.ticks_us())
    decode(framer.telegram, sizes[0], reading)
    times.append(time.ticks_us())
    page = json.render(reading)
    times.append(time.ticks_us())
    document = bytes(page.bytes[: page.size])
    damaged = bytearray(text)
    damaged[len(text) // 2] ^= 1
    _feed(framer, damaged)
    took_us = [time.ticks_diff(times[at + 1], times[at]) for at in range(3)]
    return framer.good, framer.crc, document, took_us


def _feed(framer, text):
    for at in range(0, len(text), 128):
        chunk = bytearray(text[at : at + 128])
        framer.feed(chunk, len(chunk))


def listener() -> tuple:
    """Returns how the configured meter is read: (country, (baud, data bits, parity), whether there
    is a key, feed(buffer, size), counts()). counts() returns the numbers of telegrams that were
    good, had a wrong CRC, had a wrong form, were too long."""
    from p1 import country
    from p1.framer import Framer

    meter = config_file.load()[0]["meter"]
    profile = country.profile(meter["country"])
    framer = Framer(lambda _, size: None, profile.has_crc)
    sink = _cipher(meter, framer) or framer

    def counts():
        return framer.good, framer.crc, framer.framing, framer.overflow

    return meter["country"], profile.line, sink is not framer, sink.feed, counts


def _cipher(meter, framer):
    if not meter["key"]:
        return None
    from binascii import unhexlify

    from p1.cipher import DEFAULT_AUTHENTICATION_KEY, Cipher

    second = unhexlify(meter["authentication_key"])
    return Cipher(unhexlify(meter["key"]), second or DEFAULT_AUTHENTICATION_KEY, framer.feed)


def load() -> list:
    """Loads everything that the dongle loads, in the same order, and keeps it. Returns the
    problems with the configuration, including the parts left out because of too little memory."""
    from .start import hold

    forget()
    hold()
    return asyncio.run(_assemble())


async def _assemble():
    global _app
    from .app import App
    from .logbook import Logbook

    # With an empty logbook, because the real one would count this as a start.
    _app = App(Logbook(lambda *_: b""))
    if _app.port:
        _app.port.settle()
    return _app.health.problems
