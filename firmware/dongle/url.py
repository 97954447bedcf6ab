# Where a URL leads. No https: TLS would take more memory than all of the dongle.

_SCHEME = "http://"


def split(url):
    """(host, port, target) of http://host[:port][/path][?query]; the port is an int. Raises
    ValueError for whatever else."""
    if not url.startswith(_SCHEME) or not all([" " < letter <= "~" for letter in url]):
        raise ValueError(url)
    rest = url[len(_SCHEME) :]
    end = rest.find("/")
    if end < 0:
        rest, end = rest + "/", len(rest)
    host, colon, port = rest[:end].partition(":")
    # A user and password in front of an @ go elsewhere, as does IPv6.
    if not host or not all([letter.isalpha() or letter in "-._0123456789" for letter in host]):
        raise ValueError(url)
    if colon and not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(url)
    return host, int(port) if colon else 80, rest[end:].split("#")[0]
