# Scans a verified telegram: looks up the OBIS code of every line, reads numbers as mantissa and
# decimals, and stores only the place of everything else. It also stores what quick.py needs to
# know about the lines.

import micropython
from micropython import const

from . import obis

ABSENT = const(255)  # in Reading.decimals: the telegram does not have this row
# Flags in Reading.decimals. The number of decimals is in the four bits of PLACES.
NEGATIVE = const(64)
DERIVED = const(32)  # calculated, not printed by the meter
PLACES = const(15)
UNKNOWN_LINES = const(64)  # how many lines with unknown codes a Reading can store
LINES = const(128)  # how many lines a Reading can store
END_OF_RULES = const(255)  # in obis.UNIT_RULES, in place of a length
UNKNOWN = const(254)  # in Reading.line_row: the code is in no row
_NOT_ALONE = const(0xFFFF)  # in Reading.line_value: not an object, or an unusable one


@micropython.viper
def _address(data) -> int:
    return int(uint(ptr8(data)))


# The codes are read as words, which the chip can do only at aligned addresses. Bytes in RAM are
# aligned. Bytes that are frozen into MicroPython may not be: then they are copied.
_CODES = bytearray(obis.CODES) if _address(obis.CODES) & 3 else obis.CODES


# All in one function, because a function call takes as long as a line. Numbered comments mark the
# four steps for each line. Every loop over the text stops at the LF before `end` at the latest;
# the framer guarantees this LF. Mantissas stay below 10^9, so that they fit in the ESP32's small
# integers.
@micropython.viper
def scan(reading, end: int):
    """Reads reading.telegram[:end], a whole telegram.

    Sets by row: reading.mantissa and .decimals (if a row is not a number, its mantissa is where
    its first bracket opens). By line, from the header on: .line_end, .line_row, .line_value (where
    the number or the text in the first bracket starts), .line_tens (how many zeros the unit
    appends to the number). .unknown: the starts of lines whose code is not in the registry, and
    .unknown_codes their count. .bad_numbers. .body: the place of the "!". .has_layout: whether
    update() can use all this. It cannot if a code came twice, or may have: a line that cannot be
    used may have any code.
    """
    text = ptr8(reading.telegram)
    at = 0
    mantissas = ptr32(reading.mantissa)
    decimals = ptr8(reading.decimals)
    unknown = ptr16(reading.unknown)
    codes = ptr32(_CODES)
    code_row = ptr8(obis.CODE_ROW)
    row_unit = ptr8(obis.ROW_UNIT)
    rules = ptr8(obis.UNIT_RULES)
    ranks = int(len(obis.CODE_ROW))
    line_end = ptr16(reading.line_end)
    line_value = ptr16(reading.line_value)
    line_row = ptr8(reading.line_row)
    line_tens = ptr8(reading.line_tens)
    lines = 0
    unknown_count = 0
    bad = 0
    twins = 0

    while at < end and text[at] != 0x21:
        line = at
        seen = UNKNOWN
        tens = 0
        c = text[at]

        # 1. The code, up to the first bracket. "0:96.13.0" (a typo in be-seed.txt) is accepted.
        code = 0
        group = -1  # the number being read; -1 before its first digit
        groups = 0  # 1 after "-", 2 after ":", 3 and 4 after the dots
        while True:
            if 48 <= c <= 57:
                group = c - 48 if group < 0 else group * 10 + c - 48
                if group > 255:
                    break
            elif group < 0:
                break
            else:
                # Larger media and channels become 3 and 15, which fit and are in no row either.
                if c == 0x2D and groups == 0:
                    code = group if group < 3 else 3
                    groups = 1
                elif c == 0x3A and groups < 2:
                    if code == 1 and group == 1:
                        group = 0
                    code = code * 16 + (group if group < 15 else 15)
                    groups = 2
                elif c == 0x2E and 2 <= groups <= 3:
                    code = code * 256 + group
                    groups += 1
                else:
                    break
                group = -1
            at += 1
            c = text[at]
        value = _NOT_ALONE
        if c != 0x28 or groups != 4 or group < 0:
            # Not an object. It counts as bad unless it is the header, an empty line, or a value
            # on a line of its own (DSMR 2 and 3 print gas in this way).
            if at != line or (c != 0x2F and c != 0x0D and c != 0x0A and c != 0x28):
                bad += 1
        else:
            # 2. The row, by binary search in the sorted codes.
            code = code * 256 + group
            low = 0
            high = ranks
            while low < high:
                middle = (low + high) >> 1
                if codes[middle] < code:
                    low = middle + 1
                else:
                    high = middle
            if low == ranks or codes[low] != code:
                value = at + 1
                if unknown_count < UNKNOWN_LINES:
                    unknown[unknown_count] = line
                    unknown_count += 1
            else:
                row = code_row[low]
                rule = row_unit[row]
                if rule == 0:
                    seen = row
                    value = at + 1
                    if decimals[row] != ABSENT:
                        twins = 1
                    mantissas[row] = at
                    decimals[row] = 0
                else:
                    # 3. The number: at most nine significant digits, with at most one point.
                    at += 1
                    c = text[at]
                    sign = 0
                    if c == 0x2D:
                        sign = NEGATIVE
                        at += 1
                        c = text[at]
                    start = at
                    mantissa = 0
                    digits = 0
                    point = -1  # the number of digits before the point; -1: no point yet
                    while 48 <= c <= 57 or (c == 0x2E and point < 0):
                        if c == 0x2E:
                            point = digits
                        else:
                            if mantissa > 99999999:
                                digits = 0
                                break
                            mantissa = mantissa * 10 + c - 48
                            digits += 1
                        at += 1
                        c = text[at]
                    places = 0
                    if point >= 0:
                        places = digits - point
                    if c == 0x2A:
                        at += 1

                    # 4. The unit: one of the spellings of the row's unit, then ")". If a code
                    # can have several units, its rows follow each other.
                    usable = 0
                    while digits > 0 and not usable:
                        length = rules[rule]
                        if length == END_OF_RULES:
                            low += 1
                            if low == ranks or codes[low] != code:
                                break
                            row = code_row[low]
                            rule = row_unit[row]
                            continue
                        same = 0
                        while same < length and text[at + same] == rules[rule + 2 + same]:
                            same += 1
                        if same == length and text[at + same] == 0x29:
                            usable = 1
                        else:
                            rule += length + 2
                    if usable:
                        places -= rules[rule + 1] - 8
                        while places < 0:
                            if mantissa > 99999999:
                                usable = 0
                                break
                            mantissa *= 10
                            places += 1
                            tens += 1
                        if places > 9:
                            usable = 0
                    if usable:
                        if decimals[row] != ABSENT:
                            twins = 1
                        mantissas[row] = mantissa
                        decimals[row] = places | sign
                        seen = row
                        value = start
                    else:
                        bad += 1

        while text[at] != 0x0A:
            at += 1
        at += 1
        if lines < LINES:
            line_end[lines] = at
            line_row[lines] = seen
            line_value[lines] = value
            line_tens[lines] = tens
        lines += 1

    reading.body = at
    reading.unknown_codes = unknown_count
    reading.bad_numbers = bad
    reading.has_layout = bad + twins == 0 and lines <= LINES


