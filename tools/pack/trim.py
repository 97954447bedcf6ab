"""Takes out of a module what only readers want: docstrings, and the types of what is no machine
code. Viper's and native's stay, they say what code to make."""

import ast

from pack.program import arguments_of

_TYPED = {"viper", "native"}
_CHECKING = "TYPE_CHECKING"


def trim(tree: ast.Module) -> None:
    _Trim().visit(tree)


def is_machine_code(function: ast.AST) -> bool:
    """Whether a function is decorated with micropython.viper or .native."""
    return any(
        isinstance(each, ast.Attribute)
        and each.attr in _TYPED
        and isinstance(each.value, ast.Name)
        and each.value.id == "micropython"
        for each in getattr(function, "decorator_list", ())
    )


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


class _Trim(ast.NodeTransformer):
    def visit_Module(self, node):
        self.generic_visit(node)
        node.body = [each for each in node.body if not isinstance(each, ast.Pass)]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if not is_machine_code(node):
            node.returns = None
            for argument in arguments_of(node):
                argument.annotation = None
        return self._with_body(node)

    def visit_AsyncFunctionDef(self, node):
        return self.visit_FunctionDef(node)

    def visit_ClassDef(self, node):
        return self._with_body(node)

    def _with_body(self, node):
        self.generic_visit(node)
        body = [each for each in node.body if not isinstance(each, ast.Pass)]
        node.body = body or [ast.Pass()]
        return node

    def visit_If(self, node):
        """Imports that only the type checker reads go, with the constant that tells it so."""
        return None if _name(node.test) == _CHECKING else self.generic_visit(node)

    def visit_Assign(self, node):
        return None if _name(node.targets[0]) == _CHECKING else self.generic_visit(node)

    def visit_Expr(self, node):
        is_text = isinstance(node.value, ast.Constant) and isinstance(
            node.value.value, str | bytes
        )
        return None if is_text else self.generic_visit(node)

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)
