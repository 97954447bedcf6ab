# config.json over HTTP. GET /config shows it without its secrets, which makes a backup; POST
# /config merges what is sent into it.

import json

from . import config as config_file
from .health import pieces
from .http import Response, refusal


def show():
    """GET /config: every setting; of a secret only whether there is one."""
    config, _ = config_file.load()
    for section in config.values():
        for key in section:
            if key in config_file.SECRETS:
                section[key] = section[key] != ""
    return Response(pieces(config.items()))


def change(body, app):
    """POST /config: an object like the config with what is to change, null for the default. What
    is not in it stays as it is, and so does a secret that is true or false, as in a backup.
    Answers {"restart": whether the dongle goes by another config until it is restarted, "missing":
    the secrets that a backup had and this dongle has not}; or 400 with all that is wrong, or 507
    where the flash is full, and nothing is written."""
    try:
        posted = json.loads(str(body, "utf-8"))
    except ValueError as error:
        return refusal(400, f"no valid JSON ({error})")
    present, _ = config_file.read()
    merged, missing = _merge(present, posted)
    before, known = config_file.validate(present)
    after, problems = config_file.validate(merged)
    # What was wrong before is no reason not to change something else.
    problems = [problem for problem in problems if problem not in known]
    if problems:
        return refusal(400, "nothing is changed: " + "; ".join(problems))
    if merged != present:
        try:
            config_file.save(merged)
        except OSError as error:
            return refusal(507, f"nothing is changed: config.json cannot be written ({error})")
    if after != before:
        app.is_outdated = True
    answer = {"restart": app.is_outdated, "missing": missing}
    return Response(json.dumps(answer).encode())


def _merge(present, posted):
    """(both in one, the secrets that should be there and are not)."""
    if not isinstance(posted, dict):
        return posted, []
    merged = dict(present) if isinstance(present, dict) else {}
    missing = []
    for section, values in posted.items():
        if isinstance(values, dict):
            own = merged.get(section)
            own = dict(own) if isinstance(own, dict) else {}
            for key, value in values.items():
                if key in config_file.SECRETS and isinstance(value, bool):
                    if value and not own.get(key):
                        missing.append(f"{section}.{key}")
                elif value is None:
                    own.pop(key, None)
                else:
                    own[key] = value
            values = own
        merged[section] = values
    return merged, missing
