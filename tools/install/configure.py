"""The board's config.json: what the owner sets, merged into what is there."""

import importlib
import json
import secrets
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mpremote.transport_serial import SerialTransport
from rich.prompt import Prompt

from install import InstallError
from install.deploy import put

CONFIG = "config.json"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Setting:
    """One option of the command, and where its value is in config.json."""

    option: str
    section: str
    key: str
    about: str
    type: Callable[[str], object] = str
    asked: bool = False  # for when it is neither given nor on the board


def on_or_off(word: str) -> bool:
    """For argparse, which words the error."""
    if word not in ("on", "off"):
        raise ValueError
    return word == "on"


SETTINGS = (
    Setting("--ssid", "wifi", "ssid", "Wi-Fi name", asked=True),
    Setting("--password", "wifi", "password", "Wi-Fi password", asked=True),
    Setting("--hostname", "wifi", "hostname", "name of the dongle on the network"),
    Setting("--mqtt-host", "mqtt", "host", "MQTT broker, name or address", asked=True),
    Setting("--mqtt-port", "mqtt", "port", "MQTT port", type=int),
    Setting("--mqtt-user", "mqtt", "user", "MQTT user", asked=True),
    Setting("--mqtt-password", "mqtt", "password", "MQTT password", asked=True),
    Setting("--prefix", "mqtt", "prefix", "first part of the MQTT topics"),
    Setting(
        "--read-password",
        "http",
        "read_password",
        "on or off: reading by HTTP needs the owner's password too",
        type=on_or_off,
    ),
    Setting("--http-name", "http", "name", "one more name that browsers may call the dongle by"),
    Setting("--influx-url", "influx", "url", "where to push line protocol; empty: nowhere"),
    Setting("--influx-token", "influx", "token", "InfluxDB's API token"),
    Setting("--influx-user", "influx", "user", "InfluxDB's user, where there is no token"),
    Setting("--influx-password", "influx", "password", "InfluxDB's password"),
    Setting("--influx-interval", "influx", "interval_s", "seconds between lines", type=int),
    Setting("--dsmr-reader-url", "dsmr_reader", "url", "dsmr-reader's API; empty: none"),
    Setting("--dsmr-reader-token", "dsmr_reader", "token", "dsmr-reader's API key"),
    Setting(
        "--dsmr-reader-interval",
        "dsmr_reader",
        "interval_s",
        "seconds between telegrams",
        type=int,
    ),
    Setting("--update-url", "update", "url", "where new firmware can be pulled; empty: nowhere"),
    Setting(
        "--quarter-target",
        "quarter",
        "target_w",
        "W that a quarter hour should not exceed; 0: this month's peak",
        type=int,
    ),
    Setting(
        "--quarter-rate",
        "quarter",
        "rate_ct_per_kw_year",
        "capacity tariff in cents per kW and year; 0: no costs",
        type=int,
    ),
    Setting(
        "--relay-pin",
        "quarter",
        "relay_pin",
        "GPIO of a relay or LED that follows the alert; -1: none",
        type=int,
    ),
    Setting(
        "--relay-active", "quarter", "relay_active", "level that switches it on: 1 or 0", type=int
    ),
)


def changes(values: dict) -> dict:
    """`values` (by option; None = not given) in the shape of config.json."""
    config: dict = {}
    for setting in SETTINGS:
        if values.get(setting.option) is not None:
            config.setdefault(setting.section, {})[setting.key] = values[setting.option]
    return config


def merge(existing: dict, changed: dict) -> dict:
    """`existing` with `changed` in it; neither is altered."""
    merged = deepcopy(existing)
    for section, values in changed.items():
        merged[section] = {**merged.get(section, {}), **values}
    if "password" not in changed.get("wifi", {}) and _ssid(merged) != _ssid(existing):
        merged["wifi"].pop("password", None)  # it was the other network's
    return merged


def _ssid(config: dict) -> str | None:
    return config.get("wifi", {}).get("ssid")


def is_wired(transport: SerialTransport) -> bool:
    """Whether the board is one with Ethernet, by the profile that deploy has put there."""
    try:
        return bool(json.loads(transport.fs_readfile("board.json")).get("ethernet"))
    except (FileNotFoundError, ValueError):
        return False


def ask(config: dict, wired: bool = False) -> dict:
    """Asks for what `config` lacks, as changes. An empty answer leaves it out."""
    values = {}
    for setting in SETTINGS:
        if wired and setting.section == "wifi":
            continue
        # No broker, no user: each question only when it means something.
        section = config.get(setting.section, {}) | changes(values).get(setting.section, {})
        depends = setting.key in ("user", "password")
        if setting.asked and setting.key not in section and (section or not depends):
            secret = setting.key == "password"
            question = f"{setting.about} (Enter: none)"
            values[setting.option] = Prompt.ask(question, password=secret, default="") or None
    return changes(values)


def redacted(config: object, key: str = "") -> object:
    """`config` with *** for whatever is secret."""
    if isinstance(config, dict):
        return {name: redacted(value, name) for name, value in config.items()}
    secret = any(word in key.lower() for word in ("password", "secret", "token", "key"))
    return "***" if secret and config and config is not True else config


def check(config: dict) -> None:
    """Raises InstallError with the problems that the firmware itself would find in `config`."""
    _, problems = _firmware("config").validate(config)
    if problems:
        raise InstallError("\n".join([*problems, "Nothing is written."]))


def label(transport: SerialTransport, config: dict) -> tuple[str, str]:
    """Name and password of the board's own access point, for a label. The password is made where
    the board has none yet."""
    module = _firmware("setup.label")
    try:
        password = module.parse(transport.fs_readfile(module.PATH).decode())
    except FileNotFoundError:
        password = None
    if password is None:
        text = json.dumps(module.make(secrets.token_bytes(module.CHANCE_BYTES)))
        put(transport, module.PATH, text.encode())
        password = module.parse(text)
    transport.exec("import machine")
    number = transport.eval("machine.unique_id()").hex()
    return config.get("wifi", {}).get("hostname") or f"p1meter-{number[-6:]}", password


def _firmware(module: str) -> ModuleType:
    for folder in ("tools/cpython", "firmware"):
        if (path := str(_ROOT / folder)) not in sys.path:
            sys.path.append(path)
    return importlib.import_module(f"dongle.{module}")


def read(transport: SerialTransport) -> dict:
    """The board's config, empty when it has none. Raises InstallError when it is not JSON."""
    try:
        text = transport.fs_readfile(CONFIG).decode()
    except FileNotFoundError:
        return {}
    try:
        return json.loads(text)
    except ValueError as error:
        raise InstallError(
            f"the board's {CONFIG} is not JSON: {error}. --new replaces it"
        ) from None


def write(transport: SerialTransport, config: dict) -> None:
    put(transport, CONFIG, (json.dumps(config, indent=1) + "\n").encode())
