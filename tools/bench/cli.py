"""Runs the parts that are asked for and shows what they found."""

import argparse
import importlib
import json
import sys

from rich.console import Console

from bench.figures import Figure, table
from rig import ROOT, Missing

# Those that run where MicroPython does; `target` needs more.
PARTS = ("speed", "linear", "garbage", "loop", "clients", "latency", "memory", "sizes")
TARGET = "target"
_RESULT = ROOT / "build" / "bench.json"

_console = Console(highlight=False, width=None)


def _measured(parts: list[str]) -> list[Figure]:
    figures = []
    with _console.status("") as status:
        for part in parts:
            status.update(f"measuring: {part} ...")
            figures += importlib.import_module(f"bench.{part}").figures()
    return figures


def _write(figures: list[Figure]):
    """Adds to what other parts have written before."""
    known = json.loads(_RESULT.read_text()) if _RESULT.exists() else {}
    known |= {figure.name: figure.value for figure in figures}
    _RESULT.parent.mkdir(exist_ok=True)
    _RESULT.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join((*PARTS, TARGET)))
    parts: list[str] = parser.parse_args().parts or [*PARTS]
    if unknown := set(parts) - {*PARTS, TARGET}:
        parser.error(f"there is no part {', '.join(unknown)}")
    try:
        figures = _measured(parts)
    except Missing as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    _console.print(table(figures))
    _write(figures)
    return 0
