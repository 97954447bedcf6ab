# The password of the dongle's own access point, which is printed on its label. It is random, so it
# cannot be guessed from other facts about the dongle. It has its own file, so a new config.json
# does not change it and the label stays correct.

import json
import os

from micropython import const

from .. import forget

TEMPORARY = True  # see forget()

PATH = "device.json"
CHANCE_BYTES = const(12)
_LONGEST = const(128)  # bytes of the file; read() without a size would allocate 256 bytes first

_KEY = "ap_password"
_LETTERS = b"abcdefghijkmnpqrstuvwxyz23456789"  # 32: no l and 1, no o and 0


def make(chance: bytes) -> dict:
    """Returns the content of the file, with a password of 12 characters, 60 bits; chance:
    CHANCE_BYTES random bytes."""
    # Bytes here: MicroPython interns each single character of a str and never frees it.
    return {_KEY: bytes([_LETTERS[byte & 31] for byte in chance]).decode()}


def parse(text: str) -> str | None:
    """Returns the password in the text of the file, or None if there is none that is valid for
    WPA2."""
    try:
        password = json.loads(text)[_KEY]
    except (ValueError, KeyError, TypeError):
        return None
    return password if isinstance(password, str) and 8 <= len(password) <= 63 else None


def password() -> str:
    """Returns this dongle's password. The first call creates it. The radio must be on, because
    only then are the chip's random numbers good."""
    try:
        with open(PATH) as file:
            kept = parse(file.read(_LONGEST))
    except OSError:
        kept = None
    if kept is None:
        from ..store import save

        forget()
        document = make(os.urandom(CHANCE_BYTES))
        save(document, PATH)
        kept = document[_KEY]
    return kept
