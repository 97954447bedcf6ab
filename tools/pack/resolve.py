"""Says of each name in a module what it is: a local one, a builtin, or one at the top of a module.
The latter become a Ref, which later steps replace by a constant or by the name it gets."""

import ast
from dataclasses import dataclass, field

from pack.program import (
    FUNCTIONS,
    Foreign,
    Meaning,
    Module,
    ModuleName,
    PackError,
    Program,
    Symbol,
    arguments_of,
    bound_by,
    globals_of,
    imports_of,
    nonlocals_of,
)
from pack.trim import is_machine_code


class Ref(ast.Name):
    """A use of a Symbol, or of a module as a value.

    through   the module by which it is reached, as in `obis.key`; "" where it is a name by itself
    local     the function's own name for it, or for `through`, where it imports that itself
    hidden    the names of the functions around it, which a name at the top must not have
    """

    _fields = ("id", "ctx")
    meaning: Symbol | ModuleName | Foreign
    through: str
    local: str
    hidden: frozenset[str]


def symbol_of(node: ast.AST) -> Symbol | None:
    """What a definition at the top defines; None for every other node."""
    return getattr(node, "symbol", None)


@dataclass
class _Scope:
    names: set[str]
    is_class: bool = False
    is_global: set[str] = field(default_factory=set)
    imports: dict[str, Meaning] = field(default_factory=dict)


@dataclass
class Facts:
    """What was found on the way. builtins: names that nobody binds; foreign: attributes and
    keywords of what belongs to others."""

    builtins: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)


def resolve(program: Program, module: Module) -> Facts:
    """Puts Refs into the module's tree; definitions at the top get an attribute `symbol`. Raises
    PackError."""
    resolver = _Resolver(program, module)
    module.tree = resolver.visit(module.tree)
    return resolver.facts


