"""The model of the chip's memory against what was measured on the chip's own firmware: official
ESP32_GENERIC v1.26.1 in an emulator with the chip's memory map."""

import json
import subprocess

import pytest

import rig
from model import interpreter

DEVICE = rig.ROOT / "host_tests" / "device"


@pytest.fixture(scope="module")
def chip():
    """chip(case): what a case of model_memory.py tells."""
    try:
        program = interpreter.micropython()
    except rig.Missing as missing:
        pytest.skip(str(missing))

    def run(case, *arguments):
        ended = subprocess.run(
            [program, "-X", "heapsize=4m", DEVICE / "model_memory.py", case, *arguments],
            env={"MICROPYPATH": ".frozen"},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    return run


def test_the_python_heap_doubles_and_then_takes_what_is_left(chip):
    found = chip("growth")
    assert found["sizes"][:2] == pytest.approx([56_000, 112_000], rel=0.002)
    assert found["sizes"][2] > 150_000  # of all there is, 55,000 more
    assert found["left"] < 15_000  # in the smaller regions


def test_a_large_allocation_lets_it_grow_by_just_that(chip):
    assert chip("pinned")["heap"] == pytest.approx(116_500, rel=0.002)


def test_the_radio_and_the_port_take_what_they_took_on_the_chip(chip):
    measured = [139_852, 103_796, 101_716, 95_540, 85_428, 89_524]
    assert chip("radio")["steps"] == pytest.approx(measured, abs=400)


def test_the_radio_of_a_c3(chip):
    before, wlan, active = chip("radio", "esp32c3")["steps"][:3]
    assert before - wlan == pytest.approx(38_980, abs=400)
    assert wlan - active == pytest.approx(1_876, abs=200)


def test_without_memory_it_fails_as_the_chip_does(chip):
    assert chip("no_driver") == {"error": "WiFi Out of Memory", "free": True}
    assert chip("no_radio") == {"causes": [2]}, "RF calibration aborts: a hard reset"
    assert chip("no_address") == {"connected": False}
    assert chip("no_port")["error"] == 257, "ESP_ERR_NO_MEM"
    assert chip("no_socket")["errors"] == [12, -203]
    assert chip("no_poll") == {"error": 5}, "EIO"


def test_nobody_gets_to_a_chip_that_is_in_no_network(chip):
    told = chip("unreachable", "esp32", str(rig.free_port()))["told"]
    assert told == [11, "let in"], "EAGAIN, and then not"


def test_what_nobody_reads_takes_memory(chip):
    found = chip("unread")
    assert found["taken"] == [5_744] * 3, "lwIP's TCP_SND_BUF"
    assert found["full"] == pytest.approx(37_068, rel=0.05)
    assert found["small"] == pytest.approx(25_000, rel=0.25)


def test_native_code_has_a_pool_of_its_own(chip):
    found = chip("native")
    assert 13_472 - 2_000 < found["native"] <= 13_472, "in pieces of 1,500"
    assert found["works"] == 501


def test_what_the_chip_has_in_c_does_not_count(chip):
    *built_in, file = chip("modules")["grown"]
    # They leave a name or two; a Python module is a thousand bytes and more.
    assert max(built_in) < 100 and file > 1_000, built_in


def test_the_world_s_objects_do_not_count(chip):
    assert chip("outside")["grown"] < 200
