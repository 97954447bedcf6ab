"""What a configuration takes of a chip's memory, moment by moment: see device/census.py."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak.campaign import world


@dataclass(frozen=True)
class Moment:
    """In bytes. status: of what was asked for last; used: after it, once garbage is collected;
    most: the highest that a collection left meanwhile; heap: how large it is for that, how often
    it has grown, and its largest gap; names: that are not in the ROM; idf: of ESP-IDF's heap;
    loaded: modules that were not there after the start."""

    step: str
    status: int | None
    used: int
    most: int
    heap: int
    grown: int
    gap: int
    names: int
    idf_free: int
    idf_least: int
    idf_least_largest: int
    resets: int
    failures: dict[str, int] | None
    loaded: list[str]


def census(
    chip: str = "esp32",
    config: dict | None = None,
    telegrams: int = 0,
    **options,
) -> Iterator[Moment | dict[str, int] | str]:
    """Yields Moments; once, bytes by file of the firmware; and what it prints. Arguments as of
    device/census.py; options: of world(). Raises rig.Missing."""
    arguments = (chip, json.dumps(config or {}), str(telegrams))
    with world("census.py", *arguments, **options) as day:
        assert day.stdout
        for line in day.stdout:
            told = json.loads(line) if line.startswith('{"') else None
            if told is None:
                yield line.rstrip()
            else:
                yield told["files"] if "files" in told else Moment(**told)


def main() -> int:
    parser = argparse.ArgumentParser(prog="census", description=__doc__)
    parser.add_argument("--chip", default="esp32", help="one of tools/sim/memory.py")
    parser.add_argument("--config", type=json.loads, help="JSON, merged into the usual one")
    parser.add_argument("--telegrams", type=int, default=0, help="with all that happens at a home")
    parser.add_argument("--frozen", action="store_true", help="the firmware is frozen in")
    parser.add_argument(
        "--pinned", action="store_true", help="tell what would make the heap grow once more"
    )
    asked = parser.parse_args()
    options = {"is_frozen": asked.frozen, "is_pinned": asked.pinned}
    for each in census(asked.chip, asked.config, asked.telegrams, **options):
        if isinstance(each, Moment):
            print(
                f"{each.step:42} used {each.used:7,} most {each.most:7,} of {each.heap:7,} "
                f"({each.grown}) gap {each.gap:6,}  IDF {each.idf_free:7,} "
                f"least {each.idf_least:7,} in one piece {each.idf_least_largest:7,} "
                f"{each.resets or ''} "
                f"{each.failures or ''} {' '.join(each.loaded)}",
                flush=True,
            )
        elif isinstance(each, dict):
            for file, size in sorted(each.items(), key=lambda pair: -pair[1]):
                print(f"    {file:28} {size:7,}")
        else:
            print("    |", each, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
