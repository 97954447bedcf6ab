"""The self-test against boards that are wired wrongly, one fault at a time, and a simulated meter:
it names what is wrong, and only that."""

import asyncio
import contextlib
import copy
import json
import re
import threading
from datetime import datetime
from pathlib import Path

import pytest
from fastcrc import crc16

import device
from install import port
from meter.faults import Schedule
from meter.household import Household
from meter.line import TcpLine
from meter.telegram import Meter, Model
from meter.transmitter import Transmitter
from selftest import diagnose, measure
from selftest.finding import FAULT, OK, SKIPPED, WARNING
from unix_board import unix_board

ROOT = Path(__file__).resolve().parents[2]
MODULES = (ROOT / "tools" / "sim", ROOT / "firmware")
PROFILE = json.loads((ROOT / "boards" / "esp32_generic" / "board.json").read_text())
RX, TX, REQUEST = (PROFILE[key] for key in ("rx_pin", "tx_pin", "request_pin"))
SPEED = 10  # telegrams a second, of 60 ms each
WAIT_S = 0.8
WINDOWS_MS = {"_WINDOW_MS": 20, "_SECOND_MS": 160}  # for what stands still, and for this meter
MODEL = Model(submeters=(), ean="541448820000000042", message="for nobody's eyes")
SECRETS = {
    "wifi": {"ssid": "Huize Weltevree", "password": "zeer geheim"},
    "mqtt": {"host": "broker.lan", "user": "owner", "password": "ook geheim"},
}


@contextlib.contextmanager
def meter(faults=(), tied=False):
    """The address of a meter, on a thread of its own."""
    address, loop = [], asyncio.new_event_loop()
    listening = threading.Event()

    async def serve():
        source = Meter(Household(datetime(2026, 11, 23, 18, 30), phases=1, months=0), MODEL)
        async with TcpLine(tied=tied) as line:
            address.append(line.address)
            listening.set()
            await Transmitter(source, line, Schedule(faults), SPEED).run()

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    listening.wait()
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


@contextlib.contextmanager
def wired(folder, wires=None, profile=None, faults=(), plugged=True, modules=MODULES):
    """A board on its meter, with this profile (changes to PROFILE) and these world.wires."""
    profile = PROFILE | {"ethernet": {"phy": "LAN8720"}} | (profile or {})  # a scan takes long
    tied = profile["request_drive"] == "tied"
    with contextlib.ExitStack() as stack:
        environment = {"P1_WIRING": json.dumps(wires or {}), "P1_WIFI": '{"Huize Weltevree": ""}'}
        if plugged:
            environment["P1_CABLE"] = stack.enter_context(meter(faults, tied))
        board = stack.enter_context(unix_board(folder, modules, **environment))
        (board.flash / "board.json").write_text(json.dumps(profile))
        yield board


def hurry(monkeypatch):
    for name, window_ms in WINDOWS_MS.items():
        monkeypatch.setattr(measure, name, window_ms)


@pytest.fixture
def evidence(tmp_path, monkeypatch):
    """Measures: evidence(...) takes what wired() takes."""
    hurry(monkeypatch)

    def take(**wiring):
        with wired(tmp_path, **wiring) as board, port.raw_repl(board.port) as transport:
            return measure.measure(transport, None, WAIT_S, lambda _: None)

    return take


def faults(findings):
    """{check: name of the fault} of all that is not well."""
    return {finding.check: finding.fault for finding in findings if finding.fault}


DIRECT = {"request_drive": "direct"}
TIED = {"request_drive": "tied", "request_pin": None}


