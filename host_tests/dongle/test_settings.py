"""GET and POST /config: what is shown, what is merged, what is refused and what is never told."""

import asyncio
import hashlib
import io
import json
import os
import time
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dongle import config, fields
from test_config import GOOD, WRONG, keys_of

with mock.patch.object(time, "ticks_ms", create=True):  # which is MicroPython's
    from dongle.http import change
    from dongle.http import settings as documents

SECRETS = {
    f"{section}.{key}"
    for section in fields.FIELDS
    for key in keys_of(section)
    if key in fields.SECRETS
}


def test_what_is_secret():
    assert sorted(SECRETS) == [
        "dsmr_reader.token",
        "dsmr_reader.url",
        "http.password_hash",
        "influx.password",
        "influx.token",
        "influx.url",
        "meter.authentication_key",
        "meter.key",
        "mqtt.password",
        "update.url",
        "wifi.password",
    ]


@pytest.fixture
def flash(tmp_path, monkeypatch):
    """A folder with a good config.json, which is the dongle's."""
    monkeypatch.chdir(tmp_path)
    config.save(GOOD)
    return tmp_path


def backup():
    return json.loads(b"".join(documents.show().body))


def owned() -> Any:
    """Of a Device what a change of the config wants of it."""
    return SimpleNamespace(is_outdated=False, spare_auth=lambda idle_ms: None)


