#!/usr/bin/env python3
"""Coverage-guided fuzzing of framer, decode and JSON with atheris; `make fuzz`.

python host_tests/fuzz/fuzz_core.py CORPUS [libFuzzer options]
"""

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("firmware", "tools/cpython", "tools", "host_tests/support")
sys.path[:0] = [str(ROOT / name) for name in PLACES]

with atheris.instrument_imports(include=["p1"]):
    import fuzz_target

WITH_REFERENCE = "--no-reference" not in sys.argv


def one(data):
    fuzz_target.check(data, WITH_REFERENCE)


if __name__ == "__main__":
    arguments = [each for each in sys.argv if each != "--no-reference"]
    atheris.Setup(arguments, one)
    atheris.Fuzz()
