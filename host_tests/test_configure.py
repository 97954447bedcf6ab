"""configure: what it asks, what it writes and what it never shows, on the unix port's board."""

import json
import sys
import types

import pytest

import device
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
    config = {"web": {"password": "a", "token": "b"}, "mqtt": {"user": "c", "password": ""}}
    assert configure.redacted(config) == {
        "web": {"password": "***", "token": "***"},
        "mqtt": {"user": "c", "password": ""},
    }


def test_a_wired_board_is_not_asked_for_wifi(board, monkeypatch):
    (board.flash / "board.json").write_text('{"ethernet": {"phy": "LAN8720"}}')
    asked = []
    monkeypatch.setattr(configure.Prompt, "ask", lambda question, **_: asked.append(question))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    assert device.main(["configure", "--port", board.port]) == 0
    assert asked == ["MQTT broker, name or address (Enter: none)"]
