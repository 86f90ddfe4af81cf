"""Planning the imports that a fix wants, against what the file's names mean.

A name is used from an import that is there, merged into a ``from`` import of the same module, or imported by a new line. It is
refused when the name means something else at the place of use or at the top of the file, or is bound only under a condition.
"""

import ast
import builtins
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from flake8_mongo_threads.edits import Anchor, ImportRequest
from flake8_mongo_threads.fixes.locate import RefusedError
from flake8_mongo_threads.fixes.ops import AddImportName, Change, PlaceImport, import_text
from flake8_mongo_threads.source import Source

_MODULE_NAMES = frozenset(f"__{name}__" for name in (
    "name", "file", "doc", "spec", "package", "path", "builtins", "loader", "annotations", "class", "qualname", "module",
))  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Binding(NamedTuple):
    """One place that gives a name a meaning."""

    node: ast.AST
    line: int
    import_: ImportRequest | None
    """What is imported, when it is an import."""
    plain: bool
    """Whether it stands directly in the body of its scope, hence under no condition."""


class Scope:
    """A region with names of its own."""

    def __init__(self, node: ast.AST, parent: "Scope | None", start: tuple[int, int], end: tuple[int, int]) -> None:
        self.node = node
        self.parent = parent
        self.start = start
        self.end = end
        self.bindings: dict[str, list[Binding]] = {}
        self.outer: set[str] = set()
        """Names declared ``global`` or ``nonlocal``."""

    @property
    def deferred(self) -> bool:
        """Whether its code runs later than where it stands."""
        scope: Scope | None = self
        while scope is not None:
            if isinstance(scope.node, _FUNCTIONS):
                return True
            scope = scope.parent
        return False


def local_name(request: ImportRequest) -> str:
    """The name that an import binds."""
    return request.alias or request.name or request.module.partition(".")[0]


class Names:
    """The bindings and uses of names in one file. A light scan: flow is not followed, conditions are only noted."""

    def __init__(self, source: Source, tree: ast.Module) -> None:
        self.tree = tree
        self.module = Scope(tree, None, (0, 0), (sys.maxsize, 0))
        self.scopes = [self.module]
        self.loaded: set[str] = set()
        self.has_star = False
        self._scan(source)

    def _scan(self, source: Source) -> None:
        stack: list[tuple[ast.AST, Scope, bool]] = [(child, self.module, True) for child in ast.iter_child_nodes(self.tree)]
        while stack:
            node, scope, plain = stack.pop()
            inner = scope
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._bind(scope, node.name, node, plain)
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)):
                span = source.span(node)
                inner = Scope(node, scope, span[:2], span[2:])
                self.scopes.append(inner)
            self._bindings_of(node, scope, plain)
            direct = isinstance(node, (*_FUNCTIONS, ast.ClassDef)) or (plain and isinstance(node, (ast.expr, ast.Assign, ast.AnnAssign)))
            stack.extend((child, inner, direct) for child in ast.iter_child_nodes(node))

    def _bindings_of(self, node: ast.AST, scope: Scope, plain: bool) -> None:
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self.loaded.add(node.id)
            else:
                self._bind(scope, node.id, node, plain)
        elif isinstance(node, ast.NamedExpr):
            outer = scope
            while isinstance(outer.node, _COMPREHENSIONS) and outer.parent is not None:
                outer = outer.parent
            self._bind(outer, node.target.id, node, False)
        elif isinstance(node, ast.arg):
            self._bind(scope, node.arg, node, plain)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                request = ImportRequest(alias.name, "", alias.asname or "")
                self._bind(scope, local_name(request), node, plain, request)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    self.has_star = True
                else:
                    request = ImportRequest(module, alias.name, alias.asname if alias.asname not in (None, alias.name) else "")
                    self._bind(scope, local_name(request), node, plain, request)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            scope.outer.update(node.names)
            if isinstance(node, ast.Global):
                for name in node.names:
                    self._bind(self.module, name, node, False)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            self._bind(scope, node.name, node, False)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self._bind(scope, node.rest, node, False)
        elif type(node).__name__ in ("TypeVar", "TypeVarTuple", "ParamSpec"):
            self._bind(scope, node.name, node, plain)  # type: ignore[attr-defined]

    @staticmethod
    def _bind(scope: Scope, name: str, node: ast.AST, plain: bool, import_: ImportRequest | None = None) -> None:
        line = getattr(node, "lineno", 0)
        scope.bindings.setdefault(name, []).append(Binding(node, line, import_, plain))

    def undefined(self) -> frozenset[str]:
        """Names that are read and bound nowhere in the file (none when a star import may bind them)."""
        if self.has_star:
            return frozenset()
        bound = {name for scope in self.scopes for name in scope.bindings}
        return frozenset(self.loaded - bound - set(dir(builtins)) - _MODULE_NAMES)

    def scopes_at(self, line: int, col: int) -> list[Scope]:
        """The scopes around a place, the innermost first, the module last."""
        found = [scope for scope in self.scopes if scope.start <= (line, col) < scope.end]
        return sorted(found, key=lambda scope: (scope.start, (-scope.end[0], -scope.end[1])), reverse=True)


