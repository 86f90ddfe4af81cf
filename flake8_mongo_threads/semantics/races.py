"""Races in the data: a document read, computed on and written back, a check before an insert, the next id from a count.

Each is two operations on one collection with nothing between them that makes them one: no lock, no transaction, no
compare-and-set filter. The two may stand in different functions: ``semantics.provenance`` follows a value back to its read.
"""

import ast
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation, operations_in
from flake8_mongo_threads.semantics.interest import interesting
from flake8_mongo_threads.semantics.provenance import (
    COUNTS,
    Frame,
    Invocation,
    Origin,
    Path,
    access,
    bindings_of,
    changes,
    changes_of,
    driver_call,
    enter,
    field_path,
    invocation,
    normal,
    option,
    read_of,
    resolve,
    results_of,
    returned,
    sort_of,
    statements_of,
    trace,
)
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import is_lock, under_lock
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, LOOPS, TRIES, WITHS, constant, dotted, ends, last_name, walk
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function, Sequence

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_UPDATES = frozenset(("update_one", "update_many", "find_one_and_update", "update", "find_and_modify"))
_REPLACES = frozenset(("replace_one", "find_one_and_replace", "save", "update"))
_INSERTS = frozenset(("insert_one", "insert"))
_REQUESTS = {
    f"{package}.{name}()": method
    for name, method in (("UpdateOne", "update_one"), ("UpdateMany", "update_many"), ("ReplaceOne", "replace_one"))
    for package in ("pymongo", "pymongo.operations")
}
"""What ``bulk_write`` is given → the method that does the same."""
_WRITES = _UPDATES | _REPLACES | _INSERTS | {"bulk_write"}
_OFFLOADERS = frozenset(("to_thread", "run_in_threadpool", "run_sync", "run_in_executor", "submit", "partial"))
_VERSIONS = ("version", "rev", "etag", "updated", "modified", "timestamp", "seq", "lock", "token")
_EXCLUSIVE = ("lock", "synchroniz", "mutex", "transaction", "atomic", "exclusive", "serializ")
MAX_CALLERS = 12
MAX_DEPTH = 2
MAX_NESTING = 4


class LostUpdate:
    """A field that is read, computed on and written back with ``$set``."""

    __slots__ = ("display", "field", "increments", "key_node", "name", "read", "span", "steps", "where", "write")

    def __init__(self, module: "Module", write: "Write", origin: Origin, field: Path) -> None:
        self.write = write
        self.read = origin.read.node
        self.field = shown(field)
        """The field, or an empty text where its name is computed."""
        self.name = origin.name
        """The name of the read document, where it has one."""
        self.span: Span = write.span
        self.where = origin.frame.module.where(origin.read.node, module)
        """Where it is read: ``line 12``, or the file and line when another file reads it."""
        self.steps: tuple[Step, ...] = (
            origin.frame.module.step(origin.read.node, "the document is read here"),
            *write.steps(f"'{self.field}' is written back from what was read" if self.field else "the field is written back"),
        )
        self.display: ast.Dict | None = None
        """The update document, when it is written out in the call."""
        self.increments: list[Increment] = []
        """The fields that ``$inc`` can change instead."""


class Increment(NamedTuple):
    """One entry of a ``$set`` that is the field itself plus or minus something simple."""

    key: ast.expr
    value: ast.BinOp
    delta: ast.expr
    """What is added or taken away."""

    @property
    def sign(self) -> str:
        """The sign of the change."""
        return "-" if isinstance(self.value.op, ast.Sub) else ""


class ReplaceAfterRead:
    """A whole document read, changed and written back."""

    __slots__ = ("name", "span", "steps", "where", "write")

    def __init__(self, module: "Module", write: "Write", origin: Origin, name: str) -> None:
        self.write = write
        self.name = name
        self.span: Span = write.span
        self.where = origin.frame.module.where(origin.read.node, module)
        self.steps: tuple[Step, ...] = (
            origin.frame.module.step(origin.read.node, "the document is read here"),
            *write.steps("the whole document is written back"),
        )


class CheckThenInsert:
    """An insert behind a check that the document does not exist."""

    __slots__ = ("check", "span", "steps", "where", "write")

    def __init__(self, module: "Module", write: "Write", check: "Check") -> None:
        self.write = write
        self.check = check.name
        """The name of the operation that looks."""
        self.span: Span = write.span
        self.where = check.frame.module.where(check.call.node, module)
        self.steps: tuple[Step, ...] = (
            check.frame.module.step(check.call.node, "looks whether the document exists"),
            *write.steps("then inserts it"),
        )


class NextId:
    """An insert whose key is computed from a count or a maximum."""

    __slots__ = ("key", "source", "span", "steps", "where", "write")

    def __init__(self, module: "Module", write: "Write", key: str, origin: Origin, how: str) -> None:
        self.write = write
        self.key = key
        self.source = how
        self.span: Span = write.span
        self.where = origin.frame.module.where(origin.read.node, module)
        self.steps: tuple[Step, ...] = (
            origin.frame.module.step(origin.read.node, f"the {how} is read here"),
            *write.steps(f"'{key}' is made from it"),
        )


# ---------------------------------------------------------------------- writes and who calls them


class Write:
    """One operation that writes, seen from one chain of calls. ``span`` is where a finding about it stands."""

    __slots__ = ("call", "frame", "module", "name", "own", "owner", "span")

    def __init__(self, module: "Module", name: str, owner: Driver, call: Invocation, frame: Frame) -> None:
        self.module = module
        self.name = name
        self.owner = owner
        self.call = call
        self.frame = frame
        self.own = frame.module is module
        """Whether it stands in the file being linted; a helper of another module is reported at the call that leaves this file."""
        chain = frame.chain(call.node)
        node = next(n for f, n in chain if f.module is module)
        if self.own and call.func is not call.node.func and isinstance(call.func, (ast.Attribute, ast.Name)):
            node = call.func
        self.span: Span = module.source.name_span(node)

    def steps(self, text: str) -> tuple[Step, ...]:
        """The calls that lead to the write, and the write."""
        chain = self.frame.chain(self.call.node)
        calls = [f.module.step(n, "calls the function that writes") for f, n in reversed(chain[1:])]
        return (*calls, self.frame.module.step(self.call.node, text))

    @property
    def filter(self) -> ast.expr | None:
        """The filter."""
        return self.call.argument(0, "filter", "spec", "query")


