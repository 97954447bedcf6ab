"""Keeps short texts out of MicroPython's pool of names. Its compiler makes a name of each text of
up to ten bytes (py/parse.c), and a name is never forgotten, unlike the module that brought it;
what stands in a tuple of constants stays a text. That takes 40 bytes more than a name does, so it
is for what is in memory for its moment.
"""

import ast
from collections.abc import Container
from typing import TypeGuard

from pack.trim import is_machine_code

_LONGEST_NAME = 10  # MICROPY_ALLOC_PARSE_INTERN_STRING_LEN


def names_of_texts(tree: ast.Module) -> set[str]:
    """The names that the compiler makes of a module's texts."""
    kept = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple) and is_constant(node)
        for each in ast.walk(node)
    }
    return {
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in kept
        for text in [node.value]
        if is_short(text)
    }


def is_constant(node: ast.expr) -> bool:
    """Whether the compiler makes an object of it that is loaded with its module."""
    if isinstance(node, ast.Tuple):
        return all(is_constant(each) for each in node.elts)
    return isinstance(node, ast.Constant)


def is_short(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and 0 < len(text.encode()) <= _LONGEST_NAME


def keep_texts(tree: ast.Module, names: Container[str]) -> None:
    """Changes a module so that its short texts stay texts, but for those that are names anyway."""
    _Keeper(names).visit(tree)


class _Keeper(ast.NodeTransformer):
    def __init__(self, names: Container[str]):
        self._names = names

    def visit_FunctionDef(self, node):
        return node if is_machine_code(node) else self.generic_visit(node)

    def visit_Tuple(self, node):
        return node if is_constant(node) else self.generic_visit(node)

    def visit_Constant(self, node):
        text = node.value
        if not is_short(text) or text in self._names:
            return node
        return ast.copy_location(_text(text), node)

    def visit_JoinedStr(self, node):
        """As the compiler reads one: a text with the method format()."""
        fields = [each for each in node.values if isinstance(each, ast.FormattedValue)]
        if any(each.conversion != -1 or each.format_spec for each in fields):
            for each in fields:
                each.value = self.visit(each.value)
            return node
        template = "".join(
            _escaped(str(each.value)) if isinstance(each, ast.Constant) else "{}"
            for each in node.values
        )
        arguments = [self.visit(each.value) for each in fields]
        if not is_short(template) or template in self._names:
            for each, argument in zip(fields, arguments, strict=True):
                each.value = argument
            return node
        call = ast.Call(ast.Attribute(_text(template), "format", ast.Load()), arguments, [])
        return ast.copy_location(call, node)


def _text(text: str) -> ast.expr:
    return ast.Subscript(ast.Tuple([ast.Constant(text)], ast.Load()), ast.Constant(0), ast.Load())


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
