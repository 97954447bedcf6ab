"""The profiles are good, and each rule is there."""

import json
import re
from dataclasses import asdict

import pytest

import boards
from boards import BOARDS, BoardError
from chips import CHIPS, pins

GOOD = asdict(boards.load("esp32_generic"))


def problems(**changed) -> list[str]:
    return boards.problems({**GOOD, **changed}, changed.get("name", "esp32_generic"))


@pytest.mark.parametrize("name", boards.names())
def test_profile_is_good(name):
    assert boards.load(name).name == name


@pytest.mark.parametrize("name", boards.names())
def test_readme_has_the_profile_s_pins(name):
    board, readme = boards.load(name), (BOARDS / name / "README.md").read_text()
    in_table = dict(re.findall(r"^\| `(\w+)` \| GPIO(\d+)", readme, re.MULTILINE))
    in_profile = {key: pin for key, pin in asdict(board).items() if key.endswith("_pin")}
    assert in_table == {key: str(pin) for key, pin in in_profile.items() if pin is not None}
    assert (f"GPIO{board.request_pin} (request)" in readme) == (board.request_pin is not None)
    assert f"GPIO{board.rx_pin} (rx)" in readme


@pytest.mark.parametrize("name", boards.names())
def test_every_folder_has_the_same_shape_and_is_listed(name):
    readme = (BOARDS / name / "README.md").read_text()
    # The circuit that most share is in boards/README.md; the others have their own.
    is_shared = "(../README.md#the-circuit)" in readme
    sections = ["Pins", "Notes"] if is_shared else ["Pins", "Supply and request", "Notes"]
    assert re.findall(r"^## (.*)", readme, re.MULTILINE) == sections
    assert ("RJ12 of the meter" in readme) != is_shared
    assert f"`BOARD={name}` · MicroPython `{boards.load(name).micropython}`" in readme
    assert (BOARDS / name / "manifest.py").is_file()
    assert f"[{name}]({name}/README.md)" in (BOARDS / "README.md").read_text()
    assert f"| `{name}` |" in (BOARDS.parent / "README.md").read_text()


BROKEN = [
    ({"flavour": "mint"}, "flavour: unknown key"),
    ({"rx_pin": None}, "rx_pin: None is not int"),
    ({"led_pin": "2"}, "led_pin: '2' is not int | None"),
    ({"uart": True}, "uart: True is not int"),
    ({"chip": "esp8266"}, "chip: 'esp8266' is none of esp32, esp32c3, esp32c6, esp32s3"),
    ({"chip": []}, "chip: [] is not str"),
    ({"arch": "rv32imc"}, "arch: esp32 runs xtensawin, not 'rv32imc'"),
    ({"uart": 3}, "uart: esp32 has UART 1 to 2 to give, not 3 (0 is the console)"),
    ({"uart": 0}, "uart: esp32 has UART 1 to 2 to give, not 0 (0 is the console)"),
    ({"rx_idle": 2}, "rx_idle: 2 is not a level, 0 or 1"),
    ({"led_active": 2}, "led_active: 2 is not a level, 0 or 1"),
    ({"request_active": -1}, "request_active: -1 is not a level, 0 or 1"),
    ({"request_drive": "pull"}, "request_drive: 'pull' is none of direct, switch, tied"),
    ({"request_drive": "tied"}, "request_pin: 25 does not go with the drive 'tied'"),
    ({"request_pin": None}, "request_pin: None does not go with the drive 'switch'"),
    (
        {"request_drive": "direct", "request_active": 0},
        "request_active: a direct drive asks with a high level, never a low one",
    ),
    ({"rx_pin": 24}, "rx_pin: esp32 has no GPIO24"),
    ({"rx_pin": 12}, "rx_pin: GPIO12 of esp32 is a strapping pin, sampled at reset"),
    ({"rx_pin": 3}, "rx_pin: GPIO3 of esp32 is a pin of UART 0, the console"),
    ({"tx_pin": 10}, "tx_pin: GPIO10 of esp32 is a flash pin"),
    ({"tx_pin": 35}, "tx_pin: GPIO35 of esp32 is input-only"),
    ({"request_pin": 6}, "request_pin: GPIO6 of esp32 is a flash pin"),
    ({"request_pin": 15}, "request_pin: GPIO15 of esp32 is a strapping pin, sampled at reset"),
    ({"request_pin": 1}, "request_pin: GPIO1 of esp32 is a pin of UART 0, the console"),
    ({"request_pin": 34}, "request_pin: GPIO34 of esp32 is input-only"),
    (
        {"chip": "esp32s3", "request_pin": 19, "rx_pin": 4, "tx_pin": 5},
        "request_pin: GPIO19 of esp32s3 is a USB pin",
    ),
    (
        {"chip": "esp32c6", "arch": "rv32imc", "rx_pin": 15, "tx_pin": 18, "request_pin": 19},
        "rx_pin: GPIO15 of esp32c6 is a strapping pin, sampled at reset",
    ),
    ({"led_pin": 39}, "led_pin: GPIO39 of esp32 is input-only"),
    ({"button_pin": 11}, "button_pin: GPIO11 of esp32 is a flash pin"),
    ({"tx_pin": 27}, "tx_pin: GPIO27 is rx_pin already"),
    ({"exceptions": ["rx_pin"]}, "exceptions: ['rx_pin'] is not dict"),
    (
        {"exceptions": {"rx_pin": "why"}},
        "exceptions: expected {pin: {rule: why}}, with a why of some words",
    ),
    (
        {"exceptions": {"rx_pin": {"a USB pin": "wired so"}}},
        "exceptions: rx_pin breaks no rule 'a USB pin' that can be excused",
    ),
]