class _Resolver(ast.NodeTransformer):
    def __init__(self, program: Program, module: Module):
        self._program, self._module = program, module
        self._scopes: list[_Scope] = []  # without the module's own
        self.facts = Facts()

    # --- Names ---

    def visit_Name(self, node):
        scope, meaning = self._look_up(node.id)
        if scope and scope.is_class and isinstance(node.ctx, ast.Load):
            if node.id in self._module.meanings:
                raise PackError(
                    f"{self._where(node)}: {node.id} may be the class's own or the module's"
                )
            return node
        if meaning is None:
            if scope is None:
                self.facts.builtins.add(node.id)
            return node
        if isinstance(meaning, Foreign) and scope is not None:
            return node
        if isinstance(meaning, ModuleName) and not isinstance(node.ctx, ast.Load):
            raise PackError(f"{self._where(node)}: {node.id} is a module and bound anew")
        return self._ref(node, meaning, "", node.id if scope else "")

    def visit_Attribute(self, node):
        base = self.visit(node.value)
        if (
            isinstance(base, Ref)
            and isinstance(base.meaning, ModuleName)
            and not node.attr.startswith("__")
        ):
            name = base.meaning.module
            meaning = self._program.member(name, node.attr, self._where(node))
            ref = self._ref(node, meaning, name, base.local)
            if isinstance(meaning, ModuleName) and base.local:
                raise PackError(
                    f"{self._where(node)}: import {meaning.module} by its own name here"
                )
            if isinstance(meaning, Foreign):
                raise PackError(f"{self._where(node)}: {name}.{node.attr} is not of {name}")
            return ref
        node.value = base
        if self._is_foreign(base):
            self.facts.foreign.add(node.attr)
        return node

    def _ref(self, node, meaning, through, local):
        ref = ast.copy_location(Ref(id=getattr(node, "id", ""), ctx=node.ctx), node)
        hidden = set()
        for depth, scope in enumerate(self._scopes):
            if not scope.is_class or depth == len(self._scopes) - 1:
                hidden |= scope.names - scope.is_global - _own_imports(scope)
        ref.meaning, ref.through, ref.local = meaning, through, local
        ref.hidden = frozenset(hidden)
        return ref

    def _look_up(self, name) -> tuple[_Scope | None, Meaning | None]:
        """Its scope, None at the top, and its meaning, None for a local name or a builtin."""
        for depth in range(len(self._scopes) - 1, -1, -1):
            scope = self._scopes[depth]
            if scope.is_class and depth < len(self._scopes) - 1:
                continue
            if name in scope.is_global:
                break
            if name in scope.names:
                return scope, scope.imports.get(name)
        return None, self._module.meanings.get(name)

    def _is_foreign(self, node) -> bool:
        """Whether a chain of attributes and calls begins with somebody else's."""
        while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, Ref):
            return isinstance(node.meaning, Foreign)
        if not isinstance(node, ast.Name):
            return isinstance(node, ast.Constant | ast.JoinedStr)
        scope, meaning = self._look_up(node.id)
        return (scope is None and node.id != "super") or isinstance(meaning, Foreign)

    def visit_Call(self, node):
        self.generic_visit(node)
        function = node.func
        # ours.format(name=...): the keyword is a word of a text.
        is_format = isinstance(function, ast.Attribute) and function.attr == "format"
        if is_format or self._is_foreign(function):
            self.facts.foreign.update(each.arg for each in node.keywords if each.arg)
        return node

    def _where(self, node) -> str:
        return self._module.where(node)

    # --- Scopes ---

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._mark(node)
        if not is_machine_code(node):  # a word to the compiler, nobody looks it up
            node.decorator_list = [self.visit(each) for each in node.decorator_list]
        self._visit_defaults(node)
        if node.returns:
            node.returns = self.visit(node.returns)
        for argument in arguments_of(node):
            if argument.annotation:
                argument.annotation = self.visit(argument.annotation)
        self._enter(self._function_scope(node, node.body))
        node.body = [self.visit(each) for each in node.body]
        self._scopes.pop()
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self._visit_defaults(node)
        self._enter(_Scope({each.arg for each in arguments_of(node)}))
        node.body = self.visit(node.body)
        self._scopes.pop()
        return node

    def _visit_defaults(self, node):
        node.args.defaults = [self.visit(each) for each in node.args.defaults]
        node.args.kw_defaults = [each and self.visit(each) for each in node.args.kw_defaults]

    def visit_ClassDef(self, node):
        self._mark(node)
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.bases = [self.visit(each) for each in node.bases]
        node.keywords = [self.visit(each) for each in node.keywords]
        self._enter(_Scope(bound_by(node.body), is_class=True))
        node.body = [self.visit(each) for each in node.body]
        self._scopes.pop()
        return node

    def _visit_comprehension(self, node):
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        targets = [ast.Expr(each.target) for each in node.generators]
        self._enter(_Scope(bound_by(targets)))
        for generator in node.generators:
            generator.target = self.visit(generator.target)
            if generator is not first:
                generator.iter = self.visit(generator.iter)
            generator.ifs = [self.visit(each) for each in generator.ifs]
        for part in ("elt", "key", "value"):
            if hasattr(node, part):
                setattr(node, part, self.visit(getattr(node, part)))
        self._scopes.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension

    def _function_scope(self, node: FUNCTIONS, body) -> _Scope:
        names = {each.arg for each in arguments_of(node)} | bound_by(body)
        names -= nonlocals_of(body)
        scope = _Scope(names, is_global=globals_of(body))
        for statement in imports_of(body):
            for name, meaning in self._program.imported(self._module, statement):
                if name in names and not isinstance(meaning, Foreign):
                    raise PackError(
                        f"{self._where(statement)}: {name} is imported and bound otherwise too"
                    )
                scope.imports[name] = meaning
        scope.names = names | set(scope.imports)
        return scope

    def _enter(self, scope):
        if scope.is_class:
            scope.imports = {}
        self._scopes.append(scope)

    def _mark(self, node):
        """Of a definition at the top, whose it is."""
        scope, meaning = self._look_up(node.name)
        node.symbol = meaning if scope is None and isinstance(meaning, Symbol) else None

    def visit_ExceptHandler(self, node):
        if node.name:
            self._mark(node)
        return self.generic_visit(node)


def _own_imports(scope) -> set[str]:
    return {name for name, each in scope.imports.items() if not isinstance(each, Foreign)}
