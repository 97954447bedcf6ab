"""MicroPython's `cryptolib` for CPython: as much as firmware/p1 uses."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class aes:
    """ECB only (mode 1)."""

    def __init__(self, key: bytes | bytearray | memoryview, mode: int):
        if mode != 1:
            raise ValueError("mode")
        self._cipher = Cipher(algorithms.AES(bytes(key)), modes.ECB())

    def encrypt(
        self, data: bytes | bytearray | memoryview, out: bytearray | memoryview | None = None
    ) -> bytes | bytearray | memoryview:
        encrypted = self._cipher.encryptor().update(bytes(data))
        if out is None:
            return encrypted
        out[:] = encrypted
        return out
