"""`python tools/meter` and `python -m meter`."""

import sys
from pathlib import Path

if not __package__:  # a directory was run: the package is that directory, not what is in it
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from meter.cli import main

sys.exit(main())
