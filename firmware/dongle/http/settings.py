# GET /config: config.json without its secrets, as a backup. change.py handles POST /config, which
# accepts such a backup.

import json

from .. import forget
from .response import Response

TEMPORARY = True  # see forget()


def show() -> Response:
    """Returns every setting; for a secret only whether it is set."""
    from .. import config, fields

    forget()
    raw, _ = config.read()
    return Response(_pieces(fields, raw if isinstance(raw, dict) else {}))


def _pieces(fields, raw):
    # One section at a time: the whole text and the module together would take much memory.
    separator = "{"
    for section in fields.FIELDS:
        values = fields.check(section, raw.pop(section, {}), [])
        for key in values:
            if key in fields.SECRETS:
                values[key] = values[key] != ""
        yield (separator + json.dumps(section) + ":" + json.dumps(values)).encode()
        separator = ","
    yield b"}"
