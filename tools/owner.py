"""The owner's key: what it signs is what a dongle takes as an update.

The private half stays in a file on this computer, outside git. The public half goes to the dongle
with `make deploy`. Both are PEM, as openssl reads and writes them.
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from build import ROOT

KEY = ROOT / "owner-key.pem"
PUBLIC_KEY = "update.pub"  # its name on the dongle

PrivateKey = ec.EllipticCurvePrivateKey


class OwnerError(Exception):
    """A file that is no key for this."""


def make(path: Path) -> PrivateKey:
    """A new key, in a new file that only its owner may read."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return key


def load(path: Path) -> PrivateKey:
    """Raises FileNotFoundError where there is no file, OwnerError where it is no such key."""
    pem = path.read_bytes()
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise OwnerError(f"{path} is no private key in PEM without a password: {error}") from None
    if not isinstance(key, PrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise OwnerError(f"{path} is no key of the curve P-256")
    return key


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(key: PrivateKey, data: bytes) -> bytes:
    """r and s, 32 bytes each; the same for the same data (RFC 6979)."""
    scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(data, scheme))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
