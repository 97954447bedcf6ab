# What config.json may contain: every key with its default, and the rules for its value.

from binascii import unhexlify

from micropython import const

from . import forget

TEMPORARY = True  # see forget()

_MQTT_TLS_PORT = const(8883)
# Bytes here and below: MicroPython interns each single character of a str and never frees it.
_BLANK, _TILDE = const(0x20), const(0x7E)
_NOT_IN_TOPIC = b'+#%"\\'

# Keys whose values are never shown. There may be a password in a url.
SECRETS = ("password", "password_hash", "key", "authentication_key", "token", "url")

# All keys, by section. Each line is one key:
#
#   key  kind  default  limits
#
# The limits depend on the kind. whole: the lowest and the highest number. choice and number: the
# other words or numbers that are allowed. text and its special forms: the fewest and the most
# bytes. on and off are a switch and its default. "-" is the empty text. _is_fit() has the other
# rules of each kind. This is text that is read line by line, because one object for each key
# would take ten times the memory.
FIELDS = {
    "wifi": (
        "ssid text - 0 32\n"  # exactly as given: blanks count
        "password text - 0 63\n"
        "hostname text - 0 32\n"  # empty: p1meter- and the end of the dongle's id
        "delay_s whole 2 0 60\n"  # between port and radio, because the power supply may be weak
        "txpower_dbm whole 0 0 20\n"  # 0: MicroPython's default
    ),
    "mqtt": (
        "host text - 0 253\n"  # empty: MQTT is off
        "port whole 1883 1 65535\n"  # if it is not given, 8883 with TLS
        "tls off\n"
        "ca text ca.pem 1 64\n"  # file with the certificate of the broker's CA
        "user text - 0 128\n"
        "password text - 0 128\n"
        "prefix topic p1 1 64\n"
        "telegram off\n"  # publish the raw telegram too
        "dsmr_reader_topics off\n"  # publish the same topics as dsmr-reader
        "swap_tariffs off\n"  # in these topics: tariffs 1 and 2 as in the Netherlands
    ),
    "homeassistant": (
        "discovery choice device entity off\n"  # entity: for versions before 2024.12
        "prefix topic homeassistant 1 64\n"
    ),
    "mdns": "enabled on\n",
    "http": (
        "port whole 80 1 65535\n"
        "metrics on\n"  # GET /metrics, for Prometheus
        "name text - 0 64\n"  # one more host name that requests may use, see request.py
        "password_hash hash -\n"  # the owner's; empty: nothing can be changed by HTTP
        "read_password off\n"  # whether reading by HTTP needs the password too
    ),
    "tcp": "port whole 1502 0 65535\n",  # raw telegrams; 0: off
    "homewizard": "enabled off\n",  # HomeWizard's local API, see homewizard.py
    "meter": (
        "country country auto\n"
        "key key - 32 32\n"  # of an encrypted meter (LU, AT), from the grid operator
        "authentication_key key - 32 32\n"  # if the operator gives a second key
    ),
    "influx": (  # line protocol to InfluxDB and the like
        "url write_url - 0 256\n"  # empty: off
        "token word - 0 256\n"
        "user text - 0 128\n"  # if there is no token
        "password text - 0 128\n"
        "interval_s whole 10 1 3600\n"
    ),
    "dsmr_reader": (  # telegrams to its API
        "url url - 0 256\n"  # empty: off
        "token word - 0 256\n"
        "interval_s whole 10 1 3600\n"
    ),
    "quarter": (  # the capacity tariff
        "enabled on\n"
        "target_w whole 0 0 100000\n"  # 0: this month's peak, at least 2500
        "rate_ct_per_kw_year whole 0 0 100000\n"  # 0: costs are not computed
        "relay_pin whole -1 -1 48\n"  # of a relay or LED that follows the alert; -1: none
        "relay_active whole 1 0 1\n"  # the level that switches it on
    ),
    "history": "enabled on\n",  # GET /history; takes 3 KiB of memory
    "update": "url url - 0 256\n",  # where the dongle can download a new firmware; empty: nowhere
    "system": (
        "watchdog on\n"  # off for work at the REPL
        "cpu_mhz number 0 80 160 240\n"  # 0: MicroPython's default; less takes less power
    ),
}