def _same(request: ImportRequest, have: ImportRequest | None) -> bool:
    if have is None:
        return False
    if have == request:
        return True
    # `import a.b.c` serves who wants `import a.b`, and `import a.b` and `import a.c` share the name `a`.
    return not (request.name or request.alias or have.name or have.alias) and have.module.startswith(f"{request.module}.")


def _sibling(request: ImportRequest, have: ImportRequest | None) -> bool:
    if have is None or request.name or request.alias or have.name or have.alias:
        return False
    return have.module.partition(".")[0] == request.module.partition(".")[0]


class Planner:
    """Plans the imports of one text. ``frozen`` tells of a (1-based) line whether it must not be changed.

    ``replaced`` (for each request's check) names the imports that the fix itself takes away: line of the import and local name.
    """

    def __init__(self, names: Names, source: Source, frozen: Callable[[int], bool] = lambda _line: False) -> None:
        self.names = names
        self._source = source
        self._frozen = frozen
        self._block = list(_leading_block(names.tree))
        self._tried = {id(inner) for node in names.tree.body if isinstance(node, ast.Try) for inner in node.body}

    def present(self, request: ImportRequest, uses: Sequence[Anchor], replaced: frozenset[tuple[int, str]] = frozenset()) -> bool:
        """Whether the name is there already for every place of use. Raises RefusedError when it cannot be made to mean what is wanted."""
        name = local_name(request)
        everywhere = bool(uses)
        for use in uses:
            everywhere &= self._present_at(request, name, use)
        if everywhere:
            return True
        bindings = [binding for binding in self.names.module.bindings.get(name, ()) if (binding.line, name) not in replaced]
        good = [binding for binding in bindings if _same(request, binding.import_)]
        for binding in bindings:
            if binding in good or _sibling(request, binding.import_):
                continue
            raise RefusedError(f"the name {name!r} means something else, line {binding.line}")
        if good and not any(binding.plain for binding in good):
            raise RefusedError(f"{name!r} is imported only under a condition, line {good[0].line}")
        if not good:
            return False
        line = min(binding.line for binding in good if binding.plain)
        for use in uses:
            if use.line < line and not self.names.scopes_at(use.line, use.col)[0].deferred:
                raise RefusedError(f"{name!r} is imported after its use, line {line}")
        return True

    def alias(self, request: ImportRequest, uses: Sequence[Anchor]) -> str:
        """The other name that the file has for what is wanted, when it has no other and this one holds at every place of use."""
        if request.alias or local_name(request) in self.names.module.bindings:
            return ""
        for name, bindings in self.names.module.bindings.items():
            imported = bindings[0].import_
            if imported is not None and imported.alias and imported[:2] == request[:2]:
                return name if self._holds(imported, uses) else ""
        froms = [each.module for each in self.names.tree.body if isinstance(each, ast.ImportFrom) and not each.level]
        if not request.name or request.module in froms:
            return ""
        for bindings in self.names.module.bindings.values():
            imported = bindings[0].import_
            if imported is not None and imported.module == request.module and not imported.name:
                return f"{imported.alias or imported.module}.{request.name}" if self._holds(imported, uses) else ""
        return ""

    def _holds(self, request: ImportRequest, uses: Sequence[Anchor]) -> bool:
        """Whether an import of the top of the file, or of a ``try`` there, gives its name at every place of use."""
        name = local_name(request)
        given = self.names.module.bindings[name]
        try:
            if len(given) == 1 and id(given[0].node) in self._tried:
                deferred = all(self.names.scopes_at(use.line, use.col)[0].deferred for use in uses)
                return deferred and not any(self._present_at(request, name, use) for use in uses)
            return self.present(request, uses)
        except RefusedError:
            return False

    def _present_at(self, request: ImportRequest, name: str, use: Anchor) -> bool:
        """Whether the innermost meaning of the name at a place is the wanted one, from an import in a function. Raises RefusedError."""
        scopes = self.names.scopes_at(use.line, use.col)
        for index, scope in enumerate(scopes[:-1]):
            if (isinstance(scope.node, ast.ClassDef) and index > 0) or name in scope.outer:
                continue
            bindings = scope.bindings.get(name)
            if not bindings:
                continue
            if all(_same(request, binding.import_) and binding.plain and binding.line < use.line for binding in bindings):
                return True
            raise RefusedError(f"the name {name!r} means something else there, line {bindings[0].line}")
        return False

    def guarded(self, request: ImportRequest, uses: Sequence[Anchor]) -> AddImportName | None:
        """The import to take a name from where the file can do without its package, which it imports in a ``try`` or in functions only.

        None where the package is imported at the top, or by nothing. Raises RefusedError when there is no such import for all places.
        """
        top = _package(request.module)
        if top in sys.stdlib_module_names or not uses:
            return None
        imports = [
            (scope, binding)
            for scope in self.names.scopes
            for bindings in scope.bindings.values()
            for binding in bindings
            if binding.import_ is not None and _package(binding.import_.module) == top
        ]
        if not imports or any(scope is self.names.module and binding.plain for scope, binding in imports):
            return None
        around = [self.names.scopes_at(use.line, use.col) for use in uses]
        for scope, binding in imports:
            statement = binding.node
            if not isinstance(statement, ast.ImportFrom) or statement.level or statement.module != request.module or not request.name:
                continue
            reached = all(
                scope in scopes and (use.line > binding.line or scopes[0] is not scope) for use, scopes in zip(uses, around, strict=True)
            )
            known = binding.plain if scope is not self.names.module else id(statement) in self._tried
            lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
            if reached and known and not any(map(self._frozen, lines)):
                return AddImportName(self._anchor(statement), request.name, request.alias)
        where = "under a condition" if any(scope is self.names.module for scope, _ in imports) else "in functions"
        raise RefusedError(f"{top!r} is imported only {where}, line {min(binding.line for _, binding in imports)}")

    def plan(self, requests: Sequence[ImportRequest], first_use: int = sys.maxsize) -> list[Change]:
        """The changes that make the (absent) names available. ``first_use`` is the first line that needs one as the module is run."""
        changes: list[Change] = []
        wanted = list(dict.fromkeys(requests))
        new: dict[str, list[ImportRequest]] = {}
        for request in wanted:
            statement = self._mergeable(request, first_use)
            if statement is not None:
                changes.append(AddImportName(self._anchor(statement), request.name, request.alias))
            else:
                new.setdefault(request.module if request.name else f"import {request.module} {request.alias}", []).append(request)
        for group in sorted(new.values(), key=lambda group: _package(group[0].module) not in sys.stdlib_module_names):
            changes.append(self._place(group))
        return changes

    def _anchor(self, statement: ast.stmt) -> Anchor:
        return Anchor(type(statement).__name__, *self._source.span(statement))

    def _mergeable(self, request: ImportRequest, first_use: int) -> ast.ImportFrom | None:
        if not request.name:
            return None
        for statement in self.names.tree.body:
            if (
                isinstance(statement, ast.ImportFrom)
                and statement.level == 0
                and statement.module == request.module
                and statement.names[0].name != "*"
                and statement.lineno < first_use
                and not any(map(self._frozen, range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)))
            ):
                return statement
        return None

    def _place(self, group: list[ImportRequest]) -> PlaceImport:
        request, *others = sorted(group)
        text = import_text(request.module, request.name, request.alias)
        for other in others:
            text += f", {other.name}" + (f" as {other.alias}" if other.alias else "")
        body = self.names.tree.body
        imports = [item for item in self._block if isinstance(item, (ast.Import, ast.ImportFrom)) and not _is_future(item)]
        top = _package(request.module)
        if top in sys.stdlib_module_names:
            standard = [item for item in imports if _package_of(item) in sys.stdlib_module_names]
            if standard:
                return self._among(standard, request, text)
            if imports:
                return PlaceImport(self._anchor(imports[0]), text, after=False, apart=True)
        elif imports:
            same = [item for item in imports if _package_of(item) == top]
            return PlaceImport(self._anchor((same or imports)[-1]), text)
        if self._block:
            return PlaceImport(self._anchor(self._block[-1]), text, apart=True)
        return PlaceImport(self._anchor(body[0]), text, after=False, apart=True) if body else PlaceImport(None, text)

    def _among(self, standard: Sequence[ast.Import | ast.ImportFrom], request: ImportRequest, text: str) -> PlaceImport:
        """The sorted place among the standard library's imports: plain imports first, then from-imports."""

        def key(item: ast.Import | ast.ImportFrom) -> tuple[bool, str]:
            module = item.module or "" if isinstance(item, ast.ImportFrom) else item.names[0].name
            return (isinstance(item, ast.ImportFrom), module)

        wanted = (bool(request.name), request.module)
        smaller = [item for item in standard if key(item) <= wanted]
        if smaller:
            return PlaceImport(self._anchor(smaller[-1]), text)
        return PlaceImport(self._anchor(standard[0]), text, after=False)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _package_of(item: ast.Import | ast.ImportFrom) -> str:
    if isinstance(item, ast.ImportFrom):
        return "" if item.level else _package(item.module or "")
    return _package(item.names[0].name)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _leading_block(tree: ast.Module) -> Iterator[ast.stmt]:
    """The docstring and the imports at the top, guarded ones (``try``, ``if``) included."""
    for index, statement in enumerate(tree.body):
        docstring = (
            index == 0
            and isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        )
        parts = statement.body if isinstance(statement, (ast.Try, ast.If)) else [statement]
        if not docstring and not any(isinstance(part, (ast.Import, ast.ImportFrom)) for part in parts):
            return
        yield statement
