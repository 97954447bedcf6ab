"""MicroPython from Debian, for what PyPI has nothing: a unix port with 32-bit words and small
integers of 31 bits, as an ESP32's, that compiles viper; and the source tree. Into build/debian/,
by apt, without root and without touching the system's own packages."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import ROOT, Missing

_SUITE, _VERSION = "trixie", "1.25.0+ds-1"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LIBRARIES = ("libc6", "libffi8", "libmbedcrypto16", "libmbedtls21", "libmbedx509-7")

_FOLDER = ROOT / "build" / "debian"
_APT = _FOLDER / "apt"

_CONFIG = f"""
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{_APT}/sources";
Dir::State::lists "{_APT}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{_APT}/cache";
APT::Architecture "i386";
APT::Architectures "i386";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
"""
_SOURCES = """\
Types: deb deb-src
URIs: {mirror}
Suites: {suite}
Components: main
Signed-By: {keyring}
"""
_RUN = """\
#!/bin/sh
exec {libraries}/ld-linux.so.2 --library-path {libraries} {program} "$@"
"""


def micropython() -> Path:
    """A command that runs the 32-bit unix port. Raises Missing."""
    command = _FOLDER / "micropython"
    with _made_once(command) as making:
        if making:
            _apt("download", f"micropython={_VERSION}", *_LIBRARIES, cwd=_FOLDER)
            for package in _FOLDER.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, _FOLDER / "root"], check=True)
                package.unlink()
            root = _FOLDER / "root" / "usr"
            command.write_text(
                _RUN.format(
                    libraries=root / "lib" / "i386-linux-gnu", program=root / "bin" / "micropython"
                )
            )
            command.chmod(0o755)
            if subprocess.run([command, "-c", ""], capture_output=True).returncode:
                command.unlink()
                raise Missing(
                    "this machine does not run the 32-bit programs of an x86: use one that does"
                )
    return command


def source() -> Path:
    """MicroPython's source tree. Raises Missing."""
    tree = _FOLDER / "source"
    with _made_once(tree) as making:
        if making:
            if not shutil.which("dpkg-source"):
                raise Missing("apt needs dpkg-source to unpack a source: apt install dpkg-dev")
            _apt("source", f"micropython={_VERSION}", cwd=_FOLDER)
            (unpacked,) = _FOLDER.glob("micropython-*/")
            unpacked.rename(tree)
    return tree


@contextmanager
def _made_once(target: Path) -> Iterator[bool]:
    """Whether the target has to be made: the tests' workers all come at once."""
    with locked():
        if making := not target.exists():
            _prepare()
        yield making


@contextmanager
def locked() -> Iterator[None]:
    """Only one process at a time makes something of it."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare():
    """Our own list of Debian's packages, from the mirror that this system uses."""
    config = _FOLDER / "apt.conf"
    if config.exists():
        return
    if not shutil.which("apt-get") or not _KEYRING.exists():
        raise Missing(f"a 32-bit MicroPython comes from Debian's {_SUITE}, this is no Debian")
    mirrors = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    mirror = next((line.split()[1] for line in mirrors if line.startswith("Debian ")), None)
    if mirror is None:
        raise Missing("apt knows no mirror of Debian: run apt-get update")
    for part in ("sources", "lists/partial", "cache/archives/partial"):
        (_APT / part).mkdir(parents=True, exist_ok=True)
    (_APT / "sources" / "debian.sources").write_text(
        _SOURCES.format(mirror=mirror, suite=_SUITE, keyring=_KEYRING)
    )
    beside = config.with_suffix(".new")
    beside.write_text(_CONFIG)
    _apt("update", config=beside)
    beside.rename(config)


def _apt(*arguments: str, config: Path = _FOLDER / "apt.conf", **options):
    ended = subprocess.run(
        ["apt-get", "-qq", *arguments],
        env={**os.environ, "APT_CONFIG": str(config)},
        capture_output=True,
        text=True,
        **options,
    )
    if ended.returncode:
        raise Missing(f"apt could not {arguments[0]} Debian's MicroPython: {ended.stderr[-300:]}")