def post(document, app=None):
    """(status, answer) of POST /config."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    app = app or owned()
    response = asyncio.run(change.into(app)(io.BytesIO(data)))
    return response.status, json.loads(response.body)


def on_flash():
    with open("config.json") as file:
        return json.load(file)


def changed(section, **values):
    return {**GOOD, section: {**GOOD[section], **values}}


# --- GET ---


def test_all_is_shown_but_secrets(flash):
    shown = backup()
    assert shown.keys() == fields.FIELDS.keys()
    for section in fields.FIELDS:
        assert shown[section].keys() == keys_of(section).keys()
        for key in keys_of(section):
            secret = f"{section}.{key}" in SECRETS
            assert shown[section][key] == (True if secret else GOOD[section][key])


def test_whether_there_is_a_secret_is_shown(flash):
    config.save({})
    shown = backup()
    assert not any(shown[section][key] for section, _, key in [s.partition(".") for s in SECRETS])


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"wifi": "secret words"}', None])
def test_a_broken_file_is_shown_as_defaults(flash, text):
    os.remove("config.json")
    if text is not None:
        (flash / "config.json").write_text(text)
    assert backup()["wifi"] == {
        "ssid": "",
        "password": False,
        "hostname": "",
        "delay_s": 2,
        "txpower_dbm": 0,
    }


# --- POST ---


def test_what_is_posted_is_merged(flash):
    assert post({"mqtt": {"prefix": "other"}}) == (200, {"restart": True, "missing": []})
    assert on_flash() == changed("mqtt", prefix="other")


def test_a_secret_is_set_and_emptied(flash):
    assert post({"wifi": {"password": "a new one"}})[0] == 200
    assert on_flash() == changed("wifi", password="a new one")
    assert post({"wifi": {"password": ""}})[0] == 200
    assert on_flash() == changed("wifi", password="")


def test_null_is_the_default(flash):
    assert post({"mqtt": {"port": None, "password": None}})[0] == 200
    mqtt = on_flash()["mqtt"]
    assert "port" not in mqtt and "password" not in mqtt
    assert config.load()[0]["mqtt"]["port"] == 8883, "as of a config that never had one, with TLS"


def test_a_backup_restores_everything(flash):
    kept = backup()
    post({"mqtt": {"prefix": "other", "telegram": False}, "wifi": {"password": "new"}})
    assert post(kept) == (200, {"restart": True, "missing": []})
    assert on_flash() == changed("wifi", password="new"), "a secret is not in a backup"


def test_a_backup_on_another_dongle_says_which_secrets_it_lacks(flash):
    kept = backup()
    os.remove("config.json")
    status, answer = post(kept)
    assert status == 200
    assert set(answer["missing"]) == SECRETS
    checked, problems = config.load()
    assert problems == []
    for section in fields.FIELDS:
        for key, (_, default, _) in keys_of(section).items():
            secret = f"{section}.{key}" in SECRETS
            assert checked[section][key] == (default if secret else GOOD[section][key])


def test_posting_what_is_there_writes_nothing(flash):
    before = os.stat("config.json")
    for document in ({}, {"mqtt": {}}, {"mqtt": {"prefix": "house/p1"}}, backup(), GOOD):
        assert post(document) == (200, {"restart": False, "missing": []})
    assert os.stat("config.json").st_mtime_ns == before.st_mtime_ns


def test_a_restart_is_due_until_there_was_one(flash):
    app = owned()
    assert post({"tcp": {"port": 1503}}, app)[1]["restart"]
    assert post({}, app)[1]["restart"]


@pytest.mark.parametrize("document, complaint", WRONG)
def test_what_is_wrong_is_said_and_nothing_is_written(flash, document, complaint):
    if document == {"wifi": {"ssid": None}}:
        return  # null stands for the default here
    before = (flash / "config.json").read_bytes()
    status, answer = post(document)
    assert status == 400
    assert answer["error"].startswith("nothing was changed: ")
    assert complaint in answer["error"]
    is_unknown = "unknown key" in complaint
    assert answer["code"] == ("no_such_setting" if is_unknown else "wrong_value")
    assert (flash / "config.json").read_bytes() == before
    assert os.listdir(flash) == ["config.json"]


def test_all_that_is_wrong_is_said_at_once(flash):
    _, answer = post({"mqtt": {"port": 0, "tls": "yes"}, "nonsense": 1, "tcp": {"port": 1503}})
    for key in ("mqtt.port", "mqtt.tls", "nonsense"):
        assert key in answer["error"]
    assert on_flash() == GOOD


def test_what_was_wrong_before_is_no_reason_not_to_change_something_else(flash):
    config.save({"mqtt": {"port": "1883"}, "old": {}})
    assert post({"tcp": {"port": 0}})[0] == 200
    assert on_flash() == {"mqtt": {"port": "1883"}, "old": {}, "tcp": {"port": 0}}
    assert post({"mqtt": {"port": 1884}})[0] == 200


@pytest.mark.parametrize("text", ["", "{", "[]", "5"])
def test_a_broken_file_is_made_good(flash, text):
    (flash / "config.json").write_text(text)
    assert post({"tcp": {"port": 0}})[0] == 200
    assert on_flash() == {"tcp": {"port": 0}}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"wifi": {"ssid": "\xff"}}', b"{}x", b"ssid=home"]
)
def test_no_json(flash, body):
    status, answer = post(body)
    assert status == 400 and "not valid JSON" in answer["error"]
    assert on_flash() == GOOD


def test_a_full_flash_leaves_the_old_file(flash, monkeypatch):
    def full(*_):
        raise OSError(28)

    monkeypatch.setattr(json, "dump", full)
    status, answer = post({"tcp": {"port": 1503}})
    assert status == 507 and "cannot be written" in answer["error"]
    assert on_flash() == GOOD
    assert os.listdir(flash) == ["config.json"]


def test_the_longest_config_fits_into_a_request(flash):
    def longest_of(kind, default, limits):
        match kind:
            case "whole":
                return int(limits[1])
            case "number":
                return max(map(int, limits))
            case "choice":
                return max([default, *limits], key=len)
            case "country":
                return default
            case "on" | "off":
                return False
        return "x" * int(limits[1])

    longest = {
        section: {
            key: longest_of(*each)
            for key, each in keys_of(section).items()
            if f"{section}.{key}" not in SECRETS
        }
        for section in fields.FIELDS
    }
    assert config.validate(longest)[1] == []
    config.save(longest)
    document = b"".join(documents.show().body)
    print(len(document), "bytes")
    assert len(document) < 4096 - 512, "with room for some secrets"


# --- Secrets ---

WORD = "correct horse battery staple"
HASH = "pbkdf2-sha256$1000$" + WORD.encode().hex() + "$" + hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("secret", sorted(SECRETS))
@pytest.mark.parametrize(
    "spoil",
    [
        lambda section, key, word: {section: {key: word * 20}},
        lambda section, key, word: {section: {key: [word]}},
        lambda section, key, word: {section: {key: {"is": word}}},
        lambda section, key, word: {section: {key: word, "unknown": 1}},
        lambda section, key, word: {section: word},
        lambda section, key, word: {section: [word]},
        lambda section, key, word: [{section: {key: word}}],
        lambda section, key, word: {section: {key: word}, "mqtt": {"port": "x"}},
    ],
)
def test_no_answer_repeats_a_secret(flash, secret, spoil):
    section, _, key = secret.partition(".")
    status, answer = post(spoil(section, key, WORD))
    assert status == 400
    assert WORD[:8] not in json.dumps(answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@st.composite
def posts(draw):
    """What somebody may post who has read docs/security.md halfway."""
    document = {}
    for section in draw(st.sets(st.sampled_from(sorted(fields.FIELDS)), max_size=3)):
        values = {}
        for key in draw(st.sets(st.sampled_from(sorted(keys_of(section))), max_size=3)):
            values[key] = draw(st.just(GOOD[section][key]) | json_values)
        document[section] = draw(st.just(values) | json_values)
    return draw(st.just(document) | json_values)


@given(st.lists(posts(), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_posted_the_file_stays_good_and_its_secrets_untold(flash, documents_posted):
    config.save(GOOD)
    for document in documents_posted:
        before = on_flash()
        status, answer = post(document)
        assert status in (200, 400)
        checked, problems = config.load()
        assert problems == []
        if status == 400:
            assert on_flash() == before
        told = json.dumps(answer) + json.dumps(backup())
        for section, _, key in [secret.partition(".") for secret in SECRETS]:
            for held in (GOOD, checked):
                word = held[section][key]
                assert len(word) < 8 or word not in told
