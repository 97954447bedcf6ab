"""Programs of device/ under MicroPython's unix port, with the firmware and its stand-ins."""

import os
import subprocess
from pathlib import Path

import rig

# A collection goes through all of the heap, so one much larger than needed would not be fair.
_HEAP_OF_ROUNDS = "4m"
DEVICE = Path(__file__).resolve().parent / "device"


def command(
    program: str, *arguments: str, heap: str = "32m", micropython: Path | None = None
) -> list[str]:
    """program: the name of a file, or, without its ending, of a module that is frozen in.
    micropython: another one than usual, such as debian.micropython()."""
    interpreter = [str(micropython or rig.micropython()), "-X", f"heapsize={heap}"]
    if program.endswith(".py"):
        return [*interpreter, str(DEVICE / program), *arguments]
    return [*interpreter, "-m", program, *arguments]


def environment(**more: str) -> dict[str, str]:
    path = f"{rig.micropython_path()}:{DEVICE}"
    return {**os.environ, "MICROPYPATH": path, **more}


def output(program: str, *arguments: str, **options) -> str:
    """What it prints."""
    return subprocess.run(
        command(program, *arguments, **options),
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


class Rounds:
    """rounds.py at work on a file of telegrams."""

    def __init__(self, file: str):
        self._process = subprocess.Popen(
            command("rounds.py", file, heap=_HEAP_OF_ROUNDS),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._input.close()
        self._process.wait()
        self._output.close()

    def us(self, path: str, times: int = 1) -> float:
        """Microseconds per telegram on one of paths.py's ways."""
        self._input.write(f"{path} {times}\n")
        self._input.flush()
        return float(self._output.readline())
