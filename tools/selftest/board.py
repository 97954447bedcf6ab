"""What the measurements say of the board itself: chip, memory, speed, UART, Wi-Fi."""

from collections.abc import Iterator

from install.deploy import chip_of
from selftest.finding import FAULT, OK, SKIPPED, WARNING, Finding, missing

# Of telegram.txt, as JSON.
_EXPECTED = {"timestamp": '"2026-11-23T20:30:00+01:00"', "energy_import_kwh": "8995.959"}
_WEAK_DBM, _POOR_DBM = -70, -80
# Of the IDF heap, for the connection, the sockets and what is being sent; and in one piece.
_NETWORK_BYTES, _PIECE_BYTES = 20_000, 8_000
_TELEGRAM_US = 500_000  # of the second that a telegram may take


def findings(evidence: dict) -> Iterator[Finding]:
    for check, key, judge in (
        ("chip", "chip", _chip),
        ("memory", "memory", _memory),
        ("CRC, decoding", "speed", _speed),
        ("UART", "loopback", _loopback),
        ("Wi-Fi", "wifi", _wifi),
    ):
        measured = evidence[key]
        yield missing(check, measured) or Finding(check, *judge(measured, evidence))


# Each returns what Finding takes after `check`.


def _chip(about: dict, evidence: dict) -> tuple[str, ...]:
    board = evidence["board"]
    text = f"{about['machine']}, MicroPython {about['micropython']}, firmware {about['firmware']}"
    chip = chip_of(about["machine"])
    if chip is None:
        return SKIPPED, f"{text}: which chip that is, it does not say"
    if chip != board["chip"]:
        fix = "give the right BOARD= and deploy it: pins and compiled code are for one chip only"
        text += f": that is an {chip}, and {board['name']} is for an {board['chip']}"
        return FAULT, text, "wrong chip", fix
    return OK, text


def _memory(memory: dict, evidence: dict) -> tuple[str, ...]:
    free = sum(block[1] for block in memory["idf"])
    largest = max((block[2] for block in memory["idf"]), default=0)
    text = (
        f"with all loaded, kB: Python heap {memory['heap_used'] // 1000} used; free: IDF heap "
        f"{free // 1000}, of which {largest // 1000} in one piece, flash "
        f"{memory['flash_free'] // 1000}"
    )
    fix = (
        "switch off what you can do without, freeze the firmware in (boards/README.md), or "
        "take a board with PSRAM"
    )
    if left_out := [each for each in memory["problems"] if "memory" in each or "kB" in each]:
        return WARNING, f"{text}; {'; '.join(left_out)}", "little memory", fix
    if free < _NETWORK_BYTES or largest < _PIECE_BYTES:
        return WARNING, f"{text}: too little for the network", "little memory", fix
    return OK, text


def _speed(speed: dict, _: dict) -> tuple[str, ...]:
    parts_us = [speed[key] for key in ("crc_us", "decode_us", "json_us")]
    crc, decoding, json = (f"{part / 1000:.1f}" for part in parts_us)
    text = f"{speed['size']} bytes: CRC {crc} ms, decoding {decoding} ms, JSON {json} ms"
    said = {key: speed[key] for key in _EXPECTED}
    if (speed["good"], speed["crc"], said) != (1, 1, _EXPECTED):
        fix = "the firmware on the board is damaged or does not fit the chip: `make deploy`"
        return FAULT, f"{text}; the result is wrong: {said}", "wrong result", fix
    if sum(parts_us) > _TELEGRAM_US:
        return WARNING, text, "slow", "too slow for one a second: is system.cpu_mhz lowered?"
    return OK, f"{text}; a damaged one is refused"


def _loopback(came: dict, evidence: dict) -> tuple[str, ...]:
    board = evidence["board"]
    uart, tx = f"UART {board['uart']}", f"GPIO{board['tx_pin']}"
    wire = f"a wire from {tx} to GPIO{board['rx_pin']}"
    if came["both"] is None and came["none"] is None and not came["jumper"]:
        text = "this MicroPython (before ESP-IDF 5.4) cannot send and receive on one pin"
        return SKIPPED, f"{text}. To test it: meter out, {wire}, run this again"
    if not (came["both"] and came["none"]):
        fix = "try another UART or other pins in board.json; else the chip is damaged"
        return FAULT, f"{uart} does not receive what it sends", "UART dead", fix
    if came["one"]:
        fix = "flash a stock MicroPython, 1.24 or newer (make flash)"
        return FAULT, f"{uart} does not invert, and the meter's line is", "no inversion", fix
    over = f"over {wire}" if came["jumper"] else f"on {tx} alone"
    return OK, f"{uart} receives what it sends, inverted on both sides, {over}"


def _wifi(wifi: dict, _: dict) -> tuple[str, ...]:
    rssi = wifi["rssi_dbm"]
    if not wifi["configured"]:
        return SKIPPED, f"none configured; {wifi['networks']} in reach. Next: make configure"
    if rssi is None:
        text = f"the configured network is not among the {wifi['networks']} in reach"
        fix = "is its name right (make configure)? Is it on 2.4 GHz? A hidden one does not show"
        return FAULT, text, "no network", fix
    if rssi < _WEAK_DBM:
        text = f"{'hardly' if rssi < _POOR_DBM else 'weakly'} received, at {rssi} dBm"
        fix = "another place, or a nearer access point"
        return WARNING, text, "weak Wi-Fi", fix
    return OK, f"received at {rssi} dBm"
