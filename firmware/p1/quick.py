# The quick pass. In most telegrams the lines are at the same places as in the telegram before, and
# most characters are the same too. Then only what differs is read.

import micropython
from micropython import const

from . import obis
from .scan import UNKNOWN

NEW_LAYOUT = const(0)  # the results of update(), see there
SAME_TEXTS = const(1)
NEW_CAPTURES = const(2)
NEW_TEXTS = const(3)


# The words come first because viper keeps the first two names in CPU registers. One word compares
# four bytes; one turn of the loop compares four words, because a turn itself costs as much.
@micropython.viper
def update(words: ptr32, old_words: ptr32, reading) -> int:
    """Reads what differs between two telegrams of the same size. `reading` has the values of the
    old one; new numbers go into reading.mantissa, as scan() does it.

    Returns SAME_TEXTS if only numbers and the clock differ, NEW_CAPTURES if captures of sub-meters
    differ too, NEW_TEXTS if other lines differ, NEW_LAYOUT if the whole telegram must be read.
    """
    text = ptr8(words)
    old = ptr8(old_words)
    mantissas = ptr32(reading.mantissa)
    row_unit = ptr8(obis.ROW_UNIT)
    line_end = ptr16(reading.line_end)
    line_value = ptr16(reading.line_value)
    line_row = ptr8(reading.line_row)
    line_tens = ptr8(reading.line_tens)
    body = int(reading.body)
    unknown = int(UNKNOWN)
    last_word = body >> 2
    last_words = last_word - 3
    result = SAME_TEXTS
    line = 0
    at = 0
    if text[body] != 0x21:
        return NEW_LAYOUT

    while True:
        # 1. Go to the next difference. The search ends at the "!", which is at the same place.
        while at & 3 and text[at] == old[at]:
            at += 1
        if not at & 3:
            word = at >> 2
            while (
                word < last_words
                and words[word] == old_words[word]
                and words[word + 1] == old_words[word + 1]
                and words[word + 2] == old_words[word + 2]
                and words[word + 3] == old_words[word + 3]
            ):
                word += 4
            while word < last_word and words[word] == old_words[word]:
                word += 1
            at = word << 2
            while at < body and text[at] == old[at]:
                at += 1
        if at >= body:
            return result

        # 2. Find the line of this difference.
        while line_end[line] <= at:
            line += 1
        row = line_row[line]
        place = line_value[line]
        if at < place:
            return NEW_LAYOUT

        if row != unknown and row_unit[row]:
            # 3. A number: digits and point must be at the same places as before.
            mantissa = 0
            while True:
                digit = text[place] - 48
                if 0 <= digit <= 9 and 48 <= old[place] <= 57:
                    if mantissa > 99999999:
                        return NEW_LAYOUT
                    mantissa = mantissa * 10 + digit
                elif text[place] != old[place]:
                    return NEW_LAYOUT
                elif digit != -2:  # the point
                    break
                place += 1
            if place <= at:
                return NEW_LAYOUT
            at = place
            tens = line_tens[line]
            while tens:
                if mantissa > 99999999:
                    return NEW_LAYOUT
                mantissa *= 10
                tens -= 1
            mantissas[row] = mantissa
        else:
            # 4. A text: it must end at the same place as before.
            end = line_end[line] - 1
            while at < end and text[at] != 0x0A:
                at += 1
            if at < end or text[end] != 0x0A or old[end] != 0x0A:
                return NEW_LAYOUT
            if row < int(obis.FIRST_CAPTURE):
                if row:  # row 0 is the clock, which is read from every telegram anyway
                    result = NEW_TEXTS
            elif row == unknown:
                result = NEW_TEXTS
            elif result == SAME_TEXTS:
                result = NEW_CAPTURES
