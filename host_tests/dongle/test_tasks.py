"""Tasks that fail or hang, clocks that wrap, and the edges to the hardware: each a script of
host_tests/device, in the MicroPython and on the stand-ins that they are about."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import fastcrc
import pytest

import rig
from boards import BOARDS
from conftest import FIXTURES
from household import needs_micropython, run_on_device

pytestmark = needs_micropython

BODY = b"/FLU5\\253769484_A\r\n\r\n1-0:1.7.0(00.123*kW)\r\n!"
TELEGRAM = BODY + b"%04X\r\n" % fastcrc.crc16.arc(BODY)

SCRIPTS = [
    ("dongle_clock.py",),
    ("dongle_lan.py",),
    ("dongle_names.py",),
    ("dongle_no_memory.py",),
    ("dongle_no_room.py",),
    ("dongle_outlasts.py",),
    ("dongle_packet.py",),
    ("dongle_pauses.py",),
    ("dongle_provision.py",),
    ("dongle_station.py",),
    ("dongle_rx_idle.py",),
    ("dongle_views.py",),
    ("dongle_wifi.py",),
    ("dongle_words.py",),
    ("dongle_writes.py",),
    ("dongle_request.py", "direct", "1"),
    ("dongle_request.py", "switch", "1"),
    ("dongle_request.py", "switch", "0"),
    ("dongle_request.py", "tied", "1"),
    *(("dongle_tasks.py", case) for case in ("raises", "returns", "hangs", "port_hangs", "stray")),
]
EVERYTHING = {
    "mqtt": {"host": "broker.lan", "dsmr_reader_topics": True},
    "homewizard": {"enabled": True},
    "influx": {"url": "http://influx.lan/write"},
    "dsmr_reader": {"url": "http://reader.lan/api"},
    "quarter": {"relay_pin": 23},
}
LONG = ("seed", "message-1024")  # telegrams that take more than a page, as their readings do
BITTEN = [("dongle_tasks.py", f"{case}_until_bitten") for case in ("hangs", "spins")]


@pytest.fixture(scope="module")
def results(request, tmp_path_factory):
    """results(command): what became of a script. They mostly wait, so several run at once: those
    of the chosen tests, and no others."""

    def run(command, folder):
        config: dict = {"http": {"port": rig.free_port()}, "tcp": {"port": 0}}
        if command[0] == "dongle_tasks.py":
            config["tcp"]["port"] = rig.free_port()
        if command[0] == "dongle_no_room.py":
            config |= EVERYTHING
            config["tcp"]["port"] = rig.free_port()
        (folder / "config.json").write_text(json.dumps(config))
        board = BOARDS / "wt32_eth01/board.json" if command[0] == "dongle_lan.py" else rig._BOARD
        (folder / "board.json").write_bytes(board.read_bytes())
        (folder / "telegram").write_bytes(TELEGRAM)
        if command[0] in ("dongle_tasks.py", "dongle_rx_idle.py"):
            command = [*command, "telegram"]
        if command[0] == "dongle_outlasts.py":
            command = [*command, str(config["http"]["port"])]
        if command[0] == "dongle_no_memory.py":
            command = [*command, str(rig.free_port()), str(rig.free_port())]
        if command[0] == "dongle_writes.py":
            config["mqtt"] = {"host": "127.0.0.1"}
            config["wifi"] = {"ssid": "home", "password": "secret", "delay_s": 0}
            (folder / "config.json").write_text(json.dumps(config))
            command = [*command, str(FIXTURES / "be-message-1024.txt"), str(rig.free_port())]
        if command[0] == "dongle_views.py":
            config["mqtt"] = {"host": "127.0.0.1"}
            config["wifi"] = {"ssid": "home", "password": "secret", "delay_s": 0}
            config["homewizard"] = {"enabled": True}
            (folder / "config.json").write_text(json.dumps(config))
            command = [*command, *(str(FIXTURES / f"be-{name}.txt") for name in LONG)]
        return run_on_device(*command, folder=folder, P1_WIFI='{"home": "secret"}')

    with ThreadPoolExecutor(8) as pool:
        futures = {}

        def begin(command):
            if command not in futures:
                futures[command] = pool.submit(run, command, tmp_path_factory.mktemp("flash"))
            return futures[command]

        chosen = [item for item in request.session.items if item.path == request.path]
        for item in chosen:
            if hasattr(item, "callspec"):
                begin(item.callspec.params["command"])
            elif item.name.endswith("watchdog_bite"):
                begin(BITTEN["loop" in item.name])
        yield lambda command: begin(command).result()


@pytest.mark.parametrize("command", SCRIPTS, ids=" ".join)
def test_script(results, command):
    result = results(command)
    assert result.stdout.endswith("ok\n"), result.stdout + result.stderr
    assert result.returncode == 0, result.stderr


def test_a_task_that_hangs_lets_the_watchdog_bite(results):
    result = results(BITTEN[0])
    assert "no heartbeat from port" in result.stdout
    assert result.returncode == -signal.SIGALRM


def test_a_loop_that_hangs_lets_the_watchdog_bite(results):
    result = results(BITTEN[1])
    assert "spinning" in result.stdout and "no heartbeat" not in result.stdout
    assert result.returncode == -signal.SIGALRM


def test_a_failure_is_told_with_its_traceback_only_once(results):
    said = results(("dongle_tasks.py", "raises")).stdout
    assert said.count("Traceback") == 1
    assert "task failed: tcp: ValueError: number 1" in said
