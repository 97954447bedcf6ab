"""Telegrams in files -> one line of JSON for each, by the dongle's own core.

A telegram that cannot be trusted goes to stderr with what is wrong and where; the good ones are
printed all the same.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE.parent / "firmware"),
    str(HERE / "cpython" / "quick"),
    str(HERE / "cpython"),
]

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from p1 import country, crc16, framer  # noqa: E402
from p1.decode import decode  # noqa: E402
from p1.reading import Reading  # noqa: E402
from p1.render.json import Json  # noqa: E402

_stderr = Console(stderr=True, highlight=False, soft_wrap=True)


class Decoder:
    """Decodes one file's lines; bad counts what could not be trusted."""

    def __init__(self, name: str, country_code: str):
        self._name = name
        self._reading = Reading(country_code)
        self._json = Json()
        self._framer = framer.Framer(self._good)
        self._start_line = 0  # of the telegram under way
        self._found = 0
        self.bad = 0

    def run(self, lines: Iterator[bytes]) -> None:
        number = 0
        for number, line in enumerate(lines, 1):
            self._feed(line, number)
        before = self._rejections()
        self._framer.reset()
        if self._rejections() != before:
            self._complain("the file ends in the middle of the telegram")
        if not self._found + self.bad:
            self.bad += 1
            _say(f"{self._name}: no telegram in {number} lines (one starts with '/')")

    def _feed(self, line: bytes, number: int):
        before = self._rejections()
        self._framer.feed(line, len(line))
        if self._rejections() != before:
            self._complain(self._reason())
        if b"/" in line:
            self._start_line = number

    def _rejections(self) -> int:
        return self._framer.crc + self._framer.overflow + self._framer.framing

    def _complain(self, reason: str):
        self.bad += 1
        _say(f"{self._name}: telegram from line {self._start_line or 1}: {reason}")

    def _reason(self) -> str:
        bad = bytes(self._framer.bad[: self._framer.bad_size])
        if self._framer.bad_reason == framer.OVERFLOW:
            return f"longer than {framer.CAPACITY} bytes"
        if self._framer.bad_reason == framer.FRAMING:
            return "cut short: no CRC behind a '!' before the next one starts"
        printed = bad[bad.rindex(b"!") + 1 :].strip().decode()
        reason = f"its CRC says {printed}, its bytes {self._framer.bad_crc:04X}"
        covered = bad[: bad.rindex(b"!") + 1]
        if b"\r\n" not in covered:
            with_cr = crc16.check(covered.replace(b"\n", b"\r\n"))
            if with_cr == int(printed, 16):
                reason += "; with CR LF line ends it would be right: was the file converted?"
        return reason

    def _good(self, telegram: bytearray, size: int):
        self._found += 1
        decode(telegram, size, self._reading)
        page = self._json.render(self._reading)
        print(bytes(page.bytes[: page.size]).decode(), flush=True)
        if self._reading.rejected:
            where = f"{self._name}: telegram {self._found}"
            _say(f"{where}: {self._reading.rejected} unusable values left out")


def _say(text: str):
    _stderr.print(text, markup=False)


def _lines(file: BinaryIO, size: int) -> Iterator[bytes]:
    with Progress(console=_stderr, transient=True, disable=not _stderr.is_terminal) as progress:
        task = progress.add_task(Path(file.name).name, total=size or None)
        for line in file:
            yield line
            progress.advance(task, len(line))


def main() -> int:
    parser = argparse.ArgumentParser(prog="decode", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="- is standard input")
    parser.add_argument("--country", default=country.AUTO, choices=sorted(country.CODES))
    args = parser.parse_args()
    bad = 0
    for name in args.files:
        decoder = Decoder("stdin" if name == "-" else name, args.country)
        try:
            if name == "-":
                decoder.run(iter(sys.stdin.buffer))
            else:
                with open(name, "rb") as file:
                    decoder.run(_lines(file, Path(name).stat().st_size))
        except OSError as error:
            _say(f"{name}: {error.strerror}")
            bad += 1
        bad += decoder.bad
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
