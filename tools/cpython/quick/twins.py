"""What some viper functions do, as CPython does it quickly. Named after module and function."""

from array import array
from typing import Any

_ABSENT, _NEGATIVE, _PLACES = 255, 64, 15  # as in scan.py


def _shifted_out(register, bits):
    for _ in range(bits):
        register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


# By what the register holds: what is left of it when its lower byte, or both, are shifted out.
_AFTER_ONE = [_shifted_out(byte, 8) for byte in range(256)]
_HIGH = [_AFTER_ONE[byte & 255] ^ byte >> 8 for byte in _AFTER_ONE]
_AFTER_TWO = array("H", [_HIGH[word & 255] ^ _AFTER_ONE[word >> 8] for word in range(65536)])


def crc16_update(data: bytes | bytearray | memoryview, crc: int, start: int, end: int) -> int:
    if end - start & 1:
        crc = _AFTER_ONE[(crc ^ data[start]) & 255] ^ crc >> 8
        start += 1
    after = _AFTER_TWO
    if start < end:
        for word in memoryview(data)[start:end].cast("H"):
            crc = after[crc ^ word]
    return crc


def framer_copy(
    target: bytearray | memoryview, source: Any, at: int, start: int, end: int
) -> None:
    target[at : at + end - start] = source[start:end]


def framer_next_mark(text: bytes, marks: bytes, start: int, end: int) -> int:
    slash = text.find(b"/", start, end)
    limit = end if slash < 0 else slash
    exclamation = text.find(b"!", start, limit)
    return limit if exclamation < 0 else exclamation


def scan_address(data: bytes | bytearray | memoryview) -> int:
    return 0  # words are read wherever they are


def page_copy(out: bytearray, to: int, source: Any, start: int, end: int) -> None:
    out[to : to + end - start] = source[start:end]


def numbers_write_numbers(
    out: Any, text: Any, page: Any, numbers: Any, keys: Any, written: Any
) -> int:
    parts = []
    end = page.size
    first, key_end = written.first, written.keys_at
    for row, places in enumerate(numbers.decimals[first : first + len(written.ends)]):
        written.shown_decimals[row] = places
        written.ends[row] = 0
        at, length = key_end, keys.KEY_LENGTH[first + row]
        key_end += length
        if places == _ABSENT:
            continue
        if length:
            parts.append(b',"%b":' % keys.KEYS[at : at + length])
            end += len(parts[-1])
        sign = b"-" if places & _NEGATIVE else b""
        places &= _PLACES
        mantissa = written.shown[row] = numbers.mantissa[first + row]
        digits = b"%0*d" % (places + 1, mantissa)
        if places:
            digits = digits[:-places] + b"." + digits[-places:]
        parts += sign, digits
        end += len(sign) + len(digits)
        written.ends[row] = end
    page.bytes[page.size : end] = b"".join(parts)
    return end


def numbers_update_numbers(out: Any, mantissa: Any, numbers: Any, written: Any) -> int:
    mantissas = numbers.mantissa[written.first :]
    decimals = numbers.decimals[written.first :]
    changed = [
        row
        for row, (new, old) in enumerate(zip(mantissas, written.shown, strict=True))
        if new != old and written.ends[row]
    ]
    if decimals != written.shown_decimals:
        return 0
    for row in changed:
        places = decimals[row] & _PLACES
        digits = b"%0*d" % (places + 1, mantissas[row])
        if len(digits) != len(b"%0*d" % (places + 1, written.shown[row])):
            return 0
        if places:
            digits = digits[:-places] + b"." + digits[-places:]
        end = written.ends[row]
        out[end - len(digits) : end] = digits
        written.shown[row] = mantissas[row]
    return 1
