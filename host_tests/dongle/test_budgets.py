"""What the usual configuration takes of an ESP32's memory: budgets in bytes, on its model."""

import re

import pytest

import rig
from soak.census import Moment, census

# After the start, once garbage is collected: of the Python heap, what each file has in it, and
# all together with what the runs of them have made. A kilobyte more is over one of these.
FILES = {
    "dongle": 1_500,
    "dongle.app": 20_800,
    "dongle.capacity": 3_800,
    "dongle.dns": 1_300,
    "dongle.history": 2_300,
    "dongle.session": 7_900,
    "dongle.start": 5_000,
    "dongle.wifi": 1_900,
    "p1": 300,
    "p1.core": 8_900,
    "p1.obis": 4_600,
}
AT_REST = 92_000
FROZEN_AT_REST = 49_000
# The highest that a collection has left while somebody asks for one document after the other.
HIGHEST = 108_000
# The same of an update, from one step to the next; what the collector takes for pointers on the
# stack makes two kilobytes more or less.
HIGHEST_OF_UPDATE = 110_500
# Of ESP-IDF's heap, meanwhile: in all, and in one piece (the "must" of the memory budget, which
# room.py keeps).
IDF_LEAST, IDF_LEAST_IN_ONE_PIECE = 14_000, 8_000


def measured(**options):
    """({step: Moment}, {file: bytes}, what was said)"""
    try:
        told = list(census(**options))
    except rig.Missing as missing:
        pytest.skip(str(missing))
    moments = [each for each in told if isinstance(each, Moment)]
    (files,) = [each for each in told if isinstance(each, dict)]
    said = [each for each in told if isinstance(each, str)]
    return {each.step: each for each in moments}, files, "\n".join(said)


@pytest.fixture(scope="module")
def usual():
    """From a start to an update that is in place."""
    moments, files, said = measured(telegrams=1)
    del moments["its trial and the way back"], moments["at rest"]
    return moments, files, said


def test_no_file_has_more_in_memory_than_it_may(usual):
    _, files, _ = usual
    over = {name: size for name, size in files.items() if size > FILES.get(name, 0)}
    assert not over, "more in memory than its budget"


def test_what_is_in_use_at_rest(usual):
    moments, files, _ = usual
    used = moments["start"].used
    objects = used - sum(files.values())
    assert used <= AT_REST, f"{objects} bytes of it are no file's: {files}"


def test_the_heap_grows_once_and_no_document_fills_it(usual):
    moments, *_ = usual
    assert {each.grown for each in moments.values()} == {1}
    documents = [each for each in moments.values() if each.step != "an update"]
    assert max(each.most for each in documents) <= HIGHEST, documents
    assert moments["an update"].most <= HIGHEST_OF_UPDATE, moments["an update"]
    assert not any(each.failures for each in moments.values())
    assert not any(each.resets for each in moments.values())


def test_each_document_is_to_be_had_and_an_update(usual):
    moments, _, said = usual
    asked = {each.step: each.status for each in moments.values() if each.step.startswith("GET ")}
    assert len(asked) > 10
    assert {step: status for step, status in asked.items() if status != 200} == {
        "GET /telegram/bad": 404,
        "GET /nothing": 404,
    }
    assert "update: 0.2.0 is in place" in said


def test_no_document_leaves_anything_in_memory(usual):
    moments, *_ = usual
    before, after = moments["start"].used, moments["GET /nothing"].used  # the last of them
    assert after <= before + 200, {step: each.loaded for step, each in moments.items()}


def test_no_name_comes_later(usual):
    """Names that come while the dongle runs lie in the midst of what comes and goes, for ever; and
    the pool for more than 300 takes 2,264 bytes in one piece."""
    moments, *_ = usual
    assert {each.names for each in moments.values()} == {moments["start"].names}
    assert moments["start"].names < 300


def test_the_network_has_room_whatever_is_asked(usual):
    moments, *_ = usual
    assert min(each.idf_least for each in moments.values()) >= IDF_LEAST, moments
    least = min(each.idf_least_largest for each in moments.values())
    assert least >= IDF_LEAST_IN_ONE_PIECE, moments


@pytest.mark.slow
def test_what_is_in_use_at_rest_where_the_firmware_is_frozen_in():
    moments, *_ = measured(is_frozen=True)
    assert moments["start"].used <= FROZEN_AT_REST, moments["start"]
    assert moments["GET /metrics"].status == 200


LARGE = {
    "mqtt": {"dsmr_reader_topics": True},
    "homewizard": {"enabled": True},
    "influx": {"url": "http://10.0.0.3/write"},
    "dsmr_reader": {"url": "http://10.0.0.3/", "token": "any"},
}


@pytest.mark.slow
def test_what_does_not_fit_beside_the_usual_is_refused_and_the_rest_runs():
    moments, _, said = measured(config=LARGE)
    for name in ("mqtt.dsmr_reader_topics", "homewizard", "influx", "dsmr_reader"):
        assert re.search(rf"config: {name}: needs \d+ kB more than this board has", said), said
    assert moments["start"].used <= AT_REST + 1_000  # what is said of them
    assert {each.grown for each in moments.values()} == {1}
    assert not any(each.failures or each.resets for each in moments.values())


@pytest.mark.slow
def test_raw_telegrams_by_mqtt_fit_beside_the_usual():
    moments, *_ = measured(config={"mqtt": {"host": "broker.lan", "telegram": True}})
    assert {each.grown for each in moments.values()} == {1}
    assert not any(each.failures or each.resets for each in moments.values())
    assert min(each.idf_least for each in moments.values()) >= IDF_LEAST
