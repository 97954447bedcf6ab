"""/metrics as Prometheus' own parser for Python reads it."""

from decimal import Decimal
from itertools import groupby

from prometheus_client.parser import text_string_to_metric_families


def parsed(text: str) -> dict[tuple[str, frozenset], Decimal]:
    """{(name, labels): value}, read by a foreign parser, which is not the strictest: what the
    format demands besides is looked at here."""
    assert text.endswith("\n") and "\r" not in text
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type != "unknown" for family in families)
    names = [
        line.split(" ")[2] if line.startswith("#") else line.split("{")[0].split(" ")[0]
        for line in text.splitlines()
    ]
    in_runs = [name for name, _ in groupby(names)]
    assert len(in_runs) == len(set(in_runs)), "a family in two pieces"
    samples = [sample for family in families for sample in family.samples]
    found = {}
    for sample in samples:
        key = sample.name, frozenset(sample.labels.items())
        assert key not in found, f"twice: {key}"
        # Its floats have been printed in full: repr() gives the digits back.
        found[key] = Decimal(repr(sample.value))
    return found
