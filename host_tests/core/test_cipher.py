"""Encrypted telegrams, against frames that `cryptography` makes."""

import os
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from conftest import P1_TELEGRAMS, Receiver, needs_micropython, needs_telegrams, telegram
from make_fixtures import seal
from p1.cipher import DEFAULT_AUTHENTICATION_KEY, Cipher, Gcm

KEY = bytes.fromhex("0123456789abcdef0123456789abcdef")
AUTHENTICATION = bytes(range(16, 32))
TITLE = b"SAGgp\x00\x00\x01"

ONE = telegram("0-0:1.0.0(260330174629S)", "1-0:1.7.0(00.560*kW)", header=b"/Lux5\\1\r\n\r\n")
OTHER = telegram("0-0:1.0.0(260330174639S)", "1-0:1.7.0(00.561*kW)", header=b"/Lux5\\1\r\n\r\n")


def frame(plain, counter=1, key=KEY, additional=b"\x30" + AUTHENTICATION, title=TITLE):
    """DLMS general-glo-ciphering, with the 12 bytes of the tag that meters send."""
    iv = title + counter.to_bytes(4, "big")
    sealed = AESGCM(key).encrypt(iv, plain, additional or None)[:-4]
    length = 5 + len(sealed)
    return b"\xdb\x08" + title + b"\x82" + length.to_bytes(2, "big") + b"\x30" + iv[8:] + sealed


class Line:
    """A cipher and what it lets through."""

    def __init__(self, key=KEY, authentication=AUTHENTICATION):
        self.plain = []
        self.cipher = Cipher(key, authentication, self._take)

    def _take(self, buffer, size):
        self.plain.append(bytes(buffer[:size]))

    def feed(self, *chunks):
        for chunk in chunks:
            self.cipher.feed(chunk, len(chunk))
        return self.plain

    @property
    def counters(self):
        return self.cipher.good, self.cipher.bad, self.cipher.overflow


def pieces(data, sizes):
    at = 0
    while at < len(data):
        size = sizes[0]
        sizes = [*sizes[1:], size]
        yield data[at : at + size]
        at += size


# --- Good frames ---


def additional_of(kind):
    return {"with": b"\x30" + AUTHENTICATION, "without": b""}[kind]


@pytest.mark.parametrize("kind", ["with", "without"])
def test_every_remainder_of_a_block(kind):
    """MicroPython does the longer ones, below: here each pointer is checked."""
    texts = [os.urandom(length) for length in (*range(34), 63, 64, 65)]
    line = Line()
    for counter, text in enumerate(texts):
        line.feed(frame(text, counter, additional=additional_of(kind)))
    assert line.plain == texts
    assert line.counters == (len(texts), 0, 0)


@settings(max_examples=25)
@given(
    key=st.binary(min_size=16, max_size=16),
    title=st.binary(min_size=8, max_size=8),
    counter=st.integers(0, 2**32 - 1),
    plain=st.binary(max_size=40),
    kind=st.sampled_from(["with", "without"]),
)
def test_every_key_title_and_counter(key, title, counter, plain, kind):
    data = frame(plain, counter, key, additional_of(kind), title)
    assert Line(key).feed(data) == [plain]


@settings(max_examples=25)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_split_anywhere(sizes):
    stream = b"".join(frame(text, n) for n, text in enumerate((ONE, OTHER, ONE)))
    line = Line()
    assert line.feed(*pieces(stream, sizes)) == [ONE, OTHER, ONE]
    assert line.counters == (3, 0, 0)


def test_several_in_one_chunk_and_the_size_that_counts():
    stream = frame(ONE) + frame(OTHER, 2)
    line = Line()
    line.cipher.feed(stream + frame(ONE, 3), len(stream))
    assert line.plain == [ONE, OTHER]


# --- Between them ---

START = frame(ONE)[:13]
NOISE = st.lists(
    st.sampled_from([b"\xdb", b"\x08", b"\xdb\x08", b"/", START[:11], START, START + b"\x30"])
    | st.binary(max_size=20)
).map(b"".join)


@settings(max_examples=25)
@given(noise=NOISE, size=st.integers(1, 400))
def test_noise_costs_no_frame_that_follows(noise, size):
    """A start that promises a long frame holds it back until that much has come; no longer."""
    stream = noise + frame(ONE) + frame(OTHER, 2)
    line = Line()
    line.feed(*pieces(stream, [size]))
    line.feed(bytes(6300))
    assert line.plain == [ONE, OTHER]
    assert line.cipher.good == 2


