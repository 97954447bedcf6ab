"""`make bundle`: the key it makes, the file it writes, and what a dongle reads in it."""

import hashlib
import json
import tomllib
import types

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as some

import boards
import build
import bundle
import bundles
import dongle
import owner
from dongle.http.request import Refused
from dongle.update.bundle import check_runs_here, manifest_size, read_files, read_needs, version
from dongle.update.ecdsa import load_public_key


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return bundles.small_firmware(tmp_path_factory.mktemp("built"), "0.2.0")


# --- The file ---


def test_what_is_packed_is_what_was_built(built):
    data = bundles.pack(built)
    size = manifest_size(data[:8])
    manifest = data[72 : 72 + size]
    assert manifest == (built / "slot_a.json").read_bytes()
    needs, *lines = manifest.decode().splitlines()
    assert read_needs(needs)["version"] == "0.2.0"
    rest = data[72 + size :]
    paths = []
    for path, size, digest in read_files(lines):
        paths.append(path)
        assert rest[:size] == (built / "slot_a" / path).read_bytes()
        assert hashlib.sha256(rest[:size]).digest() == digest
        rest = rest[size:]
    assert rest == b""
    slot = built / "slot_a"
    assert paths == sorted(
        path.relative_to(slot).as_posix() for path in slot.rglob("*") if path.is_file()
    )


def test_the_signature_is_ecdsa_over_the_manifest(built):
    data = bundles.pack(built)
    r, s = int.from_bytes(data[8:40], "big"), int.from_bytes(data[40:72], "big")
    manifest = (built / "slot_a.json").read_bytes()
    public, scheme = bundles.KEY.public_key(), ec.ECDSA(hashes.SHA256())
    public.verify(encode_dss_signature(r, s), manifest, scheme)
    with pytest.raises(InvalidSignature):
        public.verify(encode_dss_signature(r, s), manifest + b" ", scheme)


def test_two_of_one_firmware_are_the_same_bytes(built, tmp_path):
    again = bundles.small_firmware(tmp_path, "0.2.0")
    assert bundles.pack(again) == bundles.pack(built)


@pytest.mark.parametrize("name", boards.names())
def test_a_dongle_reads_what_the_real_firmware_is(name, tmp_path):
    build.build(boards.load(name), bundles.FIRMWARE, tmp_path / "built", build.project_version())
    data = bundles.pack(tmp_path / "built")
    size = manifest_size(data[:8])
    lines = data[72 : 72 + size].decode().splitlines(keepends=True)
    needs = read_needs(lines[0])
    assert max(map(len, lines)) < 256, "a line at a time is in the dongle's memory"
    assert sum(size for _, size, _ in read_files(lines[1:])) == len(data) - 72 - size
    assert needs["arch"] == boards.load(name).arch


# --- The command ---


# A board that no other file builds: they share build/, and run side by side.
def make_bundle(*arguments):
    return bundle.main(["--board", "esp32c6", *map(str, arguments)])


def test_the_first_time_a_key_is_made(tmp_path, capsys):
    key, output = tmp_path / "key.pem", tmp_path / "new.bundle"
    assert make_bundle("--key", key, "--output", output) == 0
    said = capsys.readouterr().out
    assert "made your key" in said and "make deploy" in said
    assert key.stat().st_mode & 0o777 == 0o600
    first = output.read_bytes(), key.read_bytes()
    assert f"{len(first[0]):,} bytes, for rv32imc" in said

    assert make_bundle("--key", key, "--output", output) == 0
    assert "made your key" not in capsys.readouterr().out
    assert (output.read_bytes(), key.read_bytes()) == first
    public = owner.load(key).public_key().public_numbers()
    text = owner.public_pem(owner.load(key)).decode()
    assert load_public_key(text) == (public.x, public.y)


def _pem(key, password=None):
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    lock = serialization.BestAvailableEncryption(password) if password else none
    return key.private_bytes(serialization.Encoding.PEM, form, lock)


