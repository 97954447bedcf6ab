"""Makes the firmware small in the memory of a chip on which MicroPython loads it from files.

There every name that MicroPython's ROM lacks takes some 18 bytes, each module 250, each name at a
module's top 8 and each import as much again. The sources spend names freely, for people. So the
build writes them anew: tables are made (computed), comments and types go (trim), numbers stand
where they are used (constants), modules that are always there together become one (resolve,
merge), and what is left gets names that the ROM has anyway (rename, rom). What it did is in a map,
for tracebacks (back).
"""

import ast
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pack.computed import compute
from pack.constants import fold
from pack.merge import File, lay_out
from pack.program import Module, PackError, Program, Symbol
from pack.rename import identifiers, mark_exceptions, reflected, rename
from pack.resolve import Ref, resolve
from pack.rom import known_names, rom_names
from pack.trim import trim

__all__ = ["PackError", "Packed", "Sources", "names_in", "pack", "traceback_name"]

_PACKAGES = ("p1", "dongle")
_STARTED = ("boot.py", "main.py", "slots.py")  # what no update replaces: it stays as it is
_GROUPS = "groups.toml"


class Sources(NamedTuple):
    """modules: what is packed, by path; started: what starts it, which is not; groups: of modules
    that become one file, by its path without an ending."""

    modules: Mapping[str, str]
    started: Mapping[str, str]
    groups: Mapping[str, Iterable[str]]

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
        return cls(modules, {name: (firmware / name).read_text() for name in started}, groups)


@dataclass(frozen=True)
class Packed:
    """files: sources by path. map: "files": which modules are in each; "functions": by what a
    traceback calls a file and a function, what it is in the sources; "names": old ones by new."""

    files: dict[str, str]
    map: dict[str, dict]


def pack(sources: Sources, kept: Iterable[str] = ()) -> Packed:
    """kept: names that stay what they are, for programs that look inside. Raises PackError."""
    program = Program(sources.modules, sources.started)
    compute(program)
    for module in [*program.modules.values(), *program.outside]:
        trim(module.tree)
        _note_origins(module)
    kept, builtins, pinned = set(kept), {}, set()
    for module in program.modules.values():
        facts = resolve(program, module)
        builtins[module.name] = facts.builtins
        kept |= facts.foreign | reflected(module.tree)
    for module in program.outside:
        kept |= identifiers(module.tree)
        resolve(program, module)
        pinned |= _symbols(module)
    modules = list(program.modules.values())
    mark_exceptions(modules)
    fold(modules, kept)
    files = lay_out(program, sources.groups, builtins, kept, pinned)
    trees = {file.path: file.tree() for file in files}
    renamed = rename(trees, kept, known_names(), rom_names())
    texts = {path: ast.unparse(tree) + "\n" for path, tree in trees.items()}
    # A package needs no file of its own where nothing is in there.
    texts = {path: text for path, text in texts.items() if text.strip()}
    return Packed(texts, _map(files, trees, renamed))


def names_in(source: str) -> set[str]:
    """The names that a program uses, which pack() is to keep where it looks inside."""
    tree = ast.parse(source)
    return identifiers(tree) | reflected(tree)


def traceback_name(path: str) -> str:
    """What a traceback calls a packed file: the last part of its module's name, which is in the
    chip's memory anyway."""
    parts = Path(path).with_suffix("").parts
    return parts[-2] if parts[-1] == "__init__" else parts[-1]


def _note_origins(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
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
            if origin := getattr(node, "origin", None):
                found.setdefault(node.name, []).append(origin)
        for old, new in renamed[file.path].items():
            names.setdefault(new, set()).add(old)
    return {
        "files": {file.path: [member.path for member in file.members] for file in files},
        "functions": functions,
        "names": {new: sorted(olds) for new, olds in names.items()},
    }
