# Encrypted telegrams (Luxembourg's Smarty, parts of Austria): each comes inside a frame of
# AES-128-GCM (DLMS general-glo-ciphering), and is decrypted before anything looks at its CRC.
#
#   DB 08 system title (8) 82 length (2) 30 counter (4) telegram, encrypted ... tag (12)
#
# The length counts from the 30 on. The IV is system title and counter. Operators disagree on
# whether the tag covers additional data, 30 and the authentication key; either is accepted.
# NIST SP 800-38D is the standard that the rules below come from.

from array import array
from binascii import unhexlify

import micropython
from cryptolib import aes
from micropython import const

_ECB = const(1)
_BLOCK = const(16)
_HEAD = const(18)  # up to the encrypted part
_TAG = const(12)
_CAPACITY = const(6144 + 30)

# What is published as the usual authentication key (LUX P1 1.1.3).
DEFAULT_AUTHENTICATION_KEY = unhexlify("00112233445566778899aabbccddeeff")


@micropython.viper
def _xor(target: ptr8, at: int, pad: ptr8, count: int):
    index = 0
    while index < count:
        target[at + index] = target[at + index] ^ pad[index]
        index += 1


# A product in GF(2^128), four bits at a time. table holds the products of the key with all 16
# nibbles, eight 16-bit words each, most significant first; carry what four bits that fall out
# on the right leave on the left. Words of 16 bits, so that 32- and 64-bit machines agree.
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
    # Multiplies by x: one bit to the right, in GCM's order of bits.
    return number >> 1 ^ (0xE1 << 120 if number & 1 else 0)


def _words(number):
    return [number >> shift & 0xFFFF for shift in range(112, -1, -16)]


class Gcm:
    """AES-128 in Galois/counter mode, decrypting only."""

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

    def is_genuine(self, data, start, end, iv, additional, tag):
        """Whether tag (its first bytes are enough) proves data[start:end] and additional."""
        self._state[:] = bytes(_BLOCK)
        self._hash(additional, 0, len(additional))
        self._hash(data, start, end)
        lengths = (len(additional) * 8).to_bytes(8, "big") + ((end - start) * 8).to_bytes(8, "big")
        self._hash(lengths, 0, _BLOCK)
        _xor(self._state, 0, self._pad_of(iv, 1), _BLOCK)
        return self._state[: len(tag)] == tag

    def decrypt(self, data, start, end, iv):
        """Decrypts data[start:end] where it stands."""
        for number, at in enumerate(range(start, end, _BLOCK), 2):
            _xor(data, at, self._pad_of(iv, number), min(_BLOCK, end - at))


class Cipher:
    """Stands in front of a framer: frames in, decrypted telegrams out to feed(buffer, size).

    Counters: good; bad (no key makes the tag right); overflow (longer than the buffer)."""

    def __init__(self, key, authentication_key, feed):
        """key and authentication_key are 16 bytes each."""
        self._gcm = Gcm(key)
        self._additional = b"\x30" + authentication_key
        self._feed = feed
        self._frame = bytearray(_CAPACITY)
        self._size = 0
        self.good = self.bad = self.overflow = 0

    def reset(self):
        """Forgets a frame that was under way."""
        self._size = 0

    def feed(self, chunk, size):
        """Takes chunk[:size]."""
        at = 0
        while at < size:
            count = min(size - at, _CAPACITY - self._size)
            self._frame[self._size : self._size + count] = memoryview(chunk)[at : at + count]
            self._size += count
            at += count
            while self._take():
                pass

    def _take(self):
        """Handles what is at the start of the buffer; False where more is needed."""
        start = self._frame.find(b"\xdb\x08", 0, self._size)
        if start < 0:
            start = self._size
            if start and self._frame[start - 1] == 0xDB:
                start -= 1  # perhaps the first half of one
        self._drop(start)
        if self._size < _HEAD:
            return False
        frame = self._frame
        length = frame[11] << 8 | frame[12]
        end = 13 + length
        if frame[10] != 0x82 or frame[13] != 0x30 or length < 5 + _TAG:
            self._drop(1)  # bytes that only look like a start
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
