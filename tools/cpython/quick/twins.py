"""What some viper functions do, as CPython does it quickly. Named after module and function."""

from array import array

_ABSENT, _NEGATIVE, _PLACES = 255, 64, 15  # as in scan.py


def _shifted_out(register, bits):
    for _ in range(bits):
        register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


# By what the register holds: what is left of it when its lower byte, or both, are shifted out.
_AFTER_ONE = [_shifted_out(byte, 8) for byte in range(256)]
_HIGH = [_AFTER_ONE[byte & 255] ^ byte >> 8 for byte in _AFTER_ONE]
_AFTER_TWO = array("H", [_HIGH[word & 255] ^ _AFTER_ONE[word >> 8] for word in range(65536)])


def crc16_update(data, crc, start, end):
    if end - start & 1:
        crc = _AFTER_ONE[(crc ^ data[start]) & 255] ^ crc >> 8
        start += 1
    after = _AFTER_TWO
    if start < end:
        for word in memoryview(data)[start:end].cast("H"):
            crc = after[crc ^ word]
    return crc


def framer_copy(target, source, at, start, end):
    target[at : at + end - start] = source[start:end]


def framer_next_mark(text, marks, start, end):
    slash = text.find(b"/", start, end)
    limit = end if slash < 0 else slash
    exclamation = text.find(b"!", start, limit)
    return limit if exclamation < 0 else exclamation


def page_copy(out, to, source, start, end):
    out[to : to + end - start] = source[start:end]


def numbers_write_numbers(out, text, page, numbers, keys, written):
    parts = []
    end = page.size
    for row, places in enumerate(numbers.decimals[: len(keys.ROW_UNIT)]):
        written.shown_decimals[row] = places
        written.ends[row] = 0
        if places == _ABSENT or not keys.ROW_UNIT[row]:
            continue
        if length := keys.KEY_LENGTH[row]:
            at = keys.KEY_AT[row]
            parts.append(b',"%b":' % keys.KEYS[at : at + length])
            end += len(parts[-1])
        sign = b"-" if places & _NEGATIVE else b""
        places &= _PLACES
        digits = b"%0*d" % (places + 1, numbers.mantissa[row])
        if places:
            digits = digits[:-places] + b"." + digits[-places:]
        parts += sign, digits
        end += len(sign) + len(digits)
        written.shown[row] = numbers.mantissa[row]
        written.ends[row] = end
    page.bytes[page.size : end] = b"".join(parts)
    return end


def numbers_update_numbers(out, mantissa, numbers, written):
    changed = [
        row
        for row, (new, old) in enumerate(zip(numbers.mantissa, written.shown, strict=True))
        if new != old and written.ends[row]
    ]
    if numbers.decimals != written.shown_decimals:
        return 0
    for row in changed:
        places = numbers.decimals[row] & _PLACES
        digits = b"%0*d" % (places + 1, numbers.mantissa[row])
        if len(digits) != len(b"%0*d" % (places + 1, written.shown[row])):
            return 0
        if places:
            digits = digits[:-places] + b"." + digits[-places:]
        end = written.ends[row]
        out[end - len(digits) : end] = digits
        written.shown[row] = numbers.mantissa[row]
    return 1
