"""Writes package.json, by which MicroPython's `mip` installs the sources from the repository.

    python tools/package.py

Its paths are relative to itself, so it serves from anywhere the repository lies. `mip` copies
files and makes none; so the pages as a dongle has them lie in the repository too, in mip/, where
this writes them.
"""

import json
import sys
from pathlib import Path

import pages
from build import ROOT, project_version

PACKAGE = "package.json"
PAGES = "mip"  # the folder of the pages as they are put together
_FOLDERS = ("p1", "dongle")
_LOOSE = ("boot.py", "main.py", "slots.py")


def package(root: Path = ROOT) -> str:
    """The package.json of the checkout `root`."""
    firmware = root / "firmware"
    found = (path for folder in _FOLDERS for path in (firmware / folder).rglob("*.*"))
    names = sorted(path.relative_to(firmware).as_posix() for path in found if _is_source(path))
    urls = [
        *([name, f"firmware/{name}"] for name in names),
        *([f"web/{name}", f"{PAGES}/{name}"] for name in whole_pages(root)),
        *([name, f"firmware/{name}"] for name in _LOOSE),
    ]
    described = {"version": project_version(root), "deps": [], "urls": urls}
    return json.dumps(described, indent=1) + "\n"


def whole_pages(root: Path = ROOT) -> dict[str, bytes]:
    """What the folder PAGES of the checkout `root` shall hold, by name."""
    sources = sorted((root / "firmware" / "web").glob("*.html"))
    return {source.name: pages.page(source) for source in sources}


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def main() -> int:
    (ROOT / PACKAGE).write_text(package())
    (ROOT / PAGES).mkdir(exist_ok=True)
    for name, data in whole_pages().items():
        (ROOT / PAGES / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
