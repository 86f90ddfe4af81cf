"""The one walk over a file: scopes, bindings and the indexes every later question is answered from.

No recursion: a thousand-term sum or a deep ``elif`` chain must not end the run. Each scope is walked once with an
explicit stack; nested functions are queued. What is collected is what inference, call graph and facts look up by name.
"""

import ast
import bisect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from flake8_mongo_threads.semantics.syntax import CHILD_FIELDS, COMPREHENSIONS, LOOPS, TRIES, WITHS, ends, last_name

_MANY_BINDINGS = 64
"""A name that one scope binds more often is looked at near the use only: generated code assigns one name thousands of times."""

Node = TypeVar("Node", bound=ast.AST)


class Binding:
    """One way a name gets a value.

    ``how`` is one of assign, unpack, ann, aug, for, with, except, import, def, class, param, match, del.
    ``value`` is the expression (or definition) that supplies it, read in ``scope``; ``path`` is the position inside
    a tuple being unpacked.
    """

    __slots__ = ("annotation", "how", "name", "node", "path", "scope", "value")

    def __init__(
        self,
        name: str,
        how: str,
        node: ast.AST,
        value: ast.AST | None,
        scope: "Scope",
        annotation: ast.expr | None = None,
        path: tuple[int, ...] = (),
    ) -> None:
        self.name = name
        self.how = how
        self.node = node
        self.value = value
        self.scope = scope
        self.annotation = annotation
        self.path = path

    @property
    def position(self) -> tuple[int, int]:
        """Line and byte column where the name is bound."""
        node = self.node
        return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


class Import(NamedTuple):
    """What an import statement binds: ``module`` with its leading dots counted in ``level``; ``name`` of a from-import."""

    module: str
    name: str
    level: int
    alias: ast.alias
    statement: ast.Import | ast.ImportFrom


class Scope:
    """A module, class, function, lambda or comprehension."""

    __slots__ = ("bindings", "calls", "cls", "function", "globals", "index", "kind", "name", "node", "nonlocals", "parent", "returns", "yields")

    def __init__(self, kind: str, node: ast.AST, parent: "Scope | None", name: str, index: "Index") -> None:
        self.kind = kind
        self.node = node
        self.parent = parent
        self.name = name
        self.index = index
        self.bindings: dict[str, list[Binding]] = {}
        self.calls: list[ast.Call] = []
        self.returns: list[ast.expr] = []
        self.yields: list[ast.Yield | ast.YieldFrom] = []
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.cls: Scope | None = None
        self.function: Scope = parent.function if kind == "comprehension" and parent is not None else self
        """The function, class or module whose code this is: a comprehension belongs to the one around it."""

    def __repr__(self) -> str:
        return f"<{self.kind} {self.qualname}>"

    @property
    def is_async(self) -> bool:
        """Whether this is an ``async def``."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def qualname(self) -> str:
        """Dotted name within the module, as Python's ``__qualname__`` without ``<locals>``."""
        parts = []
        scope: Scope | None = self
        while scope is not None and scope.kind != "module":
            parts.append(scope.name)
            scope = scope.parent
        return ".".join(reversed(parts))

    def binder(self, name: str) -> "Scope | None":
        """The nearest scope, this one or one around it, that binds a name; None when none does.

        Python's own look-up skips the bodies of classes around a function; callers for which that matters ask for the kind.
        """
        scope: Scope | None = self
        while scope is not None and name not in scope.bindings:
            scope = scope.parent
        return scope

    def encloses(self, inner: "Scope") -> bool:
        """Whether another scope is defined inside this one, at any depth."""
        current = inner.parent
        while current is not None:
            if current is self:
                return True
            current = current.parent
        return False

    @property
    def params(self) -> list[ast.arg]:
        """The parameters in order: positional-only, normal, ``*args``, keyword-only, ``**kwargs``."""
        if not isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return []
        a = self.node.args
        return [*a.posonlyargs, *a.args, *([a.vararg] if a.vararg else []), *a.kwonlyargs, *([a.kwarg] if a.kwarg else [])]

    @property
    def positional(self) -> list[ast.arg]:
        """The parameters that take positional arguments."""
        if not isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return []
        return [*self.node.args.posonlyargs, *self.node.args.args]

    def default(self, name: str) -> ast.expr | None:
        """The default value of a parameter; None when it has none."""
        arguments = self.node.args  # type: ignore[attr-defined]
        positional = [*arguments.posonlyargs, *arguments.args]
        for arg, value in zip(reversed(positional), reversed(arguments.defaults), strict=False):
            if arg.arg == name:
                return value  # type: ignore[no-any-return]
        for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=False):
            if arg.arg == name:
                return value  # type: ignore[no-any-return]
        return None

    @property
    def decorators(self) -> list[ast.expr]:
        """The decorators of a function or class."""
        return getattr(self.node, "decorator_list", [])


