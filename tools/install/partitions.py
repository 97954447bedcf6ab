"""The partition table of an ESP32's flash (ESP-IDF's API guide, "Partition Tables"), and where in
it MicroPython keeps its files."""

import hashlib
import struct
from typing import NamedTuple

from install import InstallError

AT = 0x8000  # in flash, on every ESP32 that MicroPython runs on
MAGIC = b"\xaa\x50"
SIZE = 0xC00

_ROW = struct.Struct("<2sBBII16sI")
_MD5_HEAD = b"\xeb\xeb" + 14 * b"\xff"
_VFS = "vfs"
_DATA, _FAT = 1, 0x81


class Partition(NamedTuple):
    label: str
    offset: int
    size: int


def parse(table: bytes) -> list[Partition]:
    """The rows of a table. Raises InstallError when it is none, or damaged."""
    partitions, at = [], 0
    while table[at : at + 2] == MAGIC:
        _, _, _, offset, size, label, _ = _ROW.unpack_from(table, at)
        partitions.append(Partition(label.rstrip(b"\0").decode(), offset, size))
        at += _ROW.size
    if not partitions or table[at : at + 32] != _md5_row(table[:at]):
        raise InstallError("the partition table in this image is missing or damaged")
    return partitions


def for_files(table: bytes, flash_size: int) -> tuple[bytes, Partition]:
    """The partition for files, and the table with it. Official MicroPython's table may leave it
    out: then it takes what is free behind the last one (ports/esp32/main.c, boardctrl_startup) of
    whatever flash it finds. A littlefs has one size, so here the row is added. Raises
    InstallError."""
    partitions = parse(table)
    for partition in partitions:
        if partition.label == _VFS:
            return table[:SIZE], partition
    offset = max(partition.offset + partition.size for partition in partitions)
    if offset >= flash_size:
        raise InstallError(f"nothing of the flash's {flash_size:,} bytes is left for files")
    vfs = Partition(_VFS, offset, flash_size - offset)
    rows = table[: _ROW.size * len(partitions)]
    rows += _ROW.pack(MAGIC, _DATA, _FAT, vfs.offset, vfs.size, _VFS.encode(), 0)
    return (rows + _md5_row(rows)).ljust(SIZE, b"\xff"), vfs


def _md5_row(rows: bytes) -> bytes:
    return _MD5_HEAD + hashlib.md5(rows).digest()
