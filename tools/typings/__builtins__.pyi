"""What MicroPython's compiler adds to Python, for pyright, where the stubs say it otherwise.

Any is known without an import, which MicroPython has no module for. There its compiler looks at no
type, so that `part: Any = ...` costs nothing.
"""

from typing import Any as Any
from typing import Protocol

from _mpy_shed._mpy_builtins import const as const

class uint(int):
    def __new__(cls, number_or_pointer: Any, /) -> uint: ...

class _Cast(type):
    def __call__(cls, buffer_or_address: Any, /) -> Any: ...

class _Pointer(Protocol, metaclass=_Cast):
    """A viper function takes any buffer where its parameter says it is a pointer."""

    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...

class ptr8(_Pointer, Protocol): ...
class ptr16(_Pointer, Protocol): ...
class ptr32(_Pointer, Protocol): ...
