"""What stands for MicroPython's .bin, which is not on PyPI: a boot loader and an application that
do nothing, written by esptool, and a partition table, laid out as ports/esp32/makeimg.py does."""

import hashlib
import struct

from esptool.bin_image import ELFSection
from esptool.cmds import merge_bin
from esptool.targets import CHIP_DEFS

# As MicroPython 1.26's: what is behind the last row is for files. And as 1.25's.
OPEN_END = "nvs 1 2 0x9000 0x6000, phy_init 1 1 0xf000 0x1000, factory 0 0 0x10000 0x1f0000"
WITH_VFS = OPEN_END + ", vfs 1 0x81 0x200000 0x180000"


def table(rows: str) -> bytes:
    """A partition table (label, type, subtype, offset, size) as ESP-IDF's gen_esp32part.py has it
    in binary."""
    packed = b""
    for row in rows.split(", "):
        label, *numbers = row.split()
        packed += struct.pack("<HBBII", 0x50AA, *(int(number, 0) for number in numbers))
        packed += label.encode().ljust(16, b"\0") + bytes(4)
    digest = b"\xeb\xeb" + 14 * b"\xff" + hashlib.md5(packed).digest()
    return (packed + digest).ljust(0xC00, b"\xff")


def micropython_bin(chip: str, rows: str = OPEN_END, flash: str = "4MB") -> bytes:
    made_for = CHIP_DEFS[chip]
    program = made_for.BOOTLOADER_IMAGE()
    program.flash_size_freq = made_for.FLASH_SIZES[flash]
    program.entrypoint = next(start for start, _, name in made_for.MEMORY_MAP if name == "IRAM")
    program.segments = [ELFSection(b".iram0.text", program.entrypoint, bytes(256), 0)]
    program.chip_id = made_for.IMAGE_CHIP_ID
    program = program.save(None)
    start = made_for.BOOTLOADER_FLASH_OFFSET
    parts = [(start, program), (0x8000, table(rows)), (0x10000, program)]
    merged = merge_bin(parts, chip, target_offset=start)
    assert merged  # None is for one who names a file to write
    return merged
