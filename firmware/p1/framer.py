# Finds whole telegrams in chunks of bytes and checks their CRC.
#
#   "/" header CR LF CR LF lines "!" CRC CR LF          DSMR 5.0.2 P1 §6.2
#
# Every "/" starts a new telegram. So a good telegram is not lost after noise, after a truncated
# telegram, or directly after another one. The "!" at the end is the first byte of its line.
# The CRC covers everything from "/" up to and including "!".

import micropython
from micropython import const

from . import crc16

CAPACITY = const(6144)  # the longest legal Belgian telegram has about 4.5 kB
# A telegram with three phases, gas, water and thirteen months of peaks has 1.5 kB. Buffers have
# this size from the start, because later a chip may not have so much memory in one piece. They
# grow in small steps: old and new buffer exist together, so doubling would need more memory.
_FIRST = const(1664)
_STEP = const(256)

_OUTSIDE = const(0)  # waiting for "/"
_INSIDE = const(1)  # copying up to "!"
_TRAILER = const(2)  # reading the digits of the CRC

_SLASH = const(0x2F)
_LF = const(0x0A)
_CR = const(0x0D)
_ROOM_FOR_CRC = const(6)  # four digits, CR and LF

CRC, OVERFLOW, FRAMING = "crc", "overflow", "framing"


# For each byte: whether it may begin or end a telegram.
_MARKS = bytes([byte in b"/!" for byte in range(256)])


# In the next two functions the pointers that move come first, because viper keeps the first two
# names in CPU registers. (bytes.find() takes five times as long and looks for one byte only.)
@micropython.viper
def _next_mark(text: ptr8, marks: ptr8, start: int, end: int) -> int:
    """Returns where the first "/" or "!" is in text[start:end]; `end` if there is none."""
    text = ptr8(uint(text) + start)
    left = end - start
    while (
        left >= 4
        and not marks[text[0]]
        and not marks[text[1]]
        and not marks[text[2]]
        and not marks[text[3]]
    ):
        text = ptr8(uint(text) + 4)
        left -= 4
    while left > 0 and not marks[text[0]]:
        text = ptr8(uint(text) + 1)
        left -= 1
    return end - left


@micropython.viper
def _copy(target: ptr8, source: ptr8, at: int, start: int, end: int):
    target = ptr8(uint(target) + at)
    source = ptr8(uint(source) + start)
    left = end - start
    while left >= 8:
        target[0] = source[0]
        target[1] = source[1]
        target[2] = source[2]
        target[3] = source[3]
        target[4] = source[4]
        target[5] = source[5]
        target[6] = source[6]
        target[7] = source[7]
        target = ptr8(uint(target) + 8)
        source = ptr8(uint(source) + 8)
        left -= 8
    while left > 0:
        target[0] = source[0]
        target = ptr8(uint(target) + 1)
        source = ptr8(uint(source) + 1)
        left -= 1


@micropython.viper
def _hex_digits(text: ptr8, at: int, end: int) -> int:
    """Returns how many hex digits text[at:end] begins with. Some meters send lower case."""
    start = at
    while at < end:
        letter = text[at] | 0x20
        if text[at] < 48 or (text[at] > 57 and letter < 97) or letter > 102:
            break
        at += 1
    return at - start


@micropython.viper
def _hex_number(text: ptr8, at: int, end: int) -> int:
    """Returns the value of the hex digits text[at:end]."""
    number = 0
    while at < end:
        digit = text[at] - 48
        if digit > 9:
            digit = (text[at] | 0x20) - 87
        number = number << 4 | digit
        at += 1
    return number


