"""The dongle on this laptop as it is on a chip: compiled, in files, in the chip's memory."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import boards
import build
import rig
from model import interpreter
from pack.back import Back

_POWER_UP = """
import wiring, memory
memory.begin({chip!r})
"""


class Dongle(rig.Dongle):
    """As rig.Dongle. chip: of which memory.py knows the figures; is_frozen: whether the firmware
    is built into MicroPython. say() hears tracebacks turned back. Raises rig.Missing."""

    def __init__(
        self,
        *arguments,
        chip: str = "esp32",
        is_frozen: bool = False,
        say: Callable[[str], None] = lambda line: None,
        **named,
    ):
        self._chip, self._is_frozen = chip, is_frozen
        self._back = Back({"functions": {}, "names": {}})
        super().__init__(*arguments, heap="16m", say=lambda line: say(self._turned(line)), **named)

    def _turned(self, line: str) -> str:
        return self._back.hear(line.encode() + b"\n").decode().rstrip("\n")

    def _install(self, folder: Path):
        board = dataclasses.replace(boards.load("esp32_generic"), arch="x86")
        built = folder / "build"
        build.build(board, rig.ROOT / "firmware", built, build.project_version())
        self._back = Back(json.loads((built / build.NAMES).read_text()))
        files = {
            path.relative_to(built).as_posix(): path.read_bytes()
            for path in built.rglob("*.*")
            if path.is_file()
        }
        shutil.rmtree(built)
        for name, data in (build.beside_frozen(files) if self._is_frozen else files).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)

    def _interpreter(self):
        frozen = None
        if self._is_frozen:
            frozen = rig.ROOT / "build" / "frozen" / "manifest.py"
            build.build_frozen(rig.ROOT / "firmware", frozen.parent)
        program = interpreter.micropython(frozen)
        return str(program), ".frozen:.", _POWER_UP.format(chip=self._chip) + rig.POWER_UP
