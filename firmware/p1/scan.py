# The quick pass over a verified telegram: every line's OBIS code is looked up; a number is
# taken as mantissa and decimals; of everything else only the place is noted.

import micropython

from . import obis

ABSENT = 255  # in Reading.decimals: the telegram does not say it
NEGATIVE = 64  # in Reading.decimals: a flag on top of the count
UNKNOWN_LINES = 64  # how many lines with unknown codes a Reading can point at


# One function, because a call costs as much as a line: per line it runs through the four steps
# that the comments name. Every loop ends at the latest at the LF before `end`, which the
# framer guarantees. Mantissas stay below 10^9, so that the ESP32's small integers hold them.
@micropython.viper
def scan(reading, at: int, end: int) -> int:
    """Reads the lines of reading.telegram from `at` (a line's start) to `end` (behind a LF).

    Fills reading.mantissa and .decimals by row (of a row that is no number the mantissa is
    where its first bracket opens), .unknown with the starts of lines whose code is not in the
    registry. Returns how many values were unusable.
    """
    text = ptr8(reading.telegram)
    mantissas = ptr32(reading.mantissa)
    decimals = ptr8(reading.decimals)
    unknown = ptr16(reading.unknown)
    codes = ptr32(obis.CODES)
    code_row = ptr8(obis.CODE_ROW)
    row_unit = ptr8(obis.ROW_UNIT)
    rules = ptr8(obis.UNIT_RULES)
    ranks = int(len(obis.CODES))
    unknown_count = 0
    rejected = 0

    while at < end:
        line = at
        c = text[at]

        # 1. The code, up to the first bracket. "0:96.13.0" lacks a group: the seed's typo.
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
        if c != 0x28 or groups != 4 or group < 0:
            # Not an object. Silent are an empty line, the end and a value wrapped on a line
            # of its own (DSMR 2 and 3 print gas so).
            if not (c == 0x0D or c == 0x0A or c == 0x21 or c == 0x28) or at != line:
                rejected += 1
        else:
            # 2. The row: a search by halves in the sorted codes.
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
                if unknown_count < 64:
                    unknown[unknown_count] = line
                    unknown_count += 1
            else:
                row = code_row[low]
                rule = row_unit[row]
                if rule == 0:
                    mantissas[row] = at
                    decimals[row] = 0
                else:
                    # 3. The number: digits with at most one point, nine of them significant.
                    at += 1
                    c = text[at]
                    sign = 0
                    if c == 0x2D:
                        sign = 64
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

                    # 4. The unit: one of the spellings of the row's unit, then the bracket. The
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
                        mantissas[row] = mantissa
                        decimals[row] = places | sign
                    else:
                        rejected += 1

        # On to the next line.
        while text[at] != 0x0A:
            at += 1
        at += 1

    reading.unknown_count = unknown_count
    return rejected
