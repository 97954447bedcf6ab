# config.json: what the owner decides. Loaded, checked and saved here; board.json: where the
# wires of this board go.
#
# A value that cannot be used never stops the dongle: it says which key is wrong and what was
# expected, and goes on with the default.

import json
import os
from binascii import unhexlify

from micropython import const

from p1 import country

CONFIG_PATH = "config.json"
BOARD_PATH = "board.json"

_MQTT_TLS_PORT = const(8883)


class _Text:
    def __init__(self, default, longest, shortest=0):
        self.default, self.longest, self.shortest = default, longest, shortest
        self.expected = f"text of {shortest} to {longest} bytes"

    def accepts(self, value):
        return isinstance(value, str) and self.shortest <= len(value.encode()) <= self.longest


class _Whole:
    def __init__(self, default, low, high):
        self.default, self.low, self.high = default, low, high
        self.expected = f"a whole number from {low} to {high}"

    def accepts(self, value):
        # In Python, true and false are numbers too.
        return type(value) is int and self.low <= value <= self.high


class _Switch:
    expected = "true or false"

    def __init__(self, default):
        self.default = default

    def accepts(self, value):
        return isinstance(value, bool)


class _Choice:
    def __init__(self, default, *choices):
        self.default, self.choices = default, choices
        self.expected = "one of " + ", ".join([str(choice) for choice in choices])

    def accepts(self, value):
        # In Python, false is a number too.
        return type(value) is type(self.default) and value in self.choices


class _Key:
    default = ""
    expected = "32 hexadecimal digits"

    def accepts(self, value):
        if value == "":
            return True
        try:
            return isinstance(value, str) and len(value) == 32 and len(unhexlify(value)) == 16
        except ValueError:
            return False


class _Word(_Text):
    """What becomes part of an HTTP head."""

    def __init__(self, longest):
        super().__init__("", longest)
        self.expected = f"up to {longest} printable ASCII characters without blanks"

    def accepts(self, value):
        return super().accepts(value) and all([" " < letter <= "~" for letter in value])


class _Url(_Text):
    def __init__(self):
        super().__init__("", 256)
        self.expected = (
            "http://host:port/path in up to 256 characters (no https, no user before @)"
        )

    def accepts(self, value):
        if not super().accepts(value) or value == "":
            return value == ""
        from . import url  # most dongles have none

        try:
            url.split(value)
        except ValueError:
            return False
        return True


class _WriteUrl(_Url):
    def __init__(self):
        super().__init__()
        self.expected += ", with precision=s if it names one"

    def accepts(self, value):
        return super().accepts(value) and ("precision=" not in value or "precision=s" in value)


class _Topic(_Text):
    def __init__(self, default):
        super().__init__(default, 64, 1)
        self.expected += ' without + # % " and \\, and without / at either end'

    def accepts(self, value):
        return (
            super().accepts(value)
            and not any([letter in value for letter in '+#%"\\'])
            and min(value) >= " "
            and value[0] != "/"
            and value[-1] != "/"
        )


class _Hash:
    default = ""
    expected = 'what `make configure ARGS="--owner-password"` makes of a password'

    def accepts(self, value):
        if value == "":
            return True
        try:
            kind, iterations, salt, key = value.split("$")
            return (
                kind == "pbkdf2-sha256"
                and iterations.isdigit()
                and 100 <= int(iterations) <= 10_000
                and 8 <= len(unhexlify(salt)) <= 32
                and len(unhexlify(key)) == 32
            )
        except (ValueError, AttributeError):
            return False


# Keys whose values are not for anybody to read. There may be a password in a url.
SECRETS = ("password", "password_hash", "key", "authentication_key", "token", "url")

