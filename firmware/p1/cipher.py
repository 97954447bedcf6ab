# Encrypted telegrams (Luxembourg's Smarty, parts of Austria). Each telegram comes in a frame of
# AES-128-GCM (DLMS general-glo-ciphering) and is decrypted before its CRC is checked.
#
#   DB 08 system title (8) 82 length (2) 30 counter (4) telegram, encrypted ... tag (12)
#
# The length counts the bytes from the 30 on. The IV is the system title and the counter. Some
# operators' tags also cover additional data (30 and the authentication key), others do not; both
# are accepted. The rules below come from the standard NIST SP 800-38D.

from array import array
from binascii import unhexlify

import micropython
from cryptolib import aes
from micropython import const

_ECB = const(1)
_BLOCK = const(16)
_HEAD = const(18)  # bytes before the encrypted part
_TAG = const(12)
_CAPACITY = const(6144 + 30)

# The usual authentication key, as published (LUX P1 1.1.3).
DEFAULT_AUTHENTICATION_KEY = unhexlify("00112233445566778899aabbccddeeff")


@micropython.viper
def _xor(target: ptr8, at: int, pad: ptr8, count: int):
    index = 0
    while index < count:
        target[at + index] = target[at + index] ^ pad[index]
        index += 1


# Multiplies in GF(2^128), four bits at a time. `table` has the product of the key and each of the
# 16 nibbles: eight 16-bit words, most significant first. When four bits are shifted out on the
# right, their entry in `carry` is xored into the left end. Words have 16 bits, so that 32-bit and
# 64-bit machines give the same result.
@micropython.viper
def _multiply(state: ptr8, product: ptr16, table: ptr16, carry: ptr16):
    word = 0
    while word < 8:
        product[word] = 0
        word += 1
    nibble = 31
    while nibble >= 0:
        out = product[7] & 15
        word = 7
        while word > 0:
            product[word] = product[word] >> 4 | (product[word - 1] & 15) << 12
            word -= 1
        product[0] = product[0] >> 4 ^ carry[out]
        value = state[nibble >> 1]
        row = (value & 15 if nibble & 1 else value >> 4) << 3
        word = 0
        while word < 8:
            product[word] = product[word] ^ table[row + word]
            word += 1
        nibble -= 1
    word = 0
    while word < 8:
        state[word * 2] = product[word] >> 8
        state[word * 2 + 1] = product[word] & 255
        word += 1


def _halve(number):
    # Multiplies by x. In GCM's bit order this is a shift to the right by one bit.
    return number >> 1 ^ (0xE1 << 120 if number & 1 else 0)


def _words(number):
    return [number >> shift & 0xFFFF for shift in range(112, -1, -16)]


class Gcm:
    """AES-128 in Galois/counter mode, only for decryption."""

    def __init__(self, key):
        self._aes = aes(key, _ECB)
        hash_key = int.from_bytes(self._aes.encrypt(bytes(_BLOCK)), "big")
        products = [0] * 16
        for bit in (8, 4, 2, 1):
            for nibble in range(16):
                if nibble & bit:
                    products[nibble] ^= hash_key
            hash_key = _halve(hash_key)
        self._table = array("H", [word for product in products for word in _words(product)])
        carried = []
        for out in range(16):
            for _ in range(4):
                out = _halve(out)
            carried.append(out >> 112)
        self._carry = array("H", carried)
        self._product = array("H", [0] * 8)
        self._state = bytearray(_BLOCK)
        self._counter = bytearray(_BLOCK)
        self._pad = bytearray(_BLOCK)

    def _hash(self, data, start, end):
        for at in range(start, end, _BLOCK):
            count = min(_BLOCK, end - at)
            _xor(self._state, 0, memoryview(data)[at : at + count], count)
            _multiply(self._state, self._product, self._table, self._carry)

    def _pad_of(self, iv, number):
        self._counter[:12] = iv
        self._counter[12:] = number.to_bytes(4, "big")
        self._aes.encrypt(self._counter, self._pad)
        return self._pad

    def is_genuine(self, data, start: int, end: int, iv, additional: bytes, tag) -> bool:
        """Returns whether `tag` (may be cut short) fits data[start:end] and `additional`."""
        self._state[:] = bytes(_BLOCK)
        self._hash(additional, 0, len(additional))
        self._hash(data, start, end)
        lengths = (len(additional) * 8).to_bytes(8, "big") + ((end - start) * 8).to_bytes(8, "big")
        self._hash(lengths, 0, _BLOCK)
        _xor(self._state, 0, self._pad_of(iv, 1), _BLOCK)
        return self._state[: len(tag)] == tag

    def decrypt(self, data, start: int, end: int, iv: bytes | bytearray) -> None:
        """Decrypts data[start:end] in place."""
        for number, at in enumerate(range(start, end, _BLOCK), 2):
            _xor(data, at, self._pad_of(iv, number), min(_BLOCK, end - at))


class Cipher:
    """Takes encrypted frames and passes the decrypted telegrams to a framer's feed(buffer, size).

    Counters: good; bad (wrong tag, also without additional data); overflow (buffer too small)."""

    def __init__(self, key, authentication_key, feed):
        """key and authentication_key have 16 bytes each."""
        self._gcm = Gcm(key)
        self._additional = b"\x30" + authentication_key
        self._feed = feed
        self._frame = bytearray(_CAPACITY)
        self._size = 0
        self.good = self.bad = self.overflow = 0

    def reset(self) -> None:
        """Drops an incomplete frame."""
        self._size = 0

    def feed(self, chunk: bytes | bytearray, size: int) -> None:
        """Processes chunk[:size]."""
        at = 0
        while at < size:
            count = min(size - at, _CAPACITY - self._size)
            self._frame[self._size : self._size + count] = memoryview(chunk)[at : at + count]
            self._size += count
            at += count
            while self._take():
                pass

    def _take(self):
        """Processes the start of the buffer. Returns False if more bytes are needed."""
        start = self._frame.find(b"\xdb\x08", 0, self._size)
        if start < 0:
            start = self._size
            if start and self._frame[start - 1] == 0xDB:
                start -= 1  # this may be the first byte of a frame
        self._drop(start)
        if self._size < _HEAD:
            return False
        frame = self._frame
        length = frame[11] << 8 | frame[12]
        end = 13 + length
        if frame[10] != 0x82 or frame[13] != 0x30 or length < 5 + _TAG:
            self._drop(1)  # these bytes only look like the start of a frame
        elif end > _CAPACITY:
            self.overflow += 1
            self._drop(1)
        elif self._size < end:
            return False
        elif self._open(end):
            self._drop(end)
        else:
            self.bad += 1
            self._drop(1)
        return True

    def _open(self, end):
        frame = self._frame
        iv = frame[2:10] + frame[14:18]
        tag = frame[end - _TAG : end]
        for additional in (self._additional, b""):
            if self._gcm.is_genuine(frame, _HEAD, end - _TAG, iv, additional, tag):
                self.good += 1
                self._gcm.decrypt(frame, _HEAD, end - _TAG, iv)
                telegram = frame[_HEAD : end - _TAG]
                self._feed(telegram, len(telegram))
                return True
        return False

    def _drop(self, count):
        if count:
            self._frame[: self._size - count] = self._frame[count : self._size]
            self._size -= count
