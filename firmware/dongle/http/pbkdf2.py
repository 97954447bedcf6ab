# PBKDF2 with HMAC-SHA-256 (RFC 8018, 5.2; RFC 2104), for the stored hash of the password.

from hashlib import sha256

from micropython import const

TEMPORARY = True  # see forget()

_BLOCK = const(64)  # bytes that SHA-256 takes at a time
_SLICE = const(8)  # iterations; some milliseconds on an ESP32


def hmac(key: bytes, message: bytes) -> bytes:
    """Returns the HMAC-SHA-256, 32 bytes."""
    return _mac(_pads(key), message)


def derive(password: bytes, salt: bytes, iterations: int):
    """Derives a key. The work is long, so this yields None after each slice of it. At the end it
    yields the key, 32 bytes."""
    pads = _pads(password)
    block = _mac(pads, salt + b"\0\0\0\1")
    key = int.from_bytes(block, "big")
    for done in range(1, iterations):
        if done % _SLICE == 0:
            yield None
        block = _mac(pads, block)
        key ^= int.from_bytes(block, "big")
    yield key.to_bytes(32, "big")


def _pads(key):
    if len(key) > _BLOCK:
        key = sha256(key).digest()
    key += bytes(_BLOCK - len(key))
    return bytes([byte ^ 0x36 for byte in key]), bytes([byte ^ 0x5C for byte in key])


def _mac(pads, message):
    inner, outer = sha256(pads[0]), sha256(pads[1])
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()
