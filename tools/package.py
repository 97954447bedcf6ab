"""Writes package.json, by which MicroPython's `mip` installs the sources from the repository.

    python tools/package.py

Its paths are relative to itself, so it serves from anywhere the repository lies.
"""

import json
import sys
from pathlib import Path

from build import ROOT, project_version

PACKAGE = "package.json"
_FOLDERS = ("p1", "dongle", "web")
_LOOSE = ("boot.py", "main.py", "slots.py")


def package(root: Path = ROOT) -> str:
    """The package.json of the checkout `root`."""
    firmware = root / "firmware"
    found = (path for folder in _FOLDERS for path in (firmware / folder).rglob("*.*"))
    names = sorted(path.relative_to(firmware).as_posix() for path in found if _is_source(path))
    urls = [[name, f"firmware/{name}"] for name in (*names, *_LOOSE)]
    described = {"version": project_version(root), "deps": [], "urls": urls}
    return json.dumps(described, indent=1) + "\n"


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def main() -> int:
    (ROOT / PACKAGE).write_text(package())
    return 0


if __name__ == "__main__":
    sys.exit(main())
