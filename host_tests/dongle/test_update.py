"""Updates over the air: what is taken, what is refused, and the power cut at every write."""

import json
import os
import subprocess

import pytest

import build
import bundles
import owner
from conftest import DEVICE, MICROPYTHON, needs_micropython

pytestmark = needs_micropython

OLD, NEW = "0.1.0", "0.2.0"  # OLD is what runs, and what the firmware itself says it is


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with flash/, and of other versions a build and a bundle."""
    folder = tmp_path_factory.mktemp("made")
    for version in ("0.0.9", OLD, NEW, "0.3.0"):
        built = bundles.small_firmware(folder / version, version)
        (folder / f"{version}.bundle").write_bytes(bundles.pack(built))
    bundles.flash(folder / OLD / "build")
    (folder / OLD / "build").rename(folder / "flash")
    return folder


def run(script, *args):
    """What a script prints last, as JSON."""
    result = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=32m", DEVICE / script, *map(str, args)],
        env={"PATH": os.environ["PATH"], "MICROPYPATH": f".frozen:{bundles.FIRMWARE}"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout.splitlines()[-1])


# --- What is refused, and what is taken ---


@pytest.fixture
def attempt(made, tmp_path):
    """attempt(case, ...): what update_receive.py says of them; data stands for a file with it."""

    def attempt(*cases):
        for number, case in enumerate(cases):
            if "data" in case:
                case["file"] = str(tmp_path / f"{number}.bundle")
                (tmp_path / f"{number}.bundle").write_bytes(case.pop("data"))
        (tmp_path / "cases.json").write_text(json.dumps(cases))
        return run("update_receive.py", made / "flash", tmp_path / "cases.json")

    return attempt


def refused(result, status, text, in_time=True):
    """Was it refused so, and was that before anything was written to a slot?"""
    got, answer, touched, is_same, version = result
    assert got == status and text in answer["error"], answer
    assert is_same and version == OLD
    assert touched is not in_time


def bundle_of(made, version):
    return (made / f"{version}.bundle").read_bytes()


def test_what_is_newer_is_taken_however_it_comes(made, attempt):
    new = str(made / f"{NEW}.bundle")
    results = attempt(
        {"file": new}, {"file": new, "piece": 7}, {"file": str(made / "0.3.0.bundle")}
    )
    for status, answer, *_ in results:
        assert status == 200 and "is in place" in answer["result"]
    assert [version for *_, version in results] == [NEW, NEW, "0.3.0"]


def test_the_same_version_is_taken_in_another_build_only(made, attempt, tmp_path):
    other = bundles.small_firmware(tmp_path, OLD + "")
    (tmp_path / "source/web/page.bin").write_bytes(b"another page")
    build.build(bundles.board(), tmp_path / "source", other, OLD)
    same, another = attempt({"file": str(made / f"{OLD}.bundle")}, {"data": bundles.pack(other)})
    refused(same, 409, "this build of 0.1.0 is already running")
    assert another[0] == 200


@pytest.mark.parametrize(
    "needs, text",
    [
        ({"version": "0.0.9"}, "0.0.9 is older than 0.1.0, which is running"),
        ({"version": "0.0.10"}, "0.0.10 is older than 0.1.0, which is running"),
        ({"arch": "xtensawin"}, "this bundle is for xtensawin; this chip runs x64"),
        ({"mpy": [6, 2]}, "has .mpy files of version 6.2; the MicroPython here runs 6.3"),
        ({"mpy": [7, 3]}, "has .mpy files of version 7.3; the MicroPython here runs 6.3"),
        ({"micropython": "2.0.0"}, "needs MicroPython 2.0.0; this board has 1."),
    ],
)
def test_what_cannot_run_here_is_refused(attempt, needs, text):
    (result,) = attempt({"data": bundles.signed(bundles.manifest(bundles.file(), **needs))})
    refused(result, 409, text)


def test_another_s_key_is_refused(attempt, made, tmp_path):
    stranger = owner.make(tmp_path / "key.pem")
    data = bundles.pack(made / NEW / "build", stranger)
    (result,) = attempt({"data": data})
    refused(result, 403, "the signature is not the owner's")


def test_without_the_owner_s_key_nothing_is_taken(attempt, made):
    new = str(made / f"{NEW}.bundle")
    none, broken = attempt(
        {"file": new, "before": "import os; os.remove('update.pub')"},
        {"file": new, "before": "open('update.pub', 'w').close()"},
    )
    refused(none, 403, "the owner's key is not on this dongle: `make deploy` copies")
    refused(broken, 403, "update.pub on this dongle is not a public key of P-256")


def test_a_bit_that_is_wrong_anywhere_is_refused(attempt, made):
    data = bundle_of(made, NEW)
    signed = len(data) - sum(
        file["size"]
        for file in json.loads((made / NEW / "build/slot_a.json").read_text())["files"]
    )
    # One in each byte of head and signature, then some of the manifest's and the files'.
    bits = [
        *(8 * byte + byte % 8 for byte in range(72)),
        *range(8 * 72, 8 * signed, 211),
        *range(8 * signed, 8 * len(data), 1009),
        8 * len(data) - 1,
    ]
    new = str(made / f"{NEW}.bundle")
    for bit, result in zip(bits, attempt(*({"flip": [new, bit]} for bit in bits)), strict=True):
        status, _, touched, is_same, version = result
        # Magic, format, a size beyond the end, and files are wrong in themselves. From the last
        # byte of the size to that of the manifest, it is the signature that does not fit.
        assert status == (403 if 7 <= bit // 8 < signed else 400), (bit, result)
        assert is_same and version == OLD, (bit, result)
        assert touched is (bit >= 8 * signed)


def test_what_ends_early_or_goes_on_is_refused(attempt, made):
    data = bundle_of(made, NEW)
    lengths = [0, 1, 7, 8, 71, 72, 73, 500, len(data) - 5000, len(data) - 1]
    results = attempt(
        *({"data": data[:length]} for length in lengths),
        *({"data": data[:length], "size": len(data)} for length in lengths),
    )
    for result in results:
        status, answer, _, is_same, version = result
        assert status == 400 and is_same and version == OLD
        assert "ended too early" in answer["error"] or "shorter or longer" in answer["error"]
    (longer,) = attempt({"data": data + b"!"})
    refused(longer, 400, "the bundle is shorter or longer than its files")


def test_a_sender_that_leaves_or_falls_silent_is_refused(attempt, made):
    data = bundle_of(made, NEW)
    half = {"size": len(data)}
    results = attempt(
        *(half | {"data": data[:end], "fault": "lost"} for end in (0, 100, len(data) - 9)),
        *(half | {"data": data[:end], "fault": "stalled"} for end in (0, 100, len(data) - 9)),
    )
    for number, (status, answer, _, is_same, version) in enumerate(results):
        assert status == 400 and is_same and version == OLD
        assert ("connection was lost" if number < 3 else "nothing was received for") in answer[
            "error"
        ]


def test_wrong_manifests_are_refused_though_they_are_signed(attempt):
    wrong = {
        "not one of this firmware": [
            *(b"", b"\n", b"[]\n", b"{}\n", b'"x"', b'{"version": "0.2.0", "files": [\n]}\n'),
            bundles.manifest(bundles.file(), firmware="another"),
            bundles.manifest(bundles.file(), version="0.2"),
            bundles.manifest(bundles.file(), version="0.2.0-rc1"),
            bundles.manifest(bundles.file(), version=2),
            bundles.manifest(bundles.file(), mpy=6),
            bundles.manifest(bundles.file(), micropython="new"),
        ],
        "which an update may not write": [
            bundles.manifest(bundles.file("../boot.py")),
            bundles.manifest(bundles.file("p1/a"), bundles.file("p1/a")),
            bundles.manifest(bundles.file("p1/b"), bundles.file("p1/a")),
        ],
        "the manifest's line for p1/x.mpy is wrong": [
            bundles.manifest(bundles.file(size=-1)),
            bundles.manifest(bundles.file(size=2_000_000)),
            bundles.manifest(bundles.file(size="1")),
            bundles.manifest(bundles.file(size=True)),
            bundles.manifest(bundles.file(sha256="00")),
        ],
        "a line of the manifest does not describe a file": [
            bundles.manifest(bundles.file(), {}),
            bundles.manifest(bundles.file(sha256="no digits")),
            bundles.manifest(bundles.file(sha256=5)),
            bundles.manifest(5),
        ],
        "the manifest has no end": [bundles.manifest(bundles.file(), end="")],
        "may have at most 32768 bytes": [b"x" * 40_000],
    }
    pairs = [(text, manifest) for text, group in wrong.items() for manifest in group]
    results = attempt(*({"data": bundles.signed(manifest)} for _, manifest in pairs))
    for (text, manifest), result in zip(pairs, results, strict=True):
        expected = "bytes, not 0" if manifest == b"" else text
        refused(result, 400, expected)


def test_what_is_no_bundle_is_refused(attempt, made):
    data = bundle_of(made, NEW)
    results = attempt(
        {"data": b"GET / HTTP/1.1\r\nHost: me\r\n\r\n" * 9},
        {"data": data[:4] + b"\0\2" + data[6:]},
    )
    refused(results[0], 400, "this file is not a bundle of `make bundle`")
    refused(results[1], 400, "this bundle has format 2; this firmware can read format 1")


def test_while_another_is_on_trial_nothing_is_taken(attempt, made):
    trial = {
        "slot": "slot_a",
        "previous": "slot_b",
        "result": "",
        "trial": {"version": "x", "starts": 1},
    }
    before = f"with open('slots.json', 'w') as file: file.write({json.dumps(trial)!r})"
    (result,) = attempt({"file": str(made / f"{NEW}.bundle"), "before": before})
    assert result[:2] == [
        409,
        {"error": "another update is still on trial; see /health", "code": "update_on_trial"},
    ]
    assert result[2:4] == [False, True]


def test_a_full_flash_leaves_what_runs(attempt, made):
    sizes = range(20, 60)
    new = str(made / f"{NEW}.bundle")
    results = attempt(*({"file": new, "blocks": blocks} for blocks in sizes))
    statuses = [status for status, *_ in results]
    assert statuses == sorted(statuses, reverse=True) and set(statuses) == {507, 200}
    for result in results:
        if result[0] == 507:
            refused(result, 507, "not enough space", in_time=not result[2])
        else:
            assert result[-1] == NEW


def test_a_flash_that_fails_leaves_what_runs(attempt, made):
    new = str(made / f"{NEW}.bundle")
    cases = [
        {"file": new, "again": new, "before": f"flash.writes_left = {count}"}
        for count in range(1, 90, 4)
    ]
    for status, answer, _, _, version in attempt(*cases):
        if status == 200:
            assert version in (OLD, NEW)  # the old one if it was the start that failed
        else:
            assert status == 500 and "the flash cannot be written" in answer["error"]
            assert version == OLD


# --- The power is cut ---


@pytest.mark.slow
def test_a_power_cut_at_any_write_leaves_the_old_or_the_new(made):
    figures = run(
        "update_power_cuts.py",
        made / "flash",
        made / f"{NEW}.bundle",
        made / "0.3.0.bundle",
        64,
        1,
    )
    print(figures)
    assert figures["update"][0] > 50 and len(figures) == 12


@pytest.mark.slow
def test_a_power_cut_in_an_update_of_the_real_firmware(made, tmp_path):
    for version in (OLD, NEW):
        target = tmp_path / version
        build.build(bundles.board(), bundles.FIRMWARE, target, version)
    (tmp_path / "new.bundle").write_bytes(bundles.pack(tmp_path / NEW))
    bundles.flash(tmp_path / OLD)
    figures = run(
        "update_power_cuts.py",
        tmp_path / OLD,
        tmp_path / "new.bundle",
        tmp_path / "new.bundle",
        512,  # as where the chip has 4 MB
        200,
    )
    print(figures)
    assert figures["update"][0] > 1000
