"""Home Assistant, as far as MQTT discovery is concerned: which announcements it takes, which
entities come of them and what their states are.

Written after Home Assistant 2025.4.4 (components/mqtt/schemas.py, sensor.py and abbreviations.py,
components/sensor/const.py); no line is shared with the firmware.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from voluptuous import (
    All,
    Any,
    Exclusive,
    In,
    Invalid,
    Length,
    Match,
    Optional,
    Range,
    Required,
    Schema,
    Url,
)

# Device class -> (units, state classes); None: none at all.
CLASSES = {
    "energy": ({"Wh", "kWh", "MWh", "MJ", "GJ"}, {"total", "total_increasing"}),
    "power": ({"W", "kW"}, {"measurement"}),
    "gas": ({"m³", "ft³"}, {"total", "total_increasing"}),
    "water": ({"L", "m³", "ft³", "gal"}, {"total", "total_increasing"}),
    "volume": ({"L", "m³"}, {"total", "total_increasing"}),
    "voltage": ({"V", "mV"}, {"measurement"}),
    "current": ({"A", "mA"}, {"measurement"}),
    "apparent_power": ({"VA"}, {"measurement"}),
    "reactive_power": ({"var"}, {"measurement"}),
    "power_factor": ({None, "%"}, {"measurement"}),
    "frequency": ({"Hz", "kHz"}, {"measurement"}),
    "signal_strength": ({"dB", "dBm"}, {"measurement"}),
    "duration": ({"s", "min", "h", "d"}, {"measurement", "total", "total_increasing"}),
    "enum": ({None}, {None}),
    "timestamp": ({None}, {None}),
}

TEXT = All(str, Length(min=1))
TOPIC = All(TEXT, Match(r"[^#+]+$"))  # to subscribe to, but nobody means a wildcard here
# voluptuous makes of such a function one that makes it, which its types do not say.
URL = All(str, Url(), Match("https?://"))  # pyright: ignore[reportCallIssue]

ORIGIN = Schema(
    {Required("name"): TEXT, Optional(Any("sw", "sw_version")): TEXT, Optional("url"): URL}
)


def has_identifier(device: dict) -> dict:
    if not device.get("ids") and not device.get("cns"):
        raise Invalid("a device needs ids or cns")
    return device


DEVICE = All(
    {
        Optional("ids"): [TEXT],
        Optional("cns"): [All([TEXT], Length(2, 2))],
        Optional(Any("name", "mf", "mdl", "mdl_id", "hw", "sw", "sn", "sa")): TEXT,
        Optional("cu"): URL,
    },
    has_identifier,
)

AVAILABILITY = {
    Exclusive("avty_t", "availability"): TOPIC,
    Exclusive("avty", "availability"): All(
        [{Required("t"): TOPIC, Optional(Any("pl_avail", "pl_not_avail", "val_tpl")): TEXT}],
        Length(min=1),
    ),
    Optional("avty_mode"): In(["all", "any", "latest"]),
}


def classes_fit(sensor: dict) -> dict:
    kind, unit = sensor.get("dev_cla"), sensor.get("unit_of_meas")
    if kind is not None:
        units, states = CLASSES[kind]
        if unit not in units or sensor.get("stat_cla") not in states:
            raise Invalid(f"{kind}: not with {unit} and {sensor.get('stat_cla')}")
    if ("ops" in sensor) != (kind == "enum"):
        raise Invalid("ops and enum go together")
    if "sug_dsp_prc" in sensor and "stat_cla" not in sensor:
        raise Invalid("decimals of what is no number")
    return sensor


SENSOR = {
    **AVAILABILITY,
    Required("uniq_id"): TEXT,
    Required("name"): All(TEXT, Length(max=32)),
    Required("val_tpl"): TEXT,
    Optional("stat_t"): TOPIC,
    Optional("dev_cla"): In(CLASSES),
    Optional("stat_cla"): In(["measurement", "total", "total_increasing"]),
    Optional("unit_of_meas"): TEXT,
    Optional("ops"): All([TEXT], Length(min=1)),
    Optional("exp_aft"): All(int, Range(min=1)),
    Optional("sug_dsp_prc"): All(int, Range(min=0)),
    Optional("ent_cat"): In(["diagnostic"]),  # config is not for sensors
    Optional("en"): bool,
    Optional("json_attr_t"): TOPIC,
    Optional("json_attr_tpl"): TEXT,
}

# components/mqtt/binary_sensor.py; of its device classes the one that we use.
BINARY_SENSOR = {
    **AVAILABILITY,
    Required("uniq_id"): TEXT,
    Required("name"): All(TEXT, Length(max=32)),
    Required("val_tpl"): TEXT,
    Optional("stat_t"): TOPIC,
    Optional("dev_cla"): In(["problem"]),
    Optional("exp_aft"): All(int, Range(min=1)),
}
COMPONENT = Schema(
    Any(
        All({Required("p"): "sensor", **SENSOR}, classes_fit),
        {Required("p"): "binary_sensor", **BINARY_SENSOR},
    )
)
DEVICE_MESSAGE = Schema(
    {
        **AVAILABILITY,
        Required("dev"): DEVICE,
        Required("o"): ORIGIN,
        Required("cmps"): {Match(r"[a-zA-Z0-9_-]+$"): COMPONENT},
        Optional("stat_t"): TOPIC,
        Optional("qos"): In([0, 1, 2]),
    }
)
ENTITY_MESSAGE = Schema(
    All({Required("dev"): DEVICE, Required("o"): ORIGIN, **SENSOR}, classes_fit)
)

BINARY_MESSAGE = Schema({Required("dev"): DEVICE, Required("o"): ORIGIN, **BINARY_SENSOR})

# What a component inherits from its message.
SHARED = ("avty", "avty_t", "avty_mode", "stat_t", "dev")

CONFIG_TOPIC = re.compile(
    r"homeassistant/(device|sensor|binary_sensor)/(?:([a-zA-Z0-9_-]+)/)?([a-zA-Z0-9_-]+)/config"
)

TEMPLATES = ImmutableSandboxedEnvironment(undefined=StrictUndefined)  # what is missing is an error


@dataclass
class Entity:
    """What came of an announcement."""

    topic: str  # of the announcement
    settings: dict

    @property
    def key(self) -> str:
        return self.settings["uniq_id"].partition("_")[2]

    def is_available(self, retained: dict[str, bytes]) -> bool:
        says = [retained.get(each["t"]) == b"online" for each in self.settings["avty"]]
        return any(says) if self.settings.get("avty_mode") != "all" else all(says)

    def state(self, payload: bytes) -> str | None:
        """After a message of its topic; None is unknown. Raises where it would be logged as an
        error."""
        text = render(self.settings["val_tpl"], payload)
        kind = self.settings.get("dev_cla")
        if text == "None":
            return None
        if "stat_cla" in self.settings:
            float(text)
        elif kind == "problem":
            assert text in ("ON", "OFF"), text  # payload_on and payload_off by default
        elif kind == "enum":
            assert text in self.settings["ops"], text
        elif kind == "timestamp":
            assert datetime.fromisoformat(text).utcoffset() is not None, text
        return text

    def attributes(self, payload: bytes) -> dict:
        return json.loads(render(self.settings["json_attr_tpl"], payload))


def render(template: str, payload: bytes) -> str:
    return TEMPLATES.from_string(template).render(value_json=json.loads(payload))


def entities(retained: dict[str, bytes]) -> list[Entity]:
    """The entities of all announcements among these messages, topic -> payload; raises where
    Home Assistant would refuse one."""
    found = []
    for topic, payload in retained.items():
        if not topic.endswith("/config"):
            continue
        parts = CONFIG_TOPIC.fullmatch(topic)
        assert parts, topic
        form = parts[1]
        message = json.loads(payload, object_pairs_hook=_without_twins)
        if form != "device":
            (ENTITY_MESSAGE if form == "sensor" else BINARY_MESSAGE)(message)
            found.append(Entity(topic, message))
            continue
        DEVICE_MESSAGE(message)
        shared = {key: value for key, value in message.items() if key in SHARED}
        found += [Entity(topic, shared | each) for each in message["cmps"].values()]
    ids = [entity.settings["uniq_id"] for entity in found]
    assert len(ids) == len(set(ids)), "announced twice"
    return found


def _without_twins(members):
    """Of two members with one name, a reader of JSON would only see the last."""
    found = dict(members)
    assert len(found) == len(members), "a member stands there twice"
    return found
