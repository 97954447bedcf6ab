# TLS on the way to the broker: the dongle knows whom it talks to, or it does not talk.
#
# MicroPython's TLS shakes hands within the first write, a step at a time, so the loop goes on
# while the broker is waited for. Some of its steps are large sums, though, for which an ESP32 may
# need a second: meanwhile the meter's bytes wait in the port's ring.

import errno
from binascii import a2b_base64

import tls
from micropython import const

from esp32 import HEAP_DATA, idf_heap_info

from .link import TLS_EOF, Lost

_LONGEST_CA = const(8192)  # bytes of the file
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"

# What mbedTLS says of a certificate, and what it means here.
_COMPLAINTS = (
    ("signed by the trusted CA", "it is not signed by the CA in {ca}"),
    ("expected CN", "it is for another name than {host}"),
    ("has expired", "it has expired"),
    ("in the future", "it is not valid yet"),
)
# How a broker shows that it does not want to: a fatal alert, an end, a reset, a broken pipe.
_REFUSALS = (-0x7780, TLS_EOF, errno.ECONNRESET, errno.ECONNABORTED, 32)
_REFUSAL = (
    "the broker ends the TLS handshake: is mqtt.port the one for TLS? "
    "does it want a certificate of ours?"
)
# Of the chip's own memory: what a connection takes, 17 KB of it in one piece, and what has to stay
# for the network beside it.
_NEEDED, _IN_ONE_PIECE, _RESERVE = const(27_000), const(17_000), const(8_000)
_INVALID_RECORD = const(-0x7200)
_NO_TLS = "what answers there does not speak TLS: is mqtt.port the one for TLS?"


class Untrusted(Lost):
    """There can be no TLS with this broker now."""


class Tls:
    """ca: path of a file with the CA's certificate (PEM, also several, or DER); host: for which
    the broker's certificate must be; clock: of clock.py."""

    def __init__(self, ca, host, clock):
        self._ca, self._host, self._clock = ca, host, clock
        self._context = None

    def prepare(self):
        """Before connecting. Raises Untrusted where the broker's certificate could not be
        checked."""
        if not self._clock.is_set():
            raise Untrusted("waiting for the meter's clock: certificates are checked against it")
        if self._context is None:
            self._context = self._load()
        _check_memory()

    def wrap(self, socket):
        """A stream over socket, which does not block."""
        return self._context.wrap_socket(
            socket, server_hostname=self._host, do_handshake_on_connect=False
        )

    def explain(self, error):
        """An exception to raise in the place of what the handshake raised, an OSError or
        ValueError."""
        if isinstance(error, ValueError):
            return Untrusted("the broker's certificate is refused: " + self._complaints(error))
        if error.errno in _REFUSALS:
            return Untrusted(_REFUSAL)
        if error.errno == _INVALID_RECORD:
            return Untrusted(_NO_TLS)
        if isinstance(error.errno, int) and error.errno > 0:
            return error  # of the socket below
        name = error.args[1] if len(error.args) > 1 else error.errno
        return Untrusted(f"the TLS handshake fails: {name}")

    def _complaints(self, error):
        said = str(error)
        found = [
            ours.format(ca=self._ca, host=self._host)
            for theirs, ours in _COMPLAINTS
            if theirs in said
        ]
        return ", ".join(found) or " ".join(said.split())

    def _load(self):
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED  # pyright: ignore[reportAttributeAccessIssue]
        found = False
        try:
            for certificate in _certificates(self._read()):
                context.load_verify_locations(certificate)
                found = True
        except ValueError:
            found = False
        if not found:
            raise Untrusted(f"{self._ca} is no certificate in PEM or DER")
        return context

    def _read(self):
        try:
            with open(self._ca, "rb") as file:
                data = file.read(_LONGEST_CA + 1)
        except OSError:
            raise Untrusted(
                f"no {self._ca} on the flash: TLS needs the certificate of the broker's CA"
            ) from None
        if len(data) > _LONGEST_CA:
            raise Untrusted(f"{self._ca} is too long: just the CA of this broker, please")
        return data


def _check_memory():
    """Raises Untrusted where there is not enough: the chip would lose its network instead."""
    regions = idf_heap_info(HEAP_DATA)  # total, free, largest, least ever of each
    free, largest = sum([region[1] for region in regions]), max([region[2] for region in regions])
    missing = max(_NEEDED + _RESERVE - free, _IN_ONE_PIECE - largest)
    if missing > 0:
        raise Untrusted(
            f"TLS needs {(missing + 999) // 1000} kB more than this board has: freeze the "
            "firmware in, or take a board with PSRAM"
        )


def _certificates(data):
    """Those in the file, as DER: not every MicroPython can read PEM."""
    if data[:1] == b"\x30":
        yield data
        return
    at = data.find(_BEGIN)
    while at >= 0:
        end = data.find(_END, at)
        yield a2b_base64(data[at + len(_BEGIN) : end])
        at = data.find(_BEGIN, end)