class Framer:
    """Finds telegrams in a stream and checks their CRC.

    deliver(buffer, size) is called for each good telegram. buffer[:size] is the telegram byte for
    byte, always with CR LF at the end; it does not change until the next good one is delivered.

    Counters, which only grow: good; crc (the CRC is wrong); overflow (too long for the buffer);
    framing (cut short, or no CRC after the "!").
    """

    def __init__(self, deliver, has_crc=True, capacity=CAPACITY, has_room=lambda size: True):
        """has_crc: False for old meters (DSMR 2 and 3), which send a "!" without CRC.
        has_room(size) returns whether `size` bytes are free; called only for a new maximum."""
        self._deliver = deliver
        self._has_crc = has_crc
        self._capacity = capacity
        self._has_room = has_room
        # Three buffers, which are swapped instead of copied. Each one grows when telegrams are
        # long, and never shrinks again.
        self._filling = bytearray(min(_FIRST, capacity))
        self.telegram = bytearray(len(self._filling))
        self.bad = bytearray(len(self._filling))
        self.telegram_size = 0
        self.bad_size = 0
        self.bad_reason = None  # CRC, OVERFLOW or FRAMING
        self.bad_crc = 0  # the CRC calculated from the bytes, if the reason is CRC
        self.good = self.crc = self.overflow = self.framing = 0
        self._restart()

    def _restart(self):
        self._state = _OUTSIDE
        self._size = 0
        self._register = 0  # the CRC so far
        self._digits = 0  # how many digits of the telegram's CRC have been read

    def feed(self, chunk: bytes | bytearray, size: int) -> None:
        """Processes chunk[:size], and delivers each telegram that is complete then."""
        at = 0
        while at < size:
            if self._state == _INSIDE:
                at = self._inside(chunk, at, size)
            elif self._state == _TRAILER:
                at = self._trailer(chunk, at, size)
            else:
                at = chunk.find(b"/", at, size)
                if at < 0:
                    return
                self._state = _INSIDE
                at = self._append(chunk, at, at + 1)

    def rejected(self) -> int:
        """Returns how many telegrams were not good, for any reason."""
        return self.crc + self.overflow + self.framing

    def reset(self) -> None:
        """Rejects an incomplete telegram, for example after an interruption of the line."""
        if self._state != _OUTSIDE:
            self._reject(FRAMING)

    def _append(self, chunk, start, end):
        after = self._size + end - start
        if after > len(self._filling) - _ROOM_FOR_CRC and not self._grow(after + _ROOM_FOR_CRC):
            self._reject(OVERFLOW)
            return end
        _copy(self._filling, chunk, self._size, start, end)
        self._register = crc16.update(self._filling, self._register, self._size, after)
        self._size = after
        return end

    def _grow(self, size):
        """Makes room for `size` bytes. Returns False if that is too much or memory is short."""
        if size > self._capacity:
            return False
        # At least as large as the other buffer, which may have held a whole telegram already.
        size = max(-(-size // _STEP) * _STEP, len(self.telegram))
        # Input without an end (for example a line that is not inverted) must not fill the memory.
        if size > len(self.telegram) and not self._has_room(size):
            return False
        try:
            larger = bytearray(min(size, self._capacity))
        except MemoryError:
            return False
        _copy(larger, self._filling, 0, 0, self._size)
        self._filling = larger
        return True

    def _inside(self, chunk, at, size):
        mark = _next_mark(chunk, _MARKS, at, size)  # pyright: ignore[reportArgumentType]
        if mark < size and chunk[mark] != _SLASH:
            at = self._append(chunk, at, mark + 1)
            if self._state == _INSIDE and self._filling[self._size - 2] == _LF:
                self._state = _TRAILER
                if not self._has_crc:
                    self._finish()
            return at
        if mark > at:
            self._append(chunk, at, mark)
        if mark < size:
            self.reset()
        return mark

    def _trailer(self, chunk, at, size):
        end = min(size, at + 4 - self._digits)
        end = at + _hex_digits(chunk, at, end)
        _copy(self._filling, chunk, self._size, at, end)
        self._size += end - at
        self._digits += end - at
        if self._digits == 4:
            self._finish()
        elif end < size:
            if chunk[end] == _SLASH:
                self._reject(FRAMING)
                return end
            if self._digits and (chunk[end] == _CR or chunk[end] == _LF):
                self._finish()  # leading zeros may be missing: "!B9F" is 0x0B9F
            else:
                self._reject(FRAMING)
            end += 1
        return end

    def _finish(self):
        size = self._size
        printed = _hex_number(self._filling, size - self._digits, size)
        self._filling[size] = _CR
        self._filling[size + 1] = _LF
        self._size = size = size + 2
        if self._has_crc and printed != self._register:
            self.bad_crc = self._register
            self._reject(CRC)
            return
        self.good += 1
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
