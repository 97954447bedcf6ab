"""The sources of the two pages: the words of every language, and what is made of all of it."""

import json
import re

import pytest

import pages
from p1.obis import DEVICE_TYPES
from pages import PageError

NAMES = ("index", "setup")
LANGUAGES = pages.languages()

# What the page asks for by the type that a submeter has.
OF_SUBMETERS = {each.decode() for each in DEVICE_TYPES.split() if not each.isdigit()}

IN_QUOTES = re.compile(r'"(\w+)"')
# Where a key is named as such, and in what words around it.
AS_KEYS = (
    re.compile(r'data-text="(\w+)"'),
    re.compile(r'\btext\("(\w+)"'),
    re.compile(r'\btext\([^()]*\? "(\w+)" : "\w+"\)'),
    re.compile(r'\btext\([^()]*\? "\w+" : "(\w+)"\)'),
    re.compile(r'\bcomplain\("(\w+)"'),
)


def whole(name):
    return pages.page(pages.WEB / f"{name}.html").decode()


def sources(name):
    """The markup and the scripts of a page, without the words."""
    script = pages.script(pages.WEB / "script" / f"{name}.js", name)
    before, _, after = script.partition("const TEXTS = {")
    return (pages.WEB / f"{name}.html").read_text() + before + after.partition("}\n")[2]


# --- Words ---


def test_there_are_languages_for_both_pages():
    assert {"en", "nl", "fr", "de"} <= LANGUAGES.keys()
    for code, table in LANGUAGES.items():
        assert table.keys() == {"place", "both", *NAMES}, code
        assert re.fullmatch("[a-z]{2}", code)
    places = [table["place"] for table in LANGUAGES.values()]
    assert len(set(places)) == len(places), "two languages have the same place"


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("part", ("both", *NAMES))
def test_every_language_has_the_same_words(code, part):
    words, english = LANGUAGES[code][part], LANGUAGES["en"][part]
    assert words.keys() == english.keys()
    for key, word in words.items():
        assert word.strip() == word != "", key
        assert sorted(re.findall(r"{\w*}", word)) == sorted(re.findall(r"{\w*}", english[key])), (
            key
        )


@pytest.mark.parametrize("name", NAMES)
def test_no_word_of_a_page_is_one_of_both_too(name):
    assert not LANGUAGES["en"]["both"].keys() & LANGUAGES["en"][name].keys()


@pytest.mark.parametrize("name", NAMES)
def test_every_word_is_used(name):
    named = set(IN_QUOTES.findall(sources(name)))
    unused = pages.texts(name).keys() - named - (OF_SUBMETERS if name == "index" else set())
    # Those for the dongle's codes are in test_codes.py.
    assert {key for key in unused if not key.startswith("code_")} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_word_that_is_used_is_there(name):
    text = sources(name)
    used = {key for pattern in AS_KEYS for key in pattern.findall(text)}
    assert len(used) > 20
    assert used <= pages.texts(name).keys()


def test_a_submeter_of_any_type_has_a_name():
    assert {"gas", "water", "warm_water"} <= OF_SUBMETERS <= pages.texts("index").keys()


# --- What is made of it ---


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_every_word_of_every_language(name):
    page = whole(name)
    for code, table in LANGUAGES.items():
        for key, word in {**table["both"], **table[name]}.items():
            assert json.dumps(word, ensure_ascii=False) in page, (code, key)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole(name):
    page = whole(name)
    assert not re.search(r"^\s*(import|export)\b[^:]", page, re.MULTILINE)
    assert not re.search(r"<link[^>]* href=\"(?!data:)|<script [^>]*>| src=", page)
    assert "<!--" not in page and "/*" not in page
    assert page.count("<style>") == page.count("<script>") == page.count("</script>") == 1
    assert page.startswith("<!doctype html>\n") and page.endswith("</html>\n")


@pytest.mark.parametrize("name", NAMES)
def test_no_brace_is_without_a_value(name):
    """{word} in a text is filled in from a property of that name, somewhere in the scripts."""
    text = sources(name)
    for key, words in pages.texts(name).items():
        for place in re.findall(r"{(\w+)}", words[0]):
            assert re.search(rf"\b{place}\b", text), key


@pytest.mark.parametrize("name", NAMES)
def test_the_same_sources_give_the_same_bytes(name):
    source = pages.WEB / f"{name}.html"
    assert pages.packed(pages.page(source)) == pages.packed(pages.page(source))


def test_the_set_up_page_is_for_old_browsers_too():
    """Nothing newer than of 2017, of what is easily written; the linter looks for more of it."""
    newer = r"\?\?|\?\.\D|\bcatch \{|\|\|=|&&=|\{ ?\.\.\.|replaceChildren|replaceAll"
    assert re.findall(newer, sources("setup")) == []
    assert re.findall(newer, sources("index")) != []


# --- Pages that cannot be made ---


@pytest.fixture
def make(tmp_path):
    """Makes a page of these files."""

    def make(**files):
        folder = tmp_path / "script"
        folder.mkdir()
        (tmp_path / "x.html").write_text('<script type="module" src="script/x.js"></script>')
        for name, text in files.items():
            (folder / f"{name}.js").write_text(text)
        return pages.page(tmp_path / "x.html").decode()

    return make


def test_modules_become_one_script_each_before_who_needs_it(make):
    page = make(
        x='import { a } from "./y.js"\nimport { b } from "./z.js"\n\na(b)\n',
        y='import {\n  b,\n} from "./z.js"\nexport const a = (x) => [x, b]\n',
        z="// Ours.\nexport let b = '</script>'\n",
    )
    expected = "\"use strict\"\nlet b='<\\/script>'\nconst a=(x)=>[x,b]\na(b)"
    assert page == f"<script>\n{expected}\n</script>\n"


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "x.js: No such file"),
        ({"x": 'import { a } from "./y.js"\n'}, "y.js: No such file"),
        ({"x": 'import { a } from "./y.js"\n', "y": "const a = 1\n"}, "y.js does not export a"),
        ({"x": 'import a from "./y.js"\n'}, "cannot be put into a page: import a"),
        ({"x": "export default 1\n"}, "cannot be put into a page: export default"),
        (
            {"x": 'import { a } from "./y.js"\nconst b = a\n', "y": "export const a = 1\nlet b\n"},
            "in more than one of its modules: b",
        ),
    ],
)
def test_it_says_what_is_wrong(make, files, complaint):
    with pytest.raises(PageError, match=re.escape(complaint)):
        make(**files)


def test_it_says_which_words_are_missing(tmp_path):
    (tmp_path / "words").mkdir()
    for number, words in enumerate(('a = "1"\nb = "2"', 'a = "1"')):
        text = f"place = {number}\n[both]\n[x]\n{words}\n"
        (tmp_path / "words" / f"l{number}.toml").write_text(text)
    with pytest.raises(PageError, match="not in every language: b"):
        pages.texts("x", tmp_path)
