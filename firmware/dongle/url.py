# Splits a URL. There is no https: TLS would take more memory than the whole dongle.

from micropython import const

_SCHEME = "http://"
_BLANK, _TILDE = const(0x20), const(0x7E)
_HOST = b"-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def split(url: str) -> tuple:
    """Returns (host, port, target) of http://host[:port][/path][?query]; the port is an int.
    Raises ValueError for any other form."""
    # Bytes here: MicroPython interns each single character of a str and never frees it.
    if not url.startswith(_SCHEME) or not all([_BLANK < byte <= _TILDE for byte in url.encode()]):
        raise ValueError(url)
    rest = url[len(_SCHEME) :]
    end = rest.find("/")
    if end < 0:
        rest, end = rest + "/", len(rest)
    host, colon, port = rest[:end].partition(":")
    # A user and password in front of an @ are not allowed here, nor is IPv6.
    if not host or not all([byte in _HOST for byte in host.encode()]):
        raise ValueError(url)
    if colon and not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(url)
    return host, int(port) if colon else 80, rest[end:].split("#")[0]
