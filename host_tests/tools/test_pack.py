"""Packing: small programs say the same packed as they do unpacked, and what packing cannot keep is
refused in words."""

import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest

import build
from conftest import MICROPYTHON, needs_micropython
from pack import PackError, Sources, names_in, pack
from pack.mpy import names_of
from pack.rom import known_names, rom_names

pytestmark = needs_micropython

AB = {"p1/ab": ("p1.a", "p1.b")}


def packed(files, groups=(), kept=(), resident=()):
    """files: sources by path without their ending; "main" starts."""
    sources = {f"{path}.py": dedent(text).lstrip("\n") for path, text in files.items()}
    main = {"main.py": sources.pop("main.py", "")}
    return pack(Sources(sources, main, dict(groups), resident), kept)


def said(folder, sources):
    for path, text in sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    command = [MICROPYTHON, "-c", "import main"]
    environment = {"MICROPYPATH": f"{folder}:.frozen"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.split("\n")[:-1]


@pytest.fixture
def same(tmp_path):
    """same(files, groups) runs them as they are and packed; returns (what they say, Packed)."""

    def run(files, groups=(), kept=(), resident=()):
        main = dedent(files["main"])
        plain = {f"{path}.py": dedent(text).lstrip("\n") for path, text in files.items()}
        made = packed(files, groups, kept, resident)
        expected = said(tmp_path / "plain", plain)
        assert said(tmp_path / "packed", {**made.files, "main.py": main}) == expected
        assert expected, "it says nothing"
        return expected, made

    return run


def text_of(made):
    return "\n".join(made.files.values())


# --- What goes ---


def test_comments_docstrings_and_types_go(same):
    _, made = same(
        {
            "p1/a": '''
                """The module."""

                # A comment.
                class Thing:
                    """A thing."""

                class Nothing:
                    pass

                def twice(number: int) -> int:
                    """Twice."""
                    pass
                    return 2 * number

                total: int = twice(4)
                later: str
                ''',
            "main": "from p1 import a\nprint(a.total, a.Nothing, a.Thing)\n",
        }
    )
    assert not re.search(r"->|: int|: str|The module|A thing|Twice", text_of(made))
    assert text_of(made).count("pass") == 2


def test_the_types_of_machine_code_stay(same):
    _, made = same(
        {
            "p1/a": """
                import micropython

                _TABLE = b"abc"

                @micropython.viper
                def first(text: ptr8, at: int) -> int:
                    "A docstring."
                    table = ptr8(_TABLE)
                    return text[at] + table[0]
                """,
            "main": "from p1 import a\nprint(a.first(b'xyz', 1))\n",
        }
    )
    assert re.search(r"text: ptr8, \w+: int\) -> int", text_of(made))
    assert "import micropython" not in text_of(made), "a decorator needs no import"


def test_an_empty_package_needs_no_file(same):
    _, made = same(
        {
            "p1/__init__": "# Nothing.\n",
            "p1/a": "x = [1]\n",
            "main": "from p1 import a\nprint(a.x)",
        }
    )
    assert set(made.files) == {"p1/a.py"}


# --- Numbers ---


def test_numbers_stand_where_they_are_used(same):
    output, made = same(
        {
            "p1/a": """
                from micropython import const

                SIZE = const(8)
                _MASK = const((1 << SIZE) - 1)
                NEAR, FAR = 3, -4
                HEAD = len(b"head")
                LARGE = const(0x7FFFFFFF)
                """,
            "p1/b": """
                from . import a
                from .a import FAR, SIZE as size

                def values(step=a.NEAR):
                    return [a.SIZE, size, FAR, -FAR, step, a.HEAD, a.LARGE, f"{size}", 2**-FAR]
                """,
            "main": "from p1 import b\nprint(b.values())\n",
        }
    )
    assert output == ["[8, 8, -4, 4, 3, 4, 2147483647, '8', 16]"]
    assert set(made.files) == {"p1/b.py"} and "import" not in text_of(made)


def test_what_changes_is_no_constant(same):
    same(
        {
            "p1/a": """
                count = 1
                total = 2
                once = 3
                large = 1 << 60
                gone = 4
                del gone

                def more():
                    global count
                    count += 1
                    return count
                """,
            "p1/b": """
                from . import a

                a.once = 5

                def show():
                    return a.count, a.total, a.once, a.large, hasattr(a, "gone")
                """,
            "main": "from p1 import a, b\na.more()\nb.a.total += 1\nprint(b.show(), a.count)\n",
        }
    )


def test_a_number_stays_where_its_module_is_handed_about(same):
    same(
        {
            "p1/a": "from micropython import const\n\nSIZE = const(64)\n",
            "p1/b": """
                def load():
                    from . import a

                    return a


                def show():
                    module = load()
                    return module.SIZE
                """,
            "main": "from p1 import b\nprint(b.show())\n",
        }
    )


def test_a_kept_name_stays_though_it_is_a_number():
    files = {"p1/a": "PAUSE = 5\n\ndef pause():\n    return PAUSE\n"}
    assert "PAUSE" not in text_of(packed(files))
    kept = names_in("from p1 import a\na.PAUSE = 1\n")
    assert text_of(packed(files, kept=kept)).count("PAUSE") == 2


# --- Modules that become one ---


def test_two_modules_with_the_same_names_become_one(same):
    output, made = same(
        {
            "p1/a": """
                import sys
                from array import array as row

                _table = row("H", [1, 2])

                def _find(value):
                    return value == _table[0]

                def find(value):
                    return _find(value), sys.byteorder
                """,
            "p1/b": """
                import sys
                from array import array

                from . import a
                from .a import find as find_a

                _table = array("H", [3])

                def _find(value):
                    return value == _table[0]

                def find(value):
                    return _find(value), find_a(value), a.find(value)[0], sys.byteorder
                """,
            "p1/c": "from .b import find\n\ndef show():\n    return [find(n) for n in range(5)]\n",
            "dongle/d": "from p1 import c\nprint(c.show())\n",
            "main": "import dongle.d\n",
        },
        AB,
    )
    assert set(made.files) == {"p1/ab.py", "p1/c.py", "dongle/d.py"}
    assert made.map["files"]["p1/ab.py"] == ["p1/a.py", "p1/b.py"]
    assert made.files["p1/ab.py"].count("import sys") == 1
    assert "(False, (True, 'little'), True, 'little')" in output[0]


def test_bodies_come_in_the_order_in_which_they_need_each_other(same):
    _, made = same(
        {
            "p1/a": "from .b import base\n\nvalue = base() + ['a']\n",
            "p1/b": "def base():\n    return ['b']\n",
            "p1/c": "from .a import value\nprint(value)\n",
            "main": "import p1.c\n",
        },
        AB,
    )
    assert made.map["files"]["p1/ab.py"] == ["p1/b.py", "p1/a.py"]


@pytest.mark.parametrize("groups", [{}, AB])
def test_a_local_name_hides_nothing(same, groups):
    """Inside one file a name at the top must not be one that a function has for itself."""
    same(
        {
            "p1/a": """
                def text(value):
                    return "text " + value

                def quarter(at):
                    return at // 4

                class quiet:
                    at = 1
                """,
            "p1/b": """
                from . import a
                from .a import quarter as of

                def show(text, quarter=7):
                    inner = [a.text(text) for text in ("x", "y")]
                    also = lambda quiet: (a.quiet.at, quiet, a.quarter(quarter))
                    def nested():
                        quarter = 9
                        return a.quarter(12), quarter, of(40), a.text(text)
                    return inner, also(5), nested(), {quarter: of(quarter) for quarter in (4, 8)}

                try:
                    raise ValueError("error")
                except ValueError as text:
                    print(a.text(str(text)))
                """,
            "main": "import p1.c\n",
            "p1/c": "from .b import show\nprint(show('z'))\n",
        },
        groups,
    )


def test_a_builtin_that_one_module_has_anew_stays_what_it_is_for_the_other(same):
    same(
        {
            "p1/a": "def sorted(values):\n    return 'mine'\n\ndef max(*_):\n    return 0\n",
            "p1/b": """
                from . import a

                def show(values):
                    return sorted(values), a.sorted(values), max(values), a.max(values)
                """,
            "p1/c": "from .b import show\nprint(show([2, 1]))\n",
            "main": "import p1.c\n",
        },
        AB,
    )


def test_imports_in_functions(same):
    output, made = same(
        {
            "p1/a": """
                def load():
                    from . import c, b
                    from .c import late as later
                    from .b import near
                    import sys
                    return [c.late(), later(), b.near(), near(), (lambda: near())(), c.__name__,
                            "p1.c" in sys.modules]
                """,
            "p1/b": "def near():\n    return 'near'\n",
            "p1/c": "def late():\n    return 'late'\n",
            "dongle/d": """
                import sys
                from p1.a import load
                print("p1.c" in sys.modules, load())
                """,
            "main": "import dongle.d\n",
        },
        AB,
    )
    assert output[0].startswith("False ['late', 'late', 'near'")
    assert "from .c import" in made.files["p1/ab.py"]


def test_a_module_as_a_value(same):
    files = {
        "p1/a": "ROWS = [1, 2]\n\ndef key(row):\n    return ROWS[row]\n",
        "p1/b": """
            from . import a

            def of(registry, key):
                return registry.key(key), registry.ROWS

            def show():
                return of(a, 1)
            """,
        "p1/c": "from .b import show\nprint(show())\n",
        "main": "import p1.c\n",
    }
    same(files)
    with pytest.raises(PackError, match=r"p1/b\.py:7: p1\.a is used as a value, so it cannot be"):
        packed(files, AB)


def test_the_package_s_own_names(same):
    same(
        {
            "dongle/__init__": """
                import sys
                VERSION = "1"

                def forget():
                    for name in list(sys.modules):
                        if getattr(sys.modules[name], "TEMPORARY", False):
                            del sys.modules[name]
                """,
            "dongle/a": """
                import sys

                from . import VERSION, forget

                def show():
                    from .once import size
                    found = size()
                    forget()
                    return VERSION, found, "dongle.once" in sys.modules
                """,
            "dongle/b": "from .a import show\nprint(show(), show())\n",
            "dongle/c": "",
            "dongle/once": "TEMPORARY = True\n\ndef size():\n    return [4]\n",
            "main": "import dongle.b\n",
        },
        {"dongle/ab": ("dongle.a", "dongle.c")},
    )


def test_what_only_the_type_checker_reads_is_left_out(same):
    _, made = same(
        {
            "p1/a": """
                TYPE_CHECKING = False
                if TYPE_CHECKING:
                    from .b import B

                class A:
                    b: "B | None" = None
                    c: "B"

                    def take(self, b: "B"):
                        self.b = b
                """,
            "p1/b": "from .a import A\n\nclass B(A):\n    pass\n\nprint(B().b)\n",
            "main": "import p1.b\n",
        }
    )
    assert "CHECKING" not in made.files["p1/a.py"] and "import" not in made.files["p1/a.py"]


def test_modules_of_one_file_stay_equally_long():
    files = {"p1/a": "TEMPORARY = True\n", "p1/b": "TEMPORARY = True\nb = 1\n", "p1/c": ""}
    assert packed(files, AB, kept={"TEMPORARY"}).files["p1/ab.py"].count("TEMPORARY") == 1
    del files["p1/c"]
    files["p1/b"] = "b = 1\n"
    with pytest.raises(PackError, match=r"p1/ab\.py: .* TEMPORARY, but not p1\.b"):
        packed(files, AB)


# --- Names ---


def test_what_others_ask_for_by_a_text_keeps_its_name(same):
    _, made = same(
        {
            "p1/a": """
                class Reading:
                    def __init__(self):
                        self.average_w = 1
                        self.highest_w = 2
                        self.hidden_w = 3
                        self.asked_w = 4

                    def render_it(self, name):
                        return getattr(self, name), getattr(self, "asked_w"), self.hidden_w

                _TABLE = b"average_w 1,highest_w 2"

                def show():
                    return [Reading().render_it(part.split()[0].decode())
                            for part in _TABLE.split(b",")]
                """,
            "main": "from p1 import a\nprint(a.show())\n",
        }
    )
    text = text_of(made)
    assert "self.average_w" in text and "self.highest_w" in text and "self.asked_w" in text
    assert "hidden_w" not in text and "render_it" not in text


def test_keywords_of_ours_are_renamed_and_those_of_others_stay(same):
    _, made = same(
        {
            "p1/a": """
                from collections import namedtuple

                def shape(first_side, *, second_side=2, **_):
                    return first_side * second_side

                def show():
                    pair = dict(first_side=1, third_side=2)
                    words = "{second_side} {third_side}".format(second_side=3, third_side=4)
                    ordered = sorted([3, 1], key=lambda fourth_side: -fourth_side)
                    shapes = shape(2), shape(first_side=2, second_side=5)
                    return shapes, sorted(pair), words, ordered

                class Wide:
                    def __init__(self, long_side=1, *rest_of_it):
                        self.long_side, self.rest_of_it = long_side, rest_of_it

                class Wider(Wide):
                    def __init__(self, *arguments_of_it):
                        super().__init__(*arguments_of_it)
                        self.wide_side = self.long_side
                """,
            "main": "from p1 import a\nprint(a.show())\n",
        }
    )
    text = text_of(made)
    assert "first_side" in text, "dict() makes texts of its keywords"
    assert "long_side" not in text and "wide_side" not in text and "rest_of_it" not in text


def test_classes_closures_and_the_rest(same):
    same(
        {
            "p1/a": """
                _start_value = [0]

                class Counter:
                    most_of_all = 3
                    also_this = most_of_all + 1

                    def __init__(self, start_at=_start_value):
                        self._count_so_far = start_at[0]

                    @property
                    def doubled_count(self):
                        return 2 * self._count_so_far

                    @staticmethod
                    def make_one(*with_these):
                        return Counter(list(with_these))

                    def count_on(self, by_so_many=1):
                        def inner_one():
                            nonlocal by_so_many
                            by_so_many += 1
                            self._count_so_far += by_so_many
                            return f"{self._count_so_far:03d} {self.most_of_all!r}"
                        return inner_one

                def produce(up_to_here):
                    for each_one in range(up_to_here):
                        received_one = yield each_one
                        if received_one:
                            yield from produce(1)

                def show():
                    counter = Counter.make_one(4)
                    counting = counter.count_on(by_so_many=2)
                    made = [counting(), counting(), counter.doubled_count, Counter.also_this]
                    if (length_now := len(made)) > 3:
                        made.append(length_now)
                    made.append([each * 2 for each in produce(3) if each])
                    made.append({key_of: value_of for key_of, value_of in (("a", 1),)})
                    first_one, *other_ones = made
                    return first_one, other_ones
                """,
            "main": "from p1 import a\nprint(a.show())\n",
        }
    )


def test_exceptions_keep_their_names_for_people(same):
    output, _ = same(
        {
            "p1/a": """
                class Untrustworthy(Exception):
                    pass

                class MoreSo(Untrustworthy):
                    def __init__(self, reason_why):
                        self.reason_why = reason_why

                def show():
                    try:
                        raise MoreSo("because")
                    except Untrustworthy as error:
                        return type(error).__name__, error.reason_why
                """,
            "main": "from p1 import a\nprint(a.show())\n",
        }
    )
    assert output == ["('MoreSo', 'because')"]


def test_names_of_another_file_only_may_be_used_again():
    made = packed(
        {"p1/a": "def _only_here():\n    pass\n", "p1/b": "def _nor_there():\n    pass\n"}
    )
    assert made.files["p1/a.py"] == made.files["p1/b.py"]
    assert made.map["functions"] == {
        "a": {made.files["p1/a.py"].split()[1][:-3]: ["_only_here (p1/a.py:1)"]},
        "b": {made.files["p1/b.py"].split()[1][:-3]: ["_nor_there (p1/b.py:1)"]},
    }


def test_new_names_are_in_the_rom_and_nobody_else_s():
    made = packed({"p1/a": "\n".join(f"def of_ours_{n}(): pass" for n in range(300))})
    new = set(made.map["names"])
    assert len(new) == 300 and new <= rom_names() <= known_names()
    taboo = {"read", "readinto", "write", "ioctl", "send", "close", "value", "errno", "args"}
    assert not new & (taboo | {"if", "print", "ptr8", "const", "self", "super", "viper"})


@pytest.mark.slow
def test_the_same_sources_give_the_same_text_in_whatever_order_sets_are():
    script = (
        "import build; from pack import Sources, pack\n"
        "made = pack(Sources.of(build.ROOT / 'firmware'))\n"
        "print(made.files, made.map, sorted(made.optional))"
    )
    once, again = (
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(build.ROOT / "tools")},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    )
    assert once == again


