# TLS on the way to the broker. The broker's certificate is always checked; without a successful
# check the dongle does not connect.
#
# MicroPython's TLS does the handshake within the first write, step by step, so the event loop
# keeps running while the broker has to answer. Some steps are long calculations, for which an
# ESP32 may need a second. During a step the meter's bytes wait in the UART's receive buffer.

import errno
from binascii import a2b_base64

import tls
from micropython import const

from esp32 import HEAP_DATA, idf_heap_info

from .link import TLS_EOF, Lost

_LONGEST_CA = const(8192)  # bytes of the file
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"

# Parts of mbedTLS's messages about a certificate, and what they mean here.
_COMPLAINTS = (
    ("signed by the trusted CA", "it is not signed by the CA in {ca}"),
    ("expected CN", "it is for another name than {host}"),
    ("has expired", "it has expired"),
    ("in the future", "it is not valid yet"),
)
# How a broker refuses a handshake: a fatal alert, an end, a reset, EPIPE (32).
_REFUSALS = (-0x7780, TLS_EOF, errno.ECONNRESET, errno.ECONNABORTED, 32)
_REFUSAL = (
    "the broker ends the TLS handshake: is mqtt.port its port for TLS? "
    "does it ask for a client certificate?"
)
# Bytes of ESP-IDF's heap: what a connection takes, how much of that in one piece, and what has to
# stay free for the network.
_NEEDED, _IN_ONE_PIECE, _RESERVE = const(27_000), const(17_000), const(8_000)
_INVALID_RECORD = const(-0x7200)
_NO_TLS = "the server at this address does not speak TLS: is mqtt.port its port for TLS?"


class Untrusted(Lost):
    """TLS with this broker is not possible now. The arguments are those of Lost."""


class Tls:
    """ca: path of a file with the CA's certificate (PEM, one or several, or DER); host: the name
    that the broker's certificate must have; clock: a Clock."""

    def __init__(self, ca, host, clock):
        self._ca, self._host, self._clock = ca, host, clock
        self._context = None

    def prepare(self) -> None:
        """To be called before each connection. Raises Untrusted if there is no way to check the
        broker's certificate."""
        if not self._clock.is_set():
            raise Untrusted(
                "waiting_for_clock",
                "waiting for the meter's clock, which is needed to check certificates",
            )
        if self._context is None:
            self._context = self._load()
        _check_memory()

    def wrap(self, socket):
        """Returns a TLS socket over socket, which must be non-blocking."""
        return self._context.wrap_socket(
            socket, server_hostname=self._host, do_handshake_on_connect=False
        )

    def explain(self, error: OSError | ValueError) -> Exception:
        """Returns the exception to raise instead of the error from the handshake, which is an
        OSError or a ValueError."""
        if isinstance(error, ValueError):
            return Untrusted(
                "certificate_refused",
                "the broker's certificate is refused: " + self._complaints(error),
            )
        if error.errno in _REFUSALS:
            return Untrusted("tls_refused", _REFUSAL)
        if error.errno == _INVALID_RECORD:
            return Untrusted("no_tls", _NO_TLS)
        if isinstance(error.errno, int) and error.errno > 0:
            return error  # it comes from the socket below
        name = error.args[1] if len(error.args) > 1 else error.errno
        return Untrusted("tls_failed", f"the TLS handshake has failed: {name}")

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
            raise Untrusted("wrong_ca", f"{self._ca} is not a certificate in PEM or DER")
        return context

    def _read(self):
        try:
            with open(self._ca, "rb") as file:
                data = file.read(_LONGEST_CA + 1)
        except OSError:
            raise Untrusted(
                "no_ca",
                f"no {self._ca} on the flash: TLS needs the certificate of the broker's CA",
            ) from None
        if len(data) > _LONGEST_CA:
            raise Untrusted(
                "wrong_ca", f"{self._ca} is too long: it may only contain the CA of this broker"
            )
        return data


def _check_memory():
    """Raises Untrusted if there is too little: otherwise the network would have none left."""
    regions = idf_heap_info(HEAP_DATA)  # of each: total, free, largest block, lowest free
    free, largest = sum([region[1] for region in regions]), max([region[2] for region in regions])
    missing = max(_NEEDED + _RESERVE - free, _IN_ONE_PIECE - largest)
    if missing > 0:
        raise Untrusted(
            "out_of_memory",
            f"TLS needs {(missing + 999) // 1000} kB more than this board has: freeze the "
            "firmware in, or use a board with PSRAM",
        )


def _certificates(data):
    """Yields the certificates in the file, as DER: not every MicroPython can read PEM."""
    if data[:1] == b"\x30":
        yield data
        return
    at = data.find(_BEGIN)
    while at >= 0:
        end = data.find(_END, at)
        yield a2b_base64(data[at + len(_BEGIN) : end])
        at = data.find(_BEGIN, end)
