# A flash chip in RAM that keeps a log of what is done to it, so that it can be had as it was when
# the power was cut at any point of that.

import os

import vfs

_BLOCK = 4096
_COUNT, _SIZE, _ERASE = 4, 5, 6  # what a file system asks by ioctl()


class Flash:
    """Of so many blocks; like esp32.Partition with littlefs on it. log: what was done, in order:
    (where, bytes written), (where, None) where a block was erased."""

    def __init__(self, blocks):
        self.image = bytearray(b"\xff" * (_BLOCK * blocks))
        self.log = []
        self.writes_left = -1  # after so many more one of them fails; -1: none

    def readblocks(self, block, buffer, offset=0):
        start = block * _BLOCK + offset
        buffer[:] = memoryview(self.image)[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        self._do(block * _BLOCK + offset, bytes(buffer))

    def ioctl(self, request, argument):
        if request == _COUNT:
            return len(self.image) // _BLOCK
        if request == _SIZE:
            return _BLOCK
        if request == _ERASE:
            self._do(argument * _BLOCK, None)
        return 0

    def _do(self, where, data):
        if self.writes_left >= 0:
            self.writes_left -= 1
            if self.writes_left < 0:
                raise OSError(5)
        self.log.append((where, data))
        _apply(self.image, where, data)

    def mount(self):
        """As the current directory."""
        device: Any = self  # the stubs want both forms of each method
        vfs.mount(vfs.VfsLfs2(device, mtime=False), "/flash")
        os.chdir("/flash")

    def unmount(self):
        os.chdir("/")
        vfs.umount("/flash")

    def format(self):
        device: Any = self
        vfs.VfsLfs2.mkfs(device)


def _apply(image, where, data):
    if data is None:
        data = b"\xff" * _BLOCK
    image[where : where + len(data)] = data


def _tear(image, where, data, way):
    """The power goes while this is done: half of it is, or each bit may be or not."""
    size = len(data) if data is not None else _BLOCK
    half = size // 2
    if way == 0:
        _apply(image, where, b"\xff" * half if data is None else data[:half])
    elif data is None:  # on the way to ones
        part = bytes([byte | 0xA5 for byte in image[where : where + size]])
        _apply(image, where, part)
    else:  # on the way to zeros
        _apply(image, where, bytes([byte | 0xA5 for byte in data]))


def power_cuts(flash, before):
    """Puts into flash, one after the other, all that may be found on it after a power cut in what
    its log says, from the image `before` on. Yields how many of the log's steps are done, and
    whether the next one is not begun."""
    log, image = flash.log, bytearray(before)
    for done in range(len(log) + 1):
        flash.image[:] = image
        yield done, True
        if done < len(log):
            for way in (0, 1):
                flash.image[:] = image
                _tear(flash.image, log[done][0], log[done][1], way)
                yield done, False
            _apply(image, *log[done])