def field(line: str) -> tuple:
    """Returns (key, kind, default, limits) of a line of FIELDS; limits is a list of str."""
    key, kind, *limits = line.split()
    default = limits.pop(0) if limits else kind == "on"
    if kind == "whole" or kind == "number":
        default = int(default)
    elif default == "-":
        default = ""
    return key, kind, default, limits


def check(section: str, given, problems: list) -> dict | None:
    """Checks a section as parsed from JSON. Returns a dict with every key, with the default if
    the given value cannot be used; None if there is no such section. Adds to the list problems
    what complaint.in_words() takes."""
    if section not in FIELDS:
        problems.append((section, "unknown", list(FIELDS), None))
        return None
    values = {}
    lines, at = FIELDS[section], 0
    is_object = isinstance(given, dict)
    while at < len(lines):
        end = lines.find("\n", at)
        key, kind, default, limits = field(lines[at:end])
        at = end + 1
        value = values[key] = given.get(key, default) if is_object else default
        if not _is_fit(value, kind, default, limits):
            values[key] = default
            if key in SECRETS:
                value = ...  # must not be shown
            problems.append((section + "." + key, kind, [default] + limits, value))
    if not is_object:
        problems.append((section, "object", list(values), given))
        return values
    _check_whole(section, given, values, problems)
    return values


def _check_whole(section, given, values, problems):
    """Checks the rules for the keys of a section together."""
    for key in given:
        if key not in values:
            problems.append((section + "." + key, "unknown", list(values), None))
    if section == "mqtt" and values["tls"] and "port" not in given:
        values["port"] = _MQTT_TLS_PORT
    if section == "http" and values["read_password"] and not values["password_hash"]:
        problems.append(("http.read_password", "closed", None, None))


def _is_fit(value, kind, default, limits):
    # No isinstance(): a bool is an int in Python.
    if type(value) is not type(default):
        return False
    if kind == "on" or kind == "off":
        return True
    if kind == "whole":
        return int(limits[0]) <= value <= int(limits[1])
    if kind == "choice" or kind == "number":
        return value == default or str(value) in limits
    if kind == "country":
        from p1 import country  # here, because the portal has no memory for it

        forget()
        return value in country.CODES
    if value == "" and kind != "topic" and kind != "text":
        return True
    if kind == "hash":
        return _is_hash(value)
    # The other kinds are text with more rules.
    return int(limits[0]) <= len(value.encode()) <= int(limits[1]) and _is_fit_text(value, kind)


def _is_fit_text(value, kind):
    if kind == "key":
        return not value.strip("0123456789abcdefABCDEF")
    if kind == "word":  # becomes part of an HTTP head
        return all([_BLANK < byte <= _TILDE for byte in value.encode()])
    if kind == "topic":
        return (
            not any([byte in _NOT_IN_TOPIC or byte < _BLANK for byte in value.encode()])
            and value.strip("/") == value
        )
    return kind == "text" or _is_url(value, kind)


def _is_hash(value):
    try:
        kind, iterations, salt, key = value.split("$")
        return (
            kind == "pbkdf2-sha256"
            and iterations.isdigit()
            and 100 <= int(iterations) <= 10_000
            and 8 <= len(unhexlify(salt)) <= 32
            and len(unhexlify(key)) == 32
        )
    except ValueError:
        return False


def _is_url(value, kind):
    from . import url  # most dongles have none

    try:
        url.split(value)
    except ValueError:
        return False
    return kind == "url" or "precision=" not in value or "precision=s" in value
