# GET /config: config.json without its secrets, as a backup. change.py handles POST /config, which
# accepts such a backup.

import json

from .. import forget
from .response import Response

TEMPORARY = True  # see forget()


def show() -> Response:
    """Returns every setting; for a secret only whether it is set."""
    from .. import config as config_file

    forget()  # large, and not used elsewhere now
    raw, _ = config_file.read()
    return Response(_pieces(config_file, raw if isinstance(raw, dict) else {}))


def _pieces(config_file, raw):
    # One section at a time: the whole text and the config module together would take much memory.
    separator = "{"
    for section in config_file.FIELDS:
        values = config_file.check(section, raw.pop(section, {}), [])
        for key in values:
            if key in config_file.SECRETS:
                values[key] = values[key] != ""
        yield (separator + json.dumps(section) + ":" + json.dumps(values)).encode()
        separator = ","
    yield b"}"
