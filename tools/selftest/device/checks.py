# What the self-test does on the board. It is sent over the raw REPL, and no part of the firmware;
# what it needs of that is in dongle/selftest.py. It measures and does not judge. Nothing that it
# says is secret: no name or password of a network, no serial number, no telegram.
#
# board is the profile, a dict. A level is [how often it was high, how often it was looked at].

import gc
import sys
import time

from machine import UART, Pin

import slots

# boot.py has done so already, unless there was none.
if slots.read()["slot"] not in sys.path:
    sys.path.insert(0, slots.read()["slot"])

from dongle import selftest

_SLICE_MS = (
    10  # of looking at a level with one resistor and then the other: a telegram takes longer
)
_SETTLE_MS = 5  # for a resistor of 45 kOhm and a metre of cable
_RELEASED_MS = 200  # the meter stops at once, what is under way ends
_TEXT = b"P1 self-test \x00\xffU\xaa"


def chip():
    import machine

    about = sys.implementation
    return {
        "machine": about._machine,
        "micropython": ".".join(str(part) for part in about.version[:3]),
        "build": getattr(about, "_build", ""),
        "mpy": getattr(about, "_mpy", 0),
        "frequency_hz": machine.freq(),
        "firmware": selftest.version(),
    }


def memory():
    """With all that the dongle loads in it."""
    import os

    import esp32

    problems = selftest.load()
    gc.collect()
    flash = os.statvfs("/")
    return {
        "problems": problems,
        "heap_used": gc.mem_alloc(),
        "heap_free": gc.mem_free(),
        "idf": esp32.idf_heap_info(esp32.HEAP_DATA),  # total, free, largest block, least ever free
        "flash_free": flash[0] * flash[3],
    }


def speed(text):
    """Of the core, with a telegram (bytes) that nobody's meter sent; times in microseconds."""
    good, crc, document, took_us = selftest.work(text)
    return {
        "size": len(text),
        "good": good,
        "crc": crc,
        "timestamp": _member(document, b"timestamp"),
        "energy_import_kwh": _member(document, b"energy_import_kwh"),
        "crc_us": took_us[0],
        "decode_us": took_us[1],
        "json_us": took_us[2],
    }


def _member(document, key):
    """The value of a member as JSON, without the memory that parsing all of it takes."""
    found = document.split(b'"' + key + b'":', 1)
    return found[1].split(b",", 1)[0].decode() if len(found) == 2 else None


