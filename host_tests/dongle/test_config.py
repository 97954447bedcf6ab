"""config.json: what is wrong with it is said, by key and with what was expected, and the dongle
comes up all the same."""

import json
import os
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rig
from dongle import config, fields
from household import Household, needs_micropython, run_on_device, wait_for

GOOD = {
    "wifi": {
        "ssid": " home ",
        "password": "wifi secret",
        "hostname": "meter",
        "delay_s": 0,
        "txpower_dbm": 11,
    },
    "mqtt": {
        "host": "broker.lan",
        "port": 8884,
        "tls": True,
        "ca": "broker.der",
        "user": "p1",
        "password": "mqtt secret",
        "prefix": "house/p1",
        "telegram": True,
        "dsmr_reader_topics": True,
        "swap_tariffs": True,
    },
    "mdns": {"enabled": False},
    "homeassistant": {"discovery": "entity", "prefix": "ha"},
    "homewizard": {"enabled": True},
    "http": {
        "port": 8080,
        "metrics": False,
        "name": "p1.lan",
        "password_hash": "pbkdf2-sha256$1000$00112233445566778899aabbccddeeff$" + "0f" * 32,
        "read_password": False,
    },
    "tcp": {"port": 0},
    "influx": {
        "url": "http://influx.lan:8086/api/v2/write?org=home&bucket=p1&precision=s",
        "token": "influx-secret==",
        "user": "p1",
        "password": "influx secret",
        "interval_s": 60,
    },
    "dsmr_reader": {
        "url": "http://192.168.1.2/api/v1/datalogger/dsmrreading",
        "token": "dsmr-secret",
        "interval_s": 1,
    },
    "meter": {
        "country": "NL",
        "key": "AB5FC8E0F54E4D5C8A6F3D2C1B0A9988",
        "authentication_key": "00112233445566778899aabbccddeeff",
    },
    "quarter": {
        "enabled": False,
        "target_w": 4000,
        "rate_ct_per_kw_year": 5000,
        "relay_pin": 26,
        "relay_active": 0,
    },
    "history": {"enabled": False},
    "update": {"url": "http://192.168.1.2/p1-dongle.bundle"},
    "system": {"watchdog": False, "cpu_mhz": 80},
}
KEYS = [(section, key) for section in GOOD for key in GOOD[section]]
SECTIONS = ", ".join(sorted(GOOD))
SECRET = "correct horse battery staple"

