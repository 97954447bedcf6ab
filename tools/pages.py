"""Makes the pages of firmware/web as a dongle has them: each a single file, packed with gzip.

    python tools/pages.py

says how large they are. Each page is an .html file that names its style sheets, its icon and one
script; all of that is put into it, without comments and indentation. The scripts are modules that
import each other by name; here they become one script. What they import from texts.js is made from
words/: the words that the page's own table and the one of both pages have, in every language.
"""

import gzip
import io
import json
import re
import sys
import tomllib
import urllib.parse
from pathlib import Path

import rcssmin
import rjsmin

WEB = Path(__file__).resolve().parents[1] / "firmware" / "web"

# What goes into the pages, and is no document of its own.
PARTS = {".css", ".js", ".svg", ".toml"}

_STYLES = re.compile(r'(?:<link rel="stylesheet" href="[^"]+">\n)+')
_ICON = re.compile(r'(?<=<link rel="icon" href=")([^":]+)(?=">)')
_SCRIPT = re.compile(r'<script type="module" src="([^"]+)"></script>')
_HREF = re.compile(r'href="([^"]+)"')
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)

# Only these forms are understood, each at the beginning of a line.
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+\.js)"\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|let|class) (\w+))", re.MULTILINE)
_TOP = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)

_TEXTS = "texts.js"


class PageError(Exception):
    """A page names what is not there, or in a way that is not understood."""


def page(source: Path) -> bytes:
    """The whole page of an .html file. Raises PageError."""
    folder = source.parent
    text = "\n".join(filter(None, map(str.strip, _COMMENT.sub("", _read(source)).split("\n"))))
    text = _STYLES.sub(lambda found: _style(folder, _HREF.findall(found[0])), text + "\n")
    text = _ICON.sub(lambda found: _data_url(_read(folder / found[1])), text)
    text = _SCRIPT.sub(lambda found: _script(folder / found[1], source.stem), text)
    return text.encode()


def packed(data: bytes) -> bytes:
    """Gzip without a time or a file name in it. gzip.compress would add the operating system."""
    into = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=into, mtime=0) as file:
        file.write(data)
    return into.getvalue()


def build(target: Path, web: Path = WEB) -> None:
    """Puts all pages, packed, into target/web. Raises PageError."""
    (target / "web").mkdir(parents=True, exist_ok=True)
    for source in web.glob("*.html"):
        (target / "web" / f"{source.name}.gz").write_bytes(packed(page(source)))


# --- Words ---


def languages(web: Path = WEB) -> dict[str, dict]:
    """The tables of words/, by language, in the order in which the pages list them."""
    found = {file.stem: tomllib.loads(_read(file)) for file in (web / "words").glob("*.toml")}
    return dict(sorted(found.items(), key=lambda each: (each[1]["place"], each[0])))


def texts(name: str, web: Path = WEB) -> dict[str, list[str]]:
    """The words of a page by key, each in the order of languages(). Raises PageError."""
    tables = [{**each["both"], **each[name]} for each in languages(web).values()]
    for table in tables:
        if differing := table.keys() ^ tables[0].keys():
            raise PageError(f"words/: not in every language: {', '.join(sorted(differing))}")
    return {key: [table[key] for table in tables] for key in tables[0]}


def _texts_script(name: str, web: Path) -> str:
    known = _json(list(languages(web)))
    lines = ",\n".join(f"{key}:{_json(words)}" for key, words in texts(name, web).items())
    return f"const LANGUAGES = {known}\nconst TEXTS = {{{lines}}}\n"


def _json(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- Scripts, styles, pictures ---


def script(first: Path, name: str) -> str:
    """A module and all that it imports as one script, not packed; name: of the page, whose words
    it gets. Raises PageError."""
    parts: dict[str, str] = {}
    _collect(first, name, parts, {})
    tops = [top for part in parts.values() for top in _TOP.findall(part)]
    if twice := {top for top in tops if tops.count(top) > 1}:
        raise PageError(f"{first}: in more than one of its modules: {', '.join(sorted(twice))}")
    return '"use strict"\n' + "".join(parts.values())


def _collect(module: Path, name: str, parts: dict[str, str], exports: dict[str, set[str]]):
    """Adds a module to the parts, behind those that it imports, as they would be run."""
    exports[module.name] = set()
    if module.name == _TEXTS:
        parts[_TEXTS] = _texts_script(name, module.parents[1])
        exports[_TEXTS] = {"LANGUAGES", "TEXTS"}
        return
    text = _read(module)
    exports[module.name] = set(_EXPORT.findall(text))
    for names, other in _IMPORT.findall(text):
        if other not in exports:
            _collect(module.parent / other, name, parts, exports)
        wanted = {each.strip() for each in names.split(",")} - {""}
        if missing := wanted - exports[other]:
            raise PageError(f"{module}: {other} does not export {', '.join(sorted(missing))}")
    text = _EXPORT.sub("", _IMPORT.sub("", text))
    if unknown := _UNKNOWN.search(text):
        raise PageError(f"{module}: cannot be put into a page: {unknown[0]}")
    parts[module.name] = text


def _script(first: Path, name: str) -> str:
    text = rjsmin.jsmin(script(first, name))
    assert isinstance(text, str)  # it takes and returns bytes too
    return "<script>\n" + text.replace("</", r"<\/") + "\n</script>"


def _style(folder: Path, names: list[str]) -> str:
    text = rcssmin.cssmin("".join(_read(folder / name) for name in names))
    return f"<style>\n{text}\n</style>\n"


def _data_url(picture: str) -> str:
    line = "".join(map(str.strip, picture.split("\n"))).replace('"', "'")
    return "data:image/svg+xml," + urllib.parse.quote(line, safe=" '=:/")


def _read(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except OSError as error:
        raise PageError(f"{source}: {error.strerror}") from None


def main() -> int:
    for source in sorted(WEB.glob("*.html")):
        try:
            whole = page(source)
        except PageError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{source.name}: {len(whole):,} bytes, {len(packed(whole)):,} packed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
