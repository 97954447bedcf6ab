"""The codes of /health and of errors that docs/interfaces.md explains."""

import re

import rig


def documented() -> dict[str, set[str]]:
    """{code: where it appears}"""
    text = (rig.ROOT / "docs" / "interfaces.md").read_text()
    table = text.partition("## Codes")[2].partition("\n## ")[0]
    rows = [row.split("|")[1:3] for row in table.split("\n") if row.startswith("| `")]
    pairs = [
        (code, set(re.findall(r"\w+", where)))
        for codes, where in rows
        for code in re.findall(r"`(\w+)`", codes)
    ]
    assert len(dict(pairs)) == len(pairs), "a code is there twice"
    return dict(pairs)


def is_error(document: dict) -> bool:
    """Whether an error answer has words and a code that is documented. HomeWizard's API has a form
    of its own."""
    error = document.get("error")
    if isinstance(error, dict):
        return isinstance(error["id"], int) and bool(error["description"])
    return bool(error) and document.get("code") in DOCUMENTED


DOCUMENTED = documented()