# What the owner may write, and what he reads then.
WRONG = [
    ({"wifi": {"ssid": 42}}, "wifi.ssid: expected text of 0 to 32 bytes, got 42"),
    ({"wifi": {"ssid": None}}, "wifi.ssid: expected text of 0 to 32 bytes, got null"),
    ({"wifi": {"ssid": "é" * 17}}, "wifi.ssid: expected text of 0 to 32 bytes, got"),
    ({"wifi": {"password": 12345678}}, "wifi.password: expected text of 0 to 63 bytes, got"),
    ({"mqtt": {"port": "1883"}}, 'mqtt.port: expected a whole number from 1 to 65535, got "1883"'),
    ({"mqtt": {"port": 0}}, "mqtt.port: expected a whole number from 1 to 65535, got 0"),
    ({"mqtt": {"port": 1883.0}}, "mqtt.port: expected a whole number from 1 to 65535, got 1883.0"),
    ({"http": {"port": True}}, "http.port: expected a whole number from 1 to 65535, got true"),
    ({"tcp": {"port": 65536}}, "tcp.port: expected a whole number from 0 to 65535, got 65536"),
    ({"mqtt": {"prefix": "p1/#"}}, "mqtt.prefix: expected text of 1 to 64 bytes without + # "),
    ({"mqtt": {"prefix": ""}}, "mqtt.prefix: expected text of 1 to 64 bytes without + # "),
    ({"homeassistant": {"prefix": "100%"}}, "homeassistant.prefix: expected text of 1 to 64 "),
    ({"mqtt": {"prefix": 'a"b'}}, "mqtt.prefix: expected text of 1 to 64 bytes without + # "),
    ({"mqtt": {"prefix": "a\nb"}}, "mqtt.prefix: expected text of 1 to 64 bytes without + # "),
    ({"mqtt": {"prefix": "/p1"}}, "without / at its start or end, got"),
    ({"homewizard": {"enabled": "on"}}, 'homewizard.enabled: expected true or false, got "on"'),
    ({"mqtt": {"telegram": 1}}, "mqtt.telegram: expected true or false, got 1"),
    ({"mqtt": {"tls": 1}}, "mqtt.tls: expected true or false, got 1"),
    ({"mqtt": {"ca": ""}}, "mqtt.ca: expected text of 1 to 64 bytes, got"),
    ({"homeassistant": {"discovery": "on"}}, "expected one of device, entity, off, got"),
    ({"meter": {"country": "Mars"}}, "meter.country: expected one of "),
    ({"meter": {"country": ["BE"]}}, "meter.country: expected one of "),
    ({"meter": {"key": "AB5F"}}, "meter.key: expected 32 hexadecimal digits, got"),
    ({"meter": {"key": "x" * 32}}, "meter.key: expected 32 hexadecimal digits, got"),
    ({"meter": {"key": 1234}}, "meter.key: expected 32 hexadecimal digits, got"),
    ({"system": {"watchdog": "yes"}}, 'system.watchdog: expected true or false, got "yes"'),
    ({"mqtt": {"hots": "x"}}, "mqtt.hots: unknown key, expected one of ca, dsmr_reader_topics, "),
    ({"mqqt": {}}, f"mqqt: unknown key, expected one of {SECTIONS}"),
    ({"http": 80}, "http: expected an object with metrics, name, "),
    *(
        (
            {"http": {"password_hash": text}},
            "http.password_hash: expected the hash of a password, as `make configure ",
        )
        for text in (
            SECRET,
            1000,
            ["pbkdf2-sha256", 1000],
            "pbkdf2-sha256$1000$0011223344556677$" + "0f" * 31,
            "pbkdf2-sha256$1000$00112233445566$" + "0f" * 32,
            "pbkdf2-sha256$1000$0011223344556677$" + "xy" * 32,
            "pbkdf2-sha256$1000$0011223344556677$" + "0f" * 32 + "$",
            "pbkdf2-sha256$99$0011223344556677$" + "0f" * 32,
            "pbkdf2-sha256$10001$0011223344556677$" + "0f" * 32,
            "pbkdf2-sha256$many$0011223344556677$" + "0f" * 32,
            "pbkdf2-sha1$1000$0011223344556677$" + "0f" * 32,
        )
    ),
    ({"mqtt": {"port": [[1] * 100]}}, "65535, got a list"),
    (
        {"wifi": ["home"]},
        "wifi: expected an object with delay_s, hostname, password, ssid, txpower_dbm, got",
    ),
    ([], f"config: expected an object with {SECTIONS}, got"),
    ("", f"config: expected an object with {SECTIONS}, got"),
    (None, f"config: expected an object with {SECTIONS}, got"),
]


BOARD = {"uart": 1, "rx_pin": 27, "tx_pin": 26, "request_pin": 25, "request_drive": "direct"}
MAD_BOARD = {**BOARD, "uart": "first"}
BAD_PIN = {**BOARD, "tx_pin": -1}


def defaults():
    return config.validate({})[0]


def keys_of(section):
    """{key: (kind, default, limits)}"""
    table = map(fields.field, fields.FIELDS[section].splitlines())
    return {key: (kind, default, limits) for key, kind, default, limits in table}


def is_complete(checked):
    """Every key is there, with a value that it may have."""
    return checked.keys() == fields.FIELDS.keys() and all(
        checked[section].keys() == keys_of(section).keys()
        and all(
            fields._is_fit(checked[section][key], *each) for key, each in keys_of(section).items()
        )
        for section in fields.FIELDS
    )


# --- Checking ---


def test_an_empty_config_is_fine():
    assert config.validate({}) == (defaults(), [])
    assert is_complete(defaults())


def test_a_good_config_is_taken_as_it_is():
    assert config.validate(GOOD) == (GOOD, [])


@pytest.mark.parametrize(
    "mqtt, port",
    [
        ({}, 1883),
        ({"tls": False}, 1883),
        ({"tls": True}, 8883),
        ({"tls": True, "port": 1883}, 1883),
        ({"tls": True, "port": 9000}, 9000),
        ({"tls": "yes"}, 1883),
    ],
)
def test_the_port_follows_tls_where_it_is_not_given(mqtt, port):
    assert config.validate({"mqtt": mqtt})[0]["mqtt"]["port"] == port


@pytest.mark.parametrize("raw, complaint", WRONG)
def test_what_is_wrong_is_named_with_what_was_expected(raw, complaint):
    checked, problems = config.validate(raw)
    assert len(problems) == 1
    assert complaint in problems[0]
    assert checked == defaults()


