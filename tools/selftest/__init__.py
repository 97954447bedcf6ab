"""The self-test of a board and its wiring: device/ measures there, what it means is said here."""

from selftest import board, port
from selftest.finding import Finding


def diagnose(evidence: dict) -> list[Finding]:
    """evidence: what measure.py collects."""
    return [*board.findings(evidence), *port.findings(evidence)]
