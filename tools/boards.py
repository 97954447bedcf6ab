"""Board profiles: boards/<name>/board.json, loaded and checked.

    python tools/boards.py      check every profile and print them as a table

A wrong pin in a profile is not a bug that shows on a desk: it is a board that does not start with
the meter's cable in it. So nothing is built from a profile that breaks a rule.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_type_hints

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from chips import CHIPS, Chip

BOARDS = Path(__file__).resolve().parents[1] / "boards"

# How the request line is switched on / released (protocol.md §2.3; never driven to ground):
# direct: the pin high / the pin an input without pull; switch: the pin at its active / its
# inactive level, behind a high-side switch; tied: wired to 5 V, no pin.
DRIVES = ("direct", "switch", "tied")


class BoardError(Exception):
    """A profile that is missing or breaks rules; the message has one rule a line."""


@dataclass(frozen=True)
class Board:
    """One profile, with the keys of board.json. Pins are GPIO numbers; None: there is none."""

    name: str
    title: str
    chip: str
    arch: str
    micropython: str  # the board's name on MicroPython's download page
    uart: int
    rx_pin: int
    rx_idle: int  # its level between telegrams: 0 as at the plug, 1 where a transistor inverts
    tx_pin: int  # spare: UART 1's own tx would be a flash pin (micropython.md §1.1)
    request_pin: int | None
    request_drive: str
    request_active: int  # the level that asks for telegrams
    led_pin: int | None
    led_active: int
    button_pin: int | None
    ethernet: dict | None  # the PHY of a wired board, with the keys of _PHY
    exceptions: dict  # {"rx_pin": {"a USB pin": why the board's wiring has it so}}


_TYPES = get_type_hints(Board)
_KEYS = tuple(field.name for field in fields(Board))

# Of "ethernet": the arguments of network.LAN.
_PHY = {
    "phy": str,  # as in network.PHY_LAN8720
    "address": int,  # of the PHY
    "mdc_pin": int,
    "mdio_pin": int,
    "power_pin": int | None,  # high switches it on
    "clock_pin": int,  # comes from the board: 50 MHz
}


def problems(profile: dict, folder: str) -> list[str]:
    """Every rule that `profile`, found in boards/<folder>, breaks; empty when it is good."""
    return list(_shape(profile, folder)) or [
        *_meaning(profile, CHIPS[profile["chip"]]),
        *_pins(profile, CHIPS[profile["chip"]]),
    ]


def _shape(profile: dict, folder: str) -> Iterator[str]:
    for key in profile.keys() - _KEYS:
        yield f"{key}: unknown key"
    yield from _typed(profile, _TYPES)
    if isinstance(profile.get("ethernet"), dict):
        yield from (f"ethernet: {wrong}" for wrong in _typed(profile["ethernet"], _PHY))
        yield from (f"ethernet: {key}: unknown key" for key in profile["ethernet"].keys() - _PHY)
    if not _are_reasons(profile.get("exceptions")):
        yield "exceptions: expected {pin: {rule: why}}, with a why of some words"
    if profile.get("name", folder) != folder:
        yield f"name: {profile['name']!r} is not the name of its folder, {folder!r}"
    if isinstance(profile.get("chip"), str) and profile["chip"] not in CHIPS:
        yield f"chip: {profile['chip']!r} is none of {', '.join(CHIPS)}"


def _are_reasons(exceptions: object) -> bool:
    return not isinstance(exceptions, dict) or all(
        isinstance(rules, dict)
        and all(isinstance(why, str) and " " in why for why in rules.values())
        for rules in exceptions.values()
    )


def _typed(values: dict, types: dict) -> Iterator[str]:
    for key, type_ in types.items():
        if key not in values:
            yield f"{key}: missing"
        elif not isinstance(values[key], type_) or isinstance(values[key], bool):
            yield f"{key}: {values[key]!r} is not {getattr(type_, '__name__', type_)}"


def _meaning(profile: dict, chip: Chip) -> Iterator[str]:
    drive, request_pin = profile["request_drive"], profile["request_pin"]
    if profile["arch"] != chip.arch:
        yield f"arch: {profile['chip']} runs {chip.arch}, not {profile['arch']!r}"
    if not 1 <= profile["uart"] < chip.uarts:
        yield (
            f"uart: {profile['chip']} has UART 1 to {chip.uarts - 1} to give, "
            f"not {profile['uart']} (0 is the console)"
        )
    for key in ("rx_idle", "request_active", "led_active"):
        if profile[key] not in (0, 1):
            yield f"{key}: {profile[key]} is not a level, 0 or 1"
    if drive not in DRIVES:
        yield f"request_drive: {drive!r} is none of {', '.join(DRIVES)}"
    elif (drive == "tied") != (request_pin is None):
        yield f"request_pin: {request_pin} does not go with the drive {drive!r}"
    elif drive == "direct" and profile["request_active"] != 1:
        yield "request_active: a direct drive asks with a high level, never a low one"
    if profile["ethernet"] and not chip.rmii:
        yield f"ethernet: {profile['chip']} has no Ethernet of its own"


def _pins(profile: dict, chip: Chip) -> Iterator[str]:
    """Pin rules. Outside parts hang on rx and request while the chip starts, hence the strapping
    rule; tx and request are outputs. Where a board is sold with a pin that breaks one, its profile
    names pin, rule and reason: that is let pass where it is really so, and nothing else."""
    outside = {
        "a strapping pin, sampled at reset": chip.strapping,
        "a USB pin": chip.usb,
        "a pin of UART 0, the console": chip.uart0,
    }
    input_only = {"input-only": chip.input_only}
    forbidden = {
        "rx_pin": outside,
        "tx_pin": outside | input_only,
        "request_pin": outside | input_only,
        "led_pin": input_only,
        "button_pin": {},
    }
    owners = _ethernet_pins(profile["ethernet"], chip)
    excused = {(key, rule) for key, rules in profile["exceptions"].items() for rule in rules}
    for key, reasons in forbidden.items():
        pin = profile[key]
        if pin is None:
            continue
        if pin not in chip.gpio:
            yield f"{key}: {profile['chip']} has no GPIO{pin}"
        for reason, taken in ({"a flash pin": chip.flash} | reasons).items():
            if pin not in taken:
                continue
            if reason in outside and (key, reason) in excused:
                excused.remove((key, reason))
            else:
                yield f"{key}: GPIO{pin} of {profile['chip']} is {reason}"
        if pin in owners:
            yield f"{key}: GPIO{pin} is {owners[pin]} already"
        owners.setdefault(pin, key)
    for key, rule in sorted(excused):
        yield f"exceptions: {key} breaks no rule {rule!r} that can be excused"


def _ethernet_pins(phy: dict | None, chip: Chip) -> dict[int, str]:
    if phy is None:
        return {}
    own = {pin: f"ethernet's {key}" for key, pin in phy.items() if key.endswith("_pin")}
    return dict.fromkeys(chip.rmii, "the data lines of Ethernet") | own


def names(root: Path = BOARDS) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/board.json"))


def load(name: str, root: Path = BOARDS) -> Board:
    """The profile `name`. Raises BoardError when there is none or it breaks a rule."""
    if name not in names(root):
        asked = f"there is no board {name!r}" if name else "which board?"
        raise BoardError(f"{asked} BOARD= takes one of: {', '.join(names(root))}")
    try:
        profile = json.loads((root / name / "board.json").read_text())
    except ValueError as error:
        raise BoardError(f"{name}/board.json is not JSON: {error}") from None
    if not isinstance(profile, dict):
        raise BoardError(f"{name}/board.json is not a JSON object")
    if broken := problems(profile, name):
        raise BoardError("\n".join(f"{name}/board.json: {problem}" for problem in broken))
    return Board(**profile)


def main() -> int:
    table = Table("board", "chip", "MicroPython", "rx", "tx", "request", "led", "button")
    table.box, table.pad_edge, table.padding = SIMPLE, False, (0, 1, 0, 0)
    console, failed = Console(), False
    for name in names():
        try:
            board = load(name)
        except BoardError as error:
            console.print(str(error), style="red", markup=False)
            failed = True
            continue
        pins = (board.rx_pin, board.tx_pin, board.request_pin, board.led_pin, board.button_pin)
        rx, tx, request, led, button = ("-" if pin is None else str(pin) for pin in pins)
        request = f"{request} {board.request_drive}"
        table.add_row(name, board.chip, board.micropython, rx, tx, request, led, button)
    console.print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
