"""Makes the firmware small in the memory of a chip on which MicroPython loads it from files.

There every name that MicroPython's ROM lacks takes some 18 bytes, each module 250, each name at a
module's top 8 and each import as much again. The sources spend names freely, for people. So the
build writes them anew: tables are made (computed), comments and types go (trim), numbers stand
where they are used (constants), modules that are always there together become one (files,
merge), and what is left gets names that the ROM has anyway (rename, rom). What it did is in a map,
for tracebacks (back).
"""

import ast
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pack.computed import compute
from pack.constants import fold
from pack.files import File, files_of
from pack.merge import merge
from pack.program import Module, PackError, Program, Symbol
from pack.rename import mark_exceptions, reflected, rename, shared_names, top_names
from pack.resolve import Ref, resolve
from pack.rom import known_names, rom_names
from pack.texts import keep_texts, names_of_texts
from pack.trim import trim

__all__ = ["PackError", "Packed", "Sources", "names_in", "pack", "traceback_name"]

_PACKAGES = ("p1", "dongle")
_STARTED = ("boot.py", "main.py", "slots.py")  # what no update replaces: it stays as it is
_GROUPS = "groups.toml"


class Sources(NamedTuple):
    """modules: what is packed, by path; started: what starts it, which is not; groups: of modules
    that become one file, by its path without an ending. In the same way, resident: the files that
    stay in memory, none: all of them do; optional: those that most dongles never load."""

    modules: Mapping[str, str]
    started: Mapping[str, str]
    groups: Mapping[str, Iterable[str]]
    resident: Iterable[str] = ()
    optional: Iterable[str] = ()

    @classmethod
    def of(cls, firmware: Path) -> "Sources":
        """Those of a folder like firmware/."""
        modules = {
            path.relative_to(firmware).as_posix(): path.read_text()
            for package in _PACKAGES
            for path in sorted((firmware / package).rglob("*.py"))
        }
        started = [name for name in _STARTED if (firmware / name).is_file()]
        table = firmware / _GROUPS
        groups = tomllib.loads(table.read_text()) if table.is_file() else {}
        resident, optional = groups.pop("resident", ()), groups.pop("optional", ())
        texts = {name: (firmware / name).read_text() for name in started}
        return cls(modules, texts, groups, resident, optional)


@dataclass(frozen=True)
class Packed:
    """files: sources by path; optional: those of them that most dongles never load. map: "files":
    which modules are in each; "functions": by what a traceback calls a file and a function, what
    it is in the sources; "names": old ones by new."""

    files: dict[str, str]
    map: dict[str, dict]
    optional: frozenset[str] = frozenset()


def pack(sources: Sources, kept: Iterable[str] = ()) -> Packed:
    """kept: names that stay what they are, for programs that look inside. Raises PackError."""
    program = Program(sources.modules, sources.started)
    compute(program)
    for module in [*program.modules.values(), *program.outside]:
        trim(module.tree)
        _note_origins(module)
    kept, asked, builtins, pinned = set(kept), set(), {}, set()
    for module in program.modules.values():
        facts = resolve(program, module)
        builtins[module.name] = facts.builtins
        kept |= facts.foreign
        asked |= reflected(module.tree)
    for module in program.outside:
        kept |= shared_names(module.tree) | top_names(module.tree)
        resolve(program, module)
        pinned |= _symbols(module)
    modules = list(program.modules.values())
    mark_exceptions(modules)
    fold(modules, kept | asked)
    files = files_of(program, sources.groups, builtins)
    merge(program, files, kept | asked, pinned)
    trees = {file.path: file.tree() for file in files}
    _keep_texts(trees, sources, kept)
    renamed = rename(trees, kept, asked, known_names(), rom_names())
    texts = {path: ast.unparse(tree) + "\n" for path, tree in trees.items()}
    # A package needs no file of its own where nothing is in there.
    texts = {path: text for path, text in texts.items() if text.strip()}
    optional = frozenset(f"{path}.py" for path in sources.optional)
    return Packed(texts, _map(files, trees, renamed), optional)


def _keep_texts(trees: Mapping[str, ast.Module], sources: Sources, kept: set[str]) -> None:
    """In what comes and goes: neither in what stays, nor in what does where it is wanted."""
    stays, may_stay = (
        {f"{path}.py" for path in paths} for paths in (sources.resident, sources.optional)
    )
    if missing := (stays | may_stay) - trees.keys():
        raise PackError(f"there is no {', '.join(sorted(missing))}")
    names = kept | rom_names()
    for path in stays:
        names |= names_of_texts(trees[path])
    for path, tree in trees.items():
        if stays and path not in stays | may_stay:
            keep_texts(tree, names)
            ast.fix_missing_locations(tree)


def names_in(source: str) -> set[str]:
    """The names by which a program may look inside, for pack() to keep."""
    tree = ast.parse(source)
    return shared_names(tree) | reflected(tree)


def traceback_name(path: str) -> str:
    """What a traceback calls a packed file: the last part of its module's name, which is in the
    chip's memory anyway."""
    parts = Path(path).with_suffix("").parts
    return parts[-2] if parts[-1] == "__init__" else parts[-1]


def _note_origins(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _note_origin(node, module)


def _note_origin(node: Any, module: Module) -> None:
    node.origin = f"{node.name} ({module.where(node)})"


def _symbols(module: Module) -> set[Symbol]:
    """Those of others that a module names."""
    return {
        node.meaning
        for node in ast.walk(module.tree)
        if isinstance(node, Ref) and isinstance(node.meaning, Symbol)
        if node.meaning.module != module.name
    }


def _map(
    files: list[File], trees: Mapping[str, ast.Module], renamed: Mapping[str, Mapping[str, str]]
) -> dict[str, dict]:
    functions: dict[str, dict[str, list[str]]] = {}
    names: dict[str, set[str]] = {}
    for file in files:
        found = functions.setdefault(traceback_name(file.path), {})
        for node in ast.walk(trees[file.path]):
            origin = getattr(node, "origin", None)
            if origin and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(node.name, []).append(origin)
        for old, new in renamed[file.path].items():
            names.setdefault(new, set()).add(old)
    return {
        "files": {file.path: [member.path for member in file.members] for file in files},
        "functions": functions,
        "names": {new: sorted(olds) for new, olds in names.items()},
    }