# Every key there is, by section.
FIELDS = {
    "wifi": {
        "ssid": _Text("", 32),  # exactly as given: blanks count
        "password": _Text("", 63),
        "hostname": _Text("", 32),  # empty: p1meter- and the end of the dongle's id
        "delay_s": _Whole(2, 0, 60),  # after the port, before the radio: a supply may be weak
        "txpower_dbm": _Whole(0, 0, 20),  # 0: as MicroPython has it
    },
    "mqtt": {
        "host": _Text("", 253),  # empty: MQTT is off
        "port": _Whole(1883, 1, 65535),  # where it is not given, 8883 with TLS
        "tls": _Switch(False),
        "ca": _Text("ca.pem", 64, 1),  # file with the certificate of the broker's CA
        "user": _Text("", 128),
        "password": _Text("", 128),
        "prefix": _Topic("p1"),
        "telegram": _Switch(False),  # publish the raw telegram too
        "dsmr_reader_topics": _Switch(False),  # publish what dsmr-reader would
        "swap_tariffs": _Switch(False),  # in these topics: 1 and 2 as in the Netherlands
    },
    "homeassistant": {
        # entity: for versions before 2024.12
        "discovery": _Choice("device", "device", "entity", "off"),
        "prefix": _Topic("homeassistant"),
    },
    "mdns": {"enabled": _Switch(True)},
    "http": {
        "port": _Whole(80, 1, 65535),
        "metrics": _Switch(True),  # GET /metrics, for Prometheus
        "name": _Text("", 64),  # one more that requests may call the dongle, see request.py
        "password_hash": _Hash(),  # the owner's; empty: nothing can be changed by HTTP
        "read_password": _Switch(False),  # whether reading by HTTP needs it too
    },
    "tcp": {"port": _Whole(1502, 0, 65535)},  # raw telegrams; 0: off
    "homewizard": {"enabled": _Switch(False)},  # their local API, see homewizard.py
    "meter": {
        "country": _Choice(country.AUTO, *sorted(country.PROFILES)),
        "key": _Key(),  # of an encrypted meter (LU, AT), from its operator
        "authentication_key": _Key(),  # where the operator gives a second one
    },
    "influx": {  # line protocol to InfluxDB and the like
        "url": _WriteUrl(),  # empty: off
        "token": _Word(256),
        "user": _Text("", 128),  # where there is no token
        "password": _Text("", 128),
        "interval_s": _Whole(10, 1, 3600),
    },
    "dsmr_reader": {  # telegrams to its API
        "url": _Url(),  # empty: off
        "token": _Word(256),
        "interval_s": _Whole(10, 1, 3600),
    },
    "quarter": {  # the capacity tariff
        "enabled": _Switch(True),
        "target_w": _Whole(0, 0, 100_000),  # 0: this month's peak, at least 2500
        "rate_ct_per_kw_year": _Whole(0, 0, 100_000),  # 0: costs are not computed
        "relay_pin": _Whole(-1, -1, 48),  # of a relay or LED that follows the alert; -1: none
        "relay_active": _Whole(1, 0, 1),  # the level that switches it on
    },
    "history": {"enabled": _Switch(True)},  # GET /history; takes 3 KiB of memory
    "update": {"url": _Url()},  # where a new firmware can be pulled from; empty: nowhere
    "system": {
        "watchdog": _Switch(True),  # off for work at the REPL
        "cpu_mhz": _Choice(0, 0, 80, 160, 240),  # 0: as MicroPython has it; less takes less power
    },
}


def validate(raw):
    """Checks a config as parsed from JSON. Returns (config, problems): config has every section
    and key, with the default where the given value is unusable; problems is a list of str."""
    problems = []
    if not isinstance(raw, dict):
        problems.append(f"config: expected an object with {_names(FIELDS)}, got {_kind(raw)}")
        raw = {}
    config = {}
    for section, fields in FIELDS.items():
        given = raw.get(section, {})
        if not isinstance(given, dict):
            expected = _names(fields)
            problems.append(f"{section}: expected an object with {expected}, got {_kind(given)}")
            given = {}
        config[section] = {}
        for key, field in fields.items():
            value = given.get(key, field.default)
            if not field.accepts(value):
                # The value of a secret is not for the log.
                got = "something else" if key in SECRETS else _shown(value)
                problems.append(f"{section}.{key}: expected {field.expected}, got {got}")
                value = field.default
            config[section][key] = value
        problems.extend(_unknown(given, fields, section + "."))
    if config["mqtt"]["tls"] and "port" not in raw["mqtt"]:
        config["mqtt"]["port"] = _MQTT_TLS_PORT
    if config["http"]["read_password"] and not config["http"]["password_hash"]:
        problems.append("http.read_password: needs http.password_hash, so nobody can read by HTTP")
    problems.extend(_unknown(raw, FIELDS, ""))
    return config, problems


def read(path=CONFIG_PATH):
    """(what the file says as JSON, {} where it does not; what is wrong with it, or None)."""
    try:
        with open(path) as file:
            return json.load(file), None
    except OSError:
        return {}, f"{path}: not there; run `make configure`"
    except ValueError as error:
        return {}, f"{path}: no valid JSON ({error}); run `make configure`"


def load(path=CONFIG_PATH):
    """Reads and validates the file; (config, problems) as validate()."""
    raw, problem = read(path)
    config, problems = validate(raw)
    return config, problems if problem is None else [problem]


def save(config, path=CONFIG_PATH):
    """Writes config so that a power cut, or a full flash, leaves either the old file or the new
    one. Raises OSError."""
    temporary = path + ".new"
    try:
        with open(temporary, "w") as file:
            json.dump(config, file)
        os.rename(temporary, path)
    except OSError:
        # It must not take the last room on a full flash.
        try:
            os.remove(temporary)
        except OSError:
            pass
        raise


def load_board(path=BOARD_PATH):
    """The board's profile as a dict; raises OSError or ValueError where there is none."""
    with open(path) as file:
        return json.load(file)


def _names(table):
    return ", ".join(sorted(table))


def _unknown(given, known, prefix):
    return [
        f"{prefix}{key}: unknown key, expected one of {_names(known)}"
        for key in given
        if key not in known
    ]


def _kind(value):
    # Not the value: there may be a secret in it.
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else "something else"


def _shown(value):
    if isinstance(value, (list, dict)):
        return _kind(value)
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