@pytest.mark.parametrize("cut", [1, 2, 12, 13, 17, 18, 60, -13, -1])
def test_a_frame_that_breaks_off_costs_only_itself(cut):
    line = Line()
    line.feed(frame(OTHER, 2)[:cut], frame(ONE), frame(OTHER, 3), frame(ONE, 4), bytes(300))
    assert line.plain == [ONE, OTHER, ONE]


def test_an_interrupted_line_forgets_what_was_under_way():
    line = Line()
    line.feed(frame(ONE)[:40])
    line.cipher.reset()
    assert line.feed(frame(OTHER)) == [OTHER]
    assert line.counters == (1, 0, 0)


# --- Frames that are none ---


def test_another_key_is_counted_and_lets_nothing_through():
    line = Line(key=bytes(16))
    for counter in range(5):
        line.feed(frame(ONE, counter))
    assert line.plain == [] and line.counters == (0, 5, 0)


def test_another_authentication_key():
    assert Line(authentication=bytes(16)).feed(frame(ONE)) == []
    assert Line(authentication=bytes(16)).feed(frame(ONE, additional=b"")) == [ONE]


def test_the_usual_authentication_key():
    assert DEFAULT_AUTHENTICATION_KEY.hex() == "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize("additional", [b"\x30", AUTHENTICATION, b"\x31" + AUTHENTICATION])
def test_other_additional_data_prove_nothing(additional):
    assert Line().feed(frame(ONE, additional=additional), bytes(300)) == []


def test_no_flipped_bit_lets_anything_through():
    sent = frame(ONE[:20])
    for bit in range(0, len(sent) * 8, 5):  # MicroPython does all, below
        broken = bytearray(sent)
        broken[bit >> 3] ^= 1 << (bit & 7)
        line = Line()
        line.feed(broken)
        assert line.plain == [], bit
        assert line.cipher.good == 0


@settings(max_examples=100)
@given(st.binary(max_size=300), st.integers(1, 60))
def test_nothing_comes_of_anything_else(noise, size):
    line = Line()
    line.feed(*pieces(noise, [size]))
    line.feed(*pieces(START + b"\x30" + noise, [size]))
    assert line.plain == [] and line.cipher.good == 0


def test_frames_that_promise_too_much_or_too_little():
    line = Line()
    for length in (0, 1, 16, 6200, 0xFFFF):
        line.feed(START[:11] + length.to_bytes(2, "big") + b"\x30" + bytes(20))
    assert line.counters == (0, 0, 2)
    assert line.feed(frame(ONE)) == [ONE]


# --- Into the framer, and the telegram of another ---


def deciphered(data, key=KEY, authentication=AUTHENTICATION):
    receiver = Receiver("LU")
    cipher = Cipher(key, authentication, receiver.framer.feed)
    cipher.feed(data, len(data))
    return receiver


def test_what_was_deciphered_still_has_to_have_its_crc():
    broken = ONE.replace(b"00.560", b"00.561")
    receiver = deciphered(frame(ONE) + frame(broken, 2) + frame(OTHER, 3))
    assert receiver.telegrams == [ONE, OTHER]
    assert receiver.framer.crc == 1


def test_the_words_of_the_standard():
    """Test case 4 of McGrew and Viega, whose mode NIST SP 800-38D made the standard."""
    gcm = Gcm(bytes.fromhex("feffe9928665731c6d6a8f9467308308"))
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    sealed = bytearray.fromhex(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
    )
    additional = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    tag = bytes.fromhex("5bc94fbc3221a5db94fae95ae7121a47")
    iv = bytes.fromhex("cafebabefacedbaddecaf888")
    assert gcm.is_genuine(sealed, 0, len(sealed), iv, additional, tag)
    assert not gcm.is_genuine(sealed, 0, len(sealed), iv, additional[1:], tag)
    gcm.decrypt(sealed, 0, len(sealed), iv)
    assert sealed == plain


# The frame's keys, from index.tsv.
ATHOM = {"key": KEY, "authentication": bytes.fromhex("ffeeddccbbaa99887766554433221100")}


def others(name):
    assert P1_TELEGRAMS
    return (Path(P1_TELEGRAMS) / name).read_bytes()


