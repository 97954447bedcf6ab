# The P1 port: the data-request line and the UART (DSMR 5.0.2 P1 §5.7).

import asyncio

from micropython import const

from machine import UART, Pin

_RING = const(3072)  # receive buffer for two telegrams, if the loop is busy; default: 22 ms
_CHUNK = const(128)  # an ESP32 delivers about 100 bytes at once
_SILENT_MS = 15_000  # meters send every 1 or 10 s
_RELEASE_MS = 1_500


def _wake(_):
    pass


class DataRequest:
    """The data-request line. Released means high impedance; it must never be driven to ground.

    drive  direct  the pin is the line itself: output high, or input without pull
           switch  the pin controls a switch between the line and the meter's 5 V
           tied    the line is wired to 5 V: nothing to do
    """

    def __init__(self, drive, pin=None, active=1):
        if drive not in ("direct", "switch", "tied"):
            raise ValueError(f"request_drive: expected direct, switch or tied, got {drive}")
        self._drive, self._pin, self._active = drive, pin, active
        self.release()

    def request(self) -> None:
        if self._drive == "direct":
            Pin(self._pin, Pin.OUT, value=1)
        elif self._drive == "switch":
            Pin(self._pin, Pin.OUT, value=self._active)

    def release(self) -> None:
        if self._drive == "direct":
            # pull=None removes an earlier pull; without the argument it would stay.
            Pin(self._pin, Pin.IN, pull=None)  # pyright: ignore[reportArgumentType]
        elif self._drive == "switch":
            Pin(self._pin, Pin.OUT, value=1 - self._active)


def hold(board: dict, size: int) -> None:
    """Takes size bytes of memory, so that the Python heap does not grow into them: as the receive
    buffer of the UART, until Port.settle() gives them back. Raises the same errors as Port."""
    _uart(_wires(board), (115200, 8, None), size)
    _held[0] = size


def release(board: dict) -> None:
    """Gives these bytes back if there will be no Port."""
    if _held[0] != _RING:
        hold(board, _RING)


_held = [_RING]


def _wires(board):
    """Returns (UART, rx pin, tx pin, what is inverted) of a board's profile."""
    # Some boards have a transistor that already inverts the line, so that it idles high.
    invert = 0 if board.get("rx_idle") else UART.INV_RX
    return board["uart"], board["rx_pin"], board["tx_pin"], invert


def _uart(wires, line, ring):
    number, rx, tx, invert = wires
    baud, bits, parity = line
    return UART(number, baud, bits=bits, parity=parity, rx=rx, tx=tx, rxbuf=ring, invert=invert)


class Port:
    """Reads the meter without end and feeds the framer."""

    def __init__(self, board, line, health):
        """board: the board's profile; line: (baud, data bits, parity) of the country's meters.
        Raises OSError, ValueError, KeyError or TypeError if there is no such port."""
        self._wires, self._line = _wires(board), line
        self._health = health
        self._request = DataRequest(
            board["request_drive"], board.get("request_pin"), board.get("request_active", 1)
        )
        self._chunk = bytearray(_CHUNK)
        self._uart = _uart(self._wires, line, _held[0])
        self._is_settled = False
        self.rearmed = 0  # how often the request to a silent meter was renewed
        self._damaged_ms = None  # uptime of the last damaged telegram

    def settle(self) -> None:
        """Gives back the memory from hold(). To be called when all modules are loaded."""
        if self._is_settled:
            return
        self._is_settled = True
        if _held[0] != _RING:
            # A new UART: after init() the interrupt would still use the old queue of events.
            self._uart = _uart(self._wires, self._line, _RING)
            _held[0] = _RING
        # An interrupt wakes the event loop at once; without it, the loop checks every 10 ms. The
        # handler itself has nothing to do.
        if hasattr(UART, "IRQ_RX"):
            self._uart.irq(_wake, UART.IRQ_RX)

    def is_damaged(self) -> bool:
        """Returns whether a damaged telegram has arrived within the last 15 s."""
        return (
            self._damaged_ms is not None
            and self._health.uptime_ms() - self._damaged_ms <= _SILENT_MS
        )

    async def read(self, sink, latest) -> None:
        """Reads in a task without end. sink.feed(buffer, size) gets all bytes. latest: the Latest;
        while another task sends from its buffers, new bytes stay in the receive buffer."""
        self.settle()
        self._request.request()
        stream = asyncio.StreamReader(self._uart)
        try:
            while True:
                size = await stream.readinto(self._chunk)
                self._health.beat("port")
                if latest.in_use:
                    await latest.let_go()
                if size:
                    sink.feed(self._chunk, size)
        finally:
            self._request.release()

    def begin(self, sink, framer) -> None:
        """Prepares tick(), which is to be called once a second from now on. sink: the one that
        read() gets; framer: the Framer at the end of it."""
        self._sink, self._framer = sink, framer
        self._good, self._rejected = framer.good, framer.rejected()
        self._quiet_since_ms = self._health.uptime_ms()
        self._released_ms = None  # uptime when the request was released; None while it is on

    def tick(self) -> None:
        """Renews the request to a silent meter every 15 s, without end."""
        now, framer = self._health.uptime_ms(), self._framer
        if not self._uart.any():
            # With nothing to read, the reading task is not late.
            self._health.beat("port")
        if self._released_ms is not None:
            if now - self._released_ms < _RELEASE_MS:
                return
            self._released_ms = None
            self._sink.reset()
            # A telegram that was cut off by the silence does not count as damaged.
            self._rejected = framer.rejected()
            self._request.request()
            self.rearmed += 1
            self._quiet_since_ms = now
        if framer.rejected() != self._rejected:
            self._rejected = framer.rejected()
            self._damaged_ms = now
        if framer.good != self._good:
            self._good = framer.good
            self._quiet_since_ms = now
        elif now - self._quiet_since_ms > _SILENT_MS:
            self._request.release()
            self._released_ms = now
