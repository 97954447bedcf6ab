"""The modules of a program and what their names mean across files: whose `key` it is in `obis.key`
and in `from .obis import key`."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple


class PackError(Exception):
    """The sources do something that packing would break; the text says where and what."""


class Symbol(NamedTuple):
    """A name at the top of one of our modules."""

    module: str
    name: str


class ModuleName(NamedTuple):
    """One of our modules as a value: what `obis` is after `from p1 import obis`."""

    module: str


class Foreign(NamedTuple):
    """What an import of somebody else's binds: the statement that would do it."""

    statement: str

    @property
    def name(self) -> str:
        """What it is called without an "as"."""
        words = self.statement.split()
        if words[-1] == "as":
            return words[1].rpartition(".")[2]
        return words[-1].partition(".")[0] if words[0] == "import" else words[-1]


Meaning = Symbol | ModuleName | Foreign


@dataclass
class Module:
    """One source. is_outside: it looks at the program, of which it is no part."""

    name: str
    path: str
    tree: ast.Module
    is_package: bool = False
    is_outside: bool = False
    meanings: dict[str, Meaning] = field(default_factory=dict)  # of the names at its top
    bound_twice: set[str] = field(default_factory=set)  # of them: by an import, and otherwise

    def where(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 0)}"

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]


class Program:
    """All modules by dotted name. A name that is no module of ours is foreign."""

    def __init__(self, sources: Mapping[str, str], outside: Mapping[str, str] | None = None):
        """By path, such as p1/obis.py. outside: modules that only look at these, each alone.
        Raises PackError."""
        self.modules = {
            module.name: module
            for path, source in sources.items()
            for module in [_module(path, source, False)]
        }
        self.outside = [_module(path, source, True) for path, source in (outside or {}).items()]
        for module in self.everything():
            names = bound_by(module.tree.body)
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Global):
                    names.update(node.names)
            module.meanings = {name: Symbol(module.name, name) for name in names}
        for module in self.everything():
            for statement in imports_of(module.tree.body):
                for name, meaning in self.imported(module, statement):
                    self._bind(module, statement, name, meaning)

    @staticmethod
    def _bind(module, statement, name, meaning):
        before = module.meanings.get(name, meaning)
        if before == meaning:
            module.meanings[name] = meaning
        elif isinstance(meaning, Foreign) and not isinstance(before, ModuleName):
            module.meanings[name] = Symbol(module.name, name)
            module.bound_twice.add(name)
        else:
            raise PackError(f"{module.where(statement)}: {name} is bound otherwise too")

    def everything(self) -> list[Module]:
        return [*self.modules.values(), *self.outside]

    def imported(
        self, module: Module, statement: ast.Import | ast.ImportFrom
    ) -> Iterator[tuple[str, Meaning]]:
        """What an import binds, and to what. Raises PackError."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield self._imported_module(module, statement, alias)
            return
        base = self._base(module, statement)
        for alias in statement.names:
            name = alias.asname or alias.name
            if base.partition(".")[0] not in self._roots():
                yield name, Foreign(f"from {base} import {alias.name}")
                continue
            yield name, self.member(base, alias.name, module.where(statement))

    def _imported_module(self, module: Module, statement: ast.Import, alias: ast.alias):
        top = alias.name.partition(".")[0]
        if top not in self._roots():
            return (
                (alias.asname, Foreign(f"import {alias.name} as"))
                if alias.asname
                else (top, Foreign(f"import {alias.name}"))
            )
        own = self._own_module(alias.name, module.where(statement))
        return (alias.asname, own) if alias.asname else (top, ModuleName(top))

    def _roots(self) -> set[str]:
        return {name.partition(".")[0] for name in self.modules}

    @staticmethod
    def _base(module: Module, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parts = module.package.split(".")
        parts = parts[: len(parts) - statement.level + 1]
        return ".".join([*parts, *([statement.module] if statement.module else [])])

    def _own_module(self, name: str, where: str) -> ModuleName:
        is_folder = any(other.startswith(name + ".") for other in self.modules)
        if name not in self.modules and not is_folder:
            raise PackError(f"{where}: there is no module {name}")
        return ModuleName(name)

    def member(self, base: str, name: str, where: str) -> Meaning:
        """What `base.name` is, base being a module of ours. Raises PackError."""
        if base in self.modules:
            own = self.modules[base].meanings.get(name)
            if own is not None:
                return own if own == Symbol(base, name) else self._followed(own)
        submodule = f"{base}.{name}"
        if submodule in self.modules or base not in self.modules:
            return self._own_module(submodule, where)
        # It may be an import of that module's own that has not been looked at yet.
        for statement in imports_of(self.modules[base].tree.body):
            for bound, meaning in self.imported(self.modules[base], statement):
                if bound == name:
                    return self._followed(meaning)
        raise PackError(f"{where}: {base} has no {name}")

    def _followed(self, meaning: Meaning) -> Meaning:
        if isinstance(meaning, Symbol) and meaning.module in self.modules:
            return self.modules[meaning.module].meanings.get(meaning.name, meaning)
        return meaning


def _module(path: str, source: str, is_outside: bool) -> Module:
    try:
        tree = ast.parse(source, path)
    except SyntaxError as error:
        raise PackError(f"{path} does not compile: {error.msg}, line {error.lineno}") from None
    parts = PurePosixPath(path).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(name, path, tree, is_package, is_outside)


def imports_of(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports of one scope, also those inside its ifs and loops."""
    for node in _of_scope(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def bound_by(body: Sequence[ast.stmt]) -> set[str]:
    """The names that the statements of one scope bind other than by import."""
    names = set()
    for node in _of_scope(body):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, _DEFINITIONS) and node.name:
            names.add(node.name)
    return names


def globals_of(body: list[ast.stmt]) -> set[str]:
    """The names that a function calls global."""
    return {n for node in _of_scope(body) if isinstance(node, ast.Global) for n in node.names}


def nonlocals_of(body: list[ast.stmt]) -> set[str]:
    return {n for node in _of_scope(body) if isinstance(node, ast.Nonlocal) for n in node.names}


def _of_scope(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes of a scope but those of the scopes inside; of comprehensions, which are scopes
    too, the `:=` count."""
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, COMPREHENSIONS):
            for inner in ast.walk(node):
                if isinstance(inner, ast.NamedExpr):
                    yield inner.target
            stack.append(node.generators[0].iter)
            continue
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            stack += [*node.decorator_list, *node.args.defaults]
            stack += [each for each in node.args.kw_defaults if each]
        elif isinstance(node, ast.Lambda):
            stack += [*node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        elif isinstance(node, ast.ClassDef):
            stack += [*node.decorator_list, *node.bases, *node.keywords]
        else:
            stack += ast.iter_child_nodes(node)


_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def arguments_of(function: FUNCTIONS) -> list[ast.arg]:
    every = function.args
    found = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
    return [each for each in found if each is not None]