def writes(module: "Module", names: frozenset[str]) -> Iterator[list[Write]]:
    """The writes of some names that this file performs or has performed: for each operation its chains of calls, the shortest first."""
    for name, owner, call, scope in _performed(module, None, names):
        found: list[Write] = []
        frames = [Frame(module, scope)]
        for depth in range(MAX_DEPTH + 1):
            found.extend(Write(module, name, _owner_in(frame, call, owner), call, frame) for frame in frames)
            if depth < MAX_DEPTH:
                frames = [longer for frame in frames for longer in _callers(module, frame)][:MAX_CALLERS]
        yield found
    for scope, edges in list(module.calls.edges.items()):
        for edge in edges:
            if edge.target.module is not module and isinstance(edge.node, ast.Call):
                found = list(_elsewhere(module, scope, edge, names))
                if found:
                    yield found


def _callers(module: "Module", frame: Frame) -> list[Frame]:
    """The frames of the calls, in this file, of the function that a frame starts from."""
    links: list[tuple[Frame, Frame]] = []
    outer = frame
    while outer.caller is not None:
        links.append((outer, outer.caller))
        outer = outer.caller
    found: list[Frame] = []
    for caller, edge in _edges_to(module, outer.scope)[:MAX_CALLERS]:
        entered = enter(Frame(module, caller), invocation(module, edge.node), edge.target)  # type: ignore[arg-type]
        if entered is None:
            continue
        # the rest of the chain again, on top of the new caller
        for inner, _ in reversed(links):
            assert inner.call is not None
            copy = Frame(inner.module, inner.scope, entered, inner.call)
            copy.bound = {k: (entered, e) for k, (_, e) in inner.bound.items()}
            copy.rest = (inner.rest[0], entered, inner.rest[2]) if inner.rest is not None else None
            entered = copy
        found.append(entered)
    return found


def _edges_to(module: "Module", scope: Scope) -> list[tuple[Scope, Edge]]:
    if scope.kind == "module":
        return []
    table: dict[Scope, list[tuple[Scope, Edge]]] = module.remember("edges to", module.index.module_scope, lambda: _reversed(module), {})
    return table.get(scope, [])


def _reversed(module: "Module") -> dict[Scope, list[tuple[Scope, Edge]]]:
    found: dict[Scope, list[tuple[Scope, Edge]]] = {}
    for caller, edges in module.calls.edges.items():
        for edge in edges:
            if edge.target.module is module and isinstance(edge.node, ast.Call) and edge.how == "call":
                found.setdefault(edge.target.scope, []).append((caller, edge))
    return found


def _elsewhere(module: "Module", scope: Scope, edge: Edge, names: frozenset[str]) -> Iterator[Write]:
    """The writes that a call of this file leads to in other modules."""
    known: dict[Edge, list[Frame]] = module.remember("reached", module.index.module_scope, dict, {})
    if edge not in known:
        known[edge] = list(_reached(module, scope, edge))
    for frame in known[edge]:
        for name, owner, call, where in _performed(frame.module, frame.scope, names):
            if where is frame.scope:
                yield Write(module, name, _owner_in(frame, call, owner), call, frame)


def _reached(module: "Module", scope: Scope, edge: Edge) -> Iterator[Frame]:
    """The calls in other modules that a call of this file leads to, itself first."""
    assert isinstance(edge.node, ast.Call)
    if not _may_write(edge.target):
        return
    start = enter(Frame(module, scope), invocation(module, edge.node), edge.target)
    pending = [start] if start is not None else []
    for _ in range(MAX_CALLERS):
        if not pending:
            return
        frame = pending.pop(0)
        yield frame
        if frame.depth < MAX_DEPTH:
            for inner in frame.module.calls.inside(frame.scope):
                if (
                    isinstance(inner.node, ast.Call)
                    and inner.how == "call"
                    and inner.target.module is not module
                    and _may_write(inner.target)
                ):
                    deeper = enter(frame, invocation(frame.module, inner.node), inner.target)
                    if deeper is not None:
                        pending.append(deeper)


def _may_write(function: Function) -> bool:
    """Whether a function can lead to a write, told by the names in its text."""
    return function.scope.name in interesting(function.module.location, function.module.roots, _WRITES)


Performed = list[tuple[str, Driver, Invocation, Scope]]


def _performed(module: "Module", only: Scope | None, names: frozenset[str]) -> Performed:
    """The operations of some names: (name, collection, call, function)."""
    what, where = (("performed in", names), only) if only is not None else (("performed", names), module.index.module_scope)
    found: Performed = module.remember(what, where, lambda: _operations(module, only, names), [])
    return found


def _operations(module: "Module", only: Scope | None, names: frozenset[str]) -> Performed:
    found = [
        (o.name, o.owner, Invocation(o.call, o.call.func, o.call.args, o.call.keywords), o.scope.function)
        for o in (operations_in(module, only) if only is not None else module.facts(Operation))
        if o.name in names and o.call is not None and o.owner.family == "collection"
    ]
    for o in operations_in(module, only) if only is not None else module.facts(Operation):
        if o.name == "bulk_write" and o.call is not None and o.owner.family == "collection":
            for name, request, scope in _requests(module, o.call):
                if name in names and all(request.node is not known.node for _, _, known, _ in found):
                    found.append((name, o.owner, request, scope))
    for call in module.calls_to(_OFFLOADERS):
        if only is None or module.index.scope_of_node[call].function is only:
            inner = invocation(module, call)
            if inner.func is call.func or inner.node is not call:
                continue
            located = driver_call(Frame(module, module.index.scope_of_node[call]), inner)
            if located is not None and located[0] in names and located[1].family == "collection":
                found.append((located[0], located[1], inner, module.index.scope_of_node[call].function))
    return found


def _requests(module: "Module", bulk: ast.Call) -> Iterator[tuple[str, Invocation, Scope]]:
    """The updates and replacements that a ``bulk_write`` is given, and the functions of the same file that make them.

    What other functions make counts only where the collection is always the same one.
    """
    sent = Invocation(bulk, bulk.func, bulk.args, bulk.keywords)
    home = module.index.scope(bulk).function
    one = isinstance(bulk.func, ast.Attribute) and len(module.values(bulk.func.value)) == 1
    given = sent.argument(0, "requests")
    for value in module.values(given):
        if not isinstance(value, Sequence) or given is None:
            continue
        for _, element in module.inference.entries(module, given, value):
            for request in module.inference.element(element):
                if isinstance(request, External) and request.path in _REQUESTS and request.site is not None:
                    node = request.site.node
                    if isinstance(node, ast.Call) and request.site.module is module and node in module.index.parents:
                        scope = module.index.scope(node).function
                        if one or scope is home:
                            yield _REQUESTS[request.path], Invocation(node, node.func, node.args, node.keywords, sent), scope


