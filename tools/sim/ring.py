# Copies between a UART's ring and others' buffers, native and without slices: the driver of a chip
# takes no time and leaves no garbage.

import micropython


@micropython.viper
def copy(to: ptr8, at: int, source: ptr8, start: int, size: int):
    for i in range(size):
        to[at + i] = source[start + i]
