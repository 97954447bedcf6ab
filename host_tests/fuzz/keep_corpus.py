"""Keeps the smallest set of a fuzzer's inputs that reaches all it has reached, as corpus.zip.

python host_tests/fuzz/keep_corpus.py FOLDER ...
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus.zip"
MOST = 300  # the shortest; the rest differs in little


def main():
    with tempfile.TemporaryDirectory() as kept:
        # libFuzzer starts the script again for itself, by its name.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        command = [HERE / "fuzz_core.py", "-merge=1", kept, *sys.argv[1:]]
        subprocess.run(command, env=os.environ | {"PATH": path}, check=True)
        inputs = sorted((path.read_bytes() for path in Path(kept).iterdir()), key=len)
    with zipfile.ZipFile(CORPUS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number, data in enumerate(inputs[:MOST]):
            # A date of its own would make another file of the same inputs.
            archive.writestr(zipfile.ZipInfo(f"{number:03}"), data, zipfile.ZIP_DEFLATED)
    print(f"{min(len(inputs), MOST)} of {len(inputs)} inputs, {CORPUS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
