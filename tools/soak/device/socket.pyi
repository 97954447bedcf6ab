# What the world uses of socket.py, for pyright: MicroPython's stubs would hide a source of that
# name. An end of a connection gets further attributes from whoever holds it.

from collections.abc import Callable
from typing import Any

hosts: dict[tuple[str, int], Callable[[Any], object]]
lost: bool
silent: set[str]

class socket:
    def _connect(self, address: Any) -> None: ...

def visit(port: int, address: str = ..., caller: str = ...) -> Any: ...
def power_off() -> None: ...
