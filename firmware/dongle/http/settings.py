# GET /config: config.json over HTTP without its secrets, which makes a backup. What is sent back
# goes to change.py.

import json

from .. import forget
from .response import Response


def show():
    """Every setting; of a secret only whether there is one."""
    from .. import config as config_file

    forget("dongle.config")  # large, and nobody's but ours
    raw, _ = config_file.read()
    return Response(_pieces(config_file, raw if isinstance(raw, dict) else {}))


def _pieces(config_file, raw):
    # A section at a time: all of it, beside who checks it, would be much.
    separator = "{"
    for section in config_file.FIELDS:
        values = config_file.check(section, raw.pop(section, {}), [])
        for key in values:
            if key in config_file.SECRETS:
                values[key] = values[key] != ""
        yield (separator + json.dumps(section) + ":" + json.dumps(values)).encode()
        separator = ","
    yield b"}"
