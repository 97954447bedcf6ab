"""A figure: what was measured, and what it should be."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """`at_most` is the goal; None where the figure is there for information. `show` makes the
    text for the table from a value."""

    name: str  # of bench.json, with its unit
    value: float
    how: str
    at_most: float | None = None
    show: Callable[[float], str] = lambda value: f"{value:,.3g}"

    @property
    def is_met(self) -> bool:
        return self.at_most is None or self.value <= self.at_most


def exact(value: float) -> str:
    return f"{value:,.0f}"


def fraction(value: float) -> str:
    """Of a ratio: 1/150."""
    return f"1/{1 / value:.0f}" if value else "0"


def table(figures: list[Figure]) -> Table:
    result = Table("figure", "goal", "reached", "how measured", box=SIMPLE)
    result.columns[1].justify = result.columns[2].justify = "right"
    for figure in figures:
        colour = "green" if figure.is_met else "red"
        goal = "" if figure.at_most is None else f"≤ {figure.show(figure.at_most)}"
        reached = figure.show(figure.value)
        if figure.at_most is not None:
            reached = f"[{colour}]{reached}[/]"
        result.add_row(figure.name.replace("_", " "), goal, reached, figure.how)
    return result
