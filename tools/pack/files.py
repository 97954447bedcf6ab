"""Which modules become which file: those of a group one, every other its own. In a file they come
in the order in which they need each other. The files lie side by side, without the folders that
are there for people: each would be a module more in the chip's memory."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pack.program import Foreign, Module, ModuleName, PackError, Program, Symbol, imports_of

_MARK = "TEMPORARY"  # see forget() in firmware/dongle/__init__.py


@dataclass
class File:
    """name: dotted, as an import on the board says it; own: the module that has it, which alone
    can be used as a value or forgotten by name."""

    name: str
    members: list[Module]
    builtins: set[str]
    names: dict[Symbol | ModuleName | Foreign, str] = field(default_factory=dict)
    is_package: bool = False
    own: str = ""
    imported: set[str] = field(default_factory=set)  # what stands in it already

    @property
    def path(self) -> str:
        return self.name.replace(".", "/") + ("/__init__.py" if self.is_package else ".py")

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def tree(self) -> ast.Module:
        body = [statement for member in self.members for statement in member.tree.body]
        return ast.fix_missing_locations(ast.Module(body, []))


def files_of(
    program: Program, groups: Mapping[str, Iterable[str]], builtins: Mapping[str, set[str]]
) -> list[File]:
    """builtins: by module, the names that are nobody's there. Raises PackError."""
    files = _grouped(program, groups, builtins)
    home = {member.name: file for file in files for member in file.members}
    for file in files:
        file.members = _in_order(program, file.members)
        _mark_once(file)
    _check_order(program, files, home)
    _rename_strings(program, home)
    return files


def _grouped(program, groups, builtins) -> list[File]:
    grouped: dict[str, str] = {}
    files = []
    for path, names in groups.items():
        members = []
        for name in names:
            if name not in program.modules:
                raise PackError(f"the group {path} has {name}, and there is no such module")
            if name in grouped:
                raise PackError(f"{name} is in two groups, {grouped[name]} and {path}")
            if program.modules[name].is_package:
                raise PackError(f"{name} is a package, and stays one")
            grouped[name] = path
            members.append(program.modules[name])
        files.append(File(path.replace("/", "."), members, set()))
    for module in program.modules.values():
        if module.name not in grouped and not _is_folder(module):
            name = _beside_others(program, module.name)
            files.append(File(name, [module], set(), is_package=module.is_package))
    taken: set[str] = set()
    for file in files:
        if file.name in taken:
            raise PackError(f"two files would be {file.path}: each module needs a name of its own")
        taken.add(file.name)
        for member in file.members:
            file.builtins |= builtins[member.name]
            if _beside_others(program, member.name) == file.name:
                file.own = member.name
    return files


def _mark_once(file: File) -> None:
    """Keeps one mark of those that say how long the file stays in memory: see forget() in
    firmware/dongle/__init__.py. Raises PackError where its modules do not say the same."""
    marks = {member.name: _marks(member) for member in file.members}
    if len({bool(found) for found in marks.values()}) > 1:
        names = ", ".join(name for name, found in marks.items() if not found)
        raise PackError(f"{file.path}: some of its modules are {_MARK}, but not {names}")
    for member in file.members[1:]:
        member.tree.body = [each for each in member.tree.body if each not in marks[member.name]]


def _marks(module: Module) -> list[ast.stmt]:
    return [
        statement
        for statement in module.tree.body
        if isinstance(statement, ast.Assign)
        if getattr(getattr(statement.targets[0], "meaning", None), "name", None) == _MARK
    ]


def _is_folder(module: Module) -> bool:
    """Whether it is a package with nothing in it but modules, inside of another package."""
    return module.is_package and "." in module.name and not module.tree.body


def _beside_others(program: Program, name: str) -> str:
    """The name of a module without the folders that it lies in."""
    package, _, own = name.rpartition(".")
    while package in program.modules and _is_folder(program.modules[package]):
        package = package.rpartition(".")[0]
    return f"{package}.{own}" if package else own


def _needs(program: Program, module: Module) -> set[str]:
    """The modules that must be there before the body of this one."""
    found = set()
    for statement in imports_of(module.tree.body):
        for _, meaning in program.imported(module, statement):
            if isinstance(meaning, Symbol | ModuleName):
                found.add(meaning.module)
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
    return (found & set(program.modules)) - {module.name}


def _in_order(program: Program, members: list[Module]) -> list[Module]:
    """Each behind those that it needs; else as they are told."""
    inside = {member.name: member for member in members}
    ordered: list[Module] = []
    under_way: list[str] = []

    def add(module: Module):
        if module in ordered:
            return
        if module.name in under_way:
            circle = [*under_way[under_way.index(module.name) :], module.name]
            raise PackError("these need each other at the start: " + " -> ".join(circle))
        under_way.append(module.name)
        for name in sorted(_needs(program, module)):
            if name in inside:
                add(inside[name])
        under_way.pop()
        ordered.append(module)

    for member in members:
        add(member)
    return ordered


def _check_order(program: Program, files: list[File], home: Mapping[str, File]) -> None:
    """The same between files."""
    needs = {
        file.name: {home[name].name for member in file.members for name in _needs(program, member)}
        - {file.name}
        for file in files
    }
    done: set[str] = set()

    def look(name: str, under_way: list[str]):
        if name in under_way:
            circle = [*under_way[under_way.index(name) :], name]
            raise PackError("these files need each other at the start: " + " -> ".join(circle))
        if name not in done:
            for other in sorted(needs[name]):
                look(other, [*under_way, name])
            done.add(name)

    for file in files:
        look(file.name, [])


def _rename_strings(program: Program, home: Mapping[str, File]) -> None:
    """What is forgotten by its name is to be there under that name."""
    for module in program.modules.values():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Constant):
                continue
            text = node.value
            if not isinstance(text, str) or text not in home:
                continue
            if home[text].own == text:
                node.value = home[text].name
            else:
                raise PackError(
                    f'{module.where(node)}: "{text}" names a module that is part of '
                    f"{home[text].path}: take it out of that group"
                )