@micropython.viper
def clear(decimals: ptr8, rows: int):
    """Marks all rows as absent."""
    row = 0
    while row < rows:
        decimals[row] = ABSENT
        row += 1


@micropython.viper
def derive(reading, sums: ptr8, differences: ptr8):
    """Sets the derived rows from the rows that the telegram has.

    sums: groups of rows, the first is the sum of the others; ABSENT ends each group, and another
    ABSENT ends the list. A row that the telegram has is not changed. differences: groups of three
    rows, the first is the second minus the third; ABSENT ends the list. A result that does not
    fit in 31 bits (2 147 483.647 kWh) stays absent.
    """
    mantissas = ptr32(reading.mantissa)
    decimals = ptr8(reading.decimals)
    at = 0
    while sums[at] != ABSENT:
        target = sums[at]
        wanted = decimals[target] & DERIVED  # ABSENT has all flags set
        at += 1
        total = 0
        total_places = ABSENT
        fits = 1
        while sums[at] != ABSENT:
            places = decimals[sums[at]]
            value = mantissas[sums[at]]
            at += 1
            if places == ABSENT:
                continue
            if total_places == ABSENT:
                total_places = places
            # Bring both to the same number of decimals.
            while places < total_places and value <= 214748364:
                value *= 10
                places += 1
            while total_places < places and total <= 214748364:
                total *= 10
                total_places += 1
            # 2^31 - 1 in two steps: the compiler makes no machine word of a constant above 2^30.
            room = 0x3FFFFFFF - value + 0x3FFFFFFF + 1
            if places == total_places and places < 10 and total <= room:
                total += value
            else:
                fits = 0
        at += 1
        if wanted:
            mantissas[target] = total
            decimals[target] = ABSENT
            if fits and total_places != ABSENT:
                decimals[target] = total_places | DERIVED

    at = 0
    while differences[at] != ABSENT:
        target = differences[at]
        places = decimals[differences[at + 1]]
        other_places = decimals[differences[at + 2]]
        value = mantissas[differences[at + 1]]
        other = mantissas[differences[at + 2]]
        decimals[target] = ABSENT
        if places < 10 and other_places < 10:
            while places < other_places and value <= 214748364:
                value *= 10
                places += 1
            while other_places < places and other <= 214748364:
                other *= 10
                other_places += 1
            if places == other_places:
                if value < other:
                    mantissas[target] = other - value
                    places = places | NEGATIVE
                else:
                    mantissas[target] = value - other
                decimals[target] = places | DERIVED
        at += 3