def _owner_in(frame: Frame, call: Invocation, owner: Driver) -> Driver:
    located = driver_call(frame, call.sent)
    return located[1] if located is not None and located[1].family == "collection" else owner


# ---------------------------------------------------------------------- the same collection, the same document


def same_collection(first: Driver, second: Driver) -> bool:
    """Whether two collection objects can be the same collection: by the expression that made them, or by name and database."""
    if first.family != "collection" or second.family != "collection":
        return False
    if first.site is not None and second.site is not None and first.site.node is second.site.node:
        return True
    if not first.name or first.name != second.name:
        return False
    one, other = first.root("database"), second.root("database")
    if one is None or other is None:
        return False
    if one.key() == other.key():
        return True
    if one.name != other.name:
        return False
    left, right = one.root("client"), other.root("client")
    return left is not None and right is not None and left.key() == right.key()


def _one_collection(write: Write, owner: Driver, frame: Frame, call: Invocation) -> bool:
    """Whether an operation and a write have the same collection.

    What one expression makes need not be one collection: ``db[name]`` inside a function gives another one for each name.
    There the expressions that name it have to agree.
    """
    if not same_collection(write.owner, owner):
        return False
    site = owner.site
    if owner.name or site is None or write.owner.name:
        return True
    home = site.module.index.scope(site.node).function
    if home.kind == "module" or (home.kind in ("function", "lambda") and not home.params):
        return True
    first, second = _receiver(write.frame, write.call), _receiver(frame, call)
    return bool(first) and first == second


def _receiver(frame: Frame, call: Invocation) -> str:
    func = call.sent.func
    return normal(frame, func.value) if isinstance(func, ast.Attribute) else ""


class Given(NamedTuple):
    """The value under one key of a dictionary, and the frame it is read in; ``path`` when only a part of it is meant."""

    frame: Frame
    value: ast.expr
    path: Path = ()


def entries(frame: Frame, node: ast.expr | None, depth: int = 0) -> dict[Path, Given] | None:
    """The keys of a dictionary display, also behind names, helpers and later ``d[key] = …``; None when it is none."""
    if node is None:
        return {}
    added: dict[Path, Given] = {}
    for _ in range(6):
        if isinstance(node, ast.Await):
            node = node.value
        if not isinstance(node, ast.Name):
            break
        found = bindings_of(frame, node)
        if found is not None and found[0].kind in ("function", "module"):
            for change in changes(frame, found[0], node.id):
                if change.how == "set" and change.value is not None and change.position < (node.lineno, node.col_offset):
                    added.setdefault(change.path, Given(frame, change.value))
        following = _one_step(frame, node)
        if following is None:
            break
        frame, node = following
    if isinstance(node, ast.Call):
        inner = returned(frame, node)
        if inner is not None and isinstance(inner[1], (ast.Dict, ast.Call)):
            frame, node = inner
    base: dict[Path, Given] = {}
    if isinstance(node, ast.Call) and last_name(node.func) == "dict" and not node.args:
        for item in node.keywords:
            if item.arg is not None:
                base[(item.arg,)] = Given(frame, item.value)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=False):
            if key is None:
                inside = entries(frame, value, depth + 1) if depth < MAX_NESTING else None
                if inside is None:
                    return None
                base.update(inside)
                continue
            path = field_path(frame, key)
            if path is None:
                return None
            base[path] = Given(frame, value)
    elif isinstance(node, ast.Name) and (collected := _collected(frame, node)) is not None:
        base = collected
    else:
        return None
    base.update(added)
    return base


def _collected(frame: Frame, name: ast.Name) -> dict[Path, Given] | None:
    """The keyword arguments behind a parameter ``**name``."""
    found = bindings_of(frame, name)
    if found is None or len(found[1]) != 1 or found[1][0].how != "param":
        return None
    given = frame.collected(found[0], name.id)
    return {(item.arg,): Given(given[0], item.value) for item in given[1] if item.arg is not None} if given is not None else None


def _one_step(frame: Frame, name: ast.Name) -> tuple[Frame, ast.expr] | None:
    """What a name is bound to, when that is certain."""
    found = bindings_of(frame, name)
    if found is None or len(found[1]) != 1:
        return None
    binding = found[1][0]
    if binding.how == "param":
        return frame.parameter(found[0], name.id)
    if binding.how in ("assign", "ann") and not binding.path and isinstance(binding.value, ast.expr):
        return frame, binding.value
    return None


def _same_document(write: Write, origin: Origin, written: set[Path]) -> bool:
    """Whether a write goes to the document that was read, and its filter is no compare-and-set."""
    if not _one_collection(write, origin.owner, origin.frame, origin.read):
        return False
    given = write.filter
    if given is None:
        return False
    sought = origin.read.argument(0, "filter", "query", "spec")
    wanted = entries(write.frame, given)
    before = entries(origin.frame, sought)
    if wanted is None:
        # the whole document as the filter matches nothing once it has changed
        if any(o.read.node is origin.read.node for o in trace(write.frame, given)):
            return False
        return sought is not None and normal(write.frame, given) == normal(origin.frame, sought)
    if before is None:
        before = (
            {("_id",): Given(origin.frame, sought)}
            if sought is not None and ("_id",) in wanted
            else {("?",): Given(origin.frame, sought or given)}
        )
    identified = False
    matched: set[Path] = set()
    checked: list[Path] = []
    for key, (frame, value, _) in wanted.items():
        own = [o for o in trace(frame, value) if o.read.node is origin.read.node and o.what == "document"]
        if own:
            if key == ("_id",) and all(o.path == ("_id",) for o in own):
                identified = True
            elif all(o.path == key for o in own):
                (matched.add if key in before else checked.append)(key)
            elif key in before and _same_value(frame, value, before[key]):
                matched.add(key)
            else:
                return False
        elif key in before and _same_value(frame, value, before[key]):
            matched.add(key)
        elif any("$" in path or "$[]" in path for path in written) and any(path[:1] == key[:1] for path in written):
            continue
        else:
            return False
    if checked:
        # one key of the document finds it again; with others beside it, or written itself, it is a check for change
        return len(wanted) == 1 and checked[0] not in written and not any(v in ".".join(checked[0]).lower() for v in _VERSIONS)
    return identified or ("_id",) in matched or matched == set(before)


