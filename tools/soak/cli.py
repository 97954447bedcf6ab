"""Runs a campaign and shows what became of each fault."""

import argparse
import sys

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rig import Missing
from soak.campaign import Campaign, Outcome

_FAULTS = 62  # in a round, about; and the hours that they take without the peace in between
_ROUND_S = 86_000

_console = Console(highlight=False)


def _rows(outcomes: list[Outcome]) -> Table:
    table = Table(
        "fault", "lasts", "back after: MQTT", "HTTP", "TCP", "within", "resets", "", box=SIMPLE
    )
    for outcome in outcomes:
        back = [
            f"{outcome.back_ms[name] / 1000:.1f} s" if name in outcome.back_ms else "-"
            for name in ("mqtt", "http", "tcp")
        ]
        verdict = (
            f"[red]{'; '.join(outcome.problems)}[/]" if outcome.problems else "[green]pass[/]"
        )
        table.add_row(
            outcome.fault,
            f"{outcome.held_s} s",
            *back,
            f"{outcome.limit_s} s",
            str(outcome.resets or ""),
            verdict,
        )
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--days", type=float, default=30, help="simulated days (30)")
    parser.add_argument("--rounds", type=int, default=8, help="how often each fault comes (8)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("fault", nargs="*", help="only these")
    chosen = parser.parse_args(arguments)
    peace_s = chosen.days * 86_400 / chosen.rounds - _ROUND_S
    campaign = Campaign(
        calm_s=max(int(peace_s / _FAULTS), 60),
        rounds=chosen.rounds,
        seed=chosen.seed,
        faults=tuple(chosen.fault),
    )
    outcomes = []
    try:
        with Progress(console=_console) as progress:
            task = progress.add_task("", total=chosen.days)
            for outcome in campaign.run():
                outcomes.append(outcome)
                progress.update(task, completed=outcome.day, description=outcome.fault)
    except Missing as missing:
        print(f"soak: {missing}", file=sys.stderr)
        return 1
    _console.print(_rows(outcomes))
    served = ", ".join(f"{count} by {name}" for name, count in campaign.served.items())
    _console.print(
        f"{campaign.days:.1f} days, {campaign.sent} telegrams sent whole, taken: {served}; "
        f"{campaign.resets} resets"
    )
    if campaign.memory:
        _console.print(f"bytes in use, round after round: {campaign.memory}")
    failed = [outcome.fault for outcome in outcomes if outcome.problems]
    for problem in campaign.problems + failed:
        _console.print(f"[red]failed: {problem}[/]")
    return 1 if campaign.problems or failed else 0
