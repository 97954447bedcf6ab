#!/usr/bin/env python3
"""Coverage-guided fuzzing of framer, decode and JSON with atheris; `make fuzz`.

python host_tests/fuzz/fuzz_core.py CORPUS [libFuzzer options]
"""

import sys
from pathlib import Path

import atheris  # pyright: ignore[reportMissingModuleSource]  # `make fuzz` alone installs it

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("firmware", "tools/cpython", "tools", "host_tests/support")
sys.path[:0] = [str(ROOT / name) for name in PLACES]

# Its types, which are others' work, lack this function.
with atheris.instrument_imports(include=["p1"]):  # pyright: ignore[reportAttributeAccessIssue]
    import fuzz_target

WITH_REFERENCE = "--no-reference" not in sys.argv


def one(data):
    fuzz_target.check(data, WITH_REFERENCE)


if __name__ == "__main__":
    arguments = [each for each in sys.argv if each != "--no-reference"]
    atheris.Setup(arguments, one)
    atheris.Fuzz()
