# The image's file system, as the chip's MicroPython mounts it, with the firmware started from it.
# Arguments: the image, where in it the partition is, and its size.

import os
import sys

import vfs

_BLOCK = 4096


class Flash:
    """A partition of the flash, as esp32.Partition shows it (vfs_lfs's extended protocol)."""

    def __init__(self, path, start, size):
        self._file = open(path, "r+b")  # noqa: SIM115
        self._start, self._size = start, size

    def readblocks(self, block, buf, at=0):
        self._file.seek(self._start + block * _BLOCK + at)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, at=None):
        if at is None:
            self.ioctl(6, block)
        self._file.seek(self._start + block * _BLOCK + (at or 0))
        self._file.write(buf)

    def ioctl(self, what, block):
        if what == 4:
            return self._size // _BLOCK
        if what == 5:
            return _BLOCK
        if what == 6:
            self._file.seek(self._start + block * _BLOCK)
            self._file.write(b"\xff" * _BLOCK)
        return 0


device: Any = Flash(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
vfs.mount(vfs.VfsLfs2(device), "/flash")
os.chdir("/flash")
sys.path.insert(0, "")


def show(folder):
    for name, kind, *_ in sorted(os.ilistdir(folder)):
        path = folder + "/" + name
        if kind == 0x4000:
            show(path)
        else:
            print("file", path[2:], os.stat(path)[6])


show(".")
# As a board starts.
import boot  # noqa: E402, F401
import dongle  # noqa: E402

print("imported", dongle.__file__)
import main  # noqa: E402, F401
