"""What a part of the self-test has to say."""

from dataclasses import dataclass

OK, SKIPPED, WARNING, FAULT = "ok", "skipped", "warning", "fault"


@dataclass(frozen=True)
class Finding:
    """One line of the report: `check` is what was looked at, `text` what was found. Where that is
    not well, `fault` names it, for programs, and `fix` says what to do."""

    check: str
    verdict: str
    text: str
    fault: str = ""
    fix: str = ""


def missing(check: str, measured: dict) -> Finding | None:
    """What to say where `measured` holds no measurement, None where it does."""
    if "skipped" in measured:
        return Finding(check, SKIPPED, measured["skipped"])
    if "error" in measured:
        text = f"could not be measured: {measured['error']}"
        fix = "run it again; if it stays, please report it, with the file"
        return Finding(check, FAULT, text, "not measured", fix)
    return None
