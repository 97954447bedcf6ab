# POST /config: merges the body into config.json if all of it is valid.

import asyncio
import gc
import json

from .. import forget, large
from .response import Response, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..device import Device

TEMPORARY = True  # see forget()


def into(device: "Device"):
    """Returns the function that handles one request, so that the caller's module can be freed."""
    return lambda body: _in_turn(body, device)


async def _in_turn(body, device: "Device"):
    async with large:
        return await change(body, device)


async def change(body, device: "Device") -> Response:
    """The body is an object like the config, with only the values to change; null means the
    default. Other values stay as they are, and so does a secret that is true or false, as in a
    backup. Answers {"restart": whether the new config needs a restart, "missing": the secrets that
    are set in the backup but not on this dongle}. Answers 400 with all problems, or 507 if the
    flash is full; then nothing is written."""
    try:
        posted = json.load(body)
        body = None
    except ValueError as error:
        return refusal(400, "no_json", f"not valid JSON ({error})")
    known, problems, missing = [], [], []
    config, is_other = _merge(posted, known, problems, missing)
    await asyncio.sleep(0)  # leaves the stack: old values on it keep garbage alive
    gc.collect()
    refused = _refused(known, problems) or _saved(config)
    if refused:
        return refused
    device.is_outdated = device.is_outdated or is_other
    answer = {"restart": device.is_outdated, "missing": missing}
    return Response(json.dumps(answer).encode())


# Several functions, because MicroPython allocates the memory of each function in one piece.


def _refused(known, problems):
    """Returns the Response that reports the problems, or None if there is none. known: the old
    problems of these sections; they do not prevent a change of something else."""
    if not problems:
        return None
    from .. import complaint

    forget()
    known = complaint.in_words(known)
    code, new = "wrong_value", []
    for problem in problems:
        (words,) = complaint.in_words([problem])
        if words not in known:
            new.append(words)
            if problem[1] == "unknown":
                code = "no_such_setting"
    return refusal(400, code, "nothing was changed: " + "; ".join(new)) if new else None


def _saved(config):
    """Saves config; None means that nothing has changed. Returns None, or the Response that says
    why it cannot be saved."""
    if config is None:
        return None
    from ..store import save

    forget()
    try:
        save(config, "config.json")
    except OSError as error:
        return refusal(
            507, "not_saved", f"nothing was changed: config.json cannot be written ({error})"
        )
    return None


def _merge(posted, known, problems, missing):
    """Returns (the whole config with the posted values, or None if nothing changes; whether the
    checked values differ from before). Adds to three lists: the problems that the posted sections
    had before, the problems that they have now, and the missing secrets."""
    from .. import config as config_file
    from .. import fields

    forget()
    config, _ = config_file.read()
    is_new, is_other = not isinstance(config, dict), False
    if is_new:
        config = {}
    if not isinstance(posted, dict):
        problems.append(("config", "object", list(fields.FIELDS), posted))
        posted = {}
    for section in list(posted):
        is_there = section in config
        before = config.get(section, {})
        # Popped, because there may be little memory for the posted values and the config together.
        values = _merged(section, before, posted.pop(section), fields.SECRETS, missing)
        is_new = is_new or not is_there or values != before
        config[section] = values
        after = fields.check(section, values, problems)
        before = fields.check(section, before, known if is_there else [])
        is_other = is_other or after != before
    return config if is_new else None, is_other


def _merged(section, before, values, secrets, missing):
    """Returns the values of a section after the change."""
    if not isinstance(values, dict):
        return values
    own = dict(before) if isinstance(before, dict) else {}
    for key in _into(own, values, secrets):
        missing.append(f"{section}.{key}")
    return own


def _into(own, values, secrets):
    """Puts the posted values into a section. Yields the keys of the missing secrets."""
    for key, value in values.items():
        if key in secrets and isinstance(value, bool):
            if value and not own.get(key):
                yield key
        elif value is None:
            own.pop(key, None)
        else:
            own[key] = value
