"""MicroPython's `micropython` module for CPython, the quick one: for `decode` and the benchmarks.

The one beside this folder checks every access, which takes milliseconds a telegram. Here a pointer
is the object itself, or a view of it in words, and CPython checks what it always does. A pointer
that moves has no such form: the few functions that have one are replaced (twins.py). A test holds
both against the checked ones.
"""

import builtins
from collections.abc import Callable
from functools import wraps
from typing import Any

import twins

_Buffer = bytes | bytearray | memoryview


def ptr8(target: _Buffer) -> _Buffer:
    return target if isinstance(target, (bytes, bytearray)) else memoryview(target).cast("B")


def ptr16(target: _Buffer) -> _Buffer:
    return _words(target, "H", 2)


def ptr32(target: _Buffer) -> _Buffer:
    return _words(target, "i", 4)


def _words(target, format, size):
    view = memoryview(target)
    if view.itemsize == size:
        return target
    whole = len(view) // size * size
    return view[:whole].cast(format) if whole else b""


def uint(value: int) -> int:
    return int(value)


def const(value: Any) -> Any:
    return value


def viper(function: Callable) -> Callable:
    """The function's twin where it has one, else the function with its pointers cast."""
    twin = getattr(twins, _name(function), None)
    if twin:
        return wraps(function)(twin)
    casts = [
        (number, function.__annotations__[name])
        for number, name in enumerate(function.__code__.co_varnames)
        if function.__annotations__.get(name) in (ptr8, ptr16, ptr32)
    ]
    if not casts:
        return function

    @wraps(function)
    def call(*arguments):
        arguments = list(arguments)
        for number, cast in casts:
            arguments[number] = cast(arguments[number])
        return function(*arguments)

    return call


def _name(function):
    """p1.render.page._copy -> page_copy."""
    return f"{function.__module__.rpartition('.')[2]}_{function.__name__.strip('_')}"


native = const

for _function in (ptr8, ptr16, ptr32, uint):
    setattr(builtins, _function.__name__, _function)
