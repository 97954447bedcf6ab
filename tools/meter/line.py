"""The wire to the reader: bytes down, the request line up. TCP, a pseudo terminal or a UART.

On TCP and on the pseudo terminal the reader sends the byte `1` when it raises the request line
and `0` when it releases it; the line begins released. On a UART the request line is CTS.
"""

import asyncio
import os
import select
import socket
import termios
import tty

import serial

# What a slow reader may be behind, in bytes; what does not fit is lost, as on a wire.
_TCP_ROOM = 16384
_UART_ROOM = 4000  # Linux holds 4096
_GRACE_S = 0.1
_POLL_S = 0.002
_PLUG_POLL_S = 0.02


class Line:
    """One reader at a time. `requested` is its request line; `rises` counts how often it rose.

    `moved` is set at every change, and with `error` when the line has failed.
    """

    def __init__(self, tied: bool = False):
        """`tied`: the request is wired to the 5 V, so it is up whenever a reader is there."""
        self.address = ""
        self.tied = tied
        self.requested = False
        self.rises = 0
        self.moved = asyncio.Event()
        self.error: OSError | None = None

    async def __aenter__(self) -> "Line":
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        raise NotImplementedError

    def write(self, data: bytes) -> int:
        """Send what fits now and return how much that was."""
        raise NotImplementedError

    def _plugged(self):
        self._request(self.tied)

    def _unplugged(self):
        self._request(False)

    def upstream(self, data: bytes) -> None:
        for byte in data:
            if byte in b"01" and not self.tied:
                self._request(byte == ord("1"))

    def _request(self, high: bool):
        if high != self.requested:
            self.requested = high
            self.rises += high
            self.moved.set()


class TcpLine(Line):
    """A server for one reader; a second one is hung up on. Port 0 is any free one."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tied: bool = False):
        super().__init__(tied)
        self._host, self.port = host, port
        self._plug: asyncio.Transport | None = None

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Plug(self), self._host, self.port)
        host, self.port = self._server.sockets[0].getsockname()[:2]
        self.address = f"tcp:{host}:{self.port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        if self._plug:
            self._plug.abort()

    def write(self, data: bytes) -> int:
        if not self._plug:
            return 0
        room = max(0, _TCP_ROOM - self._plug.get_write_buffer_size())
        self._plug.write(data[:room])
        return min(room, len(data))

    def plug_in(self, plug: asyncio.Transport) -> bool:
        if not self._plug:
            self._plug = plug
            self._plugged()
        return self._plug is plug

    def pull_out(self, plug: asyncio.Transport) -> None:
        if self._plug is plug:
            self._plug = None
            self._unplugged()


class _Plug(asyncio.Protocol):
    """A connection to a TcpLine."""

    def __init__(self, line: TcpLine):
        self._line = line
        self._early = b""  # what came before it was plugged in

    def connection_made(self, transport: asyncio.BaseTransport):
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        port = transport.get_extra_info("socket")
        port.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _TCP_ROOM)  # else it holds minutes
        self._in = self._line.plug_in(transport)
        if not self._in:
            # A reader that connects anew may be here before its own end is.
            asyncio.get_running_loop().call_later(_GRACE_S, self._last_chance)

    def _last_chance(self):
        self._in = not self._transport.is_closing() and self._line.plug_in(self._transport)
        if self._in:
            self._line.upstream(self._early)
        else:
            self._transport.close()

    def data_received(self, data: bytes):
        if self._in:
            self._line.upstream(data)
        else:
            self._early += data

    def connection_lost(self, exc: Exception | None):
        self._line.pull_out(self._transport)


class PtyLine(Line):
    """A pseudo terminal; whoever opens `address` is the reader, until it closes it."""

    async def __aenter__(self):
        self._loop = asyncio.get_running_loop()
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.address = os.ttyname(slave)
        os.close(slave)  # so that the master sees whether somebody else has it open
        os.set_blocking(self._master, False)
        self._poll = select.poll()
        self._poll.register(self._master, 0)  # hang-ups are always reported
        self._look = self._loop.call_soon(self._look_for_reader)
        return self

    async def __aexit__(self, *_):
        self._look.cancel()
        self._loop.remove_reader(self._master)
        os.close(self._master)

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except OSError:  # full, or just closed by the reader
            return 0

    def _look_for_reader(self):
        if self._poll.poll(0):
            self._look = self._loop.call_later(_PLUG_POLL_S, self._look_for_reader)
        else:
            self._loop.add_reader(self._master, self._read)
            self._plugged()

    def _read(self):
        try:
            data = os.read(self._master, 256)
        except BlockingIOError:
            return
        except OSError:  # EIO: the reader has closed its end
            data = b""
        self.upstream(data)
        if not data:
            self._unplugged()
            self._loop.remove_reader(self._master)
            termios.tcflush(self._master, termios.TCIOFLUSH)  # nothing stale for the next one
            self._look_for_reader()


class SerialLine(Line):
    """A UART to the dongle's data pin; the dongle's request pin goes to CTS.

    The data line of a P1 port is inverted and this one is not: put a transistor between, or set
    the adapter to inverted TXD (FTDI: FT_PROG), or tell the dongle not to invert. CTS of a
    3.3 or 5 V adapter is active low: `inverted_cts` where the request pin is wired straight to it.
    """

    def __init__(self, device: str, inverted_cts: bool = False, tied: bool = False):
        super().__init__(tied)
        self.address = f"serial:{device}"
        self._device = device
        self._inverted_cts = inverted_cts

    async def __aenter__(self):
        self._port = serial.Serial(self._device, 115200, timeout=0, write_timeout=0)
        self._watch = asyncio.create_task(self._watch_cts())
        return self

    async def __aexit__(self, *_):
        self._watch.cancel()
        self._port.close()

    def write(self, data: bytes) -> int:
        # pyserial spins when nothing fits, so it is never asked to.
        return self._port.write(data[: max(0, _UART_ROOM - self._port.out_waiting)]) or 0

    async def _watch_cts(self):
        self._plugged()
        while not self.tied:
            try:
                high = self._port.cts != self._inverted_cts
                if self.requested and not high:
                    self._port.reset_output_buffer()  # at once is at once
            except OSError as error:
                self.error = error
                self.moved.set()
                return
            self._request(high)
            await asyncio.sleep(_POLL_S)


def open_line(text: str, tied: bool = False) -> Line:
    """`tcp:HOST:PORT`, `pty` or `serial:DEVICE[,inverted]`; ValueError for anything else."""
    kind, _, rest = text.partition(":")
    if text == "pty":
        return PtyLine(tied)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        if host and port.isdecimal() and int(port) < 65536:
            return TcpLine(host.strip("[]"), int(port), tied)
    if kind == "serial" and rest:
        device, _, option = rest.partition(",")
        if option in ("", "inverted"):
            return SerialLine(device, option == "inverted", tied)
    raise ValueError(f"{text!r}: a line is tcp:HOST:PORT, pty or serial:DEVICE[,inverted]")
