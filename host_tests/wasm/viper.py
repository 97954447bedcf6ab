# Viper for a MicroPython that has no native code: the body as it is, on emulated pointers.
#
# An address is the number of an object above an offset in it, below 2^30 as on the ESP32.

from array import array

_OFFSET_BITS = 16
_objects = []
_depth = 0


def _address(target):
    for slot, known in enumerate(_objects):
        if known is target:
            return slot << _OFFSET_BITS
    _objects.append(target)
    return (len(_objects) - 1) << _OFFSET_BITS


class ptr8:
    size = 1

    def __init__(self, target):
        if isinstance(target, ptr8):
            self.target, self.offset = target.target, target.offset
        elif isinstance(target, int):
            self.target = _objects[target >> _OFFSET_BITS]
            self.offset = target & (1 << _OFFSET_BITS) - 1
        else:
            self.target, self.offset = target, 0
        self.is_array = isinstance(self.target, array)

    def __getitem__(self, index):
        at = self.offset + index
        if at < 0:
            raise IndexError
        return self.target[at]

    def __setitem__(self, index, value):
        at = self.offset + index
        if at < 0:
            raise IndexError
        self.target[at] = value & 255


class ptr16(ptr8):
    size = 2

    def _at(self, index):
        at = self.offset + index * self.size
        if at < 0 or at % self.size:
            raise IndexError
        return at

    def __getitem__(self, index):
        at = self._at(index)
        if self.is_array:
            return self.target[at // self.size]
        return int.from_bytes(self._cut(at), "little")

    def __setitem__(self, index, value):
        at = self._at(index)
        if not self.is_array:
            raise TypeError
        self.target[at // self.size] = value & 0xFFFF if self.size == 2 else value

    def _cut(self, at):
        if at + self.size > len(self.target):
            raise IndexError
        return self.target[at : at + self.size]


class ptr32(ptr16):
    size = 4


def uint(value):
    return _address(value.target) + value.offset if isinstance(value, ptr8) else int(value)


def viper(*casts):
    """casts: a pointer class or None for each argument."""

    def decorate(function):
        def call(*arguments):
            global _depth
            _depth += 1
            try:
                return function(
                    *[cast(value) if cast else value for cast, value in zip(casts, arguments)]  # noqa: B905
                )
            finally:
                _depth -= 1
                if not _depth:
                    _objects.clear()

        return call

    return decorate