class Store(NamedTuple):
    """An assignment to an attribute or item: the target, the value (None when unreadable), and where it stands."""

    target: ast.Attribute | ast.Subscript
    value: ast.expr | None
    scope: Scope
    how: str
    annotation: ast.expr | None = None
    path: tuple[int, ...] = ()


class Index:
    """Everything the one walk collects from a file."""

    __slots__ = (
        "_calls_by_name",
        "_calls_in",
        "_derived",
        "_loops_in",
        "_named_calls",
        "_ordered",
        "_origins",
        "_withs_in",
        "attribute_loads",
        "attribute_stores",
        "awaited",
        "bodies",
        "calls",
        "classes",
        "functions",
        "handlers",
        "imports",
        "item_stores",
        "items_of",
        "lambdas",
        "loops",
        "module_scope",
        "mutations",
        "name_loads",
        "parents",
        "place",
        "scope_of_node",
        "scopes",
        "tests",
        "tree",
        "tries",
        "withs",
    )

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {}
        self.place: dict[ast.AST, tuple[ast.AST, str, int]] = {}
        """Where a statement stands: the node that owns its block, the block's field, the position in the block."""
        self.scopes: list[Scope] = []
        self.scope_of_node: dict[ast.AST, Scope] = {}
        self.bodies: dict[ast.AST, Scope] = {}
        """The scope that a definition, lambda or comprehension opens."""
        self.functions: list[Scope] = []
        self.lambdas: list[Scope] = []
        self.classes: list[Scope] = []
        self.calls: list[ast.Call] = []
        self.imports: list[tuple[Import, Scope]] = []
        self.attribute_stores: dict[str, list[Store]] = {}
        self.item_stores: list[Store] = []
        self.items_of: dict[str, list[Store]] = {}
        """The item stores by the last name of what they store into: ``clients`` of ``self.clients[key] = …``."""
        self.mutations: dict[str, list[tuple[ast.Call, Scope]]] = {}
        """Calls such as ``x.append(v)``, by the last name of the receiver: they put values into containers."""
        self.name_loads: dict[str, list[ast.Name]] = {}
        self.attribute_loads: dict[str, list[ast.Attribute]] = {}
        self.awaited: set[ast.AST] = set()
        self.loops: list[tuple[ast.AST, Scope]] = []
        self.withs: list[tuple[ast.With | ast.AsyncWith, Scope]] = []
        self.tries: list[tuple[ast.AST, Scope]] = []
        self.handlers: list[tuple[ast.ExceptHandler, Scope]] = []
        self.tests: list[tuple[ast.expr, Scope]] = []
        self.module_scope = Scope("module", tree, None, "", self)
        self._calls_by_name: dict[str, list[tuple[int, ast.Call]]] | None = None
        self._named_calls: dict[frozenset[str], list[ast.Call]] = {}
        self._calls_in: dict[Scope, list[ast.Call]] | None = None
        self._withs_in: dict[Scope, list[ast.With | ast.AsyncWith]] | None = None
        self._loops_in: dict[Scope, list[ast.AST]] | None = None
        self._derived: dict[str, list[Scope]] | None = None
        self._origins: dict[str, str] | None = None
        self._ordered: dict[int, tuple[list[tuple[int, int]], list[Binding], list[Binding]]] = {}
        _walk(self)

    # ---------------------------------------------------------------- tables made on first use, kept for every file that is linted

    def calls_to(self, names: frozenset[str]) -> list[ast.Call]:
        """The calls whose callee ends in one of some names, in the order of the walk."""
        found = self._named_calls.get(names)
        if found is None:
            table = self._calls_by_name
            if table is None:
                table = self._calls_by_name = {}
                for position, call in enumerate(self.calls):
                    table.setdefault(last_name(call.func), []).append((position, call))
            hits = [pair for name in names.intersection(table) for pair in table[name]]
            hits.sort(key=lambda pair: pair[0])
            found = self._named_calls[names] = [call for _, call in hits]
        return found

    @property
    def calls_in(self) -> dict[Scope, list[ast.Call]]:
        """The calls of each function's own code, comprehensions included."""
        if self._calls_in is None:
            self._calls_in = _by_function((call, self.scope_of_node[call]) for call in self.calls)
        return self._calls_in

    @property
    def withs_in(self) -> dict[Scope, list[ast.With | ast.AsyncWith]]:
        """The ``with`` statements of each function's own code."""
        if self._withs_in is None:
            self._withs_in = _by_function(self.withs)
        return self._withs_in

    @property
    def loops_in(self) -> dict[Scope, list[ast.AST]]:
        """The loops and comprehensions of each function's own code."""
        if self._loops_in is None:
            self._loops_in = _by_function(self.loops)
        return self._loops_in

    @property
    def derived(self) -> dict[str, list[Scope]]:
        """The classes that name a class among their bases, with type arguments or without, by that class's last name."""
        if self._derived is None:
            self._derived = {}
            for scope in self.classes:
                bases = scope.node.bases  # type: ignore[attr-defined]
                for name in dict.fromkeys(last_name(base.value if isinstance(base, ast.Subscript) else base) for base in bases):
                    self._derived.setdefault(name, []).append(scope)
        return self._derived

    @property
    def origins(self) -> dict[str, str]:
        """Every name that the file binds anywhere, with the top-level module that it is imported from: ``.`` for a relative import,
        empty when it is not imported."""
        if self._origins is None:
            self._origins = {}
            for scope in self.scopes:
                for name, bindings in scope.bindings.items():
                    root = ""
                    for binding in bindings:
                        if binding.how == "import" and isinstance(binding.node, ast.alias):
                            statement = binding.value
                            if isinstance(statement, ast.ImportFrom):
                                root = (statement.module or "").partition(".")[0] if not statement.level else "."
                            else:
                                root = binding.node.name.partition(".")[0]
                    if root or name not in self._origins:
                        self._origins[name] = root
        return self._origins

    # ---------------------------------------------------------------- questions about places

    def statement(self, node: ast.AST) -> ast.AST:
        """The statement a node is part of (the node itself when it is one)."""
        place = self.place
        parents = self.parents
        while node not in place:
            up = parents.get(node)
            if up is None:
                return node
            node = up
        return node

    def scope(self, node: ast.AST) -> Scope:
        """The scope in which a node is evaluated."""
        found = self.scope_of_node.get(node)
        if found is not None:
            return found
        child = node
        parents = self.parents
        up = parents.get(node)
        while up is not None:
            body = self.bodies.get(up)
            if body is not None and _inside(up, child):
                return body
            if isinstance(up, ast.Call):
                known = self.scope_of_node.get(up)
                if known is not None:
                    return known
            child = up
            up = parents.get(up)
        return self.module_scope

    def ancestors(self, node: ast.AST) -> list[ast.AST]:
        """The nodes around a node, innermost first, up to and including the module."""
        found = []
        up = self.parents.get(node)
        while up is not None:
            found.append(up)
            up = self.parents.get(up)
        return found

    def within(self, node: ast.AST, root: ast.AST) -> bool:
        """Whether a node is another one, or stands somewhere below it."""
        current: ast.AST | None = node
        while current is not None:
            if current is root:
                return True
            current = self.parents.get(current)
        return False

    def block_path(self, node: ast.AST, root: ast.AST) -> list[tuple[ast.AST, str, int]]:
        """The blocks around a node from the innermost out to ``root``: owner, field, index of the statement in it."""
        path = []
        statement = self.statement(node)
        while statement in self.place:
            spot = self.place[statement]
            path.append(spot)
            if spot[0] is root:
                break
            statement = self.statement(spot[0])
        return path

    def reaching(self, scope: Scope, name: str, use: ast.AST) -> list[Binding]:
        """The bindings of a local name that can supply its value at ``use``.

        A binding in straight-line code hides the ones before it; branches, loops and handlers join; a branch that
        returns or raises does not reach what follows.
        """
        bindings = scope.bindings.get(name, [])
        if len(bindings) < 2 or use not in self.parents:
            return bindings
        root = scope.node
        use_path = self.block_path(use, root)
        if not use_path or use_path[-1][0] is not root:
            return bindings
        blocks = {(id(owner), field): position for owner, field, position in use_path}
        use_position = (getattr(use, "lineno", 0), getattr(use, "col_offset", 0))
        use_statement = self.statement(use)
        if len(bindings) > _MANY_BINDINGS:
            bindings = self._near(bindings, scope, use_position, blocks)
        dominator: Binding | None = None
        others: list[Binding] = []
        for binding in bindings:
            if binding.how == "del":
                continue
            if binding.scope.function is not scope.function:
                others.append(binding)
                continue
            if binding.how == "param":
                if dominator is None:
                    dominator = binding
                continue
            where = self._bound_at(binding)
            if where is None:
                others.append(binding)
                continue
            owner, field, position = where
            at = blocks.get((id(owner), field))
            before = at is not None and position < at
            if at is not None and position == at and binding.how in ("assign", "with") and self._walrus_before(binding, use):
                before = True
            if before:
                if dominator is None or dominator.how == "param" or binding.position >= dominator.position:
                    dominator = binding
            else:
                others.append(binding)
        result: list[Binding] = [] if dominator is None else [dominator]
        loops = [owner for owner, field, _ in use_path if isinstance(owner, LOOPS) and field == "body"]
        if isinstance(use_statement, ast.While):  # its test is asked again after the body
            loops.append(use_statement)
        dominator_loops: set[int] = set()
        if dominator is not None and dominator.how != "param":
            where = self._bound_at(dominator)
            dominator_loops = {id(o) for o, f, _ in self.block_path(dominator.node, root) if isinstance(o, LOOPS) and f == "body"}
            if where is not None and isinstance(where[0], LOOPS):
                dominator_loops.add(id(where[0]))
        for binding in others:
            if binding.scope.function is not scope.function:
                result.append(binding)
                continue
            path = self.block_path(binding.node, root)
            shared = any(
                isinstance(o, LOOPS) and f == "body" and any(o is loop for loop in loops) and id(o) not in dominator_loops
                for o, f, _ in path
            )
            statement = self.statement(binding.node)
            earlier = binding.position < use_position and statement is not use_statement
            if not earlier and not shared:
                continue
            if dominator is not None and dominator.how != "param" and binding.position < dominator.position and not shared:
                continue
            if not shared and self._cut_off(path, blocks):
                continue
            result.append(binding)
        return result or bindings

    def _near(self, bindings: list[Binding], scope: Scope, use: tuple[int, int], blocks: dict[tuple[int, str], int]) -> list[Binding]:
        """Of very many bindings of one name those that can matter at a use: back to the one that hides what came before it, a
        number of those that follow (a loop may bring their values round), and some in other functions."""
        known = self._ordered.get(id(bindings))
        if known is None:
            ordered = sorted((b for b in bindings if b.scope.function is scope.function), key=lambda b: b.position)
            elsewhere = [b for b in bindings if b.scope.function is not scope.function][:_MANY_BINDINGS]
            known = self._ordered[id(bindings)] = ([b.position for b in ordered], ordered, elsewhere)
        positions, ordered, elsewhere = known
        middle = first = bisect.bisect_left(positions, use)
        while first > max(middle - _MANY_BINDINGS, 0):
            first -= 1
            where = self._bound_at(ordered[first])
            if where is not None and where[2] < blocks.get((id(where[0]), where[1]), -1):
                break
        return [*ordered[first : middle + _MANY_BINDINGS], *elsewhere]

    def _bound_at(self, binding: Binding) -> tuple[ast.AST, str, int] | None:
        """The place from which a binding is in force: inside its body for a loop target, at the statement otherwise."""
        node = binding.node
        if binding.how == "for" and isinstance(binding.value, ast.AST):
            loop = self.parents.get(binding.value)
            if isinstance(loop, (ast.For, ast.AsyncFor)):
                return (loop, "body", -1)
        statement = self.statement(node)
        if isinstance(statement, WITHS) and binding.how == "with":
            # in force inside the body, and after it, because the target is always bound
            owner, field, position = self.place.get(statement, (statement, "body", -1))
            return (owner, field, position)
        if isinstance(statement, ast.ExceptHandler):
            return (statement, "body", -1)
        return self.place.get(statement)

    def _walrus_before(self, binding: Binding, use: ast.AST) -> bool:
        statement = self.statement(binding.node)
        if isinstance(statement, WITHS) and binding.how == "with":
            return (getattr(use, "lineno", 0), getattr(use, "col_offset", 0)) > binding.position
        return (
            isinstance(self.parents.get(binding.node), ast.NamedExpr)
            and (getattr(use, "lineno", 0), getattr(use, "col_offset", 0)) > binding.position
        )

    @staticmethod
    def _cut_off(path: list[tuple[ast.AST, str, int]], blocks: dict[tuple[int, str], int]) -> bool:
        """Whether control that passed a binding can no longer come to the use: other branch, or the branch ends."""
        for owner, field, _ in path:
            # what stands in ``finally``, or in a handler of the same ``try``, runs however the body is left
            if isinstance(owner, TRIES) and ((id(owner), "finalbody") in blocks or (field == "body" and (id(owner), "handlers") in blocks)):
                return False
        left: ast.AST | None = None
        for at, (owner, field, _) in enumerate(path):
            if (id(owner), field) in blocks:
                return False
            if left is not None:
                # on the way out of a loop that ``break`` ends, nothing after the binding runs
                if owner is left:
                    left = None
                continue
            block = getattr(owner, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt) and ends(block):
                left = next((o for o, f, _ in path[at:] if isinstance(o, LOOPS) and f == "body"), None)
                if not isinstance(block[-1], (ast.Break, ast.Continue)) or left is None or (id(left), "body") in blocks:
                    return True
                if owner is left:
                    left = None
                continue
            if isinstance(owner, ast.If):
                other = "orelse" if field == "body" else "body"
                if (id(owner), other) in blocks:
                    return True
        return False


