"""Gives our own names the spelling of names that MicroPython has in its ROM: those cost the chip's
memory nothing, each of ours some 18 bytes. One old name, one new one, in the whole program."""

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pack.program import Meaning, Module
from pack.resolve import symbol_of
from pack.texts import names_of_texts

# By these others find out what an object can do: nothing else may be called so.
_PROTOCOLS = {
    *(
        "read",
        "readinto",
        "readline",
        "write",
        "ioctl",
        "close",
        "seek",
        "tell",
        "flush",
        "fileno",
    ),
    *("send", "throw", "pend_throw", "next", "run", "cancel", "done", "drain", "wait_closed"),
    *("value", "errno", "args", "fileno"),
}
# Words of the language, of viper, and what the compiler itself looks at.
_LANGUAGE = {
    *("const", "micropython", "viper", "native", "bytecode", "asm_thumb", "asm_xtensa"),
    *("ptr", "ptr8", "ptr16", "ptr32", "uint", "uint8", "uint16", "uint32", "self", "execfile"),
    *(*keyword.kwlist, *keyword.softkwlist, *dir(builtins)),
}
_REFLECTION = {"getattr", "hasattr", "setattr", "delattr"}


def rename(
    trees: Mapping[str, ast.Module],
    kept: set[str],
    asked: set[str],
    known: Iterable[str],
    rom: Iterable[str],
) -> dict[str, dict[str, str]]:
    """Renames in all trees, by path, what they define; returns for each path the new names by
    old. kept: names that others know; asked: those by which a text may ask for an attribute;
    known: MicroPython's own; rom: those of them that cost nothing."""
    uses, crossing, ours = Counter(), set(), set()
    fixed = {*kept, *known, *_LANGUAGE}
    for tree in trees.values():
        uses.update(identifiers(tree))
        crossing |= shared_names(tree)
        ours |= _defined(tree)
        fixed |= _imported(tree) | _whole_texts(tree)
    fixed |= asked & crossing
    ours = {name for name in ours - fixed if not _is_dunder(name)}
    taken = {*uses, *kept, *_PROTOCOLS, *_LANGUAGE}
    spare = (name for name in _spare(rom) if name not in taken and not _is_dunder(name))
    often = sorted(ours & crossing, key=lambda name: (-uses[name], name))
    common = dict(zip(often, spare, strict=False))
    # What is known in one file only may be called as something else is in another.
    reused: list[str] = []
    renamed = {}
    for path, tree in trees.items():
        there = identifiers(tree)
        inside = sorted((ours & there) - crossing)
        while len(reused) < len(inside) and (name := next(spare, None)):
            reused.append(name)
        # Where the ROM has no more, what others are called elsewhere.
        free = [new for old, new in common.items() if old not in there]
        renamed[path] = common | dict(zip(inside, reused + free, strict=False))
        _Renamer(renamed[path]).visit(tree)
    return renamed


def _spare(rom: Iterable[str]) -> Iterator[str]:
    """Names to take, the shortest first: they are in the files."""
    yield from sorted(set(rom), key=lambda name: (len(name), name))


