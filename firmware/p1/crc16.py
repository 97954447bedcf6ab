# CRC-16/ARC, the check of every P1 telegram (DSMR 5.0.2 P1 §6.2): polynomial 0x8005 taken
# least significant bit first, start 0, no final xor. check(b"123456789") is 0xBB3D.

from array import array

import micropython

# _AFTER_ONE[b]: what byte b leaves in the register once it has been shifted out;
# _AFTER_TWO[b]: the same after one more byte has passed behind it.
# Calculated here and not by the build: a file's constants stay in memory beside the arrays that
# are made of them.
_AFTER_ONE, _AFTER_TWO = array("H", bytes(512)), array("H", bytes(512))
for _byte in range(256):
    _crc = _byte
    for _ in range(8):
        _crc = _crc >> 1 ^ (0xA001 if _crc & 1 else 0)
    _AFTER_ONE[_byte] = _crc
for _byte in range(256):
    _crc = _AFTER_ONE[_byte]
    _AFTER_TWO[_byte] = _AFTER_ONE[_crc & 255] ^ _crc >> 8
del _byte, _crc, _  # pyright: ignore[reportPossiblyUnboundVariable]


# Two bytes a step: a 16-bit word cancels the whole register, and each half of the result
# looks up its own table. Words are read at even addresses only (the ESP32 cannot do other),
# so an odd first byte goes by itself. Viper keeps just two names in CPU registers, the first
# two: so data itself is the pointer that moves on, once every four words.
@micropython.viper
def update(data: ptr16, crc: int, start: int, end: int) -> int:
    """The CRC of data[start:end] (bytes-like), continuing from crc (0 at the start of a telegram).

    The caller answers for 0 <= start <= end <= len(data): viper checks nothing.
    """
    one = ptr16(_AFTER_ONE)
    two = ptr16(_AFTER_TWO)
    data = ptr16(uint(data) + start)
    left = end - start
    if left > 0 and uint(data) & 1:
        crc = one[(crc ^ ptr8(data)[0]) & 255] ^ crc >> 8
        data = ptr16(uint(data) + 1)
        left -= 1
    while left >= 8:
        crc ^= data[0]
        crc = two[crc & 255] ^ one[crc >> 8]
        crc ^= data[1]
        crc = two[crc & 255] ^ one[crc >> 8]
        crc ^= data[2]
        crc = two[crc & 255] ^ one[crc >> 8]
        crc ^= data[3]
        crc = two[crc & 255] ^ one[crc >> 8]
        data = ptr16(uint(data) + 8)
        left -= 8
    while left > 0:
        crc = one[(crc ^ ptr8(data)[0]) & 255] ^ crc >> 8
        data = ptr16(uint(data) + 1)
        left -= 1
    return crc


def check(data):
    """The CRC of all of data (bytes-like), 0..65535."""
    return update(data, 0, 0, len(data))