@pytest.mark.parametrize(
    "wiring",
    [
        {},
        {"profile": DIRECT},
        {"profile": TIED},
        {"profile": {"request_active": 0}},
        {"profile": {"rx_idle": 1}},
        {"wires": {"idf": 5.3}},
    ],
    ids=str,
)
def test_what_is_well_wired_is_well(evidence, wiring):
    measured = evidence(**wiring)
    findings = diagnose(measured)
    assert not faults(findings), measured
    found = {finding.check: finding for finding in findings}
    assert found["meter"].verdict == OK and "2 telegrams" in found["meter"].text
    assert found["CRC, decoding"].verdict == OK
    is_old = wiring.get("wires") == {"idf": 5.3}
    assert found["UART"].verdict == (SKIPPED if is_old else OK)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault, wiring",
    [
        ("no pull-up", {"wires": {"pull_up": False}}),
        ("no pull-up", {"wires": {"pull_up": False, "idf": 5.3}}),
        ("no pull-up", {"wires": {"pull_up": False}, "profile": TIED}),
        ("no pull-up", {"wires": {"pull_up": False}, "plugged": False}),
        ("no inversion", {"wires": {"uart_inverts": False}}),
        ("wrong inversion", {"wires": {"inverter": True}}),
        ("wrong inversion", {"profile": {"rx_idle": 1}, "wires": {"inverter": False}}),
        ("port closed", {"profile": {"rx_idle": 1}, "faults": ["silence=1000"]}),
        ("request dead", {"profile": {"rx_idle": 1}, "wires": {"request_pin": -1}}),
        ("request dead", {"wires": {"grounded": [REQUEST]}}),
        ("request dead", {"wires": {"grounded": [REQUEST]}, "profile": DIRECT}),
        ("request dead", {"wires": {"request_pin": -1}}),
        ("request dead", {"plugged": False}),
        ("request dead", {"plugged": False, "profile": TIED}),
        ("request upside down", {"wires": {"request_active": 0}}),
        ("request stuck", {"wires": {"request_stuck": True}}),
        ("3.3 V request", {"wires": {"meter_needs_v": 4.0}, "profile": DIRECT}),
        ("swapped pins", {"wires": {"data_pin": REQUEST, "request_pin": RX}}),
        ("swapped pins", {"wires": {"data_pin": REQUEST, "request_pin": RX}, "profile": DIRECT}),
        ("swapped pins", {"wires": {"data_pin": TX}}),
        ("port closed", {"faults": ["silence=1000"]}),
        ("port closed", {"faults": ["silence=1000"], "profile": TIED}),
        ("data line shorted", {"wires": {"grounded": [RX]}}),
        ("damaged", {"faults": ["bit-flip"]}),
    ],
    ids=str,
)
def test_a_fault_is_named(evidence, fault, wiring):
    measured = evidence(**wiring)
    findings = diagnose(measured)
    named = faults(findings)
    assert named.pop("meter") == fault, measured
    # What causes it may be said as well, of the part that it is.
    assert set(named.values()) <= {fault}, measured
    assert all(finding.fix for finding in findings if finding.fault)


def test_a_wire_from_tx_to_rx_tests_both_pins_and_is_to_come_out(evidence):
    found = {f.check: f for f in diagnose(evidence(wires={"jumper": True, "idf": 5.3}))}
    assert found["UART"].verdict == OK
    assert f"over a wire from GPIO{TX} to GPIO{RX}" in found["UART"].text
    assert found["meter"].verdict == SKIPPED and "take it out" in found["meter"].text


def test_swapped_wires_are_never_driven_against_the_meter(evidence):
    measured = evidence(wires={"data_pin": TX})
    assert all("skipped" in measured[key] for key in ("loopback", "asked", "telegrams"))


def test_what_fails_is_told_and_the_rest_goes_on(evidence):
    measured = evidence(profile={"uart": 7})
    assert "UART(7) does not exist" in measured["loopback"]["error"]
    named = faults(diagnose(measured))
    assert named == {"UART": "not measured", "meter": "not measured"}
    assert "line" in measured["asked"]


@pytest.fixture(scope="module")
def well(tmp_path_factory):
    """The measurements of a board that is well, with a network that it receives."""
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        folder = tmp_path_factory.mktemp("well")
        with wired(folder, profile={"ethernet": None}) as board:
            (board.flash / "config.json").write_text(json.dumps(SECRETS))
            with port.raw_repl(board.port) as transport:
                measured = measure.measure(transport, None, WAIT_S, lambda _: None)
    # The unix port does not say that it is an ESP32.
    measured["chip"]["machine"] = "Generic ESP32 module with ESP32"
    return measured