def athom():
    return bytes.fromhex(others("LU-athombenc-1.hex").decode())


@needs_telegrams
def test_the_frame_of_another():
    """Its CRC was computed with the blank line that its text lacks, as standards print it."""
    line = Line(**ATHOM)
    [plain] = line.feed(athom())
    assert line.counters == (1, 0, 0)
    with_blank_line = plain.replace(b"\r\n", b"\r\n\r\n", 1)
    assert with_blank_line.rstrip() == others("LU-athombspec-1.txt").rstrip()
    assert deciphered(athom(), **ATHOM).framer.crc == 1
    receiver = deciphered(frame(with_blank_line, key=KEY))
    [said] = receiver.telegrams
    reading = reference.load(receiver.json(said))
    assert reading == reference.reading(said, "LU")
    assert reading["limiter_threshold_va"] == reference.Number(69000)
    assert len(reading) > 50
    assert Line(key=bytes(16)).feed(athom()) == []


# --- On the device ---


@pytest.fixture
def deciphers(micropython, tmp_path):
    """What MicroPython says of some bytes: JSON, and the counters of cipher and framer, each
    three times over, in chunks of three sizes."""

    def run(data, key=KEY, authentication=AUTHENTICATION):
        stream = tmp_path / "frames"
        stream.write_bytes(data)
        keys = key.hex(), authentication.hex()
        printed = micropython("core_cipher.py", *keys, stream, heap="200k", timeout=100)
        *said, counters = printed.decode().splitlines()
        return said, tuple(map(int, counters.split()))

    return run


@needs_micropython
def test_micropython_deciphers_every_length(deciphers):
    """0 to 300 and then every seventh, so that all remainders of 16 come often; and one of more
    than 255 blocks."""
    lengths = [*range(300), *range(300, 2001, 7), 2000, 6000]
    kinds = ("with", "without")
    frames = [
        frame(sealed_of(length), length, additional=additional_of(kinds[length % 2]))
        for length in lengths
    ]
    _, (good, bad, overflow, telegrams) = deciphers(b"".join(frames))
    assert (good, bad, overflow) == (3 * len(lengths), 0, 0)
    assert telegrams == 3 * sum(length >= 20 for length in lengths)


def sealed_of(length):
    """That many bytes that are a telegram, where they are enough for one."""
    if length < 20:
        return os.urandom(length).replace(b"/", b"?")
    return seal(b"/X\r\n\r\n" + b"0" * (length - 14) + b"\r\n")[:length]


@needs_micropython
def test_micropython_deciphers_the_same(deciphers):
    chance = random.Random(3)
    telegrams = [
        telegram(f"1-0:1.7.0({n:02}.000*kW)", f"0-0:96.13.0({'41' * n})", header=b"/Lux5\r\n\r\n")
        for n in range(40)
    ]
    data = b""
    for counter, each in enumerate(telegrams):
        data += chance.randbytes(chance.choice((0, 0, 1, 30)))
        data += frame(each, counter, additional=additional_of(chance.choice(("with", "without"))))
    broken = bytearray(frame(ONE, 99))
    broken[60] ^= 4
    said, counters = deciphers(data + broken + frame(ONE, 100, key=bytes(16)) + frame(ONE, 101))
    receiver = Receiver("auto")
    assert said == [receiver.json(each) for _ in range(3) for each in [*telegrams, ONE]]
    assert counters == (123, 6, 0, 123)


@needs_micropython
def test_in_micropython_no_flipped_bit_lets_anything_through(deciphers):
    """Of a whole telegram; the good frame behind each of them comes through."""
    sent = frame(ONE)
    data = bytearray()
    for bit in range(len(sent) * 8):
        broken = bytearray(sent)
        broken[bit >> 3] ^= 1 << (bit & 7)
        data += broken + bytes(300) + frame(OTHER, 2)
    said, (good, _, _, telegrams) = deciphers(data)
    frames = len(sent) * 8
    # Where the length has become longer, it takes some of what follows with it.
    assert frames * 3 * 0.97 < good == telegrams <= frames * 3
    assert set(said) == {Receiver("auto").json(OTHER)}


@needs_micropython
@needs_telegrams
def test_micropython_deciphers_the_frame_of_another(deciphers):
    _, counters = deciphers(athom(), **ATHOM)
    assert counters == (3, 0, 0, 0)
