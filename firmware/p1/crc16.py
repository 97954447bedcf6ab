# CRC-16/ARC, the check of every P1 telegram (DSMR 5.0.2 P1 §6.2): polynomial 0x8005 taken
# least significant bit first, start 0, no final xor. check(b"123456789") is 0xBB3D.

from array import array

import micropython


def _tables():
    # _AFTER_ONE[b]: what byte b leaves in the register once it has been shifted out;
    # _AFTER_TWO[b]: the same after one more byte has passed behind it.
    one = array("H", [0] * 256)
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        one[byte] = crc
    two = array("H", [one[crc & 255] ^ crc >> 8 for crc in one])
    return one, two


_AFTER_ONE, _AFTER_TWO = _tables()


# Two bytes a step: a 16-bit word cancels the whole register, and each half of the result
# looks up its own table. Words are read at even addresses only (the ESP32 cannot do other),
# so an odd first and an odd last byte go by themselves. The hottest names come first:
# viper keeps just two of them in CPU registers.
@micropython.viper
def update(data: ptr8, crc: int, start: int, end: int) -> int:
    """The CRC of data[start:end], continuing from crc (0 at the start of a telegram).

    The caller answers for 0 <= start <= end <= len(data): viper checks nothing.
    """
    one = ptr16(_AFTER_ONE)
    if start < end and uint(data) + start & 1:
        crc = one[(crc ^ data[start]) & 255] ^ crc >> 8
        start += 1
    two = ptr16(_AFTER_TWO)
    words = ptr16(uint(data) + start)
    left = end - start
    while left >= 4:
        crc ^= words[0]
        crc = two[crc & 255] ^ one[crc >> 8]
        crc ^= words[1]
        crc = two[crc & 255] ^ one[crc >> 8]
        words = ptr16(uint(words) + 4)
        left -= 4
    while left > 0:
        crc = one[(crc ^ data[end - left]) & 255] ^ crc >> 8
        left -= 1
    return crc


def check(data):
    """The CRC of all of data (bytes-like), 0..65535."""
    return update(data, 0, 0, len(data))
