"""The library that is fetched for the laptop."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import umqtt


def test_all_who_come_at_once_get_the_library(tmp_path, monkeypatch):
    callers = 24
    together = threading.Barrier(callers)

    def fetch():
        together.wait(10)
        return b"class MQTTClient: pass\n"

    monkeypatch.setattr(umqtt, "_fetch", fetch)
    with ThreadPoolExecutor(callers) as pool:
        roots = list(pool.map(lambda _: umqtt.library(tmp_path), range(callers)))

    assert set(roots) == {tmp_path}
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"umqtt", "umqtt/simple.py"}


def test_a_download_cut_short_is_no_library(tmp_path, monkeypatch):
    def fetch():
        raise ConnectionResetError

    monkeypatch.setattr(umqtt, "_fetch", fetch)
    with pytest.raises(ConnectionResetError):
        umqtt.library(tmp_path)
    assert not (tmp_path / "umqtt" / "simple.py").exists()
