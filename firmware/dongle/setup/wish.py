# Checks what the set-up portal's page sends.

import asyncio
import gc

from .. import forget

TEMPORARY = True  # see forget()


async def changes(wanted) -> dict:
    """Turns what the page sends into changes to the config. Raises ValueError with the problems,
    or other exceptions if `wanted` is not an object of the expected form."""
    changes = {"wifi": {"ssid": wanted["ssid"], "password": wanted["password"]}}
    if wanted.get("mqtt_host"):
        changes["mqtt"] = {
            "host": wanted["mqtt_host"],
            "user": wanted.get("mqtt_user", ""),
            "password": wanted.get("mqtt_password", ""),
        }
    problems = _check(changes)
    if problems:
        await asyncio.sleep_ms(0)  # leaves the stack: old values on it keep garbage alive
        gc.collect()
        from .. import complaint

        forget()
        problems = complaint.in_words(problems)
    if not changes["wifi"]["ssid"]:
        problems.append("wifi.ssid: a network needs a name")
    if problems:
        raise ValueError("; ".join(problems))
    return changes


def _check(changes):
    from .. import fields

    forget()
    problems = []
    for section, values in changes.items():
        fields.check(section, values, problems)
    return problems
