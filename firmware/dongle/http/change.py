# POST /config: what is sent is merged into config.json, if all of it is right.

import asyncio
import gc
import json

from .. import forget, large
from .response import Response, refusal


def into(app):
    """The function for one request. Who asks for it is not needed any more then."""
    return lambda body: _in_turn(body, app)


async def _in_turn(body, app):
    async with large:
        return await change(body, app)


async def change(body, app):
    """An object like the config with what is to change, null for the default. What is not in it
    stays as it is, and so does a secret that is true or false, as in a backup. Answers {"restart":
    whether the dongle goes by another config until it is restarted, "missing": the secrets that a
    backup had and this dongle has not}; or 400 with all that is wrong, or 507 where the flash is
    full, and nothing is written."""
    try:
        posted = json.load(body)
        body = None
    except ValueError as error:
        return refusal(400, f"no valid JSON ({error})")
    known, problems, missing = [], [], []
    config, is_other = _merge(posted, known, problems, missing)
    await asyncio.sleep(0)  # on a stack that has been left, the collector sees no traces of that
    gc.collect()
    refused = _refused(known, problems) or _saved(config)
    if refused:
        return refused
    app.is_outdated = app.is_outdated or is_other
    answer = {"restart": app.is_outdated, "missing": missing}
    return Response(json.dumps(answer).encode())


# Several functions, because each takes its memory in one piece.


def _refused(known, problems):
    """The Response to what is wrong; None where nothing is. known: what was wrong before, which is
    no reason not to change something else."""
    if not problems:
        return None
    from .. import complaint

    forget("dongle.complaint", "p1.country")
    known = complaint.in_words(known)
    problems = [problem for problem in complaint.in_words(problems) if problem not in known]
    return refusal(400, "nothing is changed: " + "; ".join(problems)) if problems else None


def _saved(config):
    """The Response where it cannot be kept, else None. config: None where nothing is to be."""
    if config is None:
        return None
    from ..store import save

    forget("dongle.store")
    try:
        save(config, "config.json")
    except OSError as error:
        return refusal(507, f"nothing is changed: config.json cannot be written ({error})")
    return None


def _merge(posted, known, problems, missing):
    """(all of the config with what is posted, None where that is what there is; whether the dongle
    would go by another). Adds to three lists: what was wrong before and what is wrong now in the
    sections that are posted, and the secrets that should be there and are not."""
    from .. import config as config_file

    forget("dongle.config")  # large, and nobody's but ours
    config, _ = config_file.read()
    is_new, is_other = not isinstance(config, dict), False
    if is_new:
        config = {}
    if not isinstance(posted, dict):
        problems.append(("config", "object", list(config_file.FIELDS), posted))
        posted = {}
    for section in list(posted):
        is_there = section in config
        before = config.get(section, {})
        # Popped: there may be little memory for it and for the config too.
        values = _merged(section, before, posted.pop(section), config_file.SECRETS, missing)
        is_new = is_new or not is_there or values != before
        config[section] = values
        after = config_file.check(section, values, problems)
        before = config_file.check(section, before, known if is_there else [])
        is_other = is_other or after != before
    return config if is_new else None, is_other


def _merged(section, before, values, secrets, missing):
    """What becomes of a section's values."""
    if not isinstance(values, dict):
        return values
    own = dict(before) if isinstance(before, dict) else {}
    for key in _into(own, values, secrets):
        missing.append(f"{section}.{key}")
    return own


def _into(own, values, secrets):
    """Changes a section to the values that are posted; yields the secrets that should be there and
    are not."""
    for key, value in values.items():
        if key in secrets and isinstance(value, bool):
            if value and not own.get(key):
                yield key
        elif value is None:
            own.pop(key, None)
        else:
            own[key] = value
