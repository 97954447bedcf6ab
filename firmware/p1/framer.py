# Chunks of bytes in, whole telegrams whose CRC is proven out.
#
#   "/" header CR LF CR LF lines "!" CRC CR LF          DSMR 5.0.2 P1 §6.2
#
# A "/" starts a telegram wherever it comes, so that noise, a telegram cut short or two glued
# together never cost the next good one. The "!" that ends it stands at the start of a line.
# The CRC covers everything from "/" up to and including "!".

import micropython
from micropython import const

from . import crc16

CAPACITY = const(6144)  # the longest legal Belgian telegram has about 4.5 kB

_OUTSIDE = const(0)  # waiting for "/"
_INSIDE = const(1)  # copying up to "!"
_TRAILER = const(2)  # reading the digits of the CRC

_SLASH = const(0x2F)
_LF = const(0x0A)
_CR = const(0x0D)
_ROOM_FOR_CRC = const(6)  # four digits, CR and LF

CRC, OVERFLOW, FRAMING = "crc", "overflow", "framing"


@micropython.viper
def _copy(target: ptr8, source: ptr8, at: int, start: int, end: int):
    to = ptr8(uint(target) + at)
    here = ptr8(uint(source) + start)
    left = end - start
    while left >= 4:
        to[0] = here[0]
        to[1] = here[1]
        to[2] = here[2]
        to[3] = here[3]
        to = ptr8(uint(to) + 4)
        here = ptr8(uint(here) + 4)
        left -= 4
    while left > 0:
        to[0] = here[0]
        to = ptr8(uint(to) + 1)
        here = ptr8(uint(here) + 1)
        left -= 1


def _hex_digit(byte):
    """0..15, or -1 where the byte is no hex digit; some meters send lower case."""
    if 0x30 <= byte <= 0x39:
        return byte - 0x30
    byte |= 0x20
    return byte - 0x57 if 0x61 <= byte <= 0x66 else -1


class Framer:
    """Finds telegrams in a stream and proves them.

    deliver(buffer, size) is called for each good one. buffer[:size] is the telegram byte for
    byte, always ended by CR LF; it stays as it is until the next good one is delivered.

    Counters, ever growing: good; crc (the check failed); overflow (longer than the buffer);
    framing (cut short, or no CRC behind the "!").
    """

    def __init__(self, deliver, has_crc=True, capacity=CAPACITY):
        """has_crc: False for the old meters (DSMR 2 and 3) that send a bare "!"."""
        self._deliver = deliver
        self._has_crc = has_crc
        self._capacity = capacity
        # Three buffers change places instead of being copied.
        self._filling = bytearray(capacity)
        self.telegram = bytearray(capacity)
        self.telegram_size = 0
        self.bad = bytearray(capacity)
        self.bad_size = 0
        self.bad_reason = None  # CRC, OVERFLOW or FRAMING
        self.bad_crc = 0  # what the bytes say, where the reason is CRC
        self.good = self.crc = self.overflow = self.framing = 0
        self._restart()

    def _restart(self):
        self._state = _OUTSIDE
        self._size = 0
        self._register = 0  # the CRC so far
        self._printed = 0  # the CRC that the telegram prints
        self._digits = 0

    def feed(self, chunk, size):
        """Takes chunk[:size]; whatever becomes complete is delivered before this returns."""
        at = 0
        while at < size:
            if self._state == _INSIDE:
                at = self._inside(chunk, at, size)
            elif self._state == _TRAILER:
                at = self._trailer(chunk, at)
            else:
                at = chunk.find(b"/", at, size)
                if at < 0:
                    return
                self._state = _INSIDE
                at = self._append(chunk, at, at + 1)

    def reset(self):
        """Forgets a telegram that was under way: the line was interrupted."""
        if self._state != _OUTSIDE:
            self._reject(FRAMING)

    def _append(self, chunk, start, end):
        after = self._size + end - start
        if after > self._capacity - _ROOM_FOR_CRC:
            self._reject(OVERFLOW)
            return end
        _copy(self._filling, chunk, self._size, start, end)
        self._register = crc16.update(self._filling, self._register, self._size, after)
        self._size = after
        return end

    def _inside(self, chunk, at, size):
        slash = chunk.find(b"/", at, size)
        end = size if slash < 0 else slash
        mark = chunk.find(b"!", at, end)
        if mark >= 0:
            at = self._append(chunk, at, mark + 1)
            if self._state == _INSIDE and self._filling[self._size - 2] == _LF:
                self._state = _TRAILER
                if not self._has_crc:
                    self._printed = self._register
                    self._finish()
            return at
        if end > at:
            self._append(chunk, at, end)
        if end == slash:
            self.reset()
        return end

    def _trailer(self, chunk, at):
        byte = chunk[at]
        digit = _hex_digit(byte)
        if digit >= 0:
            self._filling[self._size] = byte
            self._size += 1
            self._printed = self._printed << 4 | digit
            self._digits += 1
            if self._digits == 4:
                self._finish()
        elif (byte == _CR or byte == _LF) and self._digits:
            self._finish()  # leading zeros may be missing: "!B9F" is 0x0B9F
        else:
            self._reject(FRAMING)
            if byte == _SLASH:
                return at
        return at + 1

    def _finish(self):
        self._filling[self._size] = _CR
        self._filling[self._size + 1] = _LF
        self._size += 2
        if self._printed != self._register:
            self.bad_crc = self._register
            self._reject(CRC)
            return
        self.good += 1
        size = self._size
        self.telegram, self._filling = self._filling, self.telegram
        self.telegram_size = size
        self._restart()
        self._deliver(self.telegram, size)

    def _reject(self, reason):
        if reason is CRC:
            self.crc += 1
        elif reason is OVERFLOW:
            self.overflow += 1
        else:
            self.framing += 1
        self.bad, self._filling = self._filling, self.bad
        self.bad_size = self._size
        self.bad_reason = reason
        self._restart()