@pytest.mark.parametrize("section, key", KEYS)
def test_one_bad_key_costs_no_other(section, key):
    raw = {**GOOD, section: {**GOOD[section], key: {"not": "this"}}}
    checked, problems = config.validate(raw)
    assert len(problems) == 1 and problems[0].startswith(f"{section}.{key}: expected ")
    expected = {**GOOD, section: {**GOOD[section], key: keys_of(section)[key][1]}}
    assert checked == expected


def test_a_long_value_is_not_shown_in_full():
    _, problems = config.validate({"meter": {"country": "x" * 1000}})
    assert len(problems[0].partition(", got ")[2]) <= 40


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
near_misses = st.fixed_dictionaries(
    {},
    optional={
        section: st.dictionaries(
            st.sampled_from(sorted(keys_of(section))) | st.text(), json_values
        )
        | json_values
        for section in fields.FIELDS
    },
)


@given(json_values | near_misses)
def test_any_json_makes_a_complete_config(raw):
    checked, problems = config.validate(raw)
    assert is_complete(checked)
    assert all(isinstance(problem, str) and ": " in problem for problem in problems)
    again, left = config.validate(checked)
    assert again == checked
    # What is closed stays closed, even where nobody has a key.
    assert not left or (left[0].startswith("http.read_password: needs ") and len(left) == 1)


def test_reading_by_password_stays_closed_where_there_is_none():
    checked, problems = config.validate({"http": {"read_password": True}})
    assert checked["http"]["read_password"] and not checked["http"]["password_hash"]
    assert len(problems) == 1 and problems[0].startswith("http.read_password: needs ")


@pytest.mark.parametrize(
    "section, key",
    [
        ("wifi", "password"),
        ("mqtt", "password"),
        ("meter", "key"),
        ("meter", "authentication_key"),
        ("influx", "token"),
        ("influx", "password"),
        ("influx", "url"),
        ("dsmr_reader", "token"),
        ("http", "password_hash"),
    ],
)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: {key: [SECRET]},
        lambda key: {key: SECRET * 10},
        lambda key: {key + "s": SECRET},
        lambda key: [SECRET],
        lambda key: SECRET,
        lambda key: [{key: SECRET}],
    ],
)
def test_no_complaint_tells_a_secret(section, key, spoil):
    _, problems = config.validate({section: spoil(key)})
    assert problems
    assert not any(SECRET[:8] in problem for problem in problems)


# --- The file ---


def test_no_file(tmp_path):
    path = str(tmp_path / "config.json")
    assert config.load(path) == (defaults(), [f"{path} is missing; run `make configure`"])