def _same_value(frame: Frame, node: ast.expr, sought: Given) -> bool:
    """Whether a filter has the value that was sought: the same expression, or the attribute that keeps what was sought."""
    if normal(frame, node) == normal(sought.frame, sought.value):
        return True
    frame, node = resolve(frame, node)
    home = sought.frame.scope
    if not isinstance(node, ast.Attribute) or frame.module is not sought.frame.module or home.cls is None:
        return False
    if frame.scope.cls is not home.cls:
        return False
    stores = [s for s in frame.module.index.attribute_stores.get(node.attr, ()) if s.scope.function.cls is home.cls]
    kept = stores[0].value if len(stores) == 1 and stores[0].scope.function is home and not stores[0].path else None
    return (
        kept is not None
        and normal(frame, node) == normal(sought.frame, stores[0].target)
        and normal(sought.frame, kept) == normal(sought.frame, sought.value)
    )


# ---------------------------------------------------------------------- one action


def _session(call: Invocation) -> bool:
    given = option(call.sent, "session")
    return given is not None and not (isinstance(given, ast.Constant) and given.value is None)


def one_action(write: Write, frame: Frame, call: Invocation) -> bool:
    """Whether a lock or a transaction makes a read and a write one action."""
    if _session(call) or _session(write.call):
        return True
    reading = frame.chain(call.node)
    sent = write.call.sent.node
    own = write.frame.module.index.scope(sent).function is write.frame.scope
    writing = write.frame.chain(sent if own else write.call.node)
    held = {id(w) for f, n in writing for w in _guarding(f, n)}
    for home, node in reading:
        if any(id(w) in held for w in _guarding(home, node)):
            return True
        if _lock_taken(home.module, node):
            return True
    shared = {id(f.scope) for f, _ in writing}
    root = writing[-1][0]
    if any(id(f.scope) in shared and _exclusive_decorator(f) for f, _ in reading):
        return True
    return _called_under_lock(root.module, root.scope)


def _guarding(frame: Frame, node: ast.AST) -> list[ast.AST]:
    """The ``with`` blocks of locks and transactions around a node in its own function."""
    found: list[ast.AST] = []
    for up in frame.module.index.ancestors(node):
        if isinstance(up, FUNCTIONS):
            break
        if isinstance(up, WITHS):
            for item in up.items:
                expression = item.context_expr
                if is_lock(frame.module, expression) or _transaction(expression) or _lock_helper(frame, expression):
                    found.append(up)
                    break
    return found


def _transaction(expression: ast.expr) -> bool:
    if isinstance(expression, ast.Await):
        expression = expression.value
    return isinstance(expression, ast.Call) and any(w in last_name(expression.func).lower() for w in ("transaction", "atomic"))


def _lock_helper(frame: Frame, expression: ast.expr) -> bool:
    """A call or name that a lock was given to: ``with self._guard():`` whose function returns or enters a lock."""
    home, value = resolve(frame, expression)
    if value is not expression and is_lock(home.module, value):
        return True
    if isinstance(value, ast.Call):
        for function in (v for v in home.module.values(value.func) if isinstance(v, Function)):
            if any(is_lock(function.module, r) for r in results_of(function)):
                return True
            for item in function.scope.yields:
                if under_lock(function.module, item):
                    return True
    return False


def _lock_taken(module: "Module", node: ast.AST) -> bool:
    """Whether the function takes a lock by hand before a node and does not give it back before it."""
    scope = module.index.scope(node).function
    at = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    taken = False
    for call in statements_of(module, scope)[1]:
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("acquire", "release") and (call.lineno, call.col_offset) < at:
            taken = call.func.attr == "acquire"
    return taken


def _exclusive_decorator(frame: Frame) -> bool:
    for decorator in frame.scope.decorators:
        name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator).lower()
        if any(word in name for word in _EXCLUSIVE) or _wraps_in_lock(frame.module, decorator):
            return True
    return False


def _wraps_in_lock(module: "Module", decorator: ast.expr) -> bool:
    """Whether a decorator of the program calls what it decorates under a lock."""
    for value in module.values(decorator):
        if not isinstance(value, Function) or not value.scope.positional:
            continue
        called = value.scope.positional[0].arg
        for wrapper in module.inference.returned(value):
            if isinstance(wrapper, Function) and value.scope.encloses(wrapper.scope):
                frame = Frame(wrapper.module, wrapper.scope)
                for call in statements_of(wrapper.module, wrapper.scope)[1]:
                    if isinstance(call.func, ast.Name) and call.func.id == called:
                        if _guarding(frame, call) or _lock_taken(wrapper.module, call):
                            return True
    return False


def _called_under_lock(module: "Module", scope: Scope) -> bool:
    """Whether every call of a function that this file shows is made under a lock."""
    callers = _edges_to(module, scope)
    if not callers:
        return False
    return all(bool(_guarding(Frame(module, caller), edge.node)) or _lock_taken(module, edge.node) for caller, edge in callers)


def _within(module: "Module", write: Write, frame: Frame, node: ast.AST) -> bool:
    """Whether the read and the write meet in a function of this file: where they meet elsewhere, that file is told."""
    common = {id(f) for f, _ in write.frame.chain(write.call.node)}
    for home, _ in frame.chain(node):
        if id(home) in common:
            return home.module is module
    return write.own


# ---------------------------------------------------------------------- read, compute, $set


def lost_updates(module: "Module") -> list[LostUpdate]:
    """Updates that set a field to a value computed from the same field of a document read before."""
    found: list[LostUpdate] = []
    if "$set" not in module.source.text and not _calls_out(module):
        return found
    for chains in writes(module, _UPDATES):
        hit = next((h for write in chains for h in _lost(module, write)), None)
        if hit is not None:
            found.append(hit)
    return found


def _calls_out(module: "Module") -> bool:
    """Whether the file calls functions of other files at all."""
    return any(e.target.module is not module for edges in module.calls.edges.values() for e in edges)


def _lost(module: "Module", write: Write) -> Iterator[LostUpdate]:
    update = write.call.argument(1, "update", "document")
    if update is None:
        return
    fields = _set_fields(write.frame, update)
    everything = {path for path, _ in fields} | _other_fields(write.frame, update)
    for path, given in fields:
        for origin in trace(given.frame, given.value, given.path):
            if (
                origin.what == "document"
                and origin.computed
                and not origin.text
                and _one_field(path, origin.path)
                and _within(module, write, origin.frame, origin.read.node)
                and _same_document(write, origin, everything)
                and not one_action(write, origin.frame, origin.read)
            ):
                result = LostUpdate(module, write, origin, path)
                if write.own:
                    _increments(result, write, update, origin)
                yield result
                return


def _one_field(written: Path, read: Path) -> bool:
    """Whether a written field is the one that was read; ``$`` stands for some element."""
    return len(written) == len(read) and all(
        w == r or (w.startswith("$") and (r == "*" or r.isdigit())) for w, r in zip(written, read, strict=True)
    )


