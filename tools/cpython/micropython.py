"""MicroPython's `micropython` module for CPython, so that firmware/p1 runs there unchanged.

Viper functions run the same body on checked pointers: an index outside the object
that the pointer was made from raises IndexError, where the ESP32 would read or write
somebody else's memory. Stores are cut to the pointer's width, as on the device.
"""

import builtins
from functools import wraps

_SLOT_BITS = 32  # an address is a slot number above the offset in the slot's object


class _Memory:
    """The objects that pointers of the running viper calls were made from."""

    def __init__(self):
        self.objects = []
        self.depth = 0

    def address(self, obj):
        for slot, known in enumerate(self.objects):
            if known is obj:
                return slot << _SLOT_BITS
        self.objects.append(obj)
        return (len(self.objects) - 1) << _SLOT_BITS

    def enter(self):
        self.depth += 1

    def leave(self):
        self.depth -= 1
        if not self.depth:
            self.objects.clear()


_memory = _Memory()


def _bytes_of(obj):
    view = memoryview(obj)
    return view if view.format == "B" else view.cast("B")


class _Pointer:
    """ptr8, ptr16 or ptr32: unsigned little-endian loads and stores, checked."""

    size = 1

    def __init__(self, target):
        self.base = int(target) if isinstance(target, (int, _Pointer)) else _memory.address(target)
        slot, self.offset = self.base >> _SLOT_BITS, self.base & (1 << _SLOT_BITS) - 1
        self.view = _bytes_of(_memory.objects[slot])

    def __int__(self):
        return self.base

    def _span(self, index):
        start = self.offset + index * self.size
        if not 0 <= start <= len(self.view) - self.size:
            raise IndexError(f"byte {start} of an object of {len(self.view)} bytes")
        if start % self.size:
            raise IndexError(f"byte {start} is not aligned for {8 * self.size} bits")
        return slice(start, start + self.size)

    def __getitem__(self, index):
        return int.from_bytes(self.view[self._span(index)], "little")

    def __setitem__(self, index, value):
        cut = value & (1 << 8 * self.size) - 1
        self.view[self._span(index)] = cut.to_bytes(self.size, "little")


class ptr8(_Pointer):
    def __getitem__(self, index):  # by far the commonest access: without a slice
        at = self.offset + index
        if at < 0:
            raise IndexError(f"byte {at}")
        return self.view[at]


class ptr16(_Pointer):
    size = 2


class ptr32(_Pointer):
    size = 4


def uint(value):
    return int(value)


def const(value):
    return value


def viper(function):
    """Casts the arguments as viper does, by their annotations, and runs the body as it is."""
    casts = [
        function.__annotations__.get(name)
        for name in function.__code__.co_varnames[: function.__code__.co_argcount]
    ]

    @wraps(function)
    def call(*arguments):
        _memory.enter()
        try:
            return function(
                *[
                    cast(argument) if cast in (ptr8, ptr16, ptr32) else argument
                    for cast, argument in zip(casts, arguments, strict=True)
                ]
            )
        finally:
            _memory.leave()

    return call


native = const

for _name in (ptr8, ptr16, ptr32, uint):
    setattr(builtins, _name.__name__, _name)
