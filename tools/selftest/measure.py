"""Runs the measurements on the board, one after the other, and collects what they say.

The result is a dict of JSON values, `evidence`: board.py and port.py judge it, report.py keeps it.
A measurement that failed has the key `error`, one that was left out the key `skipped`, with the
reason. Nothing in it is secret: see device/checks.py.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from mpremote.transport_serial import SerialTransport

from boards import Board
from install import InstallError
from selftest.port import swapped_with

Evidence = dict[str, dict]

_HERE = Path(__file__).parent
TELEGRAM = (_HERE / "telegram.txt").read_bytes()  # of the simulated meter; its ids are invented
_CHECKS = (_HERE / "device" / "checks.py").read_text()
STEPS = (
    "chip",
    "CRC and decoding",
    "data line and other pins, nothing asked for",
    "UART loopback",
    "data line and request pin, telegrams asked for",
    "telegrams; if none is good also not inverted, and not asked for",
    "Wi-Fi",
    "memory, with all that the dongle loads",
)
_WINDOW_MS = 100  # to look at a line that nothing moves
_SECOND_MS = 1200  # to see a telegram pass, of a meter that sends one a second
_ANSWER_S = 20  # beyond what a measurement waits by itself: a scan, a slow import


class _Board:
    """Calls functions of device/checks.py."""

    def __init__(self, transport: SerialTransport, say: Callable[[str], None]):
        self._transport = transport
        self._say = say
        _, error = transport.exec_raw(_CHECKS, timeout=_ANSWER_S)
        if error:
            raise InstallError(
                "the self-test uses the firmware's own modules, and does not find them: "
                f"{_last_line(error)}\nNext: make deploy"
            )
        transport.exec("import json")

    def __call__(self, about: str, function: str, *arguments: object, wait_ms: int = 0) -> dict:
        self._say(about)
        call = f"{function}({', '.join(map(repr, arguments))})"
        output, error = self._transport.exec_raw(
            f"print(json.dumps({call}))", timeout=_ANSWER_S + math.ceil(wait_ms / 1000)
        )
        # Before the result may stand what ESP-IDF had to log.
        return {"error": _last_line(error)} if error else json.loads(output.splitlines()[-1])


def _last_line(error: bytes) -> str:
    return error.decode(errors="replace").strip().splitlines()[-1]


def profile_of(transport: SerialTransport) -> dict:
    """The board.json that is on the board. Raises InstallError when there is none."""
    try:
        return json.loads(transport.fs_readfile("board.json"))
    except (FileNotFoundError, ValueError):
        raise InstallError(
            "there is no board.json on the board: give BOARD=, or `make deploy` first"
        ) from None


def measure(
    transport: SerialTransport, given: Board | None, wait_s: float, say: Callable[[str], None]
) -> Evidence:
    """given: the profile to test against, where it shall not be the board's own; wait_s: how long
    a meter may take for its first telegram; say(text) hears what is being done."""
    board = asdict(given) if given else profile_of(transport)
    ask = _Board(transport, say)
    evidence = {
        "board": board,
        "chip": ask("chip", "chip"),
        "speed": ask("CRC and decoding", "speed", TELEGRAM),
    }
    evidence |= _port(ask, board, int(wait_s * 1000)) | _network(ask, board)
    # Last, because all that it loads stays there until the reset.
    return evidence | {"memory": ask("memory, with all that the dongle loads", "memory")}


def _port(ask: _Board, board: dict, wait_ms: int) -> Evidence:
    tied = board["request_drive"] == "tied"
    window_ms = _SECOND_MS if tied else _WINDOW_MS
    found = {"released": ask("data line, nothing asked for", "released", board, window_ms)}
    if pin := swapped_with(board, found["released"]):
        reason = {"skipped": f"the data line seems to be on {pin}: nothing may be driven there"}
        return found | dict.fromkeys(("loopback", "asked", "telegrams"), reason)
    found["loopback"] = ask("UART loopback", "loopback", board)
    if found["loopback"].get("jumper"):
        reason = {"skipped": "a wire joins tx and rx: take it out, plug the meter in, run again"}
        return found | dict.fromkeys(("asked", "telegrams"), reason)
    found["asked"] = ask("data line, telegrams asked for", "asked", board, _SECOND_MS)
    inverts = board.get("rx_idle", 0) == 0

    def read(about: str, inverts: bool, asks: bool, wait_ms: int) -> dict:
        return ask(about, "telegrams", board, inverts, asks, wait_ms, wait_ms=wait_ms)

    found["telegrams"] = read(f"telegrams, up to {wait_ms / 1000:g} s", inverts, True, wait_ms)
    if not found["telegrams"].get("good"):
        # The first one follows the request at once, so that these need not wait as long.
        short_ms = min(wait_ms, 3 * _SECOND_MS)
        found["turned_over"] = read("telegrams, not inverted", not inverts, True, short_ms)
        if not tied:
            found["unasked"] = read("telegrams, not asked for", inverts, False, short_ms)
    return found


def _network(ask: _Board, board: dict) -> Evidence:
    if board.get("ethernet"):
        return {"wifi": {"skipped": "this board is wired"}}
    return {"wifi": ask("Wi-Fi", "wifi")}
