# Loads, checks and saves config.json, which has the owner's settings. Loads board.json, which has
# the pins of this board.
#
# A value that cannot be used never stops the dongle. The dongle reports which key is wrong and
# what was expected, and uses the default.

import json

from . import forget
from .fields import FIELDS, check

TEMPORARY = True  # see forget()

CONFIG_PATH = "config.json"


def validate(raw) -> tuple:
    """Checks a config as parsed from JSON. Returns (config, problems): config has every section
    and key, with the default if the given value cannot be used; problems is a list of str."""
    return _take_apart(dict(raw) if isinstance(raw, dict) else raw)


def _take_apart(raw):
    # Removes each section from raw after its check: raw and config together take much memory.
    config, problems = dict.fromkeys(FIELDS), []
    if not isinstance(raw, dict):
        problems.append(("config", "object", list(FIELDS), raw))
        raw = {}
    for section in FIELDS:
        config[section] = check(section, raw.pop(section, {}), problems)
    for section in raw:
        check(section, None, problems)
    if problems:
        from . import complaint  # here, because it is seldom needed

        forget()
        problems = complaint.in_words(problems)
    return config, problems


def read(path: str = CONFIG_PATH) -> tuple:
    """Returns (the file parsed from JSON, or {} if that fails; the problem as str, or None)."""
    try:
        with open(path) as file:
            return json.load(file), None
    except OSError:
        return {}, f"{path} is missing; run `make configure`"
    except ValueError as error:
        return {}, f"{path} is not valid JSON ({error}); run `make configure`"


def load(path: str = CONFIG_PATH) -> tuple:
    """Reads and checks the file. Returns (config, problems) like validate()."""
    raw, problem = read(path)
    config, problems = _take_apart(raw)
    return config, problems if problem is None else [problem]


def save(config: dict, path: str = CONFIG_PATH) -> None:
    """See store.save()."""
    from .store import save

    forget()
    save(config, path)


def load_board() -> dict:
    """See store.load_board()."""
    from .store import load_board

    forget()
    return load_board()
