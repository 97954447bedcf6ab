"""Run by a Python that has Home Assistant: do its schemas take these announcements of entities?
From standard input, JSON: topic -> payload; prints how many were taken."""

import json
import sys

# Home Assistant is in no environment of ours.
from homeassistant.components.mqtt import (  # pyright: ignore[reportMissingImports]
    binary_sensor,
    discovery,
    sensor,
)
from homeassistant.components.mqtt.abbreviations import (  # pyright: ignore[reportMissingImports]
    ABBREVIATIONS,
    DEVICE_ABBREVIATIONS,
    ORIGIN_ABBREVIATIONS,
)


def in_full(settings: dict, abbreviations: dict) -> dict:
    return {abbreviations.get(key, key): value for key, value in settings.items()}


taken = 0
for topic, text in json.load(sys.stdin).items():
    assert discovery.TOPIC_MATCHER.match(topic.removeprefix("homeassistant/")), topic
    settings = in_full(json.loads(text), ABBREVIATIONS)
    settings["device"] = in_full(settings["device"], DEVICE_ABBREVIATIONS)
    settings["origin"] = in_full(settings["origin"], ORIGIN_ABBREVIATIONS)
    settings["availability"] = [in_full(each, ABBREVIATIONS) for each in settings["availability"]]
    platform = binary_sensor if "/binary_sensor/" in topic else sensor
    checked = platform.DISCOVERY_SCHEMA(settings)
    # It drops what it does not know, so that a wrong name would be no error. Options came later.
    assert settings.keys() - checked.keys() <= {"options"}, settings.keys() - checked.keys()
    taken += 1
print(taken)