@pytest.mark.parametrize(
    "part, changes, verdict, fault",
    [
        ("chip", {"machine": "Generic ESP32C3 module with ESP32C3"}, FAULT, "wrong chip"),
        ("memory", {"idf": [[90000, 19000, 18000, 18000]]}, WARNING, "little memory"),
        ("speed", {"decode_us": 600_000}, WARNING, "slow"),
        ("speed", {"energy_import_kwh": "8995.96"}, FAULT, "wrong result"),
        ("speed", {"crc": 0}, FAULT, "wrong result"),
        ("speed", {"good": 0}, FAULT, "wrong result"),
        ("loopback", {"both": False}, FAULT, "UART dead"),
        ("wifi", {"rssi_dbm": -75}, WARNING, "weak Wi-Fi"),
        ("wifi", {"rssi_dbm": None}, FAULT, "no network"),
        ("telegrams", {"crc": 5}, WARNING, "damaged"),
        ("telegrams", {"good": 0, "bytes": 900, "encrypted": True}, FAULT, "no key"),
    ],
)
def test_what_the_figures_mean(well, part, changes, verdict, fault):
    assert not faults(diagnose(well))
    changed = copy.deepcopy(well)
    changed[part] |= changes
    changed["turned_over"] = changed["unasked"] = {"good": 0}
    (finding,) = (finding for finding in diagnose(changed) if finding.fault)
    assert (finding.fault, finding.verdict) == (fault, verdict)


def test_the_network_is_found_without_its_name_being_told(well):
    assert well["wifi"] == {
        "configured": True,
        "connected": False,
        "networks": 1,
        "rssi_dbm": -60,
    }


def test_its_telegram_is_nobodys_and_whole():
    assert measure.TELEGRAM.endswith(b"\r\n")
    body, crc = measure.TELEGRAM[:-6], int(measure.TELEGRAM[-6:], 16)
    assert crc16.arc(body) == crc
    ids = re.findall(rb"96\.1\.1\(([0-9A-F]+)\)", measure.TELEGRAM)
    assert len(ids) == 3
    assert {bytes.fromhex(id.decode())[-6:] for id in ids} == {b"000042"}


@pytest.mark.parametrize("is_well", [True, False])
def test_the_command_tells_and_keeps_no_secret(tmp_path, monkeypatch, capsys, is_well):
    hurry(monkeypatch)
    wires = {} if is_well else {"pull_up": False}
    reports = tmp_path / "build"
    with wired(tmp_path, wires, {"ethernet": None} if is_well else {}) as board:
        (board.flash / "config.json").write_text(json.dumps(SECRETS))
        options = ["--port", board.port, "--wait", f"{WAIT_S}", "--reports", str(reports)]
        assert device.main(["selftest", *options]) == (0 if is_well else 1)
    (file,) = reports.iterdir()
    report = json.loads(file.read_text())
    output = capsys.readouterr().out
    assert file.name in "".join(output.split())
    assert ("What to do:" in output) == (not is_well)
    assert "1 kΩ" in output or is_well
    found = {finding["check"]: finding["fault"] for finding in report["findings"]}
    assert found["meter"] == ("" if is_well else "no pull-up")
    assert report["measured"]["telegrams"]["baud"] == 115200
    secrets = [value for section in SECRETS.values() for value in section.values()]
    secrets += [MODEL.ean, MODEL.message, "1SAG", "000042", "02000000002a", "FLU5"]
    for secret in secrets:
        for spelled in (secret, secret.encode().hex(), secret.encode().hex().upper()):
            assert spelled not in file.read_text() + output, secret


def test_a_board_without_firmware_or_profile_is_told_what_is_next(tmp_path, capsys):
    with wired(tmp_path, modules=MODULES[:1]) as board:
        command = ["selftest", "--port", board.port]
        assert device.main([*command, "--board", "esp32c3"]) == 1
        assert "Next: make deploy" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    with unix_board(tmp_path / "other", MODULES) as board:
        assert device.main(["selftest", "--port", board.port]) == 1
        assert "there is no board.json" in capsys.readouterr().err


def test_the_dry_run_says_what_is_measured(capsys):
    assert device.main(["selftest", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["stop", "the", "firmware"] and lines[-1] == "reset"
    assert "measure  UART loopback" in lines
