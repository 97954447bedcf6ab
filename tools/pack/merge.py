"""Makes of the modules in each file one: each name at the top unique in there, and imports as the
files want them."""

import ast
from collections.abc import Mapping
from typing import Any

from pack.files import File
from pack.program import Foreign, Module, ModuleName, PackError, Program, Symbol
from pack.resolve import Ref, symbol_of


def merge(program: Program, files: list[File], kept: set[str], pinned: set[Symbol]) -> None:
    """Finishes the files, but for how things are spelled. kept: names that come first where two
    want one; pinned: what has to be where it is, by its own name. Raises PackError."""
    home = {member.name: file for file in files for member in file.members}
    uses = {file.name: _Uses(file, home) for file in files}
    for file in files:
        _name_symbols(file, uses[file.name], kept, pinned)
    for file in files:
        _name_imports(file, uses[file.name], home)
    for file in files:
        for member in file.members:
            writer = _Writer(program, member, file, home)
            member.tree = writer.visit(member.tree)


class _Uses:
    """What a file refers to. hidden: for each meaning the names that the functions around its uses
    have for themselves, which it cannot be called by."""

    def __init__(self, file: File, home: Mapping[str, File]):
        self.hidden: dict[Symbol | ModuleName | Foreign, set[str]] = {}
        for member in file.members:
            for node in ast.walk(member.tree):
                if isinstance(node, Ref):
                    self._note(node, file, home, member)

    def _note(self, node: Ref, file: File, home: Mapping[str, File], member: Module):
        meaning = node.meaning
        is_value = isinstance(meaning, ModuleName)
        if is_value or node.through:
            module = meaning.module if isinstance(meaning, ModuleName) else node.through
            there = home.get(module)
            if is_value and there and there.own != module:
                raise PackError(
                    f"{member.where(node)}: {module} is used as a value, so it cannot be part of "
                    f"{there.path}"
                )
            if not is_value and there is file:
                self._add(meaning, node)
            elif not node.local:
                self._add(ModuleName(there.name if there else module), node)
        elif isinstance(meaning, Foreign) or not node.local or home.get(meaning.module) is file:
            self._add(meaning, node)

    def _add(self, meaning: Symbol | ModuleName | Foreign, node: Ref):
        self.hidden.setdefault(meaning, set()).update(node.hidden)


def _name_symbols(file: File, uses: _Uses, kept: set[str], pinned: set[Symbol]) -> None:
    """Of what the file defines."""
    own = [
        symbol
        for member in file.members
        for symbol in sorted(set(_defined(member)), key=lambda each: each.name)
    ]
    taken = set(file.builtins)
    for symbol in sorted(own, key=lambda each: (each not in pinned, each.name not in kept)):
        hidden = uses.hidden.get(symbol, set())
        name = _free(symbol.name, symbol.module, taken | hidden)
        if symbol in pinned and (name, file.name) != (symbol.name, symbol.module):
            raise PackError(
                f"{symbol.module}.{symbol.name} has to be there by that name, and cannot"
            )
        file.names[symbol] = name
        taken.add(name)


def _name_imports(file: File, uses: _Uses, home: Mapping[str, File]) -> None:
    """Of what comes from elsewhere."""
    taken = set(file.builtins) | set(file.names.values())
    for meaning, hidden in uses.hidden.items():
        if meaning in file.names:
            continue
        if isinstance(meaning, Foreign):
            wanted = meaning.name
        elif isinstance(meaning, ModuleName):
            wanted = meaning.module.rpartition(".")[2]
        else:
            wanted = home[meaning.module].names[meaning]
        file.names[meaning] = _free(wanted, file.name, taken | hidden)
        taken.add(file.names[meaning])


def _defined(member: Module):
    for node in ast.walk(member.tree):
        if isinstance(node, Ref) and isinstance(node.meaning, Symbol):
            if node.meaning.module == member.name and not isinstance(node.ctx, ast.Load):
                yield node.meaning
        elif symbol := symbol_of(node):
            yield symbol
    yield from (Symbol(member.name, name) for name in member.bound_twice)