def _set_fields(frame: Frame, update: ast.expr) -> list[tuple[Path, Given]]:
    """The fields that an update sets, and their values; fields of nested documents have longer paths."""
    outer = entries(frame, update)
    if outer is None:
        return []
    found: list[tuple[Path, Given]] = [(path[1:], given) for path, given in outer.items() if path[0] == "$set" and len(path) > 1]
    given = outer.get(("$set",))
    if given is None:
        return found
    pending: list[tuple[Path, Given]] = [((), given)]
    for _ in range(64):
        if not pending:
            break
        path, value = pending.pop(0)
        inner = entries(value.frame, value.value) if len(path) < 3 else None
        if inner is not None:
            pending.extend(((*path, *key), nested) for key, nested in inner.items())
        elif path:
            found.append((path, value))
        else:
            found.extend(_changed_fields(value))
        if path and inner is not None:
            # a sub-document rebuilt from itself: {**doc["stats"], "wins": 3}
            found.append((path, value))
    return found


def _changed_fields(given: Given) -> list[tuple[Path, Given]]:
    """The fields of a document that is changed in place and written back whole by ``$set``."""
    frame, node = given.frame, given.value
    if isinstance(node, ast.DictComp):
        source = access(frame, node.generators[0].iter.func.value) if isinstance(node.generators[0].iter, ast.Call) and isinstance(node.generators[0].iter.func, ast.Attribute) else None  # fmt: skip
        name = source[0] if source is not None and not source[1] else None
    else:
        place = access(frame, node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node)
        name = place[0] if place is not None and not place[1] else None
    for _ in range(6):
        found = bindings_of(frame, name) if name is not None else None
        if name is None or found is None:
            return []
        changed = [c for c in changes(frame, found[0], name.id) if c.how in ("set", "aug", "call") and c.path]
        if changed:
            fields: dict[Path, Given] = {}
            for change in changed:
                path = tuple(part.removeprefix(".") for part in change.path)
                fields.setdefault(path, Given(frame, node, path))
            return list(fields.items())
        following = _one_step(frame, name)
        if following is None or not isinstance(following[1], ast.Name):
            return []
        frame, name = following[0], following[1]
        node = name
    return []


def _other_fields(frame: Frame, update: ast.expr) -> set[Path]:
    """What other operators of the update change: a filter on it is a check for change."""
    found: set[Path] = set()
    for path, given in (entries(frame, update) or {}).items():
        if path[0].startswith("$") and path[0] != "$set":
            found.update(entries(given.frame, given.value) or {})
    return found


def _increments(result: LostUpdate, write: Write, update: ast.expr, origin: Origin) -> None:
    """Collect the entries of a written-out ``$set`` that are ``doc["n"] + 5`` or ``doc["n"] - amount``."""
    if not isinstance(update, ast.Dict):
        return
    for key, value in zip(update.keys, update.values, strict=True):
        if constant(key) != "$set" or not isinstance(value, ast.Dict):
            continue
        result.display = update
        for field, written in zip(value.keys, value.values, strict=True):
            if field is None or not isinstance(written, ast.BinOp) or not isinstance(written.op, (ast.Add, ast.Sub)):
                continue
            base, delta = written.left, written.right
            if isinstance(written.op, ast.Add) and constant(base) is not None:
                base, delta = delta, base
            if _simple(write, delta) and _direct(write.frame, base):
                path = field_path(write.frame, field)
                reads = trace(write.frame, base)
                if any(o.read.node is origin.read.node and o.path == path and not o.computed and not o.text for o in reads):
                    result.increments.append(Increment(field, written, delta))


def _direct(frame: Frame, node: ast.expr, depth: int = 3) -> bool:
    """Whether an expression is the field itself, nothing or zero where it is missing: ``doc["n"]``, ``doc.get("n", 0)``, a name for it."""
    if isinstance(node, ast.BoolOp):
        return isinstance(node.op, ast.Or) and len(node.values) == 2 and _nothing(node.values[1]) and _direct(frame, node.values[0], depth)
    if isinstance(node, ast.Name):
        found = bindings_of(frame, node)
        return (
            depth > 0
            and found is not None
            and bool(found[1])
            and all(b.how in ("assign", "ann") and not b.path and _is_direct(frame, b.value, depth - 1) for b in found[1])
        )
    outermost = node
    key: object = None
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Subscript):
            key = constant(node.slice)
            node = node.value
        elif isinstance(node, ast.Attribute):
            key = node.attr
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and not node.keywords:
            if len(node.args) > 1 and not (_nothing(node.args[1]) if node is outermost else isinstance(node.args[1], ast.Dict)):
                return False
            key = constant(node.args[0]) if node.args else None
            node = node.func.value
        else:
            return node is not outermost and isinstance(node, (ast.Call, ast.Await))  # the read itself
    return _as_read(frame, node, key, 3)


def _as_read(frame: Frame, name: ast.Name, key: object, depth: int) -> bool:
    """Whether a document is as it was read, or holds nothing there where there was none: no other value was put into it."""
    index = frame.module.index
    scope = index.scope(name).function
    if any(
        index.scope(store.target).function is scope for store in index.items_of.get(name.id, ()) if key in (None, _key_of(store.target))
    ):
        return False
    if any(index.scope(call).function is scope for call, _ in index.mutations.get(name.id, ())):
        return False
    found = bindings_of(frame, name)
    pending: list[object] = [binding.value for binding in found[1] if binding.how in ("assign", "ann")] if found is not None else []
    while pending:
        value = pending.pop()
        if isinstance(value, ast.BoolOp):
            pending += value.values
        elif isinstance(value, ast.IfExp):
            pending += [value.body, value.orelse]
        elif isinstance(value, ast.Dict):
            for each, item in zip(value.keys, value.values, strict=True):
                if each is None or constant(each) is None or (constant(each) == key and not _nothing(item)):
                    return False
        elif isinstance(value, ast.Name) and value.id != name.id and (depth <= 0 or not _as_read(frame, value, key, depth - 1)):
            return False
    return True


def _key_of(target: ast.expr) -> object:
    return constant(target.slice) if isinstance(target, ast.Subscript) else None


def _is_direct(frame: Frame, value: object, depth: int) -> bool:
    return isinstance(value, ast.expr) and not isinstance(value, ast.Constant) and _direct(frame, value, depth)


def _nothing(node: ast.expr) -> bool:
    """Whether it is what ``$inc`` takes for a field that is not there."""
    return isinstance(node, ast.Constant) and not isinstance(node.value, (bool, str, bytes)) and not node.value


