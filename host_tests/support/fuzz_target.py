r"""What a fuzzer's bytes mean to the core, and what must hold for all of them.

An input is a telegram's text, from behind its "/" to its "!", LF or CR LF; behind each byte FF
stand edits, three bytes each (place, low byte first, and the new value), that make the next
telegram from the one before. So that most have the size of the one before, as a meter's have.
"""

import json
from itertools import pairwise
from typing import Any

import reference
from make_fixtures import seal
from p1.decode import decode
from p1.framer import CAPACITY, Framer
from p1.reading import Reading
from p1.render.json import Json


def telegrams(data: bytes) -> list[bytes]:
    """The sealed telegrams of an input; the last is the first again."""
    text, *parts = data.split(b"\xff")
    texts = [_harmless(text)]
    for part in parts[:4]:
        edited = bytearray(texts[-1])
        for at in range(0, min(len(part) - 2, 60), 3):
            if edited:
                edited[(part[at] | part[at + 1] << 8) % len(edited)] = part[at + 2]
        texts.append(_harmless(bytes(edited)))
    if len(texts) > 1:
        texts.append(texts[0])
    sealed = [seal(b"/" + text + b"\r\n") for text in texts]
    return [each for each in sealed if len(each) <= CAPACITY]


def _harmless(text):
    """Without what would start or end a telegram: the framer keeps that from the decoder."""
    text = text.replace(b"/", b"?").replace(b"\n!", b"\n?")
    return text.replace(b"\xff", b"?")


def encode(*telegrams) -> bytes:
    """An input that stands for these telegrams (bytes), where all of them have one size."""
    texts = [each[1 : each.rindex(b"\n!") - 1].removesuffix(b"\r") for each in telegrams]
    data = texts[0]
    for before, text in pairwise(texts):
        edits = [at for at in range(len(text)) if before[at : at + 1] != text[at : at + 1]]
        data += b"\xff" + b"".join(bytes((at & 255, at >> 8, text[at])) for at in edits)
    return data


def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), keys
    return dict(pairs)


class Watch:
    """Two readers of the same telegrams: one that knows the telegram before, one that does not."""

    def __init__(self, country: str = "auto", has_crc: bool = True):
        self.country = country
        self.reading = Reading(country)
        self.json = Json()
        self.framer = Framer(self._take, has_crc)
        self.told: tuple[bytes, bytes, int] | None = None

    def _take(self, buffer, size):
        decode(buffer, size, self.reading)
        page = self.json.render(self.reading)
        self.told = bytes(buffer[:size]), bytes(page.bytes[: page.size]), self.reading.rejected

    def _delivered(self, telegram):
        assert self.told, "a sealed telegram is delivered"
        assert self.told[0].rstrip() == telegram.rstrip()
        return self.told

    def check(self, telegram: bytes, with_reference: bool = True) -> bytes:
        """The document of a sealed telegram, after all that must be true of it."""
        self.told = None
        self.framer.feed(telegram, len(telegram))
        telegram, document, rejected = self._delivered(telegram)
        # Afresh, in a buffer that ends where the telegram does, so that no pointer leaves it.
        reading, writer = Reading(self.country), Json()
        decode(telegram, len(telegram), reading)
        page = writer.render(reading)
        assert document == bytes(page.bytes[: page.size]), "whatever came before"
        assert rejected == reading.rejected
        json.loads(document, object_pairs_hook=no_twins)
        if with_reference and not writer.cut:
            said = reference.load(document.decode())
            assert said == reference.reading(telegram, self.country)
        return document


def check(data: bytes, with_reference: bool = True) -> list[bytes]:
    """Whether all that must hold of the core does for this input; the documents."""
    watch = Watch()
    return [watch.check(telegram, with_reference) for telegram in telegrams(data)]
