# What the meter writes as hex digits, two for each character (DSMR 5.0.2 P1 §6.4, octet strings).

from binascii import unhexlify

_BLANK, _TILDE = 0x20, 0x7E


def of_id(printed):
    """An id (bytes) as str: decoded where its hex spells printable ASCII, else as printed."""
    plain = _unhex(printed)
    if plain and all([_BLANK <= byte <= _TILDE for byte in plain]):
        return plain.decode()
    return latin(printed)


def of_version(printed):
    """protocol_version (bytes) as str. Belgian meters print five digits, "50217"; Iskra meters
    the hex of such digits, "3231313130"; Brussels' Sagemcoms that of blanks, which say nothing."""
    return of_id(printed).strip() if len(printed) >= 10 else latin(printed)


def of_message(printed):
    """A text message (bytes) as str: UTF-8 where its hex is valid UTF-8, else Latin-1."""
    plain = _unhex(printed)
    if plain is None:
        return latin(printed)
    try:
        return plain.decode()
    except UnicodeError:
        return latin(plain)


def latin(plain):
    """Bytes as str, each byte the character of that number."""
    return "".join([chr(byte) for byte in plain])


def _unhex(printed):
    try:
        return unhexlify(printed)
    except ValueError:
        return None