def released(board, window_ms):
    """The levels while nothing is asked for, looked at for window_ms with each of the chip's own
    resistors. Whatever holds a pin wins over these: they tell what is held from what is open."""
    _request(board)
    rx = board["rx_pin"]
    levels = {"up": [0, 0], "down": [0, 0], "pulled_up": []}
    for _ in range(max(window_ms // _SLICE_MS, 1)):
        for name, pull in (("up", Pin.PULL_UP), ("down", Pin.PULL_DOWN)):
            highs, looks = _level(rx, pull, _SLICE_MS)
            levels[name][0] += highs
            levels[name][1] += looks
    if board["chip"] == "esp32" and rx >= 34:  # these have no resistors
        levels["down"] = None
    # Where else is a line that something outside pulls up? The 45 kOhm to ground that this takes
    # are an open request line to a meter, which wants milliamperes.
    for key in ("tx_pin", "request_pin"):
        if board[key] is not None and _is_high(_level(board[key], Pin.PULL_DOWN, 20)):
            levels["pulled_up"].append(key)
    _request(board)
    return levels


def asked(board, window_ms):
    """The level of the data line while telegrams are asked for, and what the request pin reads
    when it is driven; [asked, released], None where that is not driven."""
    (request, release), pin = _request(board), board["request_pin"]
    request()
    time.sleep_ms(_SETTLE_MS)
    driven = None if pin is None else Pin(pin).value()
    level = _level(board["rx_pin"], Pin.PULL_UP, window_ms)
    release()
    time.sleep_ms(_SETTLE_MS)
    let_go = Pin(pin).value() if board["request_drive"] == "switch" else None
    return {"line": level, "request_pin": [driven, let_go]}


def loopback(board):
    """What the UART sends back to itself: over a wire from tx to rx where there is one, else on
    the spare tx alone, which MicroPython with ESP-IDF 5.4 can. None where nothing came at all."""
    _request(board)
    tx, rx = board["tx_pin"], board["rx_pin"]
    jumper = _is_joined(tx, rx)
    came: dict = {"jumper": jumper}
    for name, invert in (
        ("none", 0),
        ("both", UART.INV_TX | UART.INV_RX),
        ("one", UART.INV_TX),
    ):
        uart = UART(board["uart"], 115200, tx=tx, rx=rx if jumper else tx, invert=invert)
        time.sleep_ms(_SETTLE_MS)
        uart.read()
        uart.write(_TEXT)
        time.sleep_ms(4 * _SETTLE_MS)
        heard = uart.read()
        uart.deinit()
        came[name] = None if heard is None else heard == _TEXT
    Pin(tx, Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
    return came


def _is_joined(tx, rx):
    """Does rx follow tx? Asked by pulling down only, as the meter does: never against it."""
    line, end = Pin(tx, Pin.OPEN_DRAIN, value=1), Pin(rx, Pin.IN, pull=Pin.PULL_UP)
    seen = []
    for level in (1, 0, 1):
        line.value(level)
        time.sleep_ms(_SETTLE_MS)
        seen.append(end.value())
    line.init(Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
    end.init(Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
    return seen == [1, 0, 1]


def telegrams(board, inverts, asks, wait_ms, enough=2):
    """Reads the port as the firmware does, for so long or until there are enough good telegrams.
    inverts: whether the UART turns the line over; asks: whether the request is on."""
    country, (baud, bits, parity), has_key, feed, counts = selftest.listener()
    request, release = _request(board)
    gc.collect()
    uart = UART(
        board["uart"],
        baud,
        bits=bits,
        parity=parity,
        rx=board["rx_pin"],
        tx=board["tx_pin"],
        rxbuf=8192,
        invert=UART.INV_RX if inverts else 0,
    )
    time.sleep_ms(_RELEASED_MS)
    uart.read()
    start = time.ticks_ms()
    if asks:
        request()
    chunk = bytearray(128)
    size, first_ms, encrypted, waited_ms = 0, None, False, 0
    while waited_ms < wait_ms and counts()[0] < enough:
        count = uart.readinto(chunk)
        waited_ms = time.ticks_diff(time.ticks_ms(), start)
        if not count:
            time.sleep_ms(2)
            continue
        size += count
        encrypted = encrypted or b"\xdb\x08" in bytes(chunk[:count])
        feed(chunk, count)
        if counts()[0] and first_ms is None:
            first_ms = waited_ms
    release()
    uart.deinit()
    Pin(board["tx_pin"], Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
    good, crc, framing, overflow = counts()
    return {
        "country": country,
        "baud": baud,
        "bytes": size,
        "good": good,
        "crc": crc,
        "framing": framing,
        "overflow": overflow,
        "first_ms": first_ms,
        "waited_ms": waited_ms,
        "encrypted": encrypted,
        "has_key": has_key,
    }


def wifi():
    """How the configured network is received, in dBm; without one, how many are in reach."""
    import network

    ssid = selftest.ssid()
    station = network.WLAN(network.STA_IF)
    found: dict = {"configured": bool(ssid), "connected": station.isconnected()}
    if found["connected"]:
        found["rssi_dbm"] = station.status("rssi")
        return found
    gc.collect()
    station.active(False)  # a soft reset has left it trying, and then it does not scan
    station.active(True)
    nets = station.scan()
    ours = [net[3] for net in nets if net[0] == ssid.encode()]
    found["networks"] = len(nets)
    found["rssi_dbm"] = max(ours) if ours else None
    return found


def _request(board):
    """The firmware's own request line, released: what asks, and what stops asking."""
    request = selftest.request(board)
    time.sleep_ms(_SETTLE_MS)
    return request


def _level(number, pull, window_ms):
    pin = Pin(number, Pin.IN, pull=pull)
    time.sleep_ms(_SETTLE_MS)
    highs = looks = 0
    start = time.ticks_ms()
    while not looks or time.ticks_diff(time.ticks_ms(), start) < window_ms:
        for _ in range(50):
            highs += pin.value()
        looks += 50
    pin.init(Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
    return [highs, looks]


def _is_high(level):
    return level[0] * 2 > level[1]
