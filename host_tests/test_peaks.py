"""The memory that what is seldom done takes on top of what is always there, at its peak, in bytes.

A plain ESP32 has some 14,000 for all of it, in pieces, and a heap that has
grown never shrinks. `python host_tests/test_peaks.py [PATH ...]` looks for the least that each
path works with, which is what a budget here is made from, with a little room."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path += [str(Path(__file__).resolve().parents[1] / part) for part in ("tools", "firmware")]

import boards
import build
import bundles
import debian
import owner
import rig

# Measured in MicroPython of 32 bits, as the chip's; compiled for x86, whose machine code is
# as long as Xtensa's where there is any.
BUDGETS = {
    "config": 7_000,  # read at the start: the module, its table and the dict
    "config_full": 8_000,  # the same where config.json has every key there is
    "auth": 9_000,  # the first request with the owner's password
    "identify": 4_000,
    "restart": 3_000,
    "show": 8_200,  # GET /config
    "change": 9_000,  # POST /config: one value
    "wrong": 9_000,  # the same, and not as it should be
    "restore": 11_400,  # a backup of everything
    "portal": 18_400,  # all of it, with a page, a name, a wrong and a right choice
    "update": 14_200,
}

_PASSWORD, _SALT = b"owner's word", bytes(range(16))
_HASH = hashlib.pbkdf2_hmac("sha256", _PASSWORD, _SALT, 100).hex()
_SECRETS = ("password", "password_hash", "key", "authentication_key", "token", "url")
_CONFIG = {
    "wifi": {"ssid": "home", "password": "secret words", "delay_s": 0},
    "mqtt": {"host": "broker.lan", "user": "p1", "password": "mqtt secret"},
    "http": {"port": 8080, "password_hash": f"pbkdf2-sha256$100${_SALT.hex()}${_HASH}"},
    "system": {"watchdog": False},
}


class Chip:
    """The firmware as it lies on a board's flash, and what peak.py does with it."""

    def __init__(self, folder: Path):
        self._micropython = debian.micropython()
        self._folder = folder
        rig.micropython_path()  # fetches umqtt
        arch = build.arch_of(self._micropython)
        build.compile_firmware(folder / "code", arch)
        for root in (rig.ROOT / "tools" / "sim", rig.ROOT / "build" / "lib"):
            build.compile_into(folder / "code", root, "", arch)
        shutil.copytree(rig.ROOT / "firmware" / "web", folder / "code" / "web")
        self._flash = folder / "flash"
        self._flash.mkdir()
        board = dataclasses.replace(boards.load("esp32_generic"), arch=arch)
        build.build(board, rig.ROOT / "firmware", folder / "new", "0.2.0")
        (self._flash / "new.bundle").write_bytes(bundles.pack(folder / "new"))
        (self._flash / owner.PUBLIC_KEY).write_bytes(owner.public_pem(bundles.KEY))
        shutil.copy(rig.ROOT / "boards" / "esp32_generic" / "board.json", self._flash)
        self._put("config.json", _CONFIG)
        readme = (rig.ROOT / "README.md").read_text()
        start = readme.index('{"wifi": {"ssid": ""')
        full = json.loads(readme[start : readme.index("```", start)])
        for section, values in _CONFIG.items():
            full[section] |= values
        full["quarter"]["target_w"] = 4000
        self._put("full.json", full)
        for values in full.values():
            values.update({key: values[key] != "" for key in _SECRETS if key in values})
        self._put("backup.json", full)

    def _put(self, name: str, document: dict):
        (self._flash / name).write_text(json.dumps(document))

    def tells(self, path: str, left: int) -> str:
        """What peak.py prints."""
        flash = self._folder / "run"
        shutil.rmtree(flash, ignore_errors=True)
        shutil.copytree(self._flash, flash)
        program = Path(__file__).with_name("device") / "peak.py"
        command = [self._micropython, "-X", "heapsize=600k", program, path, str(left)]
        environment = {
            "PATH": os.environ["PATH"],
            "MICROPYPATH": f"{self._folder / 'code'}:.frozen",
            "P1_WIFI": json.dumps({"home": "secret words", "next door": "correct horse"}),
            "P1_AP_ADDRESS": "127.0.0.2",
            "P1_AP_HTTP_PORT": str(rig.free_port()),
            "P1_AP_DNS_PORT": str(rig.free_port()),
        }
        ended = subprocess.run(
            command, cwd=flash, env=environment, capture_output=True, text=True, timeout=60
        )
        return ended.stdout + ended.stderr

    def works(self, path: str, left: int) -> bool:
        try:
            return self.tells(path, left).endswith("ok\n")
        except subprocess.TimeoutExpired:
            return False

    def least(self, path: str) -> int:
        low, high = 0, 65_536
        while high - low > 64:
            middle = (low + high) // 2
            low, high = (low, middle) if self.works(path, middle) else (middle, high)
        return high


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    try:
        return Chip(tmp_path_factory.mktemp("chip"))
    except rig.Missing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("path", BUDGETS)
def test_what_is_seldom_done_fits(chip, path):
    told = chip.tells(path, BUDGETS[path])
    assert told.endswith("ok\n"), told


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        chip = Chip(Path(folder))
        for path in sys.argv[1:] or BUDGETS:
            print(f"{path}: {chip.least(path):,} of {BUDGETS[path]:,}", flush=True)
