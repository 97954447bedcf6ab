"""What the usual configuration takes of the chip's memory, against the budgets: in the model of
tools/model, with the firmware in files as `make deploy` puts it there, and frozen in."""

from collections.abc import Iterator

from bench.figures import Figure, exact
from soak.census import Moment, census

# In bytes, (name, chip, frozen, in use at rest, in use at the highest moment, free of ESP-IDF's
# heap at the lowest one, of that in one piece). The network needs the last two.
BUDGETS = (
    ("esp32_in_files", "esp32", False, 92_000, 112_000, 28_000, 8_000),
    ("esp32_frozen", "esp32", True, 46_000, 56_000, 28_000, 8_000),
    ("esp32c3_in_files", "esp32c3", False, 92_000, 112_000, 28_000, 8_000),
)
_HOW = "MQTT, Home Assistant, HTTP with 3 clients, page, 2 TCP clients, quarter hour, history"


def figures() -> Iterator[Figure]:
    for name, chip, is_frozen, used, most, least, in_one_piece in BUDGETS:
        moments = moments_of(chip, is_frozen)
        yield Figure(f"used_bytes_{name}", moments[-1].used, _HOW, used, exact)
        highest = max(moments, key=lambda moment: moment.most)
        yield Figure(f"most_bytes_{name}", highest.most, f"at: {highest.step}", most, exact)
        grown = max(moment.grown for moment in moments)
        most_growths = 0 if is_frozen else 1
        yield Figure(f"heap_growths_{name}", grown, "of the Python heap", most_growths, exact)
        lowest = min(moments, key=lambda moment: moment.idf_least)
        text = f"free, at: {lowest.step}"
        yield Figure(f"idf_least_bytes_{name}", lowest.idf_least, text, show=exact, at_least=least)
        piece = min(moment.idf_least_largest for moment in moments)
        name = f"idf_least_in_one_piece_bytes_{name}"
        yield Figure(name, piece, "of it", show=exact, at_least=in_one_piece)


def moments_of(chip: str, is_frozen: bool, config: dict | None = None) -> list[Moment]:
    """Raises rig.Missing, and RuntimeError where it does not come up."""
    told = list(census(chip, config, is_frozen=is_frozen))
    moments = [each for each in told if isinstance(each, Moment)]
    if not moments:
        raise RuntimeError("\n".join(str(each) for each in told[-20:]))
    return moments
