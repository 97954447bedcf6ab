# What is printed on the dongle's label: the password of its own access point. It comes from chance
# alone and has a file of its own, so nothing that is known of a dongle tells it, and a new
# config.json leaves the label true.

import json
import os

from micropython import const

PATH = "device.json"

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32; no l and 1, no o and 0
_LENGTH = const(12)  # 60 bits


def make(chance):
    """A password from as many random bytes (bytes) as it has characters."""
    return "".join([_LETTERS[byte & 31] for byte in chance])


def read(path=PATH):
    """The password that is kept in the file; None where there is none."""
    try:
        with open(path) as file:
            password = json.load(file)["ap_password"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return password if isinstance(password, str) and 8 <= len(password) <= 63 else None


def password(save, path=PATH):
    """This dongle's; made, and kept by save(document, path), when it is first wanted. The radio
    must be on: the chip's random numbers are good ones only then."""
    kept = read(path)
    if kept is None:
        kept = make(os.urandom(_LENGTH))
        save({"ap_password": kept}, path)
    return kept
