"""`python tools/meter` and `python -m meter`."""

import signal
import sys
from pathlib import Path

if not __package__:  # a directory was run: the package is that directory, not what is in it
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from meter.cli import main


def _end(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second one must not stop the first
    raise KeyboardInterrupt


signal.signal(signal.SIGINT, _end)
sys.exit(main())
