# machine, as far as a P1 dongle uses it. Its public names are those of the firmware.

import os as _os
import sys as _sys
import time as _time
from binascii import unhexlify as _unhexlify
from io import IOBase as _IOBase

from micropython import const as _const
from micropython import schedule as _schedule
from umachine import PinBase as _PinBase  # pyright: ignore[reportAttributeAccessIssue]
from umachine import Signal, idle  # noqa: F401

import memory as _memory
import wiring as _wiring
import world as _world
from ring import copy as _copy

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5


def _chip():
    return _world.board.get("chip", "esp32")


# ---- Pins ----

_OUTPUT = _const(2)  # the bit that OUT and OPEN_DRAIN have in common
_KEEP = _const(-1)


def _number(pin):
    if isinstance(pin, Pin):
        return pin._number
    # An ESP32 lacks some numbers; of the other chips only the size of the largest is known here.
    missing = (20, 24, 28, 29, 30, 31) if _chip() == "esp32" else ()
    last = 39 if _chip() == "esp32" else 48
    if not isinstance(pin, int) or not 0 <= pin <= last or pin in missing:
        raise ValueError("invalid pin")
    return pin


class Pin(_PinBase):
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2

    def __init__(self, id, mode=None, pull=_KEEP, *, value=None):
        self._number = _number(id)
        self.init(mode, pull, value=value)

    def __repr__(self):
        return "Pin(%d)" % self._number

    def __call__(self, value=None):
        return self.value(value)

    def init(self, mode=None, pull=_KEEP, *, value=None):
        # The latch starts at 0 and is set before the mode: Pin(n, Pin.OPEN_DRAIN) pulls to ground.
        old_mode, old_pull, latch = self._pad()
        if mode is None:
            mode = old_mode
        elif mode & _OUTPUT and self._number >= 34 and _chip() == "esp32":
            raise ValueError("pin can only be input")
        if pull == _KEEP:  # leave the pulls as they are; None switches them off
            pull = old_pull
        if value is not None:
            latch = 1 if value else 0
        _world.set_pad(self._number, mode, pull, latch)

    def value(self, value=None):
        mode, pull, latch = self._pad()
        if value is not None:
            _world.set_pad(self._number, mode, pull, 1 if value else 0)
        elif mode & _OUTPUT:
            return _wiring.output(self._number, latch)
        else:
            return _wiring.level(self._number, pull)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(1 - self._pad()[2])

    def _pad(self):
        return _world.pads.get(self._number, (0, None, 0))


# ---- UART ----

_FILENO = _const(10)  # what select.poll asks a stream: at registration
_POLL = _const(3)  # and then each millisecond, where it has no descriptor; the answer's flags:
_POLL_RD = _const(1)
_POLL_WR = _const(4)

_DEFAULT_PINS = ((1, 3), (10, 9), (17, 16))  # tx and rx; those of UART 1 belong to the flash chip
_POSITIONAL = ("baudrate", "bits", "parity", "stop")

_chunk = bytearray(256)
_installed = {}  # UART number -> the object whose driver is running