@pytest.mark.parametrize("changed, complaint", BROKEN, ids=[complaint for _, complaint in BROKEN])
def test_each_rule_has_its_error(changed, complaint):
    assert problems(**changed) == [complaint]


def test_a_missing_key_and_a_wrong_folder_are_named():
    profile = {key: value for key, value in GOOD.items() if key != "tx_pin"}
    assert boards.problems(profile, "esp32_generic") == ["tx_pin: missing"]
    assert boards.problems(GOOD, "elsewhere") == [
        "name: 'esp32_generic' is not the name of its folder, 'elsewhere'"
    ]


WIRED = asdict(boards.load("wt32_eth01"))
BOUGHT = asdict(boards.load("slimmelezer_c3"))


def test_a_wired_board_s_pins_are_not_those_of_its_ethernet():
    assert boards.problems({**WIRED, "tx_pin": 25, "request_pin": 16}, "wt32_eth01") == [
        "tx_pin: GPIO25 is the data lines of Ethernet already",
        "request_pin: GPIO16 is ethernet's power_pin already",
    ]
    phy = {**WIRED["ethernet"], "mdc_pin": "23", "speed": 100}
    del phy["address"]
    assert sorted(boards.problems({**WIRED, "ethernet": phy}, "wt32_eth01")) == [
        "ethernet: address: missing",
        "ethernet: mdc_pin: '23' is not int",
        "ethernet: speed: unknown key",
    ]
    profile = {**BOUGHT, "ethernet": WIRED["ethernet"]}
    assert boards.problems(profile, "slimmelezer_c3") == [
        "ethernet: esp32c3 has no Ethernet of its own"
    ]


def test_an_exception_excuses_what_it_names_and_nothing_else():
    assert boards.problems({**BOUGHT, "exceptions": {}}, "slimmelezer_c3") == [
        "rx_pin: GPIO20 of esp32c3 is a pin of UART 0, the console"
    ]
    assert boards.problems({**BOUGHT, "tx_pin": 21}, "slimmelezer_c3") == [
        "tx_pin: GPIO21 of esp32c3 is a pin of UART 0, the console"
    ]


@pytest.mark.parametrize("rule, pin", [("a flash pin", 6), ("input-only", 34)])
def test_what_cannot_work_cannot_be_excused(rule, pin):
    assert problems(request_pin=pin, exceptions={"request_pin": {rule: "it is wired so"}}) == [
        f"request_pin: GPIO{pin} of esp32 is {rule}",
        f"exceptions: request_pin breaks no rule '{rule}' that can be excused",
    ]


def test_a_tied_request_needs_no_pin():
    assert problems(request_drive="tied", request_pin=None) == []


def test_all_rules_of_a_profile_are_told_at_once(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/board.json").write_text(
        json.dumps({**GOOD, "name": "mine", "tx_pin": 10, "request_pin": 34})
    )
    with pytest.raises(BoardError) as error:
        boards.load("mine", tmp_path)
    assert str(error.value).splitlines() == [
        "mine/board.json: tx_pin: GPIO10 of esp32 is a flash pin",
        "mine/board.json: request_pin: GPIO34 of esp32 is input-only",
    ]


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/board.json").write_text(text)
    with pytest.raises(BoardError, match=r"mine/board\.json is not"):
        boards.load("mine", tmp_path)


def test_an_unknown_board_names_the_known_ones():
    with pytest.raises(
        BoardError, match=r"no board 'esp8266'.*esp32_generic, esp32c3, esp32c6, esp32s3"
    ):
        boards.load("esp8266")


def test_chip_data_is_consistent():
    assert pins("0-3 7") == {0, 1, 2, 3, 7}
    for chip in CHIPS.values():
        spoken_for = (
            chip.rmii | chip.flash | chip.strapping | chip.usb | chip.uart0 | chip.input_only
        )
        assert spoken_for <= chip.gpio
