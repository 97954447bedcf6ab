"""An ESP32's boot ROM on a pseudo terminal, as far as esptool asks before it refuses a chip.

Protocol: docs.espressif.com, esptool, "Serial Protocol". Packets are SLIP frames of direction,
command, size, value and data.
"""

import os
import pty
import struct
import threading
import tty

_SYNC, _READ_REGISTER = 0x08, 0x0A
_FAILED = b"\x01\x05\x00\x00"  # "received message is invalid": the first ESP32 knows no more
ESP32_MAGIC = 0x00F01D83  # what an ESP32 has in the register that tells the chips apart


class EspRom:
    """`port` is where it answers, until close()."""

    def __init__(self):
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.commands: list[int] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        os.close(self._slave)  # ends _serve

    def _serve(self) -> None:
        received = b""
        while True:
            try:
                received += os.read(self._master, 4096)
            except OSError:
                return os.close(self._master)
            while received.count(b"\xc0") >= 2:
                frame, _, received = received.partition(b"\xc0")[2].partition(b"\xc0")
                self._answer(frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb"))

    def _answer(self, packet: bytes) -> None:
        command = packet[1]
        self.commands.append(command)
        known = command in (_SYNC, _READ_REGISTER)
        data = bytes(4) if known else _FAILED
        value = ESP32_MAGIC if command == _READ_REGISTER else 0
        answer = struct.pack("<BBHI", 1, command, len(data), value) + data
        answer = answer.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        for _ in range(8 if command == _SYNC else 1):
            os.write(self._master, b"\xc0" + answer + b"\xc0")
