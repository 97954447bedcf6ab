# Lines that wait to be sent, oldest first, in a buffer of fixed size. If there is no room for a
# new line, the oldest lines are dropped.


class Backlog:
    def __init__(self, capacity):
        """capacity: bytes for all lines together."""
        self._bytes = bytearray(capacity)
        self._view = memoryview(self._bytes)
        self._size = 0
        self.lines = 0  # number of lines that wait
        self.dropped = 0  # number of lines that are lost
        # The last batch: its number of lines, and how much of it is still at the front of the
        # buffer, in lines and in bytes.
        self._lent = self._left = self._left_size = 0

    def append(self, line, size: int) -> None:
        """Adds line[:size] (bytes-like). Its last byte has to be a newline, and the only one."""
        if size > len(self._bytes):
            self.dropped += 1
            return
        before = self.lines
        end = 0
        while self._size - end + size > len(self._bytes):
            end = self._end_of_line(end)
            self.lines -= 1
        self.dropped += before - self.lines
        self._left = max(0, self._left - before + self.lines)
        self._left_size = max(0, self._left_size - end)
        self._remove(end)
        self._view[self._size : self._size + size] = memoryview(line)[:size]
        self._size += size
        self.lines += 1

    def batch(self, limit: int) -> memoryview:
        """Returns the oldest lines, at most limit bytes and at least one line, as a view that is
        valid until the next call of any method."""
        end = self._bytes.rfind(b"\n", 0, min(limit, self._size)) + 1 or self._end_of_line(0)
        self._lent = self._left = self._bytes.count(b"\n", 0, end)
        self._left_size = end
        return self._view[:end]

    def sent(self) -> int:
        """Removes the last batch, because it has arrived; returns how many lines it had."""
        # Lines that were dropped while they were sent have arrived as well.
        self.dropped -= self._lent - self._left
        self._forget_batch()
        return self._lent

    def drop(self) -> None:
        """Removes the last batch and counts its lines as lost."""
        self.dropped += self._left
        self._forget_batch()

    def clear(self) -> None:
        """Drops all lines."""
        self.dropped += self.lines
        self._size = self.lines = self._left = self._left_size = 0

    def _end_of_line(self, start):
        return self._bytes.find(b"\n", start, self._size) + 1

    def _forget_batch(self):
        self.lines -= self._left
        self._remove(self._left_size)
        self._left = self._left_size = 0

    def _remove(self, count):
        left = self._size - count
        if count:
            self._view[:left] = self._view[count : self._size]
        self._size = left
