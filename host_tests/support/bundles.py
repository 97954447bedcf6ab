"""Updates for the tests: small firmwares, the flash of a dongle, and bundles, right and wrong."""

import dataclasses
import hashlib
import json
import random
import struct
from pathlib import Path

import boards
import build
import bundle
import owner

FIRMWARE = build.ROOT / "firmware"
KEY = owner.ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D693, owner.ec.SECP256R1())


def board() -> boards.Board:
    """A profile whose code runs here."""
    return dataclasses.replace(boards.load("esp32c3"), arch="x64")


def small_firmware(folder: Path, version: str) -> Path:
    """A built firmware that does nothing, in files of the usual kinds; its build folder."""
    noise = random.Random(version)
    sources = {
        "main.py": "from dongle import app\n",
        **{name: (FIRMWARE / name).read_text() for name in ("boot.py", "slots.py")},
        "dongle/__init__.py": f"VERSION = {version!r}\n",
        "dongle/app.py": f"print('this is {version}')\n",
        "p1/__init__.py": "",
        "p1/render/json.py": f"seed = {noise.getrandbits(30)}\n",
        "web/page.bin": noise.randbytes(5000),
        "web/empty.txt": b"",
    }
    for path, data in sources.items():
        file = folder / "source" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
    build.build(board(), folder / "source", folder / "build", version)
    return folder / "build"


def flash(built: Path, key: owner.PrivateKey | None = KEY) -> None:
    """Makes a build folder what `make deploy` would have put on the flash."""
    (built / build.MANIFEST).unlink()
    (built / build.NAMES).unlink(missing_ok=True)
    if key:
        (built / owner.PUBLIC_KEY).write_bytes(owner.public_pem(key))


def pack(built: Path, key: owner.PrivateKey = KEY) -> bytes:
    return bundle.pack(built, key)


def signed(manifest: bytes, files: bytes = b"", key: owner.PrivateKey = KEY) -> bytes:
    """A bundle of this manifest, whatever it says."""
    head = struct.pack(bundle.HEAD, bundle.MAGIC, bundle.FORMAT, len(manifest))
    return head + owner.sign(key, manifest) + manifest + files


NEEDS = {
    "firmware": "p1-dongle",
    "version": "0.2.0",
    "arch": "x64",
    "mpy": build.mpy_version(),
    "micropython": "1.24.0",
}


EMPTY = hashlib.sha256().hexdigest()


def file(path: str = "p1/x.mpy", size: object = 0, sha256: object = EMPTY) -> dict[str, object]:
    """Of a manifest: a line, right or wrong; without more, an empty file."""
    return {"path": path, "size": size, "sha256": sha256}


def manifest(*files: object, end: str = "]}\n", **needs) -> bytes:
    """A manifest with other needs, and these files."""
    lines = ",\n".join(json.dumps(file) for file in files)
    return (json.dumps(NEEDS | needs)[:-1] + ', "files": [\n' + lines + "\n" + end).encode()
