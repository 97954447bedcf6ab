# The contents of an update: checks its manifest and writes its files. The signature has already
# been verified.

import errno
import os
from hashlib import sha256

from micropython import const

from .. import VERSION
from ..refused import Refused
from . import bundle

TEMPORARY = True  # see forget()

_PIECE = const(256)


def check(path: str, left: int, digest: bytes, here: str | None) -> str:
    """Checks whether this firmware may run here; returns its version. Raises Refused.

    path    the file with its manifest
    left    how many bytes of the bundle have still to come; has to be the sum of its files
    digest  SHA-256 of the manifest
    here    the path of the manifest of the firmware that runs now, or None
    """
    with open(path) as manifest:
        needs = bundle.read_needs(manifest.readline())
        bundle.check_runs_here(needs)
        _check_is_new(needs["version"], digest, here)
        total = 0
        for _, size, _ in bundle.read_files(manifest):
            total += size
        if total != left:
            raise Refused(400, "bad_bundle", "the bundle is shorter or longer than its files")
    return needs["version"]


def _check_is_new(version, digest, here):
    new, runs = bundle.version(version), bundle.version(VERSION)
    if new < runs:
        raise Refused(409, "older_version", f"{version} is older than {VERSION}, which is running")
    # The same version is allowed, because a developer may build it again with changes.
    if new == runs and here and digest == _digest(here):
        raise Refused(409, "same_version", f"this build of {version} is already running")


def _digest(path):
    hashed = sha256()
    piece = bytearray(_PIECE)
    with open(path, "rb") as file:
        while True:
            size = file.readinto(piece)
            if not size:
                return hashed.digest()
            hashed.update(memoryview(piece)[:size])


async def fill(manifest_path: str, slot: str, source) -> None:
    """Writes the files of the manifest into the slot. source: the rest of the bundle."""
    folder = ""
    with open(manifest_path) as manifest:
        manifest.readline()
        for path, size, digest in bundle.read_files(manifest):
            path = slot + "/" + path
            if path.rpartition("/")[0] != folder:
                folder = path.rpartition("/")[0]
                _make_folders(folder)
            if await source.write(path, size) != digest:
                raise Refused(400, "bad_bundle", f"{path} is damaged")


def _make_folders(path):
    end = 0
    while end < len(path):
        end = path.find("/", end + 1)
        end = len(path) if end < 0 else end
        try:
            os.mkdir(path[:end])
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
