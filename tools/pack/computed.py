"""Does at build time what a module does once and then forgets. Where the top of a module assigns
what a function of its own makes, and deletes that function afterwards, the chip gets the result:

    KEYS, ROWS = _rows()
    del _rows, _TABLE

and neither function nor text has to be loaded there first. A call at the top of a module that asks
for the row of a key is answered too."""

import ast
import builtins
from array import array
from types import ModuleType, SimpleNamespace

from pack.program import FUNCTIONS, Module, PackError, Program

_ANSWERED = ("p1.obis", "row")  # its module and name; asked with texts


def compute(program: Program) -> None:
    """Changes the modules of a program. Raises PackError."""
    run = _Run(program)
    for module in program.modules.values():
        deleted = {
            target.id
            for statement in module.tree.body
            if isinstance(statement, ast.Delete)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        body = [_computed(statement, module, deleted, run) for statement in module.tree.body]
        if body != module.tree.body:
            module.tree.body = [
                statement for statement in body if statement and not _is_gone(statement, deleted)
            ]
        elif module.name != _ANSWERED[0]:
            module.tree.body = [_Answers(module, run).visit(each) for each in body]


def _computed(statement: ast.stmt, module: Module, deleted: set[str], run: "_Run") -> ast.stmt:
    if (
        isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
        and statement.value.func.id in deleted
    ):
        names = run.module(module.name).__dict__
        (target,) = statement.targets
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
        values = [_literal(names[ast.unparse(each)], module.where(statement)) for each in targets]
        value = ast.Tuple(values, ast.Load()) if isinstance(target, ast.Tuple) else values[0]
        return ast.copy_location(ast.Assign([target], value), statement)
    return statement


def _is_gone(statement, deleted) -> bool:
    if isinstance(statement, ast.FunctionDef):
        return statement.name in deleted
    if isinstance(statement, ast.Assign):
        names = [each.id for each in statement.targets if isinstance(each, ast.Name)]
        return bool(names) and set(names) <= deleted
    return isinstance(statement, ast.Delete)


def _literal(value, where) -> ast.expr:
    if isinstance(value, array):
        # From bytes, which MicroPython takes as they are; both ends of it are little-endian.
        name = ast.Name("array", ast.Load())
        arguments: list[ast.expr] = [ast.Constant(value.typecode), ast.Constant(value.tobytes())]
        return ast.Call(name, arguments, [])
    if isinstance(value, bytearray):
        return ast.Call(ast.Name("bytearray", ast.Load()), [ast.Constant(bytes(value))], [])
    if isinstance(value, int | str | bytes):
        return ast.Constant(value)
    if isinstance(value, tuple | list):
        kind = ast.Tuple if isinstance(value, tuple) else ast.List
        return kind([_literal(each, where) for each in value], ast.Load())
    if isinstance(value, dict):
        keys: list[ast.expr | None] = [_literal(key, where) for key in value]
        return ast.Dict(keys, [_literal(each, where) for each in value.values()])
    raise PackError(f"{where}: {type(value).__name__} cannot be written into a source")


class _Answers(ast.NodeTransformer):
    """Answers calls outside of functions, which come at a time when nothing is known yet."""

    def __init__(self, module: Module, run: "_Run"):
        self._module, self._run = module, run

    def visit_FunctionDef(self, node: FUNCTIONS) -> ast.AST:
        return node

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef

    def visit_Call(self, node):
        self.generic_visit(node)
        name, function = _ANSWERED
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == function
            and isinstance(node.func.value, ast.Name)
            and getattr(self._module.meanings.get(node.func.value.id), "module", "") == name
        ):
            known = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if len(known) == len(node.args):
                answer = getattr(self._run.module(name), function)(*known)
                return ast.copy_location(ast.Constant(answer), node)
        return node


class _Run:
    """The program's modules as Python runs them, each when it is first needed."""

    def __init__(self, program: Program):
        self._program = program
        self._sources = {
            name: compile(ast.unparse(module.tree), module.path, "exec")
            for name, module in program.modules.items()
        }
        self._modules: dict[str, ModuleType] = {}

    def module(self, name: str) -> ModuleType:
        if name not in self._modules:
            module = self._modules[name] = ModuleType(name)
            own = self._program.modules.get(name)
            module.__package__ = own.package if own else name
            # A pointer is an address, and an even one as on the board.
            machine_types = dict.fromkeys(("ptr8", "ptr16", "ptr32"), id) | {"uint": int}
            module.__dict__["__builtins__"] = {
                **vars(builtins),
                **machine_types,
                "__import__": self._import,
            }
            if own:
                exec(self._sources[name], module.__dict__)
        return self._modules[name]

    def _import(self, name, globals=None, locals=None, fromlist=(), level=0):
        if level and globals:
            package = globals["__package__"].split(".")
            base = package[: len(package) - level + 1]
            name = ".".join([*base, *([name] if name else [])])
        if name == "micropython":
            return SimpleNamespace(viper=_same, native=_same, const=_same)
        if name.partition(".")[0] not in {each.partition(".")[0] for each in self._sources}:
            return __import__(name, globals, locals, fromlist, 0)
        module = self.module(name)
        for each in fromlist or ():
            if f"{name}.{each}" in self._sources:
                setattr(module, each, self.module(f"{name}.{each}"))
        return module


def _same(value):
    return value
