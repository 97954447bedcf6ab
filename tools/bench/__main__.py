"""`python tools/bench [part ...]`: the figures as a table, and in build/bench.json."""

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent
sys.path[0] = str(TOOLS)
sys.path[1:1] = [str(TOOLS.parent / "firmware"), str(TOOLS / "cpython" / "quick")]

from bench.cli import main  # noqa: E402

sys.exit(main())
