"""configure: what it asks, what it writes and what it never shows, on the unix port's board."""

import hashlib
import json
import os
import re
import sys
import types

import pytest

import device
from dongle.setup import label
from install import configure
from unix_board import unix_board


@pytest.fixture
def board(tmp_path):
    with unix_board(tmp_path) as board:
        yield board


def board_has(board, text):
    (board.flash / "config.json").write_text(text)


def board_config(board):
    return json.loads(board.files()["config.json"])


def test_configure_merges_and_shows_no_secret(board, capsys):
    board_has(board, '{"mqtt": {"host": "a", "port": 1}, "tcp": {"port": 0}}')
    options = "--ssid home --password geheim --mqtt-host b --mqtt-password geheim --prefix meter"
    assert device.main(["configure", "--port", board.port, *options.split()]) == 0
    assert board_config(board) == {
        "mqtt": {"host": "b", "port": 1, "password": "geheim", "prefix": "meter"},
        "tcp": {"port": 0},
        "wifi": {"ssid": "home", "password": "geheim"},
    }
    output = capsys.readouterr().out
    assert "geheim" not in output
    assert '"password": "***"' in output


def test_configure_tells_what_belongs_on_a_label(board, capsys):
    command = ["configure", "--port", board.port, "--ssid", "home"]
    assert device.main(command) == 0
    password = json.loads(board.files()["device.json"])["ap_password"]
    assert re.fullmatch("[a-km-np-z2-9]{12}", password)
    line = f"Wi-Fi p1meter-00002a, password {password}\n"
    assert line in capsys.readouterr().out
    assert device.main([*command, "--new", "--hostname", "meter"]) == 0
    output = capsys.readouterr().out
    assert f"Wi-Fi meter, password {password}\n" in output, "a label stays true"
    (board.flash / "device.json").write_text('{"ap_password": "short"}')
    assert device.main(command) == 0
    assert json.loads(board.files()["device.json"])["ap_password"] != "short"


def test_each_label_is_another():
    made = {label.parse(json.dumps(label.make(os.urandom(12)))) for _ in range(100)}
    assert len(made) == 100
    assert set("".join(map(str, made))) == set("abcdefghijkmnpqrstuvwxyz23456789")
    for text in ("", "[]", "{}", '{"ap_password": 12345678}', '{"ap_password": null}'):
        assert label.parse(text) is None


def test_configure_asks_for_what_is_missing(board, monkeypatch):
    board_has(board, '{"wifi": {"ssid": "home"}}')
    answers = {"Wi-Fi password": "geheim", "MQTT broker, name or address": "b", "MQTT user": ""}
    asked = []

    def ask(question, *, password, default):
        about = question.removesuffix(" (Enter: none)")
        asked.append((about, password))
        return answers.get(about, default)

    monkeypatch.setattr(configure.Prompt, "ask", ask)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    assert device.main(["configure", "--port", board.port]) == 0
    assert board_config(board) == {
        "wifi": {"ssid": "home", "password": "geheim"},
        "mqtt": {"host": "b"},
    }
    assert asked == [
        ("Wi-Fi password", True),
        ("MQTT broker, name or address", False),
        ("MQTT user", False),
        ("MQTT password", True),
    ]


def opens(password, stored):
    """Whether a hash in config.json is that of a password."""
    kind, iterations, salt, key = stored.split("$")
    derived = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), bytes.fromhex(salt), int(iterations)
    )
    return kind == "pbkdf2-sha256" and derived.hex() == key


def test_of_the_owners_password_only_a_salted_hash_is_written(board, capsys):
    board_has(board, '{"http": {"port": 8080}}')
    command = ["configure", "--port", board.port, "--owner-password", "correct horse"]
    seen = set()
    for _ in range(2):
        assert device.main([*command, "--read-password", "on"]) == 0
        http = board_config(board)["http"]
        stored = http.pop("password_hash")
        assert http == {"port": 8080, "read_password": True}
        assert opens("correct horse", stored) and not opens("correct horsf", stored)
        seen.add(stored)
    assert len(seen) == 2, "each time another salt"
    assert not any(b"correct" in data for data in board.files().values())
    output = capsys.readouterr().out
    assert "correct" not in output and not any(stored in output for stored in seen)
    assert '"read_password": true' in output


