# What is printed on the dongle's label: the password of its own access point. It comes from chance
# alone and has a file of its own, so nothing that is known of a dongle tells it, and a new
# config.json leaves the label true.

import json
import os

from micropython import const

PATH = "device.json"
CHANCE_BYTES = const(12)
_LONGEST = const(128)  # bytes of the file; read() alone would begin with 256 in one piece

_KEY = "ap_password"
_LETTERS = b"abcdefghijkmnpqrstuvwxyz23456789"  # 32: no l and 1, no o and 0


def make(chance):
    """What is to be in the file, with a password of 12 characters, 60 bits; chance: as many random
    bytes."""
    # As bytes: MicroPython would keep each letter of a str for good, as a name.
    return {_KEY: bytes([_LETTERS[byte & 31] for byte in chance]).decode()}


def parse(text):
    """The password in the file's text; None where there is none that WPA2 takes."""
    try:
        password = json.loads(text)[_KEY]
    except (ValueError, KeyError, TypeError):
        return None
    return password if isinstance(password, str) and 8 <= len(password) <= 63 else None


def password():
    """This dongle's, made when it is first wanted. The radio must be on: the chip's random numbers
    are good ones only then."""
    try:
        with open(PATH) as file:
            kept = parse(file.read(_LONGEST))
    except OSError:
        kept = None
    if kept is None:
        from ..store import save

        document = make(os.urandom(CHANCE_BYTES))
        save(document, PATH)
        kept = document[_KEY]
    return kept
