# What somebody wishes on the set-up portal's page, checked.

import asyncio
import gc

from .. import forget


async def changes(wanted):
    """What the page sends, as changes to the config. Raises ValueError with what is wrong, or
    anything where it is no object."""
    changes = {"wifi": {"ssid": wanted["ssid"], "password": wanted["password"]}}
    if wanted.get("mqtt_host"):
        changes["mqtt"] = {
            "host": wanted["mqtt_host"],
            "user": wanted.get("mqtt_user", ""),
            "password": wanted.get("mqtt_password", ""),
        }
    problems = _check(changes)
    if problems:
        await asyncio.sleep_ms(0)  # on a stack that was left, the collector sees less garbage
        gc.collect()
        from .. import complaint

        forget("dongle.complaint")
        problems = complaint.in_words(problems)
    if not changes["wifi"]["ssid"]:
        problems.append("wifi.ssid: a network must have a name")
    if problems:
        raise ValueError("; ".join(problems))
    return changes


def _check(changes):
    from .. import config

    forget("dongle.config")  # large, and nobody's but ours
    problems = []
    for section, values in changes.items():
        config.check(section, values, problems)
    return problems
