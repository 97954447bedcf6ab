"""The documents: the README is short, every link leads somewhere, every command is there."""

import re
import subprocess
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from conftest import ROOT

LONGEST_README = 150  # lines

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

# A path of a file in the repository, in a command or in the text.
SCRIPT = re.compile(
    r"\b((?:tools|host_tests|firmware|boards|docs)/[\w./-]*\w\.(?:py|toml|md|json))\b"
)
# A command of make with its target. `make -C ports/esp32` is MicroPython's.
MAKE = re.compile(r"\bmake ((?:[A-Z_]+=\S+ )*)([a-z][a-z-]*)")


def _documents() -> list[str]:
    """What is in the repository or is new in it; not what others have built."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    names = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    return sorted(names) or ["README.md"]  # without git, as from an archive


DOCUMENTS = _documents()


@cache
def tokens(path: Path) -> list[Token]:
    """Of a document, those inside of paragraphs and tables too."""
    found: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text()):
        found.append(token)
        found.extend(token.children or ())
    return found


@cache
def anchors(path: Path) -> set[str]:
    """What a link to a section may name, by GitHub's rule."""
    found: list[str] = []
    parsed = tokens(path)
    for at, token in enumerate(parsed):
        if token.type == "heading_open":
            children = parsed[at + 1].children or ()
            found.append(anchor("".join(child.content for child in children)))
    numbered = {f"{name}-{number}" for name in found for number in range(1, found.count(name))}
    return set(found) | numbered


def anchor(heading: str) -> str:
    kept = (
        char for char in heading.lower() if char in " -_" or unicodedata.category(char)[0] in "LNM"
    )
    return "".join(kept).replace(" ", "-")


def links(path: Path) -> Iterator[str]:
    """Of text and pictures."""
    for token in tokens(path):
        for name in ("href", "src"):
            if target := token.attrGet(name):
                yield str(target)


def code(path: Path) -> Iterator[str]:
    """What is printed as something to type."""
    for token in tokens(path):
        if token.type in ("code_inline", "fence", "code_block"):
            yield token.content


def test_there_is_something_to_look_at():
    assert len(DOCUMENTS) > 15 and "docs/interfaces.md" in DOCUMENTS
    assert {"demo", "test", "install", "fuzz-http"} <= TARGETS
    assert anchor("Supply (pins 1 and 6)") == "supply-pins-1-and-6"
    assert "the-api-of-dsmr-reader" in anchors(ROOT / "docs/interfaces.md")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name):
    path = ROOT / name
    for link in links(path):
        target, _, section = link.partition("#")
        if re.match(r"[a-z]+:", target):  # a place elsewhere
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        assert file.is_relative_to(ROOT), link
        if section and file.suffix == ".md":
            assert section in anchors(file), link


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_of_make_is_in_the_makefile(name):
    for text in code(ROOT / name):
        for _, target in MAKE.findall(text):
            assert target in TARGETS, text


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_named_exists(name):
    for text in code(ROOT / name):
        for path in SCRIPT.findall(text):
            assert (ROOT / path).is_file(), text
