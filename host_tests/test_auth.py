"""The owner's password: what is stored of it, who passes, and how guessing is slowed."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongle import pbkdf2

# --- PBKDF2 ---

# Password, salt, iterations and the first 32 bytes of the key. The first two are RFC 7914, 11;
# the others RFC 6070's with SHA-256 for SHA-1, as many libraries have them.
VECTORS = [
    (
        b"passwd",
        b"salt",
        1,
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
    ),
    (
        b"Password",
        b"NaCl",
        80000,
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
    ),
    (
        b"password",
        b"salt",
        1,
        "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b",
    ),
    (
        b"password",
        b"salt",
        2,
        "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43",
    ),
    (
        b"password",
        b"salt",
        4096,
        "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a",
    ),
    (
        b"passwordPASSWORDpassword",
        b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
        4096,
        "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1",
    ),
]


def key_of(password, salt, iterations):
    *_, key = pbkdf2.derive(password, salt, iterations)
    return key


@pytest.mark.parametrize("password, salt, iterations, key", VECTORS)
def test_published_vectors(password, salt, iterations, key):
    assert key_of(password, salt, iterations).hex() == key


@given(st.binary(max_size=200), st.binary(max_size=64), st.integers(1, 40))
def test_any_password_as_pythons_own(password, salt, iterations):
    theirs = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    assert key_of(password, salt, iterations) == theirs


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_as_pythons_own(key, message):
    assert pbkdf2.hmac(key, message) == hmac.digest(key, message, "sha256")