def _defined(tree: ast.Module) -> set[str]:
    """The names that a module gives to something, but for those of plain local variables, which
    the chip does not keep, and of exceptions, which are told to people."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            if not _is_exception(node):
                found.add(node.name)
            found |= _assigned(node.body)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias) and node.asname:
            found.add(node.asname)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            found.add(node.attr)
    return found | _assigned(tree.body)


def _assigned(body: list[ast.stmt]) -> set[str]:
    """By the statements of a class or module, those in its functions left out."""
    found: set[str] = set()
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            stack += ast.iter_child_nodes(node)
    return found


def _functions_and_classes(body: list[ast.stmt]) -> set[str]:
    """Those among the statements of a class or module."""
    return {
        each.name
        for each in body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def top_names(tree: ast.Module) -> set[str]:
    """What a module defines for others."""
    return _assigned(tree.body) | _functions_and_classes(tree.body)


def _is_exception(node: ast.ClassDef) -> bool:
    return getattr(node, "is_exception", False)


def _mark_exception(node: Any, is_one: bool) -> None:
    node.is_exception = is_one


def mark_exceptions(modules: Iterable[Module]) -> None:
    """Marks the classes that are exceptions, or made of them."""
    classes: dict[Meaning | None, ast.ClassDef] = {
        symbol: node
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and (symbol := symbol_of(node))
    }

    def is_one(node: ast.ClassDef) -> bool:
        for base in node.bases:
            known = getattr(builtins, getattr(base, "id", ""), None)
            if isinstance(known, type) and issubclass(known, BaseException):
                return True
            other = classes.get(getattr(base, "meaning", None))
            if other and is_one(other):
                return True
        return False

    for node in classes.values():
        _mark_exception(node, is_one(node))


def _whole_texts(tree: ast.Module) -> set[str]:
    """The texts that the compiler makes names of: another of that spelling costs nothing."""
    return {text for text in names_of_texts(tree) if text.isidentifier()}


def reflected(tree: ast.Module) -> set[str]:
    """The names that a module makes of texts; where it is not said which, all words of these."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _REFLECTION
    ]
    mentions = sum(getattr(node, "id", "") in _REFLECTION for node in ast.walk(tree))
    asked = [node.args[1] for node in calls if len(node.args) > 1]
    known = [each.value for each in asked if isinstance(each, ast.Constant)]
    if len(asked) == mentions == len(known):
        return {each for each in known if isinstance(each, str)}
    return {word for text in _texts(tree) for word in re.findall(r"[A-Za-z_]\w*", text)}


def _texts(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value
            yield text if isinstance(text, str) else text.decode("latin-1")


def shared_names(tree: ast.Module) -> set[str]:
    """The names in a module that may mean something in another one too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.update(each for each in (node.name, node.asname) if each)
        elif isinstance(node, ast.ClassDef):
            found |= _assigned(node.body)
            found |= _functions_and_classes(node.body)
    return found


def _imported(tree: ast.Module) -> set[str]:
    """The names of modules, and what is imported from those of others."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and not getattr(node, "is_symbol", False):
            found.update(node.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            found.update((node.module or "").split("."))
    return found


def identifiers(tree: ast.Module) -> set[str]:
    """All names in a module, of whatever."""
    found = set()
    for node in ast.walk(tree):
        for name in _fields_of(node):
            value = getattr(node, name)
            for text in value if isinstance(value, list) else [value]:
                found.update((text or "").split("."))
    return found


_FIELDS: Mapping[type, tuple[str, ...]] = {
    ast.Name: ("id",),
    ast.Attribute: ("attr",),
    ast.FunctionDef: ("name",),
    ast.AsyncFunctionDef: ("name",),
    ast.ClassDef: ("name",),
    ast.arg: ("arg",),
    ast.keyword: ("arg",),
    ast.ExceptHandler: ("name",),
    ast.Global: ("names",),
    ast.Nonlocal: ("names",),
    ast.alias: ("name", "asname"),
    ast.ImportFrom: ("module",),
}


def _fields_of(node: ast.AST) -> tuple[str, ...]:
    return _FIELDS.get(type(node), ())


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


class _Renamer(ast.NodeVisitor):
    def __init__(self, names: Mapping[str, str]):
        self._names = names

    def visit(self, node):
        if isinstance(node, ast.alias):
            return self._rename_alias(node)
        if not isinstance(node, ast.ImportFrom):
            for field in _fields_of(node):
                value = getattr(node, field)
                if isinstance(value, list):
                    setattr(node, field, [self._names.get(each, each) for each in value])
                else:
                    setattr(node, field, self._names.get(value, value))
        return self.generic_visit(node)

    def _rename_alias(self, node):
        """What it binds, and the name of what it imports only where that is a name of ours."""
        bound = self._names.get(node.asname or node.name, node.asname or node.name)
        if getattr(node, "is_symbol", False):
            node.name = self._names.get(node.name, node.name)
        node.asname = bound if bound != node.name else None
