# The format of an update (a bundle): one file, made by tools/bundle.py, that starts with
#
#   magic      4 bytes, "P1UP"
#   format     2 bytes, 1; all numbers here have the most significant byte first
#   size       2 bytes, of the manifest
#   signature  64 bytes, r and s: ECDSA on P-256 over the SHA-256 of the manifest
#   manifest   JSON in lines: what the firmware needs, then a line for each file
#
# and goes on with the bytes of the files, in the manifest's order and with nothing in between. The
# manifest has lines so that it can be read without all of it in memory.

import json
import struct
import sys
from binascii import unhexlify

from micropython import const

from ..refused import Refused

TEMPORARY = True  # see forget()

HEAD = ">4sHH"
MAGIC = b"P1UP"
FORMAT = const(1)
SIGNATURE_BYTES = const(64)
LONGEST_MANIFEST = const(32_768)

FIRMWARE = "p1-dongle"  # so that a bundle of another project, signed with the same key, is refused
FOLDERS = ("p1", "dongle", "web")  # an update may have files only in these

_LONGEST_PATH = const(64)
_LETTERS = b"/._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LARGEST_FILE = const(1_000_000)

# py/persistentcode.h, MP_NATIVE_ARCH_*, in the order of their numbers.
_ARCHES = (
    "none x86 x64 armv6 armv6m armv7m armv7em armv7emsp armv7emdp xtensa xtensawin rv32imc rv64imc"
)


def manifest_size(head: bytes) -> int:
    """Returns the size of the manifest. head: the first bytes of a bundle. Raises Refused."""
    magic, format, size = struct.unpack(HEAD, head)
    if magic != MAGIC:
        raise Refused(400, "bad_bundle", "this file is not a bundle of `make bundle`")
    if format != FORMAT:
        text = f"this bundle has format {format}; this firmware can read format {FORMAT}"
        raise Refused(400, "wrong_format", text)
    if not 0 < size <= LONGEST_MANIFEST:
        text = f"the bundle's manifest may have at most {LONGEST_MANIFEST} bytes, not {size}"
        raise Refused(400, "bad_bundle", text)
    return size


def read_needs(line: str) -> dict:
    """Returns what the firmware needs, from the manifest's first line. Raises Refused."""
    try:
        needs = json.loads(line + "]}")
        version(needs["version"])
        version(needs["micropython"])
        if needs["firmware"] == FIRMWARE and len(needs["mpy"]) == 2:
            return needs
    except (ValueError, KeyError, TypeError):
        pass
    raise Refused(400, "bad_bundle", "the manifest is not one of this firmware")


def read_files(lines):
    """Yields (path, size, SHA-256 as bytes) for each of the manifest's other lines. They have to
    be in strict alphabetical order, so that no path is there twice. Raises Refused."""
    before = ""
    for line in lines:
        line = line.strip()
        if line == "]}":
            return
        try:
            file = json.loads(line[:-1] if line.endswith(",") else line)
            path, size, digest = file["path"], file["size"], unhexlify(file["sha256"])
        except (ValueError, KeyError, TypeError):
            raise Refused(
                400, "bad_bundle", "a line of the manifest does not describe a file"
            ) from None
        if not _is_ours(path) or path <= before:
            text = f"the manifest names {path!r}, which an update may not write"
            raise Refused(400, "bad_bundle", text)
        if type(size) is not int or not 0 <= size <= _LARGEST_FILE or len(digest) != 32:
            raise Refused(400, "bad_bundle", f"the manifest's line for {path} is wrong")
        before = path
        yield path, size, digest
    raise Refused(400, "bad_bundle", "the manifest has no end")


def _is_ours(path):
    """Returns whether the path is in one of FOLDERS and cannot lead out of it."""
    if not isinstance(path, str) or len(path) > _LONGEST_PATH:
        return False
    parts = path.split("/")
    return (
        len(parts) > 1
        and parts[0] in FOLDERS
        and all([part and not part.startswith(".") for part in parts])
        # As bytes: MicroPython would intern each letter of a str and never free it.
        and all([byte in _LETTERS for byte in path.encode()])
    )


def check_runs_here(needs: dict, implementation=sys.implementation) -> None:
    """Raises Refused if the firmware cannot run on this MicroPython or chip."""
    number = implementation._mpy
    arch = _ARCHES.split()[number >> 10 & 0xF]
    if needs["arch"] != arch:
        text = f"this bundle is for {needs['arch']}; this chip runs {arch}"
        raise Refused(409, "wrong_chip", text)
    mpy = [number & 0xFF, number >> 8 & 3]
    if needs["mpy"] != mpy:
        raise Refused(
            409,
            "wrong_micropython",
            "this bundle has .mpy files of version %s.%s" % tuple(needs["mpy"])
            + "; the MicroPython here runs %d.%d: flash another one first" % tuple(mpy),
        )
    if implementation.version[:3] < version(needs["micropython"]):
        here = ".".join([str(part) for part in implementation.version[:3]])
        text = f"this bundle needs MicroPython {needs['micropython']}; this board has {here}"
        raise Refused(409, "wrong_micropython", text)


def version(text: str) -> tuple:
    """Returns the numbers of a version x.y.z, to be compared: 0.10.0 is newer than 0.9.1. Raises
    ValueError."""
    if not isinstance(text, str):
        raise ValueError(text)
    numbers = tuple([int(part) for part in text.split(".") if part.isdigit()])
    if len(numbers) != 3 or text.count(".") != 2:
        raise ValueError(text)
    return numbers
