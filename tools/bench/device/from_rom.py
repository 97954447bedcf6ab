# Runs the program that is named from the ROMFS image whose path is given. The unix port has no
# flash, so the image is one block at the start of the heap, which is to be larger by its size.

import os
import sys

import vfs

_path, _program = sys.argv[1:]
_image = bytearray(os.stat(_path)[6])
with open(_path, "rb") as _file:
    _file.readinto(_image)
vfs.mount(vfs.VfsRom(_image), "/rom")
sys.path[:] = ["/rom", ".frozen"]
__import__(_program)
