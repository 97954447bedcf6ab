"""What the benchmarks feed: consecutive seconds of a simulated household's meter."""

from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from meter import telegrams

# A Monday evening: cooking, heating, showers. The gas and the water meter are heard every five
# minutes; the telegram has three phases and thirteen months of peaks, 1470 bytes.
_START = datetime(2026, 11, 16, 18, 0, 30)
_VERSION = 50217

# Telegrams of other lengths, by what they are: arguments of meter.telegrams().
LENGTHS = (
    {"phases": 1, "months": 1, "submeters": ()},
    {},
    {"message": "x" * 760},
    {
        "message": "x" * 1024,
        "submeters": ("gas", "water", "gas", "water"),
        "extra_lines": tuple(f"0-0:96.13.{n}({'41' * 90})" for n in (1, 2, 3, 4)),
    },
)


def seconds(count: int, **model) -> list[bytes]:
    return list(telegrams(_START, count=count, **{"version": _VERSION, **model}))


class File:
    """Telegrams one behind the other in a file, as the device programs take them."""

    def __init__(self, sequence: list[bytes]):
        with NamedTemporaryFile(prefix="p1-bench-", delete=False) as file:
            file.write(b"".join(sequence))
        self.path = Path(file.name)

    def __enter__(self) -> str:
        return str(self.path)

    def __exit__(self, *_):
        self.path.unlink()
