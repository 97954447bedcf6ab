"""Puts whole numbers into their uses. A name at the top that is bound once, to a number that is
known now, needs no name, no place among its module's names and no import on the chip."""

import ast
from collections.abc import Iterator
from typing import TypeGuard

from pack.program import Meaning, Module, ModuleName, Symbol
from pack.resolve import Ref, symbol_of

# What 31 bits hold. A larger number is an object of its own wherever it stands, so it goes into
# its uses only where the source says const(), with which the compiler does just that.
_SMALL = range(-(1 << 30), 1 << 30)
_OPERATIONS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
    ast.LShift: lambda a, b: a << b,
    ast.RShift: lambda a, b: a >> b,
    ast.BitOr: lambda a, b: a | b,
    ast.BitAnd: lambda a, b: a & b,
    ast.BitXor: lambda a, b: a ^ b,
}
_SIGNS = {ast.USub: lambda a: -a, ast.UAdd: lambda a: a, ast.Invert: lambda a: ~a}


def fold(modules: list[Module], kept: set[str]) -> None:
    """In all modules at once. kept: names that somebody else may look for."""
    values = _values(modules, kept)
    for module in modules:
        module.tree = _Fold(values).visit(module.tree)


def _values(modules: list[Module], kept: set[str]) -> dict[Symbol, int]:
    """The numbers that names stand for."""
    assigned = {}
    bound: dict[Meaning, int] = {}
    for module in modules:
        for symbol in _bindings(module.tree):
            bound[symbol] = bound.get(symbol, 0) + 1
        for statement in module.tree.body:
            for target, value in _pairs(statement):
                if isinstance(target, Ref) and isinstance(target.meaning, Symbol):
                    assigned[target.meaning] = value
    # Somebody who gets a module as a value looks its numbers up when they run.
    handed_about = {
        node.meaning.module
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, Ref) and isinstance(node.meaning, ModuleName)
    }
    candidates = {
        symbol: value
        for symbol, value in assigned.items()
        if bound[symbol] == 1 and symbol.name not in kept and symbol.module not in handed_about
    }
    values: dict[Symbol, int] = {}
    before = -1
    while before != len(values):  # one may be made of another, in whatever order
        before = len(values)
        for symbol, value in candidates.items():
            number = value_of(value, values)
            if number is not None and (number in _SMALL or _is_const(value)):
                values[symbol] = number
    return values


def _bindings(tree: ast.Module) -> Iterator[Meaning]:
    for node in ast.walk(tree):
        if isinstance(node, Ref) and not isinstance(node.ctx, ast.Load):
            yield node.meaning
        elif symbol := symbol_of(node):
            yield symbol


def _pairs(statement: ast.stmt):
    """What a statement at the top assigns: (target, value)."""
    if not isinstance(statement, ast.Assign):
        return
    for target in statement.targets:
        if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
            if len(target.elts) == len(statement.value.elts):
                yield from zip(target.elts, statement.value.elts, strict=True)
        else:
            yield target, statement.value


def _is_const(value: ast.expr) -> TypeGuard[ast.Call]:
    if not isinstance(value, ast.Call) or len(value.args) != 1 or value.keywords:
        return False
    meaning = getattr(value.func, "meaning", None)
    return getattr(meaning, "statement", "") == "from micropython import const"


def value_of(node: ast.expr, values: dict[Symbol, int]) -> int | None:
    """The number that an expression comes to, None where it is none that is known now."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, Ref):
        return values.get(node.meaning) if isinstance(node.meaning, Symbol) else None
    if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        number = value_of(node.operand, values)
        return None if number is None else _SIGNS[type(node.op)](number)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        sides = value_of(node.left, values), value_of(node.right, values)
        try:
            return None if None in sides else _OPERATIONS[type(node.op)](*sides)
        except (ZeroDivisionError, ValueError):
            return None
    if _is_const(node):
        return value_of(node.args[0], values)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len":
        text = node.args[0]
        if isinstance(text, ast.Constant) and isinstance(text.value, bytes):
            return len(text.value)
    return None


class _Fold(ast.NodeTransformer):
    def __init__(self, values):
        self._values = values

    def visit_Name(self, node):
        if isinstance(node, Ref) and isinstance(node.ctx, ast.Load):
            number = self._values.get(node.meaning) if _is_symbol(node) else None
            if number is not None:
                return ast.copy_location(number_node(number), node)
        return node

    visit_Ref = visit_Name

    def visit_Call(self, node):
        if _is_const(node):
            number = value_of(node, self._values)
            if number is not None:
                return ast.copy_location(number_node(number), node)
        return self.generic_visit(node)

    def visit_Assign(self, node):
        """Without the targets that nobody looks for any more."""
        self.generic_visit(node)
        left = [each for each in node.targets if not self._is_gone(each)]
        if not left:
            return None
        node.targets = left
        for target in left:
            if isinstance(target, ast.Tuple) and any(map(self._is_gone, target.elts)):
                return self._without_some(node)
        return node

    def _is_gone(self, target) -> bool:
        if isinstance(target, ast.Tuple):
            return bool(target.elts) and all(map(self._is_gone, target.elts))
        return _is_symbol(target) and target.meaning in self._values

    def _without_some(self, node):
        pairs = [
            (target, value)
            for target, value in zip(node.targets[0].elts, node.value.elts, strict=True)
            if not self._is_gone(target)
        ]
        statements = [ast.copy_location(ast.Assign([t], v), node) for t, v in pairs]
        return statements


def _is_symbol(node) -> bool:
    return isinstance(node, Ref) and isinstance(node.meaning, Symbol)


def number_node(number: int) -> ast.expr:
    if number < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-number))
    return ast.Constant(number)
