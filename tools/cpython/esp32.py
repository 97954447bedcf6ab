"""MicroPython's `esp32` module for CPython, as far as the firmware asks it: there is memory."""

HEAP_DATA = 4


def idf_heap_info(capabilities: int) -> list[tuple[int, int, int, int]]:
    """[(bytes, free, largest block, least ever free)] of each region."""
    return [(1 << 20, 1 << 20, 1 << 20, 1 << 20)]
