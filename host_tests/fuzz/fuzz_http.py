#!/usr/bin/env python3
"""Half a million odd requests over real sockets to the whole dongle, while it reads its meter;
`make fuzz-http`.

python host_tests/fuzz/fuzz_http.py --requests 500000
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("firmware", "tools/cpython", "tools", "host_tests/support")
sys.path[:0] = [str(ROOT / name) for name in PLACES]

import http_fuzzer  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first request")
    chosen = parser.parse_args()
    findings = http_fuzzer.run(chosen.requests, chosen.first)
    print(findings)
    return 1 if findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
