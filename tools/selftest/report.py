"""The self-test's result: on the screen, and as a file for a bug report."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selftest.finding import FAULT, OK, SKIPPED, WARNING, Finding

_STYLES = {OK: "green", SKIPPED: "dim", WARNING: "yellow", FAULT: "bold red"}


def show(console: Console, findings: list[Finding]) -> None:
    table = Table("check", "", "what was found", box=SIMPLE, pad_edge=False)
    for finding in findings:
        verdict = Text(finding.verdict, style=_STYLES[finding.verdict])
        table.add_row(finding.check, verdict, Text(finding.text))
    console.print(table)
    wrong = [finding for finding in findings if finding.fix]
    if not wrong:
        skipped = any(finding.verdict == SKIPPED for finding in findings)
        return console.print("All that was tested is well." if skipped else "All is well.")
    console.print("What to do:")
    for number, finding in enumerate(wrong, 1):
        console.print(f"{number}. {finding.check}: {finding.fix}", markup=False)


def save(folder: Path, evidence: dict, findings: list[Finding], now: datetime) -> Path:
    """Returns where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"selftest-{evidence['board']['name']}-{now:%Y%m%d-%H%M%S}.json"
    document = {
        "tested": now.isoformat(timespec="seconds"),
        "findings": [asdict(finding) for finding in findings],
        "measured": evidence,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path
