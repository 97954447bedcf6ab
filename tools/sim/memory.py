# The chip's memory besides the Python heap: what each chip has, and what its parts take. Under
# the MicroPython of tools/model the heap of ESP-IDF is kept account of and runs out as the chip's
# does; under any other one there is always enough.
#
# Sources. measured: official ESP32_GENERIC v1.26.1 and ESP32_GENERIC_C3 v1.27.0, in an emulator
# with the chip's own memory map: what esp32.idf_heap_info() loses. assumed: there was nothing to
# measure it on.

from time import ticks_diff, ticks_ms

try:
    import _chip
except ImportError:
    _chip = None

# All measured, where nothing else is said, and in bytes.
#   heap         of Python, at power-up (ports/esp32/mpconfigport.h)
#   regions      of ESP-IDF, free at power-up, in the order in which they are asked
#   native       the pool that only native code goes to; 0: it goes where data does
#   network      import network
#   wlan         network.WLAN(), in many pieces
#   active       WLAN.active(True)
#   calibration  in one piece, while the radio starts; without it, it aborts (assumed)
#   connected    with an address; on the C3 assumed
CHIPS = {
    "esp32": {
        "heap": 56 * 1024,
        "regions": (56, 4_552, 11_848, 14_656, 112_968),
        "native": 13_472,
        "network": 4_232,
        "wlan": 36_056,
        "active": 2_084,
        "calibration": 1_904,
        "connected": 6_172,
    },
    "esp32c3": {
        "heap": 64 * 1024,
        "regions": (30_052, 10_160, 115_624, 5_664),
        "native": 0,
        "network": 4_212,
        "wlan": 38_980,
        "active": 1_876,
        "calibration": 1_904,
        "connected": 6_172,
    },
}
# Nothing was to be measured on these: they have more memory than a C3, and are taken for one.
CHIPS["esp32s3"] = CHIPS["esp32c6"] = CHIPS["esp32c3"]

# The same on each chip, of the network stack and of MicroPython's port.
UART = 1_920  # beside the ring; measured
SOCKET = 363  # a third of three sockets; measured
CLIENT = 2_169  # a connection that was accepted; a third of three; measured
WINDOW = 5_744  # bytes that a socket takes without anybody reading them (TCP_SND_BUF)
MOST_IN_SEGMENT = 1_440  # TCP_MSS
# A segment that was sent and not yet acknowledged takes memory in the stack and in the radio. Full
# ones, of three clients that read nothing, took 3,089; some 70 of 45 bytes took 25,000; measured.
SEGMENT = 330
_SEGMENT_PERCENT = 192  # and so much of its bytes
ACKNOWLEDGED_MS = 20  # after so long at the earliest, by Wi-Fi; assumed
THREAD = 5_500  # its stack and what FreeRTOS wants; ports/esp32/mpthreadport.h
TLS = 24_500  # a TLS connection beside its socket; measured
TLS_HEAP = 10_000  # and of the Python heap; measured
POLL = 128  # what select() needs to wait, in one piece; assumed
LOOK_UP = 512  # what getaddrinfo() needs; assumed
# x86's code and an ESP32's: 22,549 bytes here are 16,000 there.
_NATIVE_PERCENT = 71

_IN_C = "esp32", "machine", "network", "socket", "tls"  # modules that the chip has there

chip = CHIPS["esp32"]


def begin(name="esp32"):
    """The power is on: what Python allocates from here on is the chip's."""
    global chip
    chip = CHIPS[name]
    if _chip:
        # Imported by the firmware, their functions would be in its heap.
        for name in _IN_C:
            __import__(name)
        _chip.costs(THREAD, POLL)
        _chip.begin(chip["heap"], chip["regions"], chip["native"], _NATIVE_PERCENT)
        outside(take_pieces)(chip["network"])


_PIECE = 1_024


def take(size):
    """A block of ESP-IDF's heap, for give(); 0 where there is none."""
    if not _chip:
        return 1
    _settle()
    return _chip.take(size)


def give(block):
    if _chip and block:
        _chip.give(block)


def take_pieces(size):
    """What a driver takes bit by bit: blocks, for give_pieces(); None where it is not there."""
    blocks = []
    _settle()
    while size > 0 and _chip:
        block = _chip.take(min(size, _PIECE) - 8)
        if not block:
            give_pieces(blocks)
            return None
        blocks.append(block)
        size -= _PIECE
    return blocks


def give_pieces(blocks):
    for block in blocks or ():
        give(block)


def has(size):
    """Whether there is a block of this size."""
    _settle()
    return not _chip or any([region[2] >= size for region in _chip.regions()])


def regions():
    """For idf_heap_info(): of each region its bytes, those free, the largest block, the least."""
    if _chip:
        _settle()
        return list(_chip.regions())
    return [(size, size, size, size) for size in chip["regions"]]


def outside(function):
    """Decorates a function of a stand-in: what it allocates the chip has in C, or not at all."""
    if not _chip:
        return function

    def apart(*arguments, **named):
        before = _chip.outside(True)
        try:
            return function(*arguments, **named)
        finally:
            _chip.outside(before)

    return apart


class Queue:
    """What a connection has sent and nobody has acknowledged, segment by segment, as TCP_NODELAY
    has it: each write begins a new one."""

    def __init__(self, unread):
        """unread(): how many bytes the other side has not taken."""
        self._unread = unread
        self._segments = []  # [when, bytes, block], oldest first
        self.bytes = 0
        _queues.append(self)

    @outside
    def send(self, size):
        """Takes a write's bytes, as many as there is room for. Returns how many, 0 for none."""
        size = min(size, WINDOW - self.bytes)
        taken = 0
        while taken < size:
            count = min(MOST_IN_SEGMENT, size - taken)
            block = take(SEGMENT + count * _SEGMENT_PERCENT // 100)
            if not block:
                break
            self._segments.append((ticks_ms(), count, block))
            self.bytes += count
            taken += count
        return taken

    @outside
    def settle(self):
        """Gives back what has been acknowledged by now."""
        if not self._segments:
            return
        now, unread = ticks_ms(), self._unread()
        while self._segments:
            when, count, block = self._segments[0]
            if self.bytes - count < unread or ticks_diff(now, when) < ACKNOWLEDGED_MS:
                return
            self._segments.pop(0)
            self.bytes -= count
            give(block)

    def close(self):
        for _, _, block in self._segments:
            give(block)
        self._segments = []
        self.bytes = 0
        if self in _queues:
            _queues.remove(self)


_queues = []  # of all connections that there are


@outside
def _settle():
    for queue in _queues:
        queue.settle()