@pytest.mark.parametrize(
    "pem, complaint",
    [
        (b"", "no private key in PEM without a password"),
        (owner.public_pem(bundles.KEY), "no private key in PEM without a password"),
        (_pem(bundles.KEY, b"secret"), "no private key in PEM without a password"),
        (_pem(ec.generate_private_key(ec.SECP384R1())), "no key of the curve P-256"),
    ],
)
def test_a_key_that_is_none_is_told(tmp_path, capsys, pem, complaint):
    (tmp_path / "key.pem").write_bytes(pem)
    assert make_bundle("--key", tmp_path / "key.pem") == 1
    assert complaint in capsys.readouterr().err
    assert (tmp_path / "key.pem").read_bytes() == pem


def test_a_board_that_is_none_is_told(tmp_path, capsys):
    assert bundle.main(["--key", str(tmp_path / "key.pem")]) == 1
    assert "which board?" in capsys.readouterr().err
    assert not (tmp_path / "key.pem").exists()


def test_git_does_not_take_the_key():
    assert owner.KEY.parent == build.ROOT
    assert owner.KEY.name in (build.ROOT / ".gitignore").read_text().splitlines()


# --- What a dongle checks ---


@pytest.mark.parametrize(
    "path",
    [
        *("../main.py", "p1/../../main.py", "p1/..", "/main.py", "/p1/x.mpy", "p1//x.mpy"),
        *("p1/./x.mpy", "p1/.x", "./p1/x.mpy", "p1/", "p1", "", "main.py", "boot.py"),
        *("slots.mpy", "slots.json", "config.json", "update.pub", "slot_a.json"),
        *("slot_a/p1/x.mpy", "lib/x.mpy", "P1/x.mpy", "p1x/x.mpy", "p1\\x.mpy", "p1/a\\b"),
        *("p1/x y", "p1/x\n", "p1/é", "p1/\0", "p1/" + "x" * 62, 1, None, ["p1/x"]),
    ],
)
def test_only_our_own_files_can_be_brought(path):
    with pytest.raises(Refused) as refusal:
        list(read_files([json.dumps(bundles.file(path)), "]}"]))
    assert "which an update may not write" in refusal.value.args[2]


@given(some.text("p1/.a\\ A-_", max_size=12).map(lambda end: "p1/" + end))
def test_whatever_is_brought_stays_in_its_folder(path):
    try:
        list(read_files([json.dumps(bundles.file(path)), "]}"]))
    except Refused:
        return
    assert not {"", ".", ".."} & set(path.split("/"))


@given(some.tuples(*[some.integers(0, 999)] * 3), some.tuples(*[some.integers(0, 999)] * 3))
def test_versions_compare_as_numbers(a, b):
    assert (version("{}.{}.{}".format(*a)) < version("{}.{}.{}".format(*b))) is (a < b)


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "1.2.x", "1.2.3-rc1", "1..2", ".1.2.", "1.2.-3", 1, None]
)
def test_what_is_no_version(text):
    with pytest.raises(ValueError):
        version(text)


@pytest.mark.parametrize(
    "number, release, complaint",
    [
        (6 | 3 << 8 | 11 << 10, (1, 24, 0, ""), None),
        (6 | 3 << 8 | 11 << 10 | 1 << 16, (1, 29, 0, "preview"), None),  # and RISC-V extensions
        (6 | 3 << 8 | 11 << 10, (1, 23, 9, ""), "needs MicroPython 1.24.0; this board has 1.23.9"),
        (6 | 3 << 8 | 10 << 10, (1, 24, 0, ""), "is for rv32imc; this chip runs xtensawin"),
        (6 | 2 << 8 | 11 << 10, (1, 24, 0, ""), "of version 6.3; the MicroPython here runs 6.2"),
        (7 | 3 << 8 | 11 << 10, (1, 24, 0, ""), "of version 6.3; the MicroPython here runs 7.3"),
    ],
)
def test_what_a_firmware_needs(number, release, complaint):
    needs = bundles.NEEDS | {"arch": "rv32imc"}
    here = types.SimpleNamespace(_mpy=number, version=release)
    if complaint is None:
        return check_runs_here(needs, here)
    with pytest.raises(Refused) as refusal:
        check_runs_here(needs, here)
    assert complaint in refusal.value.args[2] and refusal.value.args[0] == 409


def test_the_firmware_has_the_project_s_version():
    project = tomllib.loads((build.ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == dongle.VERSION
    version(dongle.VERSION)
