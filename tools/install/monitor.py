"""What a board prints, with the tracebacks of a packed firmware turned back."""

import json
import os
import sys
from pathlib import Path

from build import NAMES
from pack.back import Back


def names(builds: Path, board: str = "") -> dict | None:
    """names.json of a board's build, without a board of the newest one: all of one version say the
    same. None where there is none, or this system has no terminals to look into."""
    found = [builds / board / NAMES] if board else list(builds.glob(f"*/{NAMES}"))
    found = [file for file in found if file.is_file()]
    if not found or os.name != "posix":
        return None
    return json.loads(max(found, key=lambda file: file.stat().st_mtime).read_text())


def run(command: list[str], names: dict) -> None:
    """Runs a command in this terminal, and shows what it says turned back."""
    import pty  # only posix has it

    back = Back(names)

    def read(terminal: int) -> bytes:
        # Empty would mean that the command has ended.
        while data := os.read(terminal, 1024):
            if shown := back.hear(data):
                return shown
        return b""

    pty.spawn(command, read)
    sys.stdout.buffer.write(back.rest())
    sys.stdout.flush()
