"""One campaign: which faults, for how long, and what became of them."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import debian
import rig
from build import arch_of, compile_firmware

_DEVICE = Path(__file__).resolve().parent / "device"
_BOARD = rig.ROOT / "boards" / "esp32_generic" / "board.json"
_COMPILED = rig.ROOT / "build" / "soak"
_HEAP = "8m"
_FEW = 3  # looks at the memory of a run in use, and there is nothing to be said of it
_MOST_GROWTH_BYTES = 4096  # of what is in use in quiet times: telegrams and peers come and go


@dataclass(frozen=True)
class Outcome:
    """What became of one fault. back_ms: after how long each interface served again."""

    fault: str
    held_s: int
    limit_s: int
    back_ms: dict[str, int]
    resets: int
    lost: int
    day: float
    problems: list[str]


@dataclass
class Campaign:
    """run() yields an Outcome for each fault; then the rest is known."""

    calm_s: int
    rounds: int = 1
    longest_s: int = 8 * 3600
    seed: int = 1
    faults: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    days: float = 0
    sent: int = 0
    served: dict[str, int] = field(default_factory=dict)
    resets: int = 0
    said: list[str] = field(default_factory=list)  # by the firmware

    def run(self) -> Iterator[Outcome]:
        """Raises rig.Missing."""
        micropython, source = debian.micropython(), debian.source()
        arch = arch_of(micropython)
        shutil.rmtree(_COMPILED, ignore_errors=True)
        compile_firmware(_COMPILED, arch)
        library = rig.micropython_path().rsplit(":", 1)[1]
        # asyncio as source, for its queue in Python; in the place of time and socket those of
        # device/.
        path = [
            _DEVICE,
            source / "extmod",
            _COMPILED,
            rig.ROOT / "tools" / "sim",
            ".frozen",
            library,
        ]
        program = [micropython, "-X", f"heapsize={_HEAP}", _DEVICE / "soak.py"]
        arguments = [self.calm_s, self.rounds, self.longest_s, self.seed, *self.faults]
        with TemporaryDirectory(prefix="p1-soak-") as flash:
            shutil.copy(_BOARD, flash)
            process = subprocess.Popen(
                [*map(str, program), *map(str, arguments)],
                cwd=flash,
                env={**os.environ, "MICROPYPATH": ":".join(map(str, path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                yield from self._outcomes(process)
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

    def _outcomes(self, process: subprocess.Popen) -> Iterator[Outcome]:
        for line in process.stdout:
            if not line.startswith("{"):
                self.said.append(line.rstrip())
                continue
            told = json.loads(line)
            if "fault" in told:
                yield Outcome(**told)
            else:
                self._conclude(told)
                return
        self.problems.append(f"it ended: {self.said[-1] if self.said else 'without a word'}")

    def _conclude(self, told: dict):
        self.days, self.sent, self.resets = told["days"], told["sent"], told["resets"]
        self.served = told["served"]
        if told["wrong"]:
            self.problems.append(f"a wrong number: {told['wrong']}")
        for memory in told["memory"]:
            third = len(memory) // 3
            if third >= _FEW:
                growth = min(memory[-third:]) - min(memory[third : 2 * third])
                if growth > _MOST_GROWTH_BYTES:
                    self.problems.append(f"{growth} bytes more are in use at a run's end")