def test_an_owners_password_is_made_where_none_is_given(board, capsys):
    board_has(board, "{}")
    assert device.main(["configure", "--port", board.port, "--owner-password"]) == 0
    output = capsys.readouterr().out
    password = output.partition("which is nowhere else: ")[2].split()[0]
    assert len(password) == 23
    assert opens(password, board_config(board)["http"]["password_hash"])


@pytest.mark.parametrize(
    "answers, complaint",
    [
        (["correct horse", "correct horse"], ""),
        (["correct horse", "correct horsf"], "that was another password"),
        (["horse"], "that was another password"),
        (["horse", "horse"], "needs 8 to 128 characters"),
    ],
)
def test_the_owners_password_is_asked_for_twice(board, monkeypatch, capsys, answers, complaint):
    board_has(board, '{"wifi": {"ssid": "", "password": ""}, "mqtt": {"host": ""}}')
    left = list(answers)

    def ask(question, *, password, default):
        return (left.pop(0) if left else default) if password else default

    monkeypatch.setattr(configure.Prompt, "ask", ask)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    code = device.main(["configure", "--port", board.port, "--owner-password"])
    if complaint:
        assert code == 1 and complaint in capsys.readouterr().err
        assert "http" not in board_config(board)
    else:
        assert code == 0
        assert opens("correct horse", board_config(board)["http"]["password_hash"])


def test_reading_by_password_needs_one(board, capsys):
    board_has(board, "{}")
    assert device.main(["configure", "--port", board.port, "--read-password", "on"]) == 1
    assert "needs http.password_hash" in capsys.readouterr().err
    assert board_config(board) == {}


def test_a_config_that_the_firmware_would_refuse_is_not_written(board, capsys):
    board_has(board, "{}")
    assert device.main(["configure", "--port", board.port, "--mqtt-port", "0"]) == 1
    assert "mqtt.port: expected a whole number from 1 to 65535, got 0" in capsys.readouterr().err
    assert board.files() == {"config.json": b"{}"}


def test_a_broken_config_is_replaced_only_on_request(board, capsys):
    board_has(board, "{half")
    command = ["configure", "--port", board.port, "--ssid", "home"]
    assert device.main(command) == 1
    assert "config.json is not JSON" in capsys.readouterr().err
    assert device.main([*command, "--new"]) == 0
    assert board_config(board) == {"wifi": {"ssid": "home"}}


def test_another_network_does_not_inherit_the_password():
    existing = {"wifi": {"ssid": "old", "password": "p", "hostname": "h"}}
    assert configure.merge(existing, {"wifi": {"ssid": "new"}}) == {
        "wifi": {"ssid": "new", "hostname": "h"}
    }
    assert configure.merge(existing, {"mqtt": {"host": "b"}})["wifi"] == existing["wifi"]


def test_secrets_are_redacted_wherever_they_are():
    config = {
        "web": {"password": "a", "token": "b", "password_hash": "d", "read_password": True},
        "mqtt": {"user": "c", "password": ""},
    }
    assert configure.redacted(config) == {
        "web": {
            "password": "***",
            "token": "***",
            "password_hash": "***",
            "read_password": True,
        },
        "mqtt": {"user": "c", "password": ""},
    }


def test_a_wired_board_is_not_asked_for_wifi(board, monkeypatch):
    (board.flash / "board.json").write_text('{"ethernet": {"phy": "LAN8720"}}')
    asked = []
    monkeypatch.setattr(configure.Prompt, "ask", lambda question, **_: asked.append(question))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    assert device.main(["configure", "--port", board.port]) == 0
    assert asked == ["MQTT broker, name or address (Enter: none)"]