# --- Texts ---

SHORT = """
    def tell(name):
        for text in ("in_tuple", "another"):
            print(text, name)
        print("goes", {"a_key": name}["a_key"], f"{name}: {len(name)}", f"{{{name}}}", "stays")
        print(f"{name!r:>9}|", "no name, too long", "", "join".join(["x y", "z"]))
    """


def names_brought(folder, made, path):
    """Into MicroPython's pool of names, as MicroPython itself counts them."""
    for name, text in made.files.items():
        compiled = build._compile(text.encode(), name, build.arch_of(MICROPYTHON), "-O3", "x")
        file = (folder / name).with_suffix(".mpy")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(compiled)
    script = f"import micropython, {path}\nmicropython.qstr_info(1)"
    ended = subprocess.run(
        [MICROPYTHON, "-c", script],
        env={"MICROPYPATH": f"{folder}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return set(re.findall(r"^Q\((.*)\)$", ended.stdout, re.MULTILINE))


def test_short_texts_of_what_comes_and_goes_are_no_names(same, tmp_path):
    texts = {"goes", "in_tuple", "another", "a_key", "x y", "{}: {}"}
    files = {
        "p1/here": 'WORD = "stays"',
        "p1/gone": SHORT,
        "main": """
            from p1 import gone, here
            gone.tell("me")
            print(here.WORD)
        """,
    }
    said_, made = same(files, resident=["p1/here"])
    assert "goes me me: 2 {me} stays" in said_
    names = names_brought(tmp_path / "mpy", made, "p1.gone")
    assert not texts & names
    # The same where nothing is said of what stays: then all of them are names.
    everything = names_brought(tmp_path / "all", packed(files), "p1.gone")
    assert texts - {"in_tuple", "another"} <= everything


def test_the_names_in_a_file_are_those_that_it_brings(tmp_path):
    made = packed({"p1/one": "def some(thing):\n    return thing.of_mine + 'a_text'", "main": ""})
    (text,) = made.files.values()
    compiled = build._compile(text.encode(), "one.py", build.arch_of(MICROPYTHON), "-O3", "one")
    brought = names_brought(tmp_path, made, "p1.one")
    assert {"of_mine", "a_text"} <= names_of(compiled)
    assert names_of(compiled) - rom_names() <= brought


def test_the_start_is_told_all_names():
    """hold.py has them, each once; those of what most dongles never load are not among them."""
    compiled = dict(
        build.compile_packed(build.packed_sources(build.ROOT / "firmware"), "xtensawin")
    )
    lines = compiled["dongle/hold.mpy"].split(b"\n")
    assert lines.count(b"/dongle/retained.mpy") == lines.count(b"dongle.retained") == 1
    assert b"dongle.homewizard" not in lines
    for path in ("dongle/app.mpy", "dongle/announcement.mpy"):
        names = {name.encode() for name in names_of(compiled[path]) - rom_names()}
        # The first and the last are part of what stands before and behind them in the file.
        assert len(names - set(lines)) <= 2, names - set(lines)


# --- What is refused ---


@pytest.mark.parametrize(
    "files, groups, complaint",
    [
        ({"p1/a": ""}, AB, r"the group p1/ab has p1\.b, and there is no such module"),
        (
            {"p1/a": "", "p1/b": ""},
            AB | {"p1/x": ("p1.b",)},
            r"p1\.b is in two groups, p1/ab and p1/x",
        ),
        ({"p1/a": "", "p1/b": "", "p1/ab": ""}, AB, r"two files would be p1/ab\.py"),
        (
            {"p1/a": "from .b import y\nx = [1]\n", "p1/b": "from .a import x\ny = [2]\n"},
            AB,
            r"these need each other at the start: p1\.a -> p1\.b -> p1\.a",
        ),
        (
            {
                "p1/a": "from .c import x\ny = [x]\n",
                "p1/b": "z = [1]\n",
                "p1/c": "from .b import z\nx = [z]\n",
            },
            AB,
            r"these files need each other at the start: p1\.ab -> p1\.c -> p1\.ab",
        ),
        (
            {"p1/a": "", "p1/b": "", "p1/c": "import sys\nsys.modules.pop('p1.a')\n"},
            AB,
            r'p1/c\.py:2: "p1\.a" names a module that is part of p1/ab\.py',
        ),
        ({"p1/a": "from .b import x\n", "p1/b": ""}, {}, r"p1/a\.py:1: p1\.b has no x"),
        ({"p1/a": "from . import b\n"}, {}, r"p1/a\.py:1: there is no module p1\.b"),
        ({"p1/a": "def f(:\n"}, {}, r"p1/a\.py does not compile: invalid syntax, line 1"),
        (
            {"p1/a": "def f():\n    from . import b\n    b = 1\n", "p1/b": "x = [1]\n"},
            {},
            r"p1/a\.py:2: b is imported and bound otherwise too",
        ),
        (
            {"p1/a": "x = [1]\n\nclass C:\n    x = x\n"},
            {},
            r"p1/a\.py:4: x may be the class's own or the module's",
        ),
        (
            {"p1/a": "def run():\n    pass\n", "p1/b": "", "main": "from p1 import a\na.run()\n"},
            AB,
            r"p1\.a\.run has to be there by that name, and cannot",
        ),
    ],
)
def test_what_cannot_be_packed_is_told(files, groups, complaint):
    with pytest.raises(PackError, match=complaint):
        packed(files, groups)


# --- The firmware ---


@pytest.fixture(scope="module")
def sources():
    return Sources.of(build.ROOT / "firmware")


@pytest.fixture(scope="module")
def made(sources):
    return pack(sources)


def test_every_module_of_the_firmware_is_in_one_file(sources, made):
    members = [path for paths in made.map["files"].values() for path in paths]
    # A folder that is there for people is none in a build.
    folders = {path for path in sources.modules if path.count("/") > 1 and "__init__" in path}
    assert sorted(members) == sorted(sources.modules.keys() - folders)
    assert not any(path.count("/") > 1 for path in made.files)
    assert {path for path, paths in made.map["files"].items() if len(paths) > 1} == {
        f"{group}.py" for group in sources.groups
    }


def test_what_starts_the_firmware_finds_it(made):
    assert re.search(r"^def run\(\):", made.files["dongle/start.py"], re.MULTILINE)


def test_all_new_names_of_the_firmware_cost_nothing(made):
    assert set(made.map["names"]) <= rom_names()