_NUMBERS = frozenset(("builtins.int", "builtins.float", "builtins.len"))
"""Calls that give a number whatever they are given."""


def _simple(write: Write, node: ast.expr) -> bool:
    """Whether what is added is a number, a call that gives one, or a name about which nothing says that it is none."""
    value = constant(node)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return True
    if isinstance(node, ast.Call):
        called = write.frame.module.values(node.func)
        return len(called) == 1 and isinstance(called[0], External) and called[0].path in _NUMBERS
    if not isinstance(node, ast.Name):
        return False
    found = bindings_of(write.frame, node)
    for binding in found[1] if found is not None else ():
        source = binding.value
        if isinstance(source, (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.JoinedStr, ast.ListComp)) or isinstance(constant(source), str):
            return False
        annotation = binding.annotation
        if binding.how == "param" and found is not None:
            annotation = next((p.annotation for p in found[0].params if p.arg == node.id), None)
        if annotation is not None and last_name(annotation.value if isinstance(annotation, ast.Subscript) else annotation) in ("str", "list", "dict", "set", "tuple", "List", "Dict", "datetime", "timedelta", "bytes"):  # fmt: skip
            return False
    return True


def shown(path: Path) -> str:
    """A field for a message; empty where a part of its name is computed."""
    return "" if any("‹" in part for part in path) else ".".join(path)


# ---------------------------------------------------------------------- read, change, replace


def replaces_after_read(module: "Module") -> list[ReplaceAfterRead]:
    """Replacements by a document that was read from the same collection and changed in between."""
    found: list[ReplaceAfterRead] = []
    for chains in writes(module, _REPLACES | _UPDATES):
        hit = next((h for write in chains for h in _replaced(module, write)), None)
        if hit is not None:
            found.append(hit)
    return found


def _replaced(module: "Module", write: Write) -> Iterator[ReplaceAfterRead]:
    if write.name in _UPDATES:
        update = write.call.argument(1, "update", "document")
        outer = entries(write.frame, update) if update is not None else None
        given = outer.get(("$set",)) if outer is not None else None
        if given is None or entries(given.frame, given.value) is not None:
            if write.name != "update" or update is None or outer is not None:
                return
            given = Given(write.frame, update)
        elif any(True for _ in _lost(module, write)):
            return  # a field of it that is computed from itself: that is a lost update
    else:
        replacement = write.call.argument(0 if write.name == "save" else 1, "replacement", "to_save")
        if replacement is None:
            return
        given = Given(write.frame, replacement)
    for origin in trace(given.frame, given.value):
        if (
            origin.what == "document"
            and origin.computed
            and not origin.text
            and origin.path == ()
            and _within(module, write, origin.frame, origin.read.node)
            and _one_collection(write, origin.owner, origin.frame, origin.read)
            and (write.name == "save" or _same_document(write, origin, set()))
            and not one_action(write, origin.frame, origin.read)
        ):
            yield ReplaceAfterRead(module, write, origin, last_name(given.value) or origin.name)
            return


# ---------------------------------------------------------------------- check, then insert


class Check(NamedTuple):
    """A look-up that a test is about; ``found`` is whether the test is true when there is a document."""

    frame: Frame
    call: Invocation
    name: str
    owner: Driver
    found: bool


def checks_then_inserts(module: "Module") -> list[CheckThenInsert]:
    """Inserts that run only when a look-up in the same collection found nothing."""
    found: list[CheckThenInsert] = []
    for chains in writes(module, _INSERTS):
        hit = next((c for write in chains for c in _guards(module, write)), None)
        if hit is not None:
            found.append(hit)
    return found


def _guards(module: "Module", write: Write) -> Iterator[CheckThenInsert]:
    for frame, node in write.frame.chain(write.call.node):
        if handles_duplicates(frame.module, node):
            return
    for frame, node in write.frame.chain(write.call.node):
        for test, outcome in _conditions(frame.module, node):
            for check in _absences(frame, test):
                if (
                    check.found != outcome
                    and _one_collection(write, check.owner, check.frame, check.call)
                    and _about_the_same(check, write)
                    and _within(module, write, check.frame, check.call.node)
                    and not one_action(write, check.frame, check.call)
                ):
                    yield CheckThenInsert(module, write, check)
                    return


def handles_duplicates(module: "Module", node: ast.AST, *, retries: bool = False) -> bool:
    """Whether a driver error of an operation is caught where it stands; with ``retries`` only in a loop that tries again."""
    ancestors = module.index.ancestors(node)
    for position, up in enumerate(ancestors):
        if isinstance(up, FUNCTIONS):
            return False
        if isinstance(up, WITHS) and not retries and any(_catches(module, i.context_expr) for i in up.items):
            return True
        if isinstance(up, TRIES):
            caught = [h for h in up.handlers if h.type is not None and _catches(module, h.type)]  # type: ignore[attr-defined]
            if caught and not retries:
                return True
            if caught:
                outer = itertools.takewhile(lambda further: not isinstance(further, FUNCTIONS), ancestors[position + 1 :])
                return any(isinstance(o, LOOPS) for o in outer) and not all(ends_for_good(h.body) for h in caught)
    return False


def ends_for_good(block: list[ast.stmt]) -> bool:
    """Whether a block leaves the function or the loop for good."""
    return ends(block) and not isinstance(block[-1], ast.Continue)


def _catches(module: "Module", expression: ast.expr) -> bool:
    return any(
        isinstance(v, External) and v.path.startswith("pymongo.errors.")
        for n in walk(expression)
        if isinstance(n, (ast.Name, ast.Attribute))
        for v in module.values(n)
    )