def _by_function(nodes: Iterable[tuple[Node, Scope]]) -> dict[Scope, list[Node]]:
    found: dict[Scope, list[Node]] = {}
    for node, scope in nodes:
        found.setdefault(scope.function, []).append(node)
    return found


def _inside(owner: ast.AST, child: ast.AST) -> bool:
    """Whether ``child`` (a direct child of ``owner``) belongs to the scope that ``owner`` opens."""
    if isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
        return isinstance(child, ast.stmt)
    if isinstance(owner, ast.Lambda):
        return child is owner.body
    if isinstance(owner, COMPREHENSIONS):
        return child is not owner.generators[0]
    return False


_CONTAINER_METHODS = frozenset(("append", "add", "insert", "setdefault", "update", "extend", "appendleft", "put", "put_nowait", "put_item"))


def _walk(index: Index) -> None:
    parents = index.parents
    place = index.place
    scope_of_node = index.scope_of_node
    name_loads = index.name_loads
    attribute_loads = index.attribute_loads
    shapes = _SHAPES
    specials = _SPECIALS
    queue: list[tuple[Scope, list[ast.AST]]] = []

    module = index.module_scope
    index.scopes.append(module)
    index.bodies[index.tree] = module
    for position, statement in enumerate(index.tree.body):
        parents[statement] = index.tree
        place[statement] = (index.tree, "body", position)
    queue.append((module, list(index.tree.body)))

    Name, Constant, Attribute, Call, Expr = ast.Name, ast.Constant, ast.Attribute, ast.Call, ast.Expr
    Load = ast.Load

    cursor = 0
    while cursor < len(queue):
        scope, roots = queue[cursor]
        cursor += 1
        stack = roots[::-1]
        while stack:
            node = stack.pop()
            kind = type(node)
            if kind is Name:
                if type(node.ctx) is Load:  # type: ignore[attr-defined]
                    name = node.id  # type: ignore[attr-defined]
                    found = name_loads.get(name)
                    if found is None:
                        name_loads[name] = [node]  # type: ignore[list-item]
                    else:
                        found.append(node)  # type: ignore[arg-type]
                    scope_of_node[node] = scope
                continue
            if kind is Constant or node is None:  # ``{**other}`` has a key that is None
                continue
            if kind is Attribute:
                if type(node.ctx) is Load:  # type: ignore[attr-defined]
                    name = node.attr  # type: ignore[attr-defined]
                    same = attribute_loads.get(name)
                    if same is None:
                        attribute_loads[name] = [node]  # type: ignore[list-item]
                    else:
                        same.append(node)  # type: ignore[arg-type]
                    scope_of_node[node] = scope
                value = node.value  # type: ignore[attr-defined]
                parents[value] = node
                stack.append(value)
                continue
            if kind is Expr:
                value = node.value  # type: ignore[attr-defined]
                parents[value] = node
                stack.append(value)
                continue
            if kind is Call:
                scope.calls.append(node)  # type: ignore[arg-type]
                index.calls.append(node)  # type: ignore[arg-type]
                scope_of_node[node] = scope
                func = node.func  # type: ignore[attr-defined]
                if type(func) is Attribute and func.attr in _CONTAINER_METHODS:
                    receiver = func.value
                    tail = receiver.attr if type(receiver) is Attribute else receiver.id if type(receiver) is Name else ""
                    index.mutations.setdefault(tail, []).append((node, scope))  # type: ignore[arg-type]
            else:
                special = specials.get(kind)
                if special is not None:
                    special(index, scope, node, queue)
                    if kind in _OPENS_SCOPE:
                        _push_outer(node, parents, stack)
                        continue
            singles, lists, blocks = shapes[kind]
            for field in blocks:  # the last block first: it is popped last
                block = getattr(node, field)
                if block:
                    for position, item in enumerate(block):
                        parents[item] = node
                        place[item] = (node, field, position)
                    stack += block[::-1]
            for field in lists:
                items = getattr(node, field)
                if items:
                    for item in items:
                        parents[item] = node
                    stack += items[::-1]
            for field in singles:
                value = getattr(node, field)
                if value is not None:
                    parents[value] = node
                    stack.append(value)


