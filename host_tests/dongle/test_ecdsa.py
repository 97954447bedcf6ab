"""ECDSA on P-256: NIST's and RFC 6979's vectors, the cases at the edges of the arithmetic, and
OpenSSL (by way of `cryptography`) as the other opinion. The same in both MicroPythons."""

import hashlib
import json
import os
import re
import subprocess

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as some

import debian
import rig
from conftest import DEVICE, FIRMWARE, MICROPYTHON, needs_micropython
from dongle.update import ecdsa

Point = tuple[int, int]
P, N, B, G = ecdsa._P, ecdsa._N, ecdsa._B, ecdsa._G
VECTORS = DEVICE.with_name("vectors") / "p256_sha256_sigver.rsp"


def sha256(message):
    return hashlib.sha256(message).digest()


def pair(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(key, digest, signature):
    *waits, verdict = ecdsa.verify(key, digest, signature)
    assert waits == [None] * len(waits) and len(waits) in (0, 256)
    return verdict


def openssl_verifies(key, digest, signature):
    """None where OpenSSL does not even take the key."""
    try:
        x, y = key
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        public.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def times_g(scalar):
    numbers = ec.derive_private_key(scalar, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x, numbers.y


def sign(d, k, e):
    """As FIPS 186-5 says, with a k and a digest (int) of our choice."""
    r = times_g(k)[0] % N
    return pair(r, pow(k, -1, N) * (e + r * d) % N)


# --- Published vectors ---


def nist_vectors():
    """(key, digest, signature, whether it is good) of each."""
    for block in VECTORS.read_text().split("\n\n")[2:]:
        fields = dict(re.findall(r"^(\w+) = (.*)$", block, re.MULTILINE))
        x, y, r, s = (int(fields[name], 16) for name in ("Qx", "Qy", "R", "S"))
        digest = sha256(bytes.fromhex(fields["Msg"]))
        yield (x, y), digest, pair(r, s), fields["Result"].startswith("P")


NIST = list(nist_vectors())

# RFC 6979, A.2.5: the key and what it signs with SHA-256.
RFC_KEY = (
    0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
    0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
)
RFC = {
    b"sample": pair(
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    b"test": pair(
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
}


def test_nist_vectors():
    assert len(NIST) == 15 and {good for *_, good in NIST} == {True, False}
    for key, digest, signature, good in NIST:
        assert verify(key, digest, signature) is good


@pytest.mark.parametrize("message", RFC)
def test_rfc_6979(message):
    assert verify(RFC_KEY, sha256(message), RFC[message])
    assert not verify(RFC_KEY, sha256(message + b"!"), RFC[message])


# --- The edges ---


def add(a: Point | None, b: Point | None) -> Point | None:
    """Affine, as in a textbook; None is infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(scalar: int, point: Point | None) -> Point | None:
    result = None
    for bit in bin(scalar % N)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def point_beyond_n() -> Point:
    """A point whose x is not below N: as r it is x - N, which verifying must think of."""
    for x in range(N, P):
        square = (x**3 - 3 * x + B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            return x, y
    raise AssertionError("there is none")


def key_for(point, s, e):
    """The key for which (point's x, s) signs e: what "public key recovery" gives."""
    r = point[0] % N
    opposite = times(e, G)
    assert opposite
    x, y = opposite
    return times(pow(r, -1, N), add(times(s, point), (x, -y % P)))


D = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721  # RFC 6979's private key
DIGEST = sha256(b"sample")
E = int.from_bytes(DIGEST, "big")
GOOD = RFC[b"sample"]
R, S = int.from_bytes(GOOD[:32], "big"), int.from_bytes(GOOD[32:], "big")
POINT, FAR = times_g(12345), point_beyond_n()
TWIN = E * pow(POINT[0], -1, N) % N  # with this private key, the two halves of the sum are equal


def digest(e):
    return e.to_bytes(32, "big")


GOOD_EDGES = {
    "the other s": (RFC_KEY, DIGEST, pair(R, N - S)),
    "the key is G": (G, DIGEST, sign(1, 12345, E)),
    "the key is -G": (times_g(N - 1), DIGEST, sign(N - 1, 12345, E)),
    "the key is 2 G": (times_g(2), DIGEST, sign(2, 3, E)),
    "k is 1": (RFC_KEY, DIGEST, sign(D, 1, E)),
    "k is N - 1": (RFC_KEY, DIGEST, sign(D, N - 1, E)),
    "the digest is 0": (RFC_KEY, digest(0), sign(D, 7, 0)),
    "the digest is N": (RFC_KEY, digest(N), sign(D, 7, 0)),
    "the digest is all ones": (RFC_KEY, digest(2**256 - 1), sign(D, 7, 2**256 - 1)),
    "s is 1": (key_for(POINT, 1, E), DIGEST, pair(POINT[0], 1)),
    "u G is v Q": (times_g(TWIN), DIGEST, sign(TWIN, 12345, E)),
    "x is beyond N": (key_for(FAR, S, E), DIGEST, pair(FAR[0] - N, S)),
}
BAD_EDGES = {
    **{
        f"r is {name}": (RFC_KEY, DIGEST, pair(r, S))
        for name, r in (("0", 0), ("N", N), ("N + 1", N + 1))
    },
    **{f"s is {name}": (RFC_KEY, DIGEST, pair(R, s)) for name, s in (("0", 0), ("N", N))},
    "both are 0": (RFC_KEY, DIGEST, bytes(64)),
    "both are all ones": (RFC_KEY, DIGEST, b"\xff" * 64),
    "both are 1": (RFC_KEY, DIGEST, pair(1, 1)),
    "r and s in the other order": (RFC_KEY, DIGEST, pair(S, R)),
    "the sum is infinity": (times_g(D), digest(-R * D % N), pair(R, S)),
    "r is x, which is beyond N": (key_for(FAR, S, E), DIGEST, pair(FAR[0], S)),
}


@pytest.mark.parametrize("name", GOOD_EDGES)
def test_at_the_edge_and_good(name):
    assert verify(*GOOD_EDGES[name])
    assert openssl_verifies(*GOOD_EDGES[name])


@pytest.mark.parametrize("name", BAD_EDGES)
def test_at_the_edge_and_bad(name):
    assert not verify(*BAD_EDGES[name])
    assert not openssl_verifies(*BAD_EDGES[name])


@pytest.mark.parametrize("size", [0, 1, 32, 63, 65, 128])
def test_a_signature_has_64_bytes(size):
    assert not verify(RFC_KEY, DIGEST, (GOOD * 2)[:size])


@pytest.mark.parametrize(
    "key",
    [
        (0, 0),  # which some use for infinity
        (RFC_KEY[0], RFC_KEY[1] ^ 1),
        (RFC_KEY[1], RFC_KEY[0]),
        (RFC_KEY[0] + P, RFC_KEY[1]),
        (RFC_KEY[0], RFC_KEY[1] - P),
        (5, 1),
    ],
)
def test_what_is_no_point_verifies_nothing(key):
    assert not verify(key, DIGEST, GOOD)


# --- The other opinion ---

scalars = some.integers(1, N - 1) | some.integers(1, 40) | some.integers(N - 40, N - 1)
digests = some.integers(0, 2**256 - 1) | some.integers(0, 9) | some.integers(N - 9, N + 9)


@given(scalars, scalars, digests, some.integers(0, 3 * 256 - 1) | some.none())
def test_openssl_says_the_same(d, k, e, flipped):
    signed = bytearray(digest(e) + sign(d, k, e))
    if flipped is not None:
        signed[flipped // 8] ^= 1 << flipped % 8
    case = times_g(d), bytes(signed[:32]), bytes(signed[32:])
    assert verify(*case) == openssl_verifies(*case)


# --- Keys as files ---


def pem(key, form=PublicFormat.SubjectPublicKeyInfo):
    return key.public_bytes(Encoding.PEM, form).decode()


KEY = ec.derive_private_key(D, ec.SECP256R1()).public_key()


@pytest.mark.parametrize("change", [str, lambda text: "mine:\n" + text.replace("\n", "\r\n")])
def test_a_key_is_read(change):
    assert ecdsa.load_public_key(change(pem(KEY))) == RFC_KEY


def _on_no_curve():
    lines = pem(KEY).splitlines()
    lines[2] = lines[2].replace(lines[2][10], "A" if lines[2][10] != "A" else "B")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "owner",
        pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
        pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        pem(ed25519.Ed25519PrivateKey.generate().public_key()),
        pem(rsa.generate_private_key(65537, 1024).public_key()),
        pem(KEY).replace("PUBLIC", "PRIVATE"),
        pem(KEY).replace("END", "THE END"),
        pem(KEY)[:-40],
        pem(KEY).replace("MFkw", "MFkw" * 2),
        pem(KEY).replace("MFkw", "MFk"),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        _on_no_curve(),
    ],
)
def test_what_is_no_key_of_this_curve_is_refused(text):
    with pytest.raises(ValueError):
        ecdsa.load_public_key(text)


# --- MicroPython ---


def _on_64_bits():
    return MICROPYTHON


@needs_micropython
@pytest.mark.parametrize("command", [_on_64_bits, debian.micropython])
def test_micropython_says_the_same(tmp_path, command):
    cases = [case[:3] for case in NIST] + [*GOOD_EDGES.values(), *BAD_EDGES.values()]
    expected = [verify(*case) for case in cases]
    assert any(expected) and not all(expected)
    (tmp_path / "cases.json").write_text(
        json.dumps(
            [[f"{x:x}", f"{y:x}", digest.hex(), sig.hex()] for (x, y), digest, sig in cases]
        )
    )
    try:
        interpreter = command()
    except rig.Missing as missing:
        pytest.skip(str(missing))
    result = subprocess.run(
        [interpreter, "-X", "heapsize=160k", DEVICE / "ecdsa_verify.py", tmp_path / "cases.json"],
        env={"PATH": os.environ["PATH"], "MICROPYPATH": f".frozen:{FIRMWARE}"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    verdicts = json.loads(result.stdout)
    assert [verdict for verdict, _ in verdicts] == expected
    assert {steps for _, steps in verdicts} == {1, 257}