def _conditions(module: "Module", node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """The tests that decide whether a node runs, each with the outcome that lets it run, nearest first."""
    index = module.index
    child = node
    for up in index.ancestors(node):
        if isinstance(up, ast.IfExp) and child is not up.test:
            yield up.test, child is up.body
        elif isinstance(up, ast.BoolOp) and child in up.values:
            for earlier in up.values[: up.values.index(child)]:
                yield earlier, isinstance(up.op, ast.And)
        if up in index.place or isinstance(up, ast.stmt):
            break
        child = up
    statement = index.statement(node)
    while statement in index.place:
        owner, field, position = index.place[statement]
        if isinstance(owner, (ast.If, ast.While)) and field == "body":
            yield owner.test, True
        elif isinstance(owner, ast.If) and field == "orelse":
            yield owner.test, False
        for earlier in getattr(owner, field)[:position]:
            if isinstance(earlier, ast.If) and ends(earlier.body):
                yield earlier.test, False
            elif isinstance(earlier, ast.If) and earlier.orelse and ends(earlier.orelse):
                yield earlier.test, True
            elif isinstance(earlier, ast.While):
                if not isinstance(earlier.test, ast.Constant):
                    yield earlier.test, False
                for inner in earlier.body:
                    if isinstance(inner, ast.If) and inner.body and isinstance(inner.body[-1], ast.Break):
                        yield inner.test, True
        if isinstance(owner, (*FUNCTIONS, ast.Module)):
            return
        statement = owner if owner in index.place else index.statement(owner)


def _absences(frame: Frame, test: ast.expr) -> list[Check]:
    """The look-ups that a test is about."""
    found: list[Check] = []
    pending: list[tuple[Frame, ast.expr, bool, int]] = [(frame, test, True, 0)]
    for _ in range(24):
        if not pending:
            break
        home, node, positive, depth = pending.pop(0)
        home, node = resolve(home, node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            pending.append((home, node.operand, not positive, depth))
        elif isinstance(node, ast.BoolOp):
            pending.extend((home, value, positive, depth) for value in node.values)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            side = _compared(node)
            if side is not None:
                pending.append((home, node.left, positive == side, depth))
            elif isinstance(node.ops[0], (ast.In, ast.NotIn)):
                pending.append((home, node.comparators[0], positive == isinstance(node.ops[0], ast.In), depth))
        elif isinstance(node, ast.Subscript):
            pending.append((home, node.value, positive, depth))
        elif isinstance(node, ast.Attribute):
            for value in home.module.values(node):  # self.doc, looked for by another method
                read = read_of(value)
                if read is not None and last_name(read[1].func) == "find_one":
                    found.append(Check(read[0], read[1], "find_one", read[2], positive))
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            pending.append((home, node.generators[0].iter, positive, depth))
        elif isinstance(node, ast.Call):
            call = invocation(home.module, node)
            name = last_name(call.func)
            if name in ("find_one", "find", "distinct", *COUNTS):
                located = driver_call(home, call)
                if located is not None and located[1].family == "collection":
                    found.append(Check(home, call, name, located[1], positive))
                    continue
            functions = [v for v in home.module.values(call.func) if isinstance(v, Function)][:2]
            if functions and depth < 3:
                for function in functions:
                    inner = enter(home, call, function)
                    if inner is not None:
                        pending.extend((inner, e, positive == p, depth + 1) for e, p in _outcomes(function))
            elif name in ("bool", "len", "list", "any", "next", "int", "set", "anext", "tuple") and node.args:
                pending.append((home, node.args[0], positive, depth))
            elif name in ("to_list", "limit", "sort", "count", "get", "result", "copy") and isinstance(call.func, ast.Attribute):
                pending.append((home, call.func.value, positive, depth))
    return found


def _compared(node: ast.Compare) -> bool | None:
    """Whether a comparison with None or a number is true for a found document; None when it says nothing about it."""
    operator, right = node.ops[0], node.comparators[0]
    value = constant(right)
    if isinstance(right, ast.Constant) and right.value is None:
        if isinstance(operator, (ast.IsNot, ast.NotEq)):
            return True
        return False if isinstance(operator, (ast.Is, ast.Eq)) else None
    if value == 0 and not isinstance(value, bool):
        if isinstance(operator, (ast.Gt, ast.NotEq)):
            return True
        return False if isinstance(operator, (ast.Eq, ast.LtE)) else None
    if value == 1 and not isinstance(value, bool):
        if isinstance(operator, ast.GtE):
            return True
        return False if isinstance(operator, ast.Lt) else None
    return None


def _outcomes(function: Function) -> list[tuple[ast.expr, bool]]:
    """The expressions that the truth of a function's result depends on, and whether it is true with them."""
    results = results_of(function)
    constants = [r for r in results if isinstance(r, ast.Constant)]
    if not constants:
        return [(r, True) for r in results]
    found: list[tuple[ast.expr, bool]] = []
    for result in constants:
        for test, outcome in _conditions(function.module, result):
            found.append((test, bool(result.value) == outcome))
            break
    return found


def _about_the_same(check: Check, write: Write) -> bool:
    """Whether the filter of a check names what the insert writes."""
    document = write.call.argument(0, "document", "doc_or_docs")
    if document is None:
        return False
    sought = check.call.argument(1, "filter") if check.name == "distinct" else check.call.argument(0, "filter", "query", "spec")
    wanted = entries(check.frame, sought)
    if wanted is None and sought is not None and not isinstance(resolve(check.frame, sought)[1], ast.Name):
        wanted = {("_id",): Given(check.frame, sought)}
    if wanted is None:
        if sought is None:
            return False
        name = normal(check.frame, sought)
        return bool(name) and any(normal(frame, part) == name for frame, part in _whole_parts(write.frame, document))
    if check.name in ("find", "distinct") and not wanted:
        return check.name == "distinct" or isinstance(check.frame.module.index.parents.get(check.call.node), ast.comprehension)
    if not wanted:
        return False
    # conditions such as {"$ne": …} choose among documents, they do not name one
    named = {key: given for key, given in wanted.items() if key[0] not in ("$or", "$and")}
    fields = {path for path, _ in _written(write.frame, document)}
    if fields and fields >= set(named):
        return bool(named)
    root = _root_of(write.frame, document)
    return bool(root) and bool(named) and all(root == _root_of(g.frame, g.value) for g in named.values())


def _whole_parts(frame: Frame, document: ast.expr) -> Iterator[tuple[Frame, ast.expr]]:
    """A document, and what it takes over whole: ``q`` of ``{**q, "n": 1}``, ``dict(q, n=1)`` and ``q | {"n": 1}``."""
    yield frame, document
    frame, node = resolve(frame, document)
    if isinstance(node, ast.Dict):
        yield from ((frame, value) for key, value in zip(node.keys, node.values, strict=True) if key is None)
    elif isinstance(node, ast.Call) and last_name(node.func) == "dict":
        yield from ((frame, value) for value in node.args[:1])
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from ((frame, value) for value in (node.left, node.right))


def _root_of(frame: Frame, node: ast.expr) -> str:
    """What an expression is a part of, as a text: ``user`` of ``user["email"]``, ``user.email`` and ``user.dict()``."""
    for _ in range(12):
        frame, node = resolve(frame, node)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                node = node.func.value
            elif node.args and last_name(node.func) in ("dict", "asdict", "jsonable_encoder", "vars", "str", "int"):
                node = node.args[0]
            else:
                return ""
        elif isinstance(node, (ast.Subscript, ast.Attribute)):
            node = node.value
        else:
            break
    return normal(frame, node) if isinstance(node, ast.Name) else ""


# ---------------------------------------------------------------------- the next id


def next_ids(module: "Module") -> list[NextId]:
    """Inserts of a key that is a count of the collection, or one more than its largest key."""
    found: list[NextId] = []
    for chains in writes(module, _INSERTS | {"update_one", "replace_one"}):
        hit = next((n for write in chains for n in _numbered(module, write)), None)
        if hit is not None:
            found.append(hit)
    return found


def _numbered(module: "Module", write: Write) -> Iterator[NextId]:
    if write.name in _INSERTS:
        document = write.call.argument(0, "document", "doc_or_docs")
        pairs = _written(write.frame, document) if document is not None else []
    elif constant(option(write.call, "upsert")) is True:
        pairs = [(path, given) for path, given in (entries(write.frame, write.filter) or {}).items()]
    else:
        return
    for path, given in pairs:
        for origin in trace(given.frame, given.value):
            how = _counted(origin, path)
            if (
                how
                and _one_collection(write, origin.owner, origin.frame, origin.read)
                and _within(module, write, origin.frame, origin.read.node)
                and not one_action(write, origin.frame, origin.read)
                and not handles_duplicates(write.frame.module, write.call.node, retries=True)
            ):
                yield NextId(module, write, shown(path) or "id", origin, how)
                return


def _counted(origin: Origin, key: Path) -> str:
    """``count`` or ``maximum`` when a key's value is made from one, with a number added (or, for an id, as it is)."""
    identifier = key[-1] in ("_id", "id") or key[-1].endswith(("_id", "Id", "ID"))
    if origin.what == "count":
        return "count" if origin.plus or identifier else ""
    if not origin.plus:
        return ""
    if origin.what == "distinct":
        field = field_path(origin.frame, origin.read.argument(0, "key"))
        return "maximum" if field == key and (origin.peak or origin.path == ("-1",)) else ""
    if last_name(origin.read.func) == "aggregate":
        return _aggregated(origin)
    if origin.path != key:
        return ""
    return "maximum" if origin.peak or _last_in_order(origin, key, identifier) else ""


def _aggregated(origin: Origin) -> str:
    pipeline = origin.read.argument(0, "pipeline")
    if pipeline is None:
        return ""
    _, display = resolve(origin.frame, pipeline)
    for node in walk(display):
        if isinstance(node, ast.Dict):
            for name, value in zip(node.keys, node.values, strict=True):
                stage = constant(name)
                if stage == "$max" or (stage == "$sort" and any(constant(v) == -1 for v in walk(value))):
                    return "maximum"
                if stage == "$count" or (stage == "$sum" and constant(value) == 1):
                    return "count"
    return ""


def _last_in_order(origin: Origin, key: Path, identifier: bool) -> bool:
    """Whether a document was read as the first in a descending order: of the key, or of what grows with it."""
    for frame, given, direction in sort_of(origin.frame, origin.read):
        home, order = resolve(frame, given)
        name: ast.expr | None = order
        if direction is None:
            if isinstance(order, (ast.List, ast.Tuple)) and order.elts:
                order = order.elts[0]
            if isinstance(order, (ast.Tuple, ast.List)) and len(order.elts) == 2:
                name, direction = order.elts
            elif isinstance(order, ast.Dict) and order.keys:
                name, direction = order.keys[0], order.values[0]
            else:
                continue
        field = field_path(home, name)
        if field is not None and _descending(home, direction) and (identifier or field == key or field[0] in ("_id", "$natural")):
            return True
    return False


def _descending(frame: Frame, node: ast.expr) -> bool:
    frame, node = resolve(frame, node)
    return constant(node) == -1 or any(
        isinstance(v, External) and v.path.rpartition(".")[2] == "DESCENDING" for v in frame.module.values(node)
    )


def _written(frame: Frame, document: ast.expr) -> list[tuple[Path, Given]]:
    """The fields of a document to be inserted: of its display, of changes in place, or of the object it is made from."""
    found: list[tuple[Path, Given]] = []
    node = document
    for _ in range(8):
        if isinstance(node, ast.Await):
            node = node.value
        elif isinstance(node, ast.Name):
            located = bindings_of(frame, node)
            if located is None:
                break
            if located[0].kind in ("function", "module", "lambda"):
                for change in changes(frame, located[0], node.id):
                    path = tuple(part.removeprefix(".") for part in change.path)
                    if change.how == "set" and change.value is not None and path:
                        found.append((path, Given(frame, change.value)))
                    elif change.how == "call" and change.call is not None and not path and last_name(change.call.func) == "update":
                        for value in change.call.args:
                            found.extend((entries(frame, value) or {}).items())
                        found.extend(((k.arg,), Given(frame, k.value)) for k in change.call.keywords if k.arg is not None)
            following = _one_step(frame, node)
            if following is None:
                found.extend((_collected(frame, node) or {}).items())
                break
            frame, node = following
        elif isinstance(node, ast.Call):
            name = last_name(node.func)
            inner = returned(frame, node)
            if inner is not None:
                frame, node = inner
            elif (
                isinstance(node.func, ast.Attribute)
                and not node.args
                and name in ("dict", "model_dump", "to_dict", "as_dict", "to_mongo", "copy")
            ):
                node = node.func.value
            elif name in ("asdict", "jsonable_encoder", "vars", "dict", "copy", "deepcopy") and node.args:
                found.extend(((k.arg,), Given(frame, k.value)) for k in node.keywords if k.arg is not None)
                node = node.args[0]
            else:
                if name == "dict" or name[:1].isupper() or any(isinstance(v, Class) for v in frame.module.values(node.func)):
                    found.extend(((k.arg,), Given(frame, k.value)) for k in node.keywords if k.arg is not None)
                break
        elif isinstance(node, ast.Attribute) and node.attr == "__dict__":
            node = node.value
        elif isinstance(node, ast.Attribute):
            made = [c for c in changes_of(frame, node) if c.how == "set" and c.value is not None]
            found.extend((c.path, Given(frame, c.value)) for c in made if c.path and c.value is not None)
            whole = next((c.value for c in reversed(made) if not c.path), None)
            if whole is None:
                break
            node = whole
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    found.extend((entries(frame, value) or {}).items())
                else:
                    keys = field_path(frame, key)
                    if keys is not None:
                        found.append((keys, Given(frame, value)))
            break
        else:
            break
    return found


PRODUCERS[LostUpdate] = lost_updates
PRODUCERS[ReplaceAfterRead] = replaces_after_read
PRODUCERS[CheckThenInsert] = checks_then_inserts
PRODUCERS[NextId] = next_ids
