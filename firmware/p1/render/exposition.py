# Prometheus' text format 0.0.4: families of samples, each family after its HELP and TYPE.
# https://prometheus.io/docs/instrumenting/exposition_formats/ and .../practices/naming/
#
# Families and samples are listed in tables. "# name type help" begins a family. Below it are its
# samples: the key of the number, the letter of its power of ten (render/table.py), and its labels.
# "-" means no labels; such a sample is written only if the family has no other, because a total
# next to its parts would be counted twice. A number that is unknown gives no sample.

from micropython import const

from . import table
from .page import Full

TEMPORARY = True  # see forget()

_PREFIX = b"p1_"
_FAMILY = const(0x23)  # "#"
_NO_LABELS = const(0x2D)  # "-"


class Exposition:
    """Writes families to a Page. A sample that does not fit is left out as a whole."""

    def __init__(self, page):
        self.page = page
        self._table = b""  # the table with the line of the family, and where that line starts
        self._at = 0
        self._is_empty = True  # whether the family has no sample yet
        self.has_found = False  # whether there was a number for one of its samples

    def family(self, lines: bytes, at: int) -> None:
        """Begins the family whose line "# name type help" starts at lines[at] in a table."""
        self._table, self._at = lines, at
        self._is_empty, self.has_found = True, False

    def sample(self, mantissa: int, decimals: int, labels=b"", start=0, end=0) -> None:
        """Appends a sample, mantissa / 10^decimals, with labels[start:end]."""
        page, lines = self.page, self._table
        size = page.size
        name = self._at + 2
        name_end = lines.find(b" ", name)
        try:
            if self._is_empty:
                self._head(name, name_end)
            page.put(_PREFIX)
            page.copy(lines, name, name_end)
            if start < end:
                page.put(b"{")
                page.copy(labels, start, end)
                page.put(b"}")
            page.put(b" ")
            table.write(page, mantissa, decimals)
            page.put(b"\n")
            self._is_empty = False
        except Full:
            page.size = size

    def _head(self, name, name_end):
        page, lines = self.page, self._table
        type_end = lines.find(b" ", name_end + 1)
        page.put(b"# HELP ")
        page.put(_PREFIX)
        page.copy(lines, name, name_end)
        page.copy(lines, type_end, table.end(lines, name))
        page.put(b"\n# TYPE ")
        page.put(_PREFIX)
        page.copy(lines, name, type_end)
        page.put(b"\n")


def samples(out: Exposition, lines: bytes, number):
    """Writes the families of a table to an Exposition. A generator, which yields after each
    sample. number(number of the line, its place) returns (mantissa, decimals) or None."""
    line = -1
    for at in table.lines(lines):
        line += 1
        if lines[at] == _FAMILY:
            out.family(lines, at)
            continue
        letter = table.letter(lines, at)
        start = letter + 2
        has_labels = lines[start] != _NO_LABELS
        if out.has_found and not has_labels:
            continue
        found = number(line, at)
        if found:
            out.has_found = True
            decimals = found[1] - table.tens(lines[letter])
            end = table.end(lines, start) if has_labels else start
            out.sample(found[0], decimals, lines, start, end)
            yield


def reading_samples(out: Exposition, tables: tuple, reading):
    """The same as samples(), for several tables with the numbers of a Reading."""
    for lines in tables:
        rows = table.rows(lines)
        yield from samples(
            out, lines, lambda line, _, rows=rows: table.number(reading, rows[line])
        )