def _free(name: str, module: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    longer = f"{module.rpartition('.')[2]}_{name.lstrip('_')}"
    number, found = 2, longer
    while found in taken:
        found, number = f"{longer}_{number}", number + 1
    return found


# --- The text ---


class _Writer(ast.NodeTransformer):
    """Gives the names of its file to a module's tree, and its imports."""

    def __init__(self, program, member, file, home):
        self._program, self._member, self._file, self._home = program, member, file, home
        self._functions = 0
        self._blocks = 0  # ifs and loops at the top
        self._imported = file.imported

    def visit_Ref(self, node):
        name = self._name(node)
        return ast.copy_location(name, node)

    def _name(self, node) -> ast.expr:
        meaning = node.meaning
        if isinstance(meaning, Foreign):
            return ast.Name(self._file.names[meaning], node.ctx)
        there = self._home.get(meaning.module)
        if isinstance(meaning, ModuleName):
            return ast.Name(node.local or self._file.names[meaning], node.ctx)
        if there is self._file:
            return ast.Name(self._file.names[meaning], node.ctx)
        if node.through:
            module = ModuleName(self._home[node.through].name)
            base = ast.Name(node.local or self._file.names[module], ast.Load())
            return ast.Attribute(base, there.names[meaning], node.ctx)
        return ast.Name(node.local or self._file.names[meaning], node.ctx)

    def _define(self, node):
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1
        if symbol := symbol_of(node):
            node.name = self._file.names[symbol]
        if not getattr(node, "body", True):
            node.body = [ast.Pass()]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _define

    def visit_ExceptHandler(self, node):
        self.generic_visit(node)
        if symbol := symbol_of(node):
            node.name = self._file.names[symbol]
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Global(self, node):
        node.names = [self._file.names[Symbol(self._member.name, name)] for name in node.names]
        return node

    def _block(self, node):
        self._blocks += not self._functions
        self.generic_visit(node)
        self._blocks -= not self._functions
        node.body = node.body or [ast.Pass()]
        return node

    visit_If = visit_For = visit_While = visit_Try = visit_With = visit_AsyncWith = _block

    def visit_Import(self, node):
        return self._import(node)

    def visit_ImportFrom(self, node):
        return self._import(node)

    def _import(self, node):
        """The statements that an import becomes."""
        meanings = list(self._program.imported(self._member, node))
        made = []
        for alias, (bound, meaning) in zip(node.names, meanings, strict=True):
            if isinstance(meaning, Foreign):
                made += self._foreign(node, alias, bound, meaning)
            elif self._functions:
                made += self._inside(bound, meaning)
            elif isinstance(node, ast.Import) and not alias.asname:
                made += self._at_top(ModuleName(alias.name))
            else:
                made += self._at_top(meaning)
        return [ast.copy_location(each, node) for each in _joined(made)] or None

    def _foreign(self, node, alias, bound, meaning):
        if not self._functions and bound in self._member.bound_twice:
            name = self._file.names[Symbol(self._member.name, bound)]
        else:
            name = bound if self._functions else self._file.names.get(meaning)
        if name is None:
            if meaning.statement.startswith(("import micropython", "from micropython")):
                return []  # it was for a decorator, or for const()
            name = bound
        elif not self._functions and not self._blocks and bound not in self._member.bound_twice:
            if meaning.statement in self._imported:
                return []
            self._imported.add(meaning.statement)
        if "." in alias.name and not alias.asname and name != bound:
            raise PackError(f"{self._member.where(node)}: {bound} is somebody else's here")
        made = ast.alias(alias.name, name if name != bound or alias.asname else None)
        if made.asname == made.name:
            made.asname = None
        if isinstance(node, ast.Import):
            return [ast.Import([made])]
        return [ast.ImportFrom(node.module, [made], node.level)]

    def _inside(self, bound, meaning):
        """Of an import in a function."""
        there = self._home.get(meaning.module)
        if there is self._file and isinstance(meaning, Symbol):
            return []
        if isinstance(meaning, ModuleName):
            return [] if there is self._file else [self._of_module(meaning, bound)]
        return (
            [self._of_symbol(there, there.names[meaning], bound)]
            if there.names.get(meaning)
            else []
        )

    def _at_top(self, meaning):
        there = self._home.get(meaning.module)
        if there is self._file:
            return []
        if isinstance(meaning, ModuleName):
            meaning = ModuleName(there.name)
        name = self._file.names.get(meaning)
        if name is None or (name in self._imported and not self._blocks):
            return []  # nobody uses it, or not any more
        if not self._blocks:
            self._imported.add(name)
        if isinstance(meaning, ModuleName):
            return [self._of_module(meaning, name)]
        return [self._of_symbol(there, there.names[meaning], name)]

    def _of_module(self, meaning, bound):
        name = self._home[meaning.module].name if meaning.module in self._home else meaning.module
        package, _, last = name.rpartition(".")
        if not package:
            return ast.Import([ast.alias(name, bound if bound != name else None)])
        return self._from(package, last, bound)

    def _of_symbol(self, there, name, bound):
        statement = self._from(there.name, name, bound)
        _mark_symbol(statement.names[0])
        return statement

    def _from(self, module, name, bound):
        """Relative where it can be: that is the shorter name to remember."""
        alias = ast.alias(name, bound if bound != name else None)
        package = self._file.package
        if package and package in (module, module.rpartition(".")[0]):
            return ast.ImportFrom(module[len(package) + 1 :] or None, [alias], 1)
        return ast.ImportFrom(module, [alias], 0)


def _mark_symbol(alias: Any) -> None:
    """What it imports is a name of ours, and no module."""
    alias.is_symbol = True


def _joined(statements):
    """Neighbours that import from the same module, as one."""
    made = []
    for each in statements:
        last = made[-1] if made else None
        if (
            isinstance(each, ast.ImportFrom)
            and isinstance(last, ast.ImportFrom)
            and (each.module, each.level) == (last.module, last.level)
        ):
            last.names += each.names
        else:
            made.append(each)
    return made
