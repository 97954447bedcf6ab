"""The core where words have 32 bits and small integers 31, as on an ESP32: MicroPython on
WebAssembly, from npm. It compiles no native code, so that viper's functions run on pointers that
wasm/viper.py emulates."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import reference
from conftest import FIRMWARE, FIXTURE_NAMES, FIXTURES, ROOT, Receiver, fixture, telegram
from telegram_shapes import KINDS, sequence

WASM = Path(__file__).with_name("wasm")
FOLDER = ROOT / "build" / "wasm"
SIGNATURE = re.compile(r"@micropython\.viper\ndef \w+\((.*?)\)(?: -> \w+)?:", re.DOTALL)


def installed():
    """Whether npm has brought MicroPython into FOLDER; else the reason why not."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "no node and npm, which run MicroPython on WebAssembly"
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock = WASM / "package-lock.json"
    if (FOLDER / "done").exists() and (FOLDER / "done").read_bytes() == lock.read_bytes():
        return None
    for path in (lock, WASM / "package.json"):
        shutil.copy(path, FOLDER)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    ended = subprocess.run(command, cwd=FOLDER, capture_output=True, timeout=100)
    if ended.returncode:
        return f"npm could not fetch MicroPython: {ended.stderr.decode()[-200:]}"
    shutil.copy(lock, FOLDER / "done")
    return None


def without_viper(source):
    """The same functions with a decorator that makes pointers of the arguments that are some."""

    def replaced(match):
        kinds = [re.search(r":\s*(ptr\d+)", each) for each in match[1].split(",") if each.strip()]
        casts = ", ".join(kind[1] if kind else "None" for kind in kinds)
        return f"@viper({casts})\n" + match[0].split("\n", 1)[1]

    plain, count = SIGNATURE.subn(replaced, source)
    assert count == source.count("@micropython.viper")
    return f"from viper import ptr8, ptr16, ptr32, uint, viper\n{plain}"


@pytest.fixture(scope="module")
def wasm():
    """Runs the core over files; returns what it printed."""
    reason = installed()
    if reason:
        pytest.skip(reason)
    core = FOLDER / "core"
    shutil.rmtree(core, ignore_errors=True)
    for path in (FIRMWARE / "p1").rglob("*.py"):
        copy = core / path.relative_to(FIRMWARE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(without_viper(path.read_text()))
    shutil.copy(WASM / "viper.py", core)

    def run(country, *paths):
        ended = subprocess.run(
            ["node", WASM / "run.mjs", FOLDER, country, *paths], capture_output=True, timeout=100
        )
        assert ended.returncode == 0, (ended.stdout + ended.stderr).decode()
        largest, *printed, counters = ended.stdout.decode().splitlines()
        assert int(largest) == 2**31 - 1
        return printed, counters

    return run


def check(wasm, path, country, telegrams):
    receiver = Receiver(country)
    expected = []
    for each in telegrams:
        document = receiver.json(each)
        expected.append(f"{receiver.reading.rejected} {document}")
    path.write_bytes(b"".join(telegrams))
    printed, counters = wasm(country, path)
    for ours, theirs in zip(printed, expected, strict=True):
        assert ours == theirs
    assert counters == f"{len(telegrams)} 0 0 0"
    return [reference.load(line.split(" ", 1)[1]) for line in printed]


def test_the_same_json_for_every_fixture(wasm, tmp_path):
    check(wasm, tmp_path / "stream", "auto", [fixture(name) for name in FIXTURE_NAMES])
    assert len(FIXTURE_NAMES) == len(list(FIXTURES.glob("*.txt"))) > 20


def test_the_same_json_for_every_kind_of_meter(wasm, tmp_path):
    kinds = [kind for kind in KINDS if KINDS[kind][1]]
    made = [data for _, data in sequence(32, len(kinds), 2, kinds) if len(data) < 2000]
    check(wasm, tmp_path / "stream", "auto", made)


def test_numbers_beyond_31_bits_of_a_small_integer(wasm, tmp_path):
    values = ["0", "0.001", "536870911", "536870912"]
    values += ["1073741823", "1073.74182", "999999999", "999999.999"]
    telegrams = [
        telegram(
            *(f"1-0:{way}.8.{n}({value}*kWh)" for way in (1, 2) for n in range(1, registers)),
            *("1-0:1.7.0(999999999*W)", f"1-0:2.7.0({value}*W)", "1-0:21.7.0(999999*kW)"),
            f"1-0:99.97.0(2)(0-0:96.7.19)(000101000024W)({value}*s)(000101000024W)(2147483647*s)",
            f"0-1:24.2.1(230421165102S)({value}*m3)",
            f"0-2:24.2.1(991231235959W)({value}*m3)",
            *("0-1:24.1.0(3)", "0-2:24.1.0(3)"),
        )
        for registers in (2, 3, 6)
        for value in values
    ]
    readings = check(wasm, tmp_path / "stream", "BE", telegrams)
    for reading, data in zip(readings, telegrams, strict=True):
        assert reading == reference.reading(data, "BE")
    assert str(readings[len(values) - 1]["energy_import_t1_kwh"]) == "999999.999"
    assert str(readings[2 * len(values) - 1]["energy_import_kwh"]) == "1999999.998"
