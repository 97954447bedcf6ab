"""A figure: what was measured, and what it should be."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """`at_most` or `at_least` is the goal; None where the figure is there for information. `show`
    makes the text for the table from a value."""

    name: str  # of bench.json, with its unit
    value: float
    how: str
    at_most: float | None = None
    show: Callable[[float], str] = lambda value: f"{value:,.3g}"
    at_least: float | None = None

    @property
    def is_met(self) -> bool:
        is_low = self.at_most is None or self.value <= self.at_most
        return is_low and (self.at_least is None or self.value >= self.at_least)

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.show(self.at_least)}"
        return "" if self.at_most is None else f"≤ {self.show(self.at_most)}"


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
        reached = figure.show(figure.value)
        if figure.goal:
            reached = f"[{colour}]{reached}[/]"
        result.add_row(figure.name.replace("_", " "), figure.goal, reached, figure.how)
    return result
