# CRC-16/ARC, the checksum of a P1 telegram (DSMR 5.0.2 P1 §6.2): polynomial 0x8005, least
# significant bit first, initial value 0, no final xor. check(b"123456789") is 0xBB3D.

from array import array

import micropython

# _AFTER_ONE[b]: the register (from 0) after byte b; _AFTER_TWO[b]: after b and one zero byte.
# The tables are calculated here and not by the build: constants in a file would stay in memory
# in addition to the arrays that are made from them.
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


# Each step takes two bytes: a 16-bit word is xored with the whole register, and each half of the
# result has its own table. The ESP32 reads words only at even addresses, so a first byte at an
# odd address is processed alone. Viper keeps only the first two names in CPU registers, so `data`
# itself is the pointer that moves, once every four words.
@micropython.viper
def update(data: ptr16, crc: int, start: int, end: int) -> int:
    """Returns the CRC of data[start:end] (bytes-like). `crc` is the CRC of the bytes before, or 0.

    The caller must make sure that 0 <= start <= end <= len(data): viper does not check it.
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


def check(data) -> int:
    """Returns the CRC of all of data (bytes-like), 0..65535."""
    return update(data, 0, 0, len(data))
