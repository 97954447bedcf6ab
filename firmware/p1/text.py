# Texts that the meter prints as hex digits, two for each byte (DSMR 5.0.2 P1 §6.4, octet strings).
# All functions take the printed bytes and return UTF-8 as bytes: a message may be long, and a str
# would be another copy.

from binascii import unhexlify

from micropython import const

TEMPORARY = True  # see forget()

_BLANK = const(0x20)
_TILDE = const(0x7E)
_SECOND = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}


def of_id(printed: bytes | bytearray | memoryview) -> bytes | bytearray:
    """Returns an id: decoded if its hex digits give printable ASCII, otherwise as printed."""
    plain = _unhex(printed)
    if plain and all([_BLANK <= byte <= _TILDE for byte in plain]):
        return plain
    return latin(printed)


def of_version(printed: bytes | bytearray | memoryview) -> bytes | bytearray:
    """Returns protocol_version. Belgian meters print five digits, "50217". Iskra meters print such
    digits as hex, "3231313130". Sagemcoms in Brussels print blanks as hex: no version."""
    return bytes(of_id(printed)).strip(b" ") if len(printed) >= 10 else latin(printed)


def of_message(printed: bytes | bytearray | memoryview) -> bytes | bytearray:
    """Returns a text message. Its hex digits are UTF-8 if that is valid, otherwise Latin-1."""
    plain = _unhex(printed)
    if plain is None:
        return latin(printed)
    return plain if _is_utf8(plain) else latin(plain)


def latin(plain: bytes | bytearray | memoryview) -> bytearray:
    """Converts Latin-1 to UTF-8."""
    wide = bytearray(len(plain) + sum(byte >> 7 for byte in plain))
    at = 0
    for byte in plain:
        if byte >= 0x80:
            wide[at] = 0xC0 | byte >> 6
            at += 1
            byte = 0x80 | byte & 0x3F
        wide[at] = byte
        at += 1
    return wide


def _unhex(printed):
    try:
        plain = unhexlify(printed)
    except ValueError:
        return None
    # unhexlify() of MicroPython 1.29 ignores blanks between the digits.
    return plain if 2 * len(plain) == len(printed) else None


def _is_utf8(plain):
    # Unicode 15, table 3-7. MicroPython's decode() accepts overlong forms and surrogates.
    at = 0
    while at < len(plain):
        lead = plain[at]
        if lead < 0x80:
            more = 0
        elif 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
        elif 0xF0 <= lead <= 0xF4:
            more = 3
        else:
            return False
        following = plain[at + 1 : at + 1 + more]
        if len(following) < more or any([byte & 0xC0 != 0x80 for byte in following]):
            return False
        low, high = _SECOND.get(lead, (0x80, 0xBF))
        if more and not low <= following[0] <= high:
            return False
        at += 1 + more
    return True
