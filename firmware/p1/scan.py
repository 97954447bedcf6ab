# The quick pass over a verified telegram: every line's OBIS code is looked up; a number is
# taken as mantissa and decimals; of everything else only the place is noted.
#
# From one second to the next most lines stay as they are, so where the telegram before had the
# same layout only the lines that differ from it are read.

import micropython
from micropython import const

from . import obis

ABSENT = const(255)  # in Reading.decimals: the telegram does not say it
# In Reading.decimals, flags on top of the count, which has the four bits of PLACES.
NEGATIVE = const(64)
DERIVED = const(32)  # not printed but calculated
PLACES = const(15)
UNKNOWN_LINES = const(64)  # how many lines with unknown codes a Reading can point at

NEW_LAYOUT = const(0)  # what scan() returns, see there
SAME_TEXTS = const(1)
NEW_CAPTURES = const(2)
NEW_TEXTS = const(3)


# One function, because a call costs as much as a line: per line it runs through the five steps
# that the comments name. Every loop over the text ends at the latest at the LF before `end`,
# which the framer guarantees. Mantissas stay below 10^9, so that the ESP32's small integers
# hold them. Words are compared as words because that is four bytes at a time.
@micropython.viper
def scan(reading, before, end: int) -> int:
    """Reads reading.telegram[:end], a whole telegram.

    With before = b"" all of it: reading.mantissa and .decimals by row (of a row that is no
    number the mantissa is where its first bracket opens), .unknown with the starts of lines
    whose code is not in the registry, .unknown_codes, .bad_numbers, .has_twins. Returns NEW_TEXTS.

    Else before is the telegram of this size that reading holds the contents of, and only what
    differs is read. Returns SAME_TEXTS where only numbers and the clock do, NEW_CAPTURES where
    captures of sub-meters do as well, NEW_TEXTS where other lines do, and NEW_LAYOUT where before
    is no help: all has to be read.
    """
    text = ptr8(reading.telegram)
    at = 0
    mantissas = ptr32(reading.mantissa)
    decimals = ptr8(reading.decimals)
    unknown = ptr16(reading.unknown)
    codes = ptr32(obis.CODES)
    code_row = ptr8(obis.CODE_ROW)
    row_unit = ptr8(obis.ROW_UNIT)
    rules = ptr8(obis.UNIT_RULES)
    ranks = int(len(obis.CODES))
    old = ptr8(before)
    words = ptr32(reading.telegram)
    old_words = ptr32(before)
    last_word = end >> 2
    update = int(len(before)) >= end
    unknown_count = 0
    bad = 0
    twins = 0
    result = NEW_TEXTS
    if update:
        result = SAME_TEXTS

    while at < end:
        if update:
            # 1. On to the next line that differs. A word that straddles two lines may only
            # seem to differ.
            word = at >> 2
            while word < last_word and words[word] == old_words[word]:
                word += 1
            floor = at
            if word << 2 > at:
                at = word << 2
                while at > floor and text[at - 1] != 0x0A:
                    at -= 1
                if at >= end:
                    break
            different = at
            while text[different] == old[different] and text[different] != 0x0A:
                different += 1
            if text[at] == 0x21:
                break
            line_end = different
            while text[line_end] != 0x0A:
                if old[line_end] == 0x0A:
                    return NEW_LAYOUT
                line_end += 1
            if old[line_end] != 0x0A:
                return NEW_LAYOUT
            if different == line_end:
                at = different + 1
                continue
        line = at
        c = text[at]

        # 2. The code, up to the first bracket. "0:96.13.0" lacks a group: the seed's typo.
        code = 0
        group = -1  # the number being read; -1 before its first digit
        groups = 0  # 1 behind "-", 2 behind ":", 3 and 4 behind the dots
        while True:
            if 48 <= c <= 57:
                group = c - 48 if group < 0 else group * 10 + c - 48
                if group > 255:
                    break
            elif group < 0:
                break
            else:
                # Media above 3 and channels above 15 do not fit; 3 and 15 are in no row either.
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
        if update and different <= at:
            return NEW_LAYOUT
        if c != 0x28 or groups != 4 or group < 0:
            # Not an object. Silent are the header, an empty line, the end, and a value wrapped on
            # a line of its own (DSMR 2 and 3 print gas so).
            result = NEW_TEXTS
            if at != line or (c != 0x2F and c != 0x0D and c != 0x0A and c != 0x21 and c != 0x28):
                if update:
                    return NEW_LAYOUT
                bad += 1
        else:
            # 3. The row: a search by halves in the sorted codes.
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
                result = NEW_TEXTS
                if unknown_count < UNKNOWN_LINES and not update:
                    unknown[unknown_count] = line
                    unknown_count += 1
            else:
                row = code_row[low]
                rule = row_unit[row]
                if rule == 0:
                    if row >= int(obis.FIRST_CAPTURE):
                        if result == SAME_TEXTS:
                            result = NEW_CAPTURES
                    elif row != 0:  # the clock, which differs every second, is looked at anyway
                        result = NEW_TEXTS
                    if decimals[row] != ABSENT:
                        twins = 1
                    mantissas[row] = at
                    decimals[row] = 0
                else:
                    # 4. The number: digits with at most one point, nine of them significant.
                    at += 1
                    c = text[at]
                    sign = 0
                    if c == 0x2D:
                        sign = NEGATIVE
                        at += 1
                        c = text[at]
                    mantissa = 0
                    digits = 0
                    point = -1  # how many digits stood before it
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

                    # 5. The unit: one of the spellings of the row's unit, then the bracket. The
                    # rows of a code that comes with several units are neighbours.
                    usable = 0
                    while digits > 0 and not usable:
                        length = rules[rule]
                        if length == 255:
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
                        if places > 9:
                            usable = 0
                    if usable:
                        if decimals[row] != ABSENT:
                            twins = 1
                        elif update:
                            return NEW_LAYOUT
                        mantissas[row] = mantissa
                        decimals[row] = places | sign
                    elif update:
                        return NEW_LAYOUT
                    else:
                        bad += 1

        while text[at] != 0x0A:
            at += 1
        at += 1

    if not update:
        reading.unknown_codes = unknown_count
        reading.bad_numbers = bad
        reading.has_twins = twins
    return result


@micropython.viper
def clear(decimals: ptr8, rows: int):
    """Marks all rows as absent."""
    row = 0
    while row < rows:
        decimals[row] = ABSENT
        row += 1


@micropython.viper
def derive(reading, sums: ptr8, differences: ptr8):
    """Sets the derived rows from those that the telegram has.

    sums: runs of a row and of those whose sum it is, each run ended by ABSENT and all of them
    by one more; a row that the telegram has is left alone. differences: groups of three rows,
    the first is the second minus the third; ended by ABSENT. What does not fit in 31 bits
    (2 147 483.647 kWh) stays absent.
    """
    mantissas = ptr32(reading.mantissa)
    decimals = ptr8(reading.decimals)
    at = 0
    while sums[at] != ABSENT:
        target = sums[at]
        wanted = decimals[target] & DERIVED  # ABSENT has all flags
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
            # To the same number of decimals.
            while places < total_places and value <= 214748364:
                value *= 10
                places += 1
            while total_places < places and total <= 214748364:
                total *= 10
                total_places += 1
            # 2^31 - 1 in two steps: a constant beyond 2^30 is no machine word to the compiler.
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
