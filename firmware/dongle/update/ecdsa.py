# Verifies ECDSA signatures on P-256 (FIPS 186-5, section 6.4.2; the curve is that of NIST SP
# 800-186, section 3.2.1.3). Nothing here is secret, so the calculations need no constant time.
#
# Intermediate points are (x, y, z) in Jacobian coordinates: the point is (x/z², y/z³), or infinity
# if z is 0. The formulas are dbl-2001-b and madd of the Explicit-Formulas Database.

from binascii import a2b_base64

TEMPORARY = True  # see forget()

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_INFINITY = (1, 1, 0)

# The bytes before x and y in the DER of a PEM "PUBLIC KEY" (RFC 5480): an EC key, of this curve,
# uncompressed.
_DER = b"0Y0\x13\x06\x07*\x86H\xce=\x02\x01\x06\x08*\x86H\xce=\x03\x01\x07\x03B\x00\x04"


def load_public_key(pem: str) -> tuple:
    """Returns (x, y) from the text of a PEM file. Raises ValueError if it is not a public key of
    this curve."""
    _, _, rest = pem.partition("-----BEGIN PUBLIC KEY-----")
    body, end, _ = rest.partition("-----END PUBLIC KEY-----")
    der = a2b_base64("".join(body.split()))
    key = _number(der[-64:-32]), _number(der[-32:])
    if not end or len(der) != len(_DER) + 64 or not der.startswith(_DER) or not _is_point(key):
        raise ValueError("not a public key of P-256")
    return key


def verify(public_key: tuple, digest: bytes, signature: bytes):
    """Verifies a signature of digest. A generator, because it takes long: it yields None about 256
    times and then True or False. public_key: (x, y); digest: of SHA-256; signature: r and s, 32
    bytes each, most significant byte first."""
    r, s = _number(signature[:32]), _number(signature[32:])
    if len(signature) != 64 or not 0 < r < _N or not 0 < s < _N or not _is_point(public_key):
        yield False
        return
    inverse = _inverse(s, _N)
    u = _number(digest) * inverse % _N
    v = r * inverse % _N
    # u times G plus v times the key, for both numbers together, bit by bit.
    both = _affine(_add(_G + (1,), public_key))
    point = _INFINITY
    for bit in range(255, -1, -1):
        point = _double(point)
        if u >> bit & 1:
            point = _add(point, both if v >> bit & 1 else _G)
        elif v >> bit & 1:
            point = _add(point, public_key)
        yield None
    yield _is_at(point, r)


def _is_at(point, r):
    """Whether r is the point's x modulo N: x is r or, rarely, r + N."""
    x, _, z = point
    square = z * z % _P
    return z != 0 and (
        (x - r * square) % _P == 0 or (r + _N < _P and (x - (r + _N) * square) % _P == 0)
    )


def _number(data):
    return int.from_bytes(data, "big")


def _is_point(point):
    x, y = point
    return 0 <= x < _P and 0 <= y < _P and (y * y - (x * x - 3) * x - _B) % _P == 0


def _double(point):
    # Also right for infinity: z stays 0.
    x, y, z = point
    delta = z * z % _P
    gamma = y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    x = (alpha * alpha - 8 * beta) % _P
    return x, (alpha * (4 * beta - x) - 8 * gamma * gamma) % _P, 2 * y * z % _P


def _add(point, other):
    """Returns point + other. other: an affine point, (x, y); None: infinity."""
    x, y, z = point
    if other is None:
        return point
    if z == 0:
        return other + (1,)
    square = z * z % _P
    h = (other[0] * square - x) % _P
    r = (other[1] * square * z - y) % _P
    if h == 0:
        return _INFINITY if r else _double(point)
    hh = h * h % _P
    hhh = h * hh % _P
    v = x * hh % _P
    x = (r * r - hhh - 2 * v) % _P
    return x, (r * (v - x) - y * hhh) % _P, z * h % _P


def _affine(point):
    x, y, z = point
    if z == 0:
        return None
    inverse = _inverse(z, _P)
    square = inverse * inverse % _P
    return x * square % _P, y * square * inverse % _P


def _inverse(number, modulus):
    """Returns the modular inverse, by Euclid's algorithm. number: from 1 to modulus - 1; modulus:
    a prime."""
    rest, last = number, modulus
    factor, before = 1, 0
    while rest > 1:
        quotient, next_rest = divmod(last, rest)
        last, rest = rest, next_rest
        before, factor = factor, before - quotient * factor
    return factor % modulus
