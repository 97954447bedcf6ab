"""One campaign: which faults, for how long, and what became of them."""

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import boards
import bundle
import owner
import rig
from build import MANIFEST, NAMES, arch_of, build, build_frozen
from model import interpreter
from pack import names_in

_DEVICE = Path(__file__).resolve().parent / "device"
_FIRMWARE = rig.ROOT / "firmware"
_HEAP = "8m"
_MOST_GROWTH_BYTES = 4096  # of the least that is in use: telegrams and peers come and go


@dataclass(frozen=True)
class Outcome:
    """What became of one fault. back_ms: after how long each interface served again; turn_ms: the
    longest for which the loop was held up, since the last reset in it."""

    fault: str
    held_s: int
    limit_s: int
    back_ms: dict[str, int]
    turn_ms: int
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
    memory: list[int] = field(default_factory=list)  # the least in use, bytes, by round
    growth: int = 0  # bytes, since half of the rounds were over
    said: list[str] = field(default_factory=list)  # by the firmware

    def run(self) -> Iterator[Outcome]:
        """Raises rig.Missing."""
        arguments = [self.calm_s, self.rounds, self.longest_s, self.seed, *self.faults]
        with world("soak.py", *map(str, arguments)) as process:
            yield from self._outcomes(process)

    def _outcomes(self, process: subprocess.Popen) -> Iterator[Outcome]:
        assert process.stdout
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
        # In the first rounds buffers and lists become as long as they ever will.
        self.memory = told["memory"]
        if self.memory:
            self.growth = self.memory[-1] - self.memory[len(self.memory) // 2]
        if self.growth > _MOST_GROWTH_BYTES:
            self.problems.append(f"{self.growth} bytes more are in use than half-way")


@contextmanager
def world(
    program: str,
    *arguments: str,
    firmware: Path = _FIRMWARE,
    is_frozen: bool = False,
    is_pinned: bool = False,
    deployed: Path | None = None,
) -> Iterator[subprocess.Popen]:
    """A program of device/, or one with a path of its own, at work in the memory of a chip.
    is_pinned: the Python heap grows once and no more; what would have made it grow is told.
    deployed: what deploy() has returned, for who starts many of them. Raises rig.Missing."""
    frozen = None
    if is_frozen:
        frozen = rig.ROOT / "build" / "frozen-in-model" / "manifest.py"
        build_frozen(firmware, frozen.parent, _kept())
    micropython = interpreter.micropython(frozen)
    with TemporaryDirectory(prefix="p1-soak-") as folder:
        if deployed:
            shutil.copytree(deployed.parent, folder, dirs_exist_ok=True)
            flash = Path(folder) / deployed.name
        else:
            flash = _deploy(Path(folder), firmware, arch_of(micropython), _kept())
        if is_frozen:
            for path in flash.glob("slot*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # In the place of time and socket those of device/.
        path = [_DEVICE, flash, ".frozen"]
        command = [micropython, "-X", f"heapsize={_HEAP}", _DEVICE / program]
        process = subprocess.Popen(
            [*map(str, command), *arguments],
            cwd=flash,
            env={
                **os.environ,
                "MICROPYPATH": ":".join(map(str, path)),
                **({"CHIP_PINNED": "1"} if is_pinned else {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:  # which closes its output too
            try:
                yield process
            finally:
                process.kill()


def deploy(folder: Path, *programs: Path) -> Path:
    """The flash of a dongle, in an empty folder, for world(): what the programs look at in the
    dongle can be found there. Raises rig.Missing."""
    kept = _kept().union(*(names_in(program.read_text()) for program in programs))
    return _deploy(folder, _FIRMWARE, arch_of(interpreter.micropython(None)), kept)


def _kept() -> set[str]:
    """The names that the programs of device/ look for."""
    return set().union(*(names_in(program.read_text()) for program in _DEVICE.glob("*.py")))


def _deploy(folder: Path, firmware: Path, arch: str, kept: set[str]) -> Path:
    """The flash of a dongle after `make deploy`, and beside it bundles of firmwares that will not
    prove themselves: silent.bundle, broken.bundle. What the programs of device/ look at in the
    dongle has in each the name that it has in the sources."""
    flash, key = folder / "flash", owner.make(folder / "key.pem")
    board = dataclasses.replace(boards.load("esp32_generic"), arch=arch)
    build(board, firmware, flash, "0.1.0", kept)
    worse = {
        "silent": ("p1/framer.py", "{}\nFramer.feed = lambda *_: None\n"),
        "broken": ("dongle/app.py", "import nothing_of_the_kind\n{}"),
    }
    for name, (path, changed) in worse.items():
        sources, built = folder / f"{name}-sources", folder / name
        shutil.copytree(firmware, sources)
        (sources / path).write_text(changed.format((firmware / path).read_text()))
        build(board, sources, built, "0.2.0", kept)
        (folder / f"{name}.bundle").write_bytes(bundle.pack(built, key))
    (flash / MANIFEST).unlink()
    (flash / NAMES).unlink()
    (flash / owner.PUBLIC_KEY).write_bytes(owner.public_pem(key))
    return flash