@pytest.mark.parametrize(
    "text", ["", "{", '{"wifi": }', '{"wifi": {}} }', "\xff\xfe", "ssid=home"]
)
def test_no_json(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    checked, problems = config.load(str(path))
    assert checked == defaults()
    assert len(problems) == 1
    assert problems[0].startswith(f"{path} is not valid JSON")
    assert "make configure" in problems[0]


def test_what_was_saved_is_loaded(tmp_path):
    path = str(tmp_path / "config.json")
    config.save(GOOD, path)
    assert config.load(path) == (GOOD, [])
    assert os.listdir(tmp_path) == ["config.json"]


@pytest.mark.parametrize("where", ["json.dump", "os.rename"])
def test_a_power_cut_while_saving_leaves_the_old_file(tmp_path, monkeypatch, where):
    def power_cut(*args):
        if where == "json.dump":
            args[1].write('{"wifi": {"ssid": "ha')
        raise KeyboardInterrupt

    path = str(tmp_path / "config.json")
    config.save(GOOD, path)
    monkeypatch.setattr(where, power_cut)
    with pytest.raises(KeyboardInterrupt):
        config.save({"wifi": {"ssid": "another"}}, path)
    monkeypatch.undo()
    assert config.load(path) == (GOOD, [])
    config.save(defaults(), path)
    assert config.load(path) == (defaults(), [])


@needs_micropython
def test_a_full_flash_leaves_the_old_file():
    result = run_on_device("config_full.py")
    assert result.stdout == "ok\n", result.stderr


@needs_micropython
def test_micropython_says_the_same(tmp_path):
    paths = []
    for number, raw in enumerate([GOOD, {}, *(raw for raw, _ in WRONG)]):
        paths.append(str(tmp_path / f"{number}.json"))
        (tmp_path / paths[-1]).write_text(json.dumps(raw))
    result = run_on_device("config_load.py", *paths)
    assert result.returncode == 0, result.stderr
    told = map(json.loads, result.stdout.splitlines())
    for path, (checked, problems) in zip(paths, told, strict=True):
        expected, complaints = config.load(path)
        assert checked == expected
        assert sorted(map(what_was_expected, problems)) == sorted(
            map(what_was_expected, complaints)
        )


def what_was_expected(problem):
    return problem.split(", got ")[0]  # json.dumps() treats what is not ASCII differently


# --- The whole dongle ---


@pytest.fixture(scope="module")
def dongles(tmp_path_factory):
    """Dongles whose config is of no use, by what is the matter with it."""

    def dongle(name, **options):
        folder = tmp_path_factory.mktemp(name)
        nobody = rig.free_port()
        return stack.enter_context(Household(folder, meter=None, broker=nobody, **options))

    def without_config(name, text):
        port = rig.free_port()
        ports = (  # 80 is not for everybody
            "from dongle import fields\n"
            "fields.TEMPORARY = False\n"
            f"for section, old, new in ('http', ' 80 ', ' {port} '), ('tcp', ' 1502 ', ' 0 '):\n"
            "    fields.FIELDS[section] = fields.FIELDS[section].replace(old, new, 1)"
        )
        return dongle(name, files={"config.json": text}, http_port=port, before=ports)

    wrong = {
        "wifi": {"ssid": 42, "channel": 6, "password": [SECRET]},
        "mqtt": {"port": "1883", "password": {"is": SECRET}},
        "nonsense": {},
    }
    with ExitStack() as stack:
        yield {
            "wrong": dongle("wrong", config=wrong),
            "broken": without_config("broken", '{"wifi": {"ssid": "home", "password": "' + SECRET),
            "missing": without_config("missing", None),
            "no board": dongle("no board", files={"board.json": None}),
            "empty board": dongle("empty board", files={"board.json": "{}"}),
            "mad board": dongle("mad board", files={"board.json": json.dumps(MAD_BOARD)}),
            "bad pin": dongle("bad pin", files={"board.json": json.dumps(BAD_PIN)}),
        }


@needs_micropython
@pytest.mark.parametrize(
    "name, complaints",
    [
        (
            "wrong",
            [
                "wifi.ssid: expected",
                "wifi.channel: unknown key",
                "wifi.password: expected",
                "mqtt.port: expected",
                "mqtt.password: expected",
                "nonsense: unknown key",
            ],
        ),
        ("broken", ["config.json is not valid JSON"]),
        ("missing", ["config.json is missing"]),
    ],
)
def test_the_dongle_comes_up_and_says_what_is_wrong(dongles, name, complaints):
    dongle = dongles[name]
    health = wait_for(dongle.health, "it comes up")
    assert len(health["config_problems"]) == len(complaints)
    for complaint in complaints:
        assert any(problem.startswith(complaint) for problem in health["config_problems"])
        assert any("config: " + complaint in line for line in dongle.said)
    assert SECRET not in json.dumps(health)
    assert SECRET not in "\n".join(dongle.said)
    assert dongle.get("/reading").status_code == 503
    assert health["task_failures"] == {}


@needs_micropython
@pytest.mark.parametrize("name", ["no board", "empty board", "mad board", "bad pin"])
def test_without_a_usable_board_profile_it_comes_up_and_says_so(dongles, name):
    dongle = dongles[name]
    health = wait_for(dongle.health, "it comes up")
    assert [problem.split(":")[0] for problem in health["config_problems"]] == ["board.json"]
    assert "make deploy" in health["reason"]
    assert health["code"] == "no_port"
    refused = {"error": health["reason"], "code": "no_port"}
    assert dongle.get("/reading").json() == refused


@needs_micropython
def test_no_document_tells_the_config(dongles):
    wait_for(dongles["wrong"].health, "it comes up")
    for path in ("/config.json", "/../config.json", "/board.json", "/boot.py"):
        assert dongles["wrong"].get(path).status_code == 404
    shown = dongles["wrong"].get("/config")
    wifi = shown.json()["wifi"]
    assert (wifi["ssid"], wifi["hostname"], wifi["password"]) == ("", "", False)
    assert SECRET not in shown.text


def test_the_document_shows_every_key_with_its_default():
    document = (rig.ROOT / "docs" / "configuration.md").read_text()
    start = document.index('{"wifi": {"ssid": ""')
    assert json.loads(document[start : document.index("```", start)]) == config.validate({})[0]
