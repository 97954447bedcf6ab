"""What a .mpy file brings into MicroPython's pool of names (py/persistentcode.c)."""

_HEAD_BYTES = 4
_HAS_ARCH_FLAGS = 0x40


def names_of(mpy: bytes) -> set[str]:
    """The names that are spelled out in it; those that every MicroPython has are numbers there."""
    at = _HEAD_BYTES

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            byte = mpy[at]
            at += 1
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value

    if mpy[2] & _HAS_ARCH_FLAGS:
        number()
    count = number()
    number()  # of objects
    names = set()
    for _ in range(count):
        length = number()
        if not length & 1:
            end = at + (length >> 1)
            names.add(mpy[at:end].decode())
            at = end + 1
    return names
