"""MicroPython's `micropython` module for CPython, so that firmware/p1 runs there unchanged.

Viper functions run the same body on checked pointers: an index outside the object
that the pointer was made from raises IndexError, where the ESP32 would read or write
somebody else's memory. Stores are cut to the pointer's width, as on the device.
"""

import builtins
from collections.abc import Callable
from functools import wraps
from typing import Any

_SLOT_BITS = 32  # an address is a slot number above the offset in the slot's object
_OFFSET = (1 << _SLOT_BITS) - 1


class _Memory:
    """The objects that pointers of the running viper calls were made from."""

    def __init__(self):
        self.objects = []
        self.slots = {}  # id of an object -> its slot
        self.views = []  # of each object, {size of a word: view}
        self.depth = 0

    def address(self, obj):
        slot = self.slots.get(id(obj))
        if slot is None:
            view = memoryview(obj)
            slot = self.slots[id(obj)] = len(self.objects)
            self.views.append({1: view if view.format == "B" else view.cast("B")})
            self.objects.append(obj)
        return slot << _SLOT_BITS

    def words(self, slot, size, format):
        """An object's bytes as words of this size, without those that fill none."""
        view = self.views[slot][1]
        words = view[: len(view) // size * size].cast(format)
        self.views[slot][size] = words
        return words

    def clear(self):
        self.objects.clear()
        self.slots.clear()
        self.views.clear()


_memory = _Memory()


def _address(target):
    """Of an address, a pointer or an object."""
    if isinstance(target, int):
        return target
    return target.base if isinstance(target, _Pointer) else _memory.address(target)


# Where a pointer points that is not aligned: before everything, so that each access is refused.
_NOWHERE = -(1 << 62)


class _Pointer:
    """ptr8, ptr16 or ptr32: unsigned little-endian loads and stores, checked. Tests spend most of
    their time in here. A view of the bytes or words itself refuses what lies behind its end; what
    lies before its beginning is refused here, for a view counts from its end then."""

    __slots__ = ("base", "first", "view")
    size: int
    format: str
    mask: int

    def __init__(self, target):
        self.base = base = _address(target)
        size = self.size
        slot, offset = base >> _SLOT_BITS, base & _OFFSET
        try:
            self.view = _memory.views[slot][size]
        except KeyError:
            self.view = _memory.words(slot, size, self.format)
        self.first = _NOWHERE if offset % size else offset // size

    def __int__(self):
        return self.base

    def __getitem__(self, index):
        at = self.first + index
        if at < 0:
            self._refuse(index)
        return self.view[at]

    def __setitem__(self, index, value):
        at = self.first + index
        if at < 0:
            self._refuse(index)
        self.view[at] = value & self.mask

    def _refuse(self, index):
        start = (self.base & _OFFSET) + index * self.size
        if start < 0:
            raise IndexError(f"byte {start}")
        raise IndexError(f"byte {start} is not aligned for {8 * self.size} bits")


class ptr8(_Pointer):
    __slots__ = ()
    size, format, mask = 1, "B", 0xFF

    # The commonest by far: the same with all its constants folded.
    def __init__(self, target: Any):
        self.base = base = target if target.__class__ is int else _address(target)
        self.view = _memory.views[base >> _SLOT_BITS][1]
        self.first = base & _OFFSET


class ptr16(_Pointer):
    __slots__ = ()
    size, format, mask = 2, "H", 0xFFFF


class ptr32(_Pointer):
    __slots__ = ()
    size, format, mask = 4, "I", 0xFFFFFFFF


def const(value: Any) -> Any:
    return value


def viper(function: Callable) -> Callable:
    """Casts the arguments as viper does, by their annotations, and runs the body as it is."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    casts = [(place, function.__annotations__.get(name)) for place, name in enumerate(names)]
    casts = [(place, cast) for place, cast in casts if cast in (ptr8, ptr16, ptr32)]

    @wraps(function)
    def call(*arguments):
        arguments = list(arguments)
        _memory.depth += 1
        try:
            for place, cast in casts:
                arguments[place] = cast(arguments[place])
            return function(*arguments)
        finally:
            _memory.depth -= 1
            if not _memory.depth:
                _memory.clear()

    return call


native = const
uint = int

for _name in ("ptr8", "ptr16", "ptr32", "uint"):
    setattr(builtins, _name, globals()[_name])
