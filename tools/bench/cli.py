"""Runs the parts that are asked for and shows what they found."""

import argparse
import importlib
import json
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console

from bench.figures import Figure, table
from rig import ROOT, Missing


class Part(NamedTuple):
    seconds: int  # that it takes on two cores
    about: str


TARGET = "target"
PARTS = {
    "speed": Part(10, "how long a telegram takes, against dsmr-parser"),
    "linear": Part(5, "whether a byte costs more in a longer telegram"),
    "garbage": Part(10, "what a telegram leaves for the garbage collector"),
    "loop": Part(15, "memory and writes of the whole dongle, by telegram and request"),
    "clients": Part(30, "what each further TCP or HTTP client costs"),
    "latency": Part(20, "from the meter's last byte to the MQTT packet"),
    "memory": Part(20, "the chip's memory, in a model of it"),
    "sizes": Part(5, "the compiled files"),
    TARGET: Part(5, "instructions of the machine code on Xtensa and RISC-V"),
}
# Those of `make bench`: `make bench-target` is apart.
_USUAL = [name for name in PARTS if name != TARGET]
_BUILD_SECONDS = 60  # once, for the MicroPython that `memory` runs
_RESULT = ROOT / "build" / "bench.json"


def _say(line: str) -> None:
    print(line, flush=True)  # so that a log shows where it is, too


def _duration(seconds: int) -> str:
    """As text: "20 seconds", "1 minute", "7 minutes"."""
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = round(seconds / 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _announce(names: list[str]) -> None:
    total = sum(PARTS[name].seconds for name in names)
    parts = "1 part" if len(names) == 1 else f"{len(names)} parts"
    _say(f"{parts}, about {_duration(total)} on two cores that do nothing else")
    if "memory" in names:
        _say(f"(the first time {_duration(_BUILD_SECONDS)} more, to build the chip's model)")


def _measured(names: list[str], left_out: list[str]) -> Iterator[Figure]:
    """left_out gets a line for each part, or rest of a part, that this machine cannot run."""
    for number, name in enumerate(names, 1):
        part = PARTS[name]
        _say(f"{number} of {len(names)}: {name}, {_duration(part.seconds)}: {part.about}")
        begun = False
        try:
            for figure in importlib.import_module(f"bench.{name}").figures():
                begun = True
                yield figure
        except (Missing, ModuleNotFoundError) as error:
            what = f"the rest of {name}" if begun else name
            left_out.append(f"left out: {what}: {_one_line(_reason(error))}")


def _reason(error: Missing | ModuleNotFoundError) -> str:
    """What is missing, and how to get it. Raises the error where a module is our own."""
    if isinstance(error, Missing):
        return str(error)
    package = (error.name or "").partition(".")[0]
    for folder in (ROOT / "tools", ROOT / "firmware"):
        if (folder / package).is_dir() or (folder / f"{package}.py").exists():
            raise error
    return f"the Python package {package} is not here: .venv/bin/pip install --group bench"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _write(figures: list[Figure]):
    """Adds to what other parts have written before."""
    known = json.loads(_RESULT.read_text()) if _RESULT.exists() else {}
    known |= {figure.name: figure.value for figure in figures}
    _RESULT.parent.mkdir(exist_ok=True)
    _RESULT.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> int:
    """1 where nothing of what was asked for can be measured on this machine."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--list", action="store_true", help="only say how long each part takes")
    asked = parser.parse_args()
    names = asked.parts or _USUAL
    if unknown := set(names) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    _announce(names)
    if asked.list:
        for name in names:
            _say(f"{name:8} {_duration(PARTS[name].seconds):>10}  {PARTS[name].about}")
        return 0
    left_out: list[str] = []
    figures = list(_measured(names, left_out))
    if figures:
        Console(highlight=False).print(table(figures))
        _write(figures)
    if missed := [figure.name for figure in figures if not figure.is_met]:
        _say(f"goals that were not reached: {', '.join(missed)}")
    for line in left_out:
        _say(line)
    return 0 if figures else 1
