"""One file to flash: MicroPython with the firmware, and the config if wanted, in its file system.

    python tools/image.py --board esp32c3 --firmware ESP32_GENERIC_C3.bin
    python tools/image.py --board esp32c3 --firmware ESP32_GENERIC_C3.bin --config config.json

MicroPython's .bin says where the files go (its partition table) and how large the flash is (the
boot loader's header). The same inputs give the same bytes. Beside the image comes a manifest for
browsers that flash (esp-web-tools), for which the two have to lie in one folder of a web server.
"""

import argparse
import contextlib
import io
import json
import shlex
import sys
from pathlib import Path

from esptool.cmds import merge_bin
from esptool.targets import CHIP_DEFS
from esptool.util import flash_size_bytes
from littlefs import LittleFS, LittleFSError
from rich.console import Console

import boards
import owner
from boards import Board, BoardError
from build import ROOT, BuildError, beside_frozen, build_board
from install import InstallError, configure, flash, partitions
from owner import OwnerError

_BLOCK_BYTES = 4096  # of the flash, and of its file system
_FLASH_SIZE_AT = 3  # in the header of the boot loader's image, the high half of a byte

_console = Console(highlight=False)


def pack(micropython: bytes, board: Board, files: dict[str, bytes]) -> bytes:
    """The image: MicroPython's, with a littlefs of `files` where it looks for its own. Like
    MicroPython's it starts at the boot loader. Raises InstallError."""
    chip = CHIP_DEFS[board.chip]
    start = chip.BOOTLOADER_FLASH_OFFSET
    at = partitions.AT - start
    table, vfs = partitions.for_files(micropython[at:], _flash_size(micropython, chip))
    if start + len(micropython) > vfs.offset:
        raise InstallError("MicroPython itself reaches into the partition for files")
    micropython = micropython[:at] + table + micropython[at + partitions.SIZE :]
    # What is blank at the end need not be flashed: littlefs erases a block before it writes.
    parts = [(start, micropython), (vfs.offset, file_system(files, vfs.size).rstrip(b"\xff"))]
    with contextlib.redirect_stdout(io.StringIO()):  # its hints are about other formats
        merged = merge_bin(parts, board.chip, target_offset=start)
    assert merged  # None is for one who names a file to write
    return merged


def _flash_size(micropython: bytes, chip: type) -> int:
    number = micropython[_FLASH_SIZE_AT] & 0xF0
    size = flash_size_bytes(next(name for name, at in chip.FLASH_SIZES.items() if at == number))
    assert size is not None  # as it is for None alone
    return size


def file_system(files: dict[str, bytes], size: int) -> bytes:
    """A littlefs as MicroPython's port would make it. Raises InstallError where it has no room."""
    system = LittleFS(
        mount=False,
        block_size=_BLOCK_BYTES,
        block_count=size // _BLOCK_BYTES,
        read_size=32,
        prog_size=32,
        cache_size=128,
        lookahead_size=32,
        block_cycles=100,
    )
    system.format()
    system.mount()
    try:
        for path, data in sorted(files.items()):
            if folder := path.rpartition("/")[0]:
                system.makedirs(folder, exist_ok=True)
            with system.open(path, "wb") as file:
                file.write(data)
    except (LittleFSError, OSError) as error:
        needed = sum(map(len, files.values()))
        raise InstallError(
            f"{needed:,} bytes of files do not fit into the {size:,} for them: {error}"
        ) from None
    system.unmount()
    return bytes(system.context.buffer)


def contents(
    target: Path, manifest: dict, key: Path, config: Path | None, frozen: bool = False
) -> dict[str, bytes]:
    """What `make deploy` and `make configure` would put there; frozen: only what cannot be frozen.
    Raises InstallError, OwnerError."""
    files = {path: (target / path).read_bytes() for path in manifest["files"]}
    if frozen:
        files = beside_frozen(files)
    if key.exists():
        files[owner.PUBLIC_KEY] = owner.public_pem(owner.load(key))
    if config:
        data = config.read_bytes()
        try:
            settings = json.loads(data)
        except ValueError as error:
            raise InstallError(f"{config} is not JSON: {error}") from None
        configure.check(settings)
        files[configure.CONFIG] = data
    return files


def web_manifest(board: Board, version: str, image: Path) -> bytes:
    """For esp-web-tools."""
    chip = CHIP_DEFS[board.chip]
    part = {"path": image.name, "offset": chip.BOOTLOADER_FLASH_OFFSET}
    manifest = {
        "name": f"P1 dongle, {board.title}",
        "version": version,
        "new_install_prompt_erase": True,
        "builds": [{"chipFamily": chip.CHIP_NAME, "parts": [part]}],
    }
    return (json.dumps(manifest, indent=1) + "\n").encode()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", default="", help=", ".join(boards.names()))
    parser.add_argument("--firmware", type=Path, help="MicroPython's .bin for the board")
    parser.add_argument("--config", type=Path, help="config.json to go with it: has secrets in it")
    parser.add_argument(
        "--owner-key", type=Path, default=owner.KEY, help="of updates over the air"
    )
    parser.add_argument(
        "--frozen", action="store_true", help="the firmware is frozen into that MicroPython"
    )
    parser.add_argument("--output", type=Path, help="the file to write (build/p1-dongle-...)")
    args = parser.parse_args(arguments)
    try:
        board = boards.load(args.board)
        if not args.firmware:
            raise InstallError(f"FIRMWARE= takes the .bin of MicroPython's {board.micropython}")
        flash.check_image(args.firmware, board)
        target, manifest = build_board(args.board)
        files = contents(target, manifest, args.owner_key, args.config, args.frozen)
        image = pack(args.firmware.read_bytes(), board, files)
        name = f"p1-dongle-{manifest['version']}-{board.name}.bin"
        output = args.output or ROOT / "build" / name
        output.write_bytes(image)
        web = output.with_suffix(".manifest.json")
        web.write_bytes(web_manifest(board, manifest["version"], output))
    except (BoardError, BuildError, InstallError, OwnerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    say = [
        f"{output}: {len(image):,} bytes, {len(files)} files in it",
        f"{web}: for esp-web-tools",
    ]
    if args.config:
        say.append("The config is in it, passwords too: for your own board, not to be given away")
    command = flash.write_command(board, "PORT", output, flash.BAUD)
    _console.print("\n".join([*say, shlex.join(command)]), markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