class UART(_IOBase):
    INV_RX = 4
    INV_CTS = 8
    INV_TX = 32
    INV_RTS = 64
    IRQ_RX = 1
    IRQ_BREAK = 2
    IRQ_RXIDLE = 0x1000

    @_memory.outside
    def __init__(self, id, *args, **options):
        if not 0 <= id < (2 if _chip() in ("esp32c3", "esp32s2") else 3):
            raise ValueError("UART(%d) does not exist" % id)
        if id == 0 and ("rxbuf" in options or "txbuf" in options):
            raise ValueError("REPL UART buffer size is fixed")
        tx, rx = _DEFAULT_PINS[id]
        self._id = id
        self._handler = None
        self._block = 0
        self._options = {
            "baudrate": 115200,
            "bits": 8,
            "parity": None,
            "stop": 1,
            "tx": tx,
            "rx": rx,
            "txbuf": 256,
            "rxbuf": 256,
            "timeout": 0,
            "timeout_char": 0,
            "invert": 0,
        }
        # The stream protocol looks for this name. On the instance: the chip's class has it in C.
        self.ioctl = self._ioctl
        self.init(*args, **options)

    @_memory.outside
    def init(self, *args, **options):
        options.update(zip(_POSITIONAL, args))
        for name, value in options.items():
            if name not in self._options:
                raise TypeError("extra keyword arguments given")
            # -1 and None are no pins to v1.26.1, whatever newer firmware says.
            self._options[name] = _number(value) if name in ("tx", "rx") else value
        self._install()
        self._connect_pins()
        right = (
            self._options["baudrate"] == 115200
            and self._options["bits"] == 8
            and self._options["parity"] is None
        )
        # In any other format as many bytes of garbage.
        self._format = 0 if right else 0xFF
        # What arrived before is gone: nobody listened, and init ends with a flush.
        self._pull()
        self._head = self._count = 0

    def deinit(self):
        self._ring = None
        _memory.give(self._block)
        self._block = 0
        self._count = 0
        _world.rx_pins.discard(self._options["rx"])
        _installed.pop(self._id, None)

    def any(self):
        before = self._count
        self._pull()
        if self._ring is None:
            raise OSError(1, "ESP_FAIL")
        if self._count != before:
            self._wake()
        return self._count

    def readinto(self, buf, nbytes=None):
        self._pull()
        n = min(self._count, len(buf) if nbytes is None else nbytes)
        if n == 0:
            return None
        ring, head = self._ring, self._head
        first = min(n, len(ring) - head)  # up to where the ring goes on at its start
        _copy(buf, 0, ring, head, first)
        _copy(buf, first, ring, 0, n - first)
        self._head = (head + n) % len(ring)
        self._count -= n
        return n

    def read(self, nbytes=-1):
        self._pull()
        buf = bytearray(self._count if nbytes is None or nbytes < 0 else min(nbytes, self._count))
        return bytes(buf) if self.readinto(buf) else None

    def readline(self):
        # Without a newline it returns what there is: the driver does not wait either.
        line = b""
        while not line.endswith(b"\n"):
            byte = self.read(1)
            if byte is None:
                return line or None
            line += byte
        return line

    def write(self, data):
        # The spare pin leads nowhere, unless it leads back.
        tx, rx = self._options["tx"], self._options["rx"]
        if self._ring is not None and _wiring.loops(tx, rx):
            inverted = self._options["invert"] & (UART.INV_TX | UART.INV_RX)
            once = inverted in (UART.INV_TX, UART.INV_RX) and _world.wires["uart_inverts"]
            for at in range(0, len(data), len(_chunk)):
                piece = data[at : at + len(_chunk)]
                _chunk[: len(piece)] = piece
                self._garble(len(piece), 0xFF if once else 0)
                self._receive(len(piece))
        return len(data)

    def irq(self, handler=None, trigger=0, hard=False):
        """Calls the handler for IRQ_RX, but only when the line is looked at: see _pull."""
        if hard:
            raise ValueError("hard IRQ is not supported")
        self._handler = handler if trigger & UART.IRQ_RX else None

    def _ioctl(self, request, flags):
        if request == _FILENO:
            # While the ring is empty the cable's descriptor can be slept on, as on the interrupt.
            self._pull()
            return -1 if self._count or _world.cable is None else _world.cable.fileno()
        if request != _POLL:
            return -1
        self._pull()
        ready = flags & _POLL_WR
        return ready | _POLL_RD if self._count and flags & _POLL_RD else ready

    def _install(self):
        size = self._options["rxbuf"] & 0xFFFF  # an uint16: 65536 becomes 0
        if size <= 128:  # IDF wants more than its hardware FIFO
            raise OSError(1, "ESP_FAIL")
        other = _installed.get(self._id)
        if other is not None and other is not self:
            other.deinit()
        if other is not self or self._ring is None or len(self._ring) != size:
            self._ring = None
            _memory.give(self._block)
            self._block = _memory.take(_memory.UART + size)
            if not self._block:
                raise OSError(257, "ESP_ERR_NO_MEM")
            self._ring = bytearray(size)
        self._head = self._count = 0
        self._driven = False
        _installed[self._id] = self

    def _connect_pins(self):
        tx, rx = self._options["tx"], self._options["rx"]
        _world.set_pad(tx, Pin.OUT, None, 1)  # an idle transmitter is high
        _world.rx_pins.add(rx)
        if _world.wires["idf"] < 5.4 and rx != tx:
            _world.set_pad(rx, Pin.IN, Pin.PULL_UP, 0)
        if _chip() == "esp32":
            _world.flash_pins.update(pin for pin in (tx, rx) if 6 <= pin <= 11)

    def _pull(self):
        # Take in all that the line brought since the last look, as the interrupt would have done.
        cable = _world.cable
        if cable is None or self._ring is None:
            return
        before = self._count
        n = cable.readinto(_chunk)
        while n:
            self._hear(n, self._format)
            n = cable.readinto(_chunk)
        driven = _world.line_driven()
        if self._driven and not driven:  # the line goes up and stays there: a break
            _chunk[0] = self._loss() or 0  # which the driver hands over as one 0
            self._hear(1, 0)
        self._driven = driven
        if self._handler is not None and self._count != before:
            try:
                _schedule(self._handler, self)
            except RuntimeError:
                pass  # the queue is full: an interrupt lost, as on the chip

    def _wake(self):
        # A task that sleeps on the cable's descriptor would not hear of bytes that are in the ring
        # already. Registered anew, the ring itself is looked at.
        core = _sys.modules.get("asyncio.core")
        if core is not None and id(self) in core._io_queue.map:
            core._io_queue.poller.unregister(self)
            core._io_queue.poller.register(self, _POLL_RD)

    def _hear(self, n, garble):
        loss = self._loss()
        if loss is not None and _wiring.is_data(self._options["rx"]):
            self._garble(n, loss or garble)
            self._receive(n)

    def _loss(self):
        return _wiring.loss(self._options["rx"], self._options["invert"] & UART.INV_RX != 0)

    def _garble(self, n, mask):
        if mask:
            for i in range(n):
                _chunk[i] ^= mask

    def _receive(self, n):
        ring = self._ring
        assert ring
        size = len(ring)
        tail = (self._head + self._count) % size
        # A full ring keeps the oldest bytes and loses the rest without a word: the IDF driver
        # switches reception off, and the hardware FIFO behind it overflows and is reset.
        n = min(n, size - self._count)
        first = min(n, size - tail)
        _copy(ring, tail, _chunk, 0, first)
        _copy(ring, 0, _chunk, first, n - first)
        self._count += n


# ---- Watchdog, real-time clock, reset ----


class WDT:
    """Nothing stops it, and a second WDT(timeout=...) changes the timeout of the one there is."""

    @_memory.outside
    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _world.watch(timeout)

    def feed(self):
        _world.feed()


class RTC:
    def memory(self, data=None):
        if data is not None and len(data) > 2048:
            raise ValueError("buffer too long")
        return _world.rtc_memory(data)

    def datetime(self, value=None):
        # The laptop's clock is not ours to set: what was set is for a test to see.
        if value is not None:
            _world.rtc_set = tuple(value)
            return None
        year, month, day, hour, minute, second, weekday = _time.gmtime()[:7]
        return (year, month, day, weekday, hour, minute, second, 0)


def reset():
    _world.reset_hook(HARD_RESET)


def soft_reset():
    _world.reset_hook(SOFT_RESET)


def reset_cause():
    return _world.reset_cause


def unique_id():
    return _unhexlify(_os.getenv("P1_ID") or "02000000002a")


def freq(hz=None):
    if hz is None:
        return 160000000
    if hz not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")


def disable_irq():
    return 0


def enable_irq(state):
    pass
