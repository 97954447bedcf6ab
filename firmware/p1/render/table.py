# Tables that say what other programs call the keys of a Reading: a key a line, then what its form
# needs. They are text because tuples take ten times the memory.

from .. import obis

_NO_ROW = 255


def lines(table):
    """The lines of a table (bytes, after a first newline), one after the other."""
    at = 1
    while at < len(table):
        end = table.find(b"\n", at)
        yield table[at:end]
        at = end + 1


def rows(table):
    """By line: the row of the registry whose key begins that line; for use at import."""
    found = bytearray([_NO_ROW] * table.count(b"\n"))
    for row in range(obis.ROWS):
        at = table.find(b"\n" + obis.key(row) + b" ")
        if at >= 0:
            found[table.count(b"\n", 0, at)] = row
    return found


def write(page, mantissa, decimals):
    """Appends mantissa / 10^decimals, exactly, to a Page. The decimals may be below 0, which is
    how a number gets into a smaller unit."""
    page.number(mantissa, max(decimals, 0))
    if mantissa and decimals < 0:
        page.put(b"0" * -decimals)