def _shapes() -> dict[type, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """The child fields of every node class by sort: single nodes, lists of expressions, blocks of statements."""
    table = {}
    lists = {
        "targets", "values", "keys", "elts", "generators", "comparators", "args", "keywords", "decorator_list", "bases", "items", "patterns", "kwd_patterns", "defaults",
        "kw_defaults", "posonlyargs", "kwonlyargs", "ifs", "type_params", "names",
    }  # fmt: skip
    for kind, fields in CHILD_FIELDS.items():
        blocks = tuple(
            f for f in fields if f in _BLOCKS and not (f in ("body", "orelse") and kind in (ast.IfExp, ast.Lambda, ast.Expression))
        )
        several = tuple(f for f in fields if f in lists and not (f == "args" and kind is not ast.Call))
        table[kind] = (tuple(f for f in fields if f not in blocks and f not in several)[::-1], several[::-1], blocks[::-1])
    return table


_BLOCKS = frozenset(("body", "orelse", "finalbody", "handlers", "cases"))
_OPENS_SCOPE: set[type] = {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, *COMPREHENSIONS}
_SHAPES = _shapes()


def _push_outer(node: ast.AST, parents: dict[ast.AST, ast.AST], stack: list[ast.AST]) -> None:
    """Push the parts of a definition that the enclosing scope evaluates: decorators, defaults, annotations, bases."""
    fresh: list[ast.AST] = []

    def add(child: ast.AST | None, parent: ast.AST = node) -> None:
        if child is not None:
            parents[child] = parent
            fresh.append(child)

    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        arguments = node.args
        parents[arguments] = node
        if not isinstance(node, ast.Lambda):
            for decorator in node.decorator_list:
                add(decorator)
            add(node.returns)
        for default in (*arguments.defaults, *arguments.kw_defaults):
            add(default, arguments)
        for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if arg is not None:
                parents[arg] = arguments
                add(arg.annotation, arg)
    elif isinstance(node, ast.ClassDef):
        for decorator in node.decorator_list:
            add(decorator)
        for base in node.bases:
            add(base)
        for keyword in node.keywords:
            parents[keyword] = node
            add(keyword.value, keyword)
    elif isinstance(node, COMPREHENSIONS):
        parents[node.generators[0]] = node
        add(node.generators[0].iter, node.generators[0])
    fresh.reverse()
    stack += fresh


Queue = list[tuple[Scope, list[ast.AST]]]


def _assign(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    for target in node.targets:
        if type(target) is ast.Name:  # by far the most frequent form
            _bind(scope, Binding(target.id, "assign", target, node.value, scope))
        else:
            bind_target(index, scope, target, node.value, "assign")


def _annotated(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    bind_target(index, scope, node.target, node.value, "ann", node.annotation)


def _type_alias(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    _bind(scope, Binding(node.name.id, "assign", node.name, node.value, scope))


def _augmented(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    bind_target(index, scope, node.target, node.value, "aug")


def _walrus(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    bind_target(index, scope.function, node.target, node.value, "assign", value_scope=scope)


def _class(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    _bind(scope, Binding(node.name, "class", node, node, scope))
    child = _open(index, scope, node, "class", node.name)
    child.cls = child
    index.classes.append(child)
    _queue_body(index, child, node.body, queue)


def _lambda(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    child = _open(index, scope, node, "lambda", "<lambda>")
    index.lambdas.append(child)
    _bind_params(child)
    index.parents[node.body] = node
    queue.append((child, [node.body]))


def _for(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.loops.append((node, scope))
    bind_target(index, scope, node.target, node.iter, "for")


def _while(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.loops.append((node, scope))
    index.tests.append((node.test, scope))


def _with(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.withs.append((node, scope))
    for item in node.items:
        if item.optional_vars is not None:
            bind_target(index, scope, item.optional_vars, item.context_expr, "with")


def _return(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    if node.value is not None:
        scope.returns.append(node.value)


def _yield(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    scope.function.yields.append(node)


def _await(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.awaited.add(node.value)


def _global(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    scope.globals.update(node.names)


def _nonlocal(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    scope.nonlocals.update(node.names)


def _handler(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.handlers.append((node, scope))
    if node.name:
        _bind(scope, Binding(node.name, "except", node, node.type, scope))


def _test(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.tests.append((node.test, scope))


def _case(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    if node.guard is not None:
        index.tests.append((node.guard, scope))


def _delete(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            _bind(scope, Binding(target.id, "del", target, None, scope))


def _capture(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    if node.name:
        subject = _match_subject(index, node) if isinstance(node, ast.MatchAs) and node.pattern is None else None
        _bind(scope, Binding(node.name, "assign" if subject is not None else "match", node, subject, scope))


def _boolean(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.tests.extend((value, scope) for value in node.values[:-1])


def _unary(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    if type(node.op) is ast.Not:
        index.tests.append((node.operand, scope))


def _try(index: Index, scope: Scope, node: Any, queue: Queue) -> None:
    index.tries.append((node, scope))


def _match_subject(index: Index, node: ast.AST) -> ast.expr | None:
    case = index.parents.get(node)
    match = index.parents.get(case) if isinstance(case, ast.match_case) else None
    return match.subject if isinstance(match, ast.Match) else None


def _open(index: Index, parent: Scope, node: ast.AST, kind: str, name: str) -> Scope:
    child = Scope(kind, node, parent, name, index)
    index.scopes.append(child)
    index.bodies[node] = child
    child.cls = parent if parent.kind == "class" else None
    return child


def _queue_body(index: Index, child: Scope, body: list[ast.stmt], queue: Queue) -> None:
    for position, statement in enumerate(body):
        index.parents[statement] = child.node
        index.place[statement] = (child.node, "body", position)
    queue.append((child, list(body)))


def _open_function(index: Index, scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef, queue: Queue) -> None:
    target = index.module_scope if node.name in scope.globals else scope
    binding = Binding(node.name, "def", node, node, scope)
    target.bindings.setdefault(node.name, []).append(binding)
    child = _open(index, scope, node, "function", node.name)
    index.functions.append(child)
    _bind_params(child)
    _queue_body(index, child, node.body, queue)


def _bind_params(scope: Scope) -> None:
    for arg in scope.params:
        scope.bindings.setdefault(arg.arg, []).append(Binding(arg.arg, "param", arg, None, scope, arg.annotation))


def _open_comprehension(index: Index, scope: Scope, node: ast.AST, queue: Queue) -> None:
    child = _open(index, scope, node, "comprehension", f"<{type(node).__name__}>")
    index.loops.append((node, scope))
    roots: list[ast.AST] = []
    for position, generator in enumerate(node.generators):  # type: ignore[attr-defined]
        index.parents[generator] = node
        bind_target(index, child, generator.target, generator.iter, "for", value_scope=scope if position == 0 else child)
        index.parents[generator.target] = generator
        roots.append(generator.target)
        if position:
            index.parents[generator.iter] = generator
            roots.append(generator.iter)
        for test in generator.ifs:
            index.parents[test] = generator
            index.tests.append((test, child))
            roots.append(test)
    for field in ("key", "value", "elt"):
        part = getattr(node, field, None)
        if part is not None:
            index.parents[part] = node
            roots.append(part)
    queue.append((child, roots))


def _bind_import(index: Index, scope: Scope, node: ast.Import | ast.ImportFrom, queue: Queue) -> None:
    for alias in node.names:
        index.parents[alias] = node
        if isinstance(node, ast.Import):
            what = Import(alias.name, "", 0, alias, node)
            local = alias.asname or alias.name.partition(".")[0]
        else:
            what = Import(node.module or "", alias.name, node.level, alias, node)
            local = alias.asname or alias.name
        index.imports.append((what, scope))
        if alias.name != "*":
            target = index.module_scope if local in scope.globals else scope
            target.bindings.setdefault(local, []).append(Binding(local, "import", alias, node, scope))


def _bind(scope: Scope, binding: Binding) -> None:
    owner = scope
    if binding.name in scope.globals:
        owner = scope.index.module_scope
    elif binding.name in scope.nonlocals:
        outer = scope.parent
        while outer is not None and (outer.kind == "class" or binding.name not in outer.bindings):
            outer = outer.parent
        owner = outer or scope
    owner.bindings.setdefault(binding.name, []).append(binding)


def bind_target(
    index: Index,
    scope: Scope,
    target: ast.expr,
    value: ast.expr | None,
    how: str,
    annotation: ast.expr | None = None,
    *,
    value_scope: Scope | None = None,
) -> None:
    """Record what an assignment target binds: names, attributes, items and the parts of tuples."""
    read_in = value_scope or scope
    pending: list[tuple[ast.expr, ast.expr | None, tuple[int, ...]]] = [(target, value, ())]
    while pending:
        node, source, path = pending.pop()
        if isinstance(node, ast.Name):
            binding = Binding(node.id, how, node, source, read_in, annotation, path)
            if value_scope is not None and scope.kind == "comprehension":
                scope.bindings.setdefault(node.id, []).append(binding)
            else:
                _bind(scope, binding)
        elif isinstance(node, ast.Attribute):
            index.attribute_stores.setdefault(node.attr, []).append(Store(node, source, read_in, how, annotation, path))
        elif isinstance(node, ast.Subscript):
            store = Store(node, source, read_in, how, annotation, path)
            index.item_stores.append(store)
            base = node.value
            tail = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
            index.items_of.setdefault(tail, []).append(store)
        elif isinstance(node, ast.Starred):
            pending.append((node.value, None, path))
        elif isinstance(node, (ast.Tuple, ast.List)):
            literal = source if isinstance(source, (ast.Tuple, ast.List)) and how == "assign" and not path else None
            starred = next((i for i, e in enumerate(node.elts) if isinstance(e, ast.Starred)), len(node.elts))
            for position, element in enumerate(node.elts):
                if (
                    literal is not None
                    and len(literal.elts) == len(node.elts)
                    and not any(isinstance(e, ast.Starred) for e in (*literal.elts, *node.elts))
                ):
                    pending.append((element, literal.elts[position], ()))
                elif position < starred:
                    pending.append((element, source, (*path, position)))
                else:
                    pending.append((element, None, ()))


_SPECIALS: dict[type, Callable[[Index, Scope, Any, Queue], None]] = {
    ast.FunctionDef: _open_function,
    ast.AsyncFunctionDef: _open_function,
    ast.ClassDef: _class,
    ast.Lambda: _lambda,
    ast.ListComp: _open_comprehension,
    ast.SetComp: _open_comprehension,
    ast.DictComp: _open_comprehension,
    ast.GeneratorExp: _open_comprehension,
    ast.Import: _bind_import,
    ast.ImportFrom: _bind_import,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.NamedExpr: _walrus,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Return: _return,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.Await: _await,
    ast.Global: _global,
    ast.Nonlocal: _nonlocal,
    ast.ExceptHandler: _handler,
    ast.If: _test,
    ast.IfExp: _test,
    ast.Assert: _test,
    ast.Delete: _delete,
    ast.match_case: _case,
    ast.MatchAs: _capture,
    ast.MatchStar: _capture,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    **dict.fromkeys(TRIES, _try),
}
if hasattr(ast, "TypeAlias"):  # Python 3.12
    _SPECIALS[ast.TypeAlias] = _type_alias
