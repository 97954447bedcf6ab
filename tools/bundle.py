"""The firmware as one signed file, to send to a dongle over the network: `make bundle`.

    python tools/bundle.py --board esp32c3

The first time it makes the owner's key. The same sources and key give the same bytes.
"""

import argparse
import json
import struct
import sys
from pathlib import Path

sys.path += [
    str(Path(__file__).resolve().parents[1] / part) for part in ("firmware", "tools/cpython")
]

from rich.console import Console

import boards
import owner
from boards import BoardError
from build import ROOT, SLOT, BuildError, build_board
from dongle.update.bundle import FORMAT, HEAD, LONGEST_MANIFEST, MAGIC
from owner import OwnerError

_console = Console(highlight=False, soft_wrap=True)


def pack(build: Path, key: owner.PrivateKey) -> bytes:
    """The bundle of a build folder, as firmware/dongle/bundle.py says. Raises BuildError."""
    manifest = (build / f"{SLOT}.json").read_bytes()
    if len(manifest) > LONGEST_MANIFEST:
        raise BuildError(f"the manifest has {len(manifest)} bytes, {LONGEST_MANIFEST} are taken")
    head = struct.pack(HEAD, MAGIC, FORMAT, len(manifest))
    files = [(build / SLOT / file["path"]).read_bytes() for file in json.loads(manifest)["files"]]
    return b"".join([head, owner.sign(key, manifest), manifest, *files])


def _key(path: Path) -> owner.PrivateKey:
    try:
        return owner.load(path)
    except FileNotFoundError:
        key = owner.make(path)
    _console.print(
        f"made your key, {path}: a dongle takes only what it has signed.\n"
        "Keep it and tell nobody; it is not in git. Next: `make deploy` by USB, which brings its\n"
        "public half to the dongle. With the key lost that has to be done again, with a new one.",
        markup=False,
    )
    return key


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", default="", help=", ".join(boards.names()))
    parser.add_argument("--key", type=Path, default=owner.KEY, help="the owner's (owner-key.pem)")
    parser.add_argument("--output", type=Path, help="the file to write (build/p1-dongle-...)")
    args = parser.parse_args(arguments)
    try:
        target, manifest = build_board(args.board)
        data = pack(target, _key(args.key))
        name = f"p1-dongle-{manifest['version']}-{manifest['board']}.bundle"
        output = args.output or ROOT / "build" / name
        output.write_bytes(data)
    except (BoardError, BuildError, OwnerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    _console.print(f"{output}: {len(data):,} bytes, for {manifest['arch']}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
