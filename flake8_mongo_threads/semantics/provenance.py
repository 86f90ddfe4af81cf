"""Where a value comes from: the read of a document, a count or a maximum that an expression was computed from.

Expressions are followed backwards, through locals, containers, changes in place and the functions of the program. A *frame*
is one call of a function: it says what the parameters stand for, so that a read in one function meets the write in another.
"""

import ast
from collections.abc import Sequence as Items
from copy import copy
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.scopes import Binding, Scope, Store
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, children, constant, keyword, last_name, walk
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function, Instance, Mapping, Method, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_STEPS = 1500
MAX_BINDINGS = 24
MAX_FRAMES = 5
MAX_NORMAL_DEPTH = 12
MAX_NORMAL_NODES = 300
MAX_PATH = 8

Path = tuple[str, ...]

READS = frozenset(("find_one", "find_one_or_404", "find_one_and_update", "find_one_and_replace", "find_one_and_delete", "find_and_modify"))
CURSORS = frozenset(("find", "find_raw_batches", "aggregate"))
COUNTS = frozenset(("count_documents", "estimated_document_count", "count"))

_CHAINS = frozenset(("sort", "limit", "skip", "batch_size", "hint", "max_time_ms", "clone", "rewind", "collation", "allow_disk_use", "comment", "to_list", "copy", "toarray", "tolist", "result"))  # fmt: skip
"""Methods whose result holds what their receiver holds."""
_ITEMS = frozenset(("get", "pop", "setdefault", "__getitem__"))
_STEPS = frozenset(("next", "__next__", "__anext__", "try_next"))
_SAME = frozenset(("int", "float", "str", "bool", "list", "dict", "set", "tuple", "sorted", "reversed", "frozenset", "copy", "deepcopy", "Decimal", "Decimal128", "Int64", "iter", "aiter", "jsonable_encoder", "vars", "asdict", "SimpleNamespace", "ensure_future", "create_task", "shield", "wait_for"))  # fmt: skip
"""Callables whose result holds what their argument holds."""
_SAME_IN_MODULES = frozenset(("copy", "deepcopy", "Decimal", "Decimal128", "Int64", "jsonable_encoder", "asdict", "ensure_future", "create_task", "shield", "wait_for"))  # fmt: skip
_FOLDS = frozenset(("max", "min", "sum", "round", "abs", "len", "ceil", "floor", "divmod", "pow"))
_AS_DOCUMENT = frozenset(("dict", "model_dump", "to_dict", "as_dict", "asdict", "to_mongo", "to_document", "json", "to_json", "jsonable_encoder", "vars", "_asdict"))  # fmt: skip
_FROM_DOCUMENT = frozenset(("from_dict", "fromdict", "from_mongo", "from_doc", "from_document", "model_validate", "parse_obj", "from_db", "from_json"))  # fmt: skip
_TEXT = frozenset(("zfill", "rjust", "ljust", "upper", "lower", "strip", "format", "encode", "hex"))
_GROWERS = frozenset(("append", "extend", "remove", "insert", "add", "discard", "popleft", "appendleft", "update", "pop", "popitem", "difference_update", "sort", "reverse"))  # fmt: skip
_OFFLOADS = frozenset(("asyncio.to_thread", "fastapi.concurrency.run_in_threadpool", "anyio.to_thread.run_sync", "trio.to_thread.run_sync"))
_OFFLOAD_NAMES = frozenset(("to_thread", "run_in_threadpool", "run_sync", "run_in_executor", "submit"))
_IMPURE = frozenset(("next", "pop", "random", "randint", "choice", "uuid4", "uuid1", "input", "urandom", "token_hex", "time", "now"))
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitOr, ast.BitAnd, ast.BitXor)


class Frame:
    """One call of a function, or (without ``caller``) a function about whose caller nothing is known."""

    __slots__ = ("bound", "call", "caller", "depth", "module", "rest", "scope")

    def __init__(self, module: "Module", scope: Scope, caller: "Frame | None" = None, call: ast.AST | None = None) -> None:
        self.module = module
        self.scope = scope.function
        self.caller = caller
        self.call = call
        """The call, in the caller's module."""
        self.bound: dict[str, tuple[Frame, ast.expr]] = {}
        self.rest: tuple[str, Frame, list[ast.keyword]] | None = None
        """The parameter ``**rest``, and the keyword arguments that it collects, all of them."""
        self.depth: int = caller.depth + 1 if caller is not None else 0

    def chain(self, node: ast.AST) -> "list[tuple[Frame, ast.AST]]":
        """A node of this frame and the calls that lead to it, innermost first."""
        found: list[tuple[Frame, ast.AST]] = [(self, node)]
        frame = self
        while frame.caller is not None and frame.call is not None:
            found.append((frame.caller, frame.call))
            frame = frame.caller
        return found

    def parameter(self, scope: Scope, name: str) -> "tuple[Frame, ast.expr] | None":
        """What a parameter of a function stands for, when this frame or one that it was entered from is a call of that function."""
        frame: Frame | None = self
        while frame is not None:
            if frame.scope is scope:
                return frame.bound.get(name)
            frame = frame.caller
        return None

    def collected(self, scope: Scope, name: str) -> "tuple[Frame, list[ast.keyword]] | None":
        """The keyword arguments that a parameter ``**name`` of a function collects."""
        frame: Frame | None = self
        while frame is not None:
            if frame.scope is scope:
                return frame.rest[1:] if frame.rest is not None and frame.rest[0] == name else None
            frame = frame.caller
        return None


class Invocation:
    """A call as the callee sees it: what ``asyncio.to_thread`` or ``partial`` puts around it is taken off."""

    __slots__ = ("args", "func", "keywords", "node", "sent")

    def __init__(
        self, node: ast.Call, func: ast.expr, args: Items[ast.expr], keywords: Items[ast.keyword], sent: "Invocation | None" = None
    ) -> None:
        self.node = node
        self.func = func
        self.args = list(args)
        self.keywords = list(keywords)
        self.sent: Invocation = sent or self
        """The call that sends it to the server: the ``bulk_write`` of an ``UpdateOne``, else the call itself."""

    def argument(self, position: int, *names: str) -> ast.expr | None:
        """An argument by name or position; None when absent or hidden behind a star."""
        for item in self.keywords:
            if item.arg in names:
                return item.value
        for index, value in enumerate(self.args):
            if isinstance(value, ast.Starred):
                return None
            if index == position:
                return value
        return None


class Origin:
    """One read that a value comes from.

    ``what`` is document, count or distinct; ``path`` the keys from the document to the value; ``computed`` whether
    something was computed on the way, ``plus`` whether a positive number was added, ``peak`` whether it is a maximum.
    """

    __slots__ = ("computed", "frame", "name", "owner", "path", "peak", "plus", "read", "text", "what")

    def __init__(self, what: str, frame: Frame, read: Invocation, owner: Driver, state: "_State") -> None:
        self.what = what
        self.frame = frame
        self.read = read
        self.owner = owner
        self.path = state.path
        self.computed = state.computed
        self.text = state.text
        self.plus = state.plus
        self.peak = state.peak
        self.name = state.name if state.named == state.path else ""


class _State:
    __slots__ = ("computed", "frame", "name", "named", "node", "path", "peak", "plus", "text")

    def __init__(self, frame: Frame, node: ast.AST, path: Path = ()) -> None:
        self.frame = frame
        self.node = node
        self.path = path
        self.computed = False
        self.text = False
        self.plus = False
        self.peak = False
        self.name = ""
        self.named: Path | None = None

    def at(self, node: ast.AST, path: Path | None = None, *, frame: Frame | None = None, computed: bool = False) -> "_State":
        other = _State(frame or self.frame, node, self.path if path is None else path)
        other.computed = self.computed or computed
        other.text = self.text
        other.plus = self.plus
        other.peak = self.peak
        other.name = self.name
        other.named = self.named
        return other

    def key(self) -> object:
        return (self.frame, self.node, self.path, self.computed, self.text, self.plus, self.peak)


class _Work:
    """A way back under way: the places still to be looked at, and the reads met so far."""

    __slots__ = ("found", "pending")

    def __init__(self, start: _State) -> None:
        self.pending = [start]
        self.found: list[Origin] = []


# ---------------------------------------------------------------------- calls


def invocation(module: "Module", call: ast.Call) -> Invocation:
    """A call without the launcher around it."""
    found = Invocation(call, call.func, call.args, call.keywords)
    name = last_name(call.func)
    if name in _OFFLOAD_NAMES and call.args:
        skip = 0 if name == "submit" else -1
        if name == "run_in_executor":
            skip = 1
        elif any(isinstance(v, External) and v.path in _OFFLOADS for v in module.values(call.func)):
            skip = 0
        if skip >= 0 and len(call.args) > skip:
            found = Invocation(call, call.args[skip], call.args[skip + 1 :], call.keywords)
    for _ in range(3):
        inner = found.func
        if isinstance(inner, ast.Call) and last_name(inner.func) == "partial" and inner.args:
            found = Invocation(call, inner.args[0], [*inner.args[1:], *found.args], [*inner.keywords, *found.keywords])
        elif isinstance(inner, ast.Lambda) and isinstance(inner.body, ast.Call) and found is not None and inner is not call.func:
            found = Invocation(inner.body, inner.body.func, inner.body.args, inner.body.keywords)
        elif isinstance(inner, ast.Call) and last_name(inner.func) == "sync_to_async" and inner.args:
            found = Invocation(call, inner.args[0], found.args, found.keywords)
        else:
            break
    return found


def enter(frame: Frame, call: Invocation, target: Function) -> Frame | None:
    """The frame of a function that a call of ``frame`` runs; None beyond the bounds."""
    if frame.depth >= MAX_FRAMES:
        return None
    entered = Frame(target.module, target.scope, frame, call.node)
    positional = target.scope.positional
    if target.scope.cls is not None and positional and target.receiver is not None and target.scope.kind == "function":
        if isinstance(call.func, ast.Attribute):
            entered.bound[positional[0].arg] = (frame, call.func.value)
        positional = positional[1:]
    for position, value in enumerate(call.args):
        if isinstance(value, ast.Starred) or position >= len(positional):
            break
        entered.bound[positional[position].arg] = (frame, value)
    names = {p.arg for p in target.scope.params}
    for item in call.keywords:
        if item.arg in names and item.arg is not None:
            entered.bound[item.arg] = (frame, item.value)
    collects = getattr(getattr(target.scope.node, "args", None), "kwarg", None)
    if collects is not None and all(item.arg is not None for item in call.keywords):
        entered.rest = (collects.arg, frame, [item for item in call.keywords if item.arg not in names - {collects.arg}])
    return entered


def _functions(frame: Frame, call: Invocation) -> list[Function]:
    return [v for v in frame.module.values(call.func) if isinstance(v, Function)][:3]


def driver_call(frame: Frame, call: Invocation) -> tuple[str, Driver] | None:
    """The driver method that a call runs, and the collection or cursor it runs on, seen from the frame."""
    module = frame.module
    if isinstance(call.func, ast.Attribute):
        home, receiver = resolve(frame, call.func.value)
        owner = home.module.inference.kind(home.module, receiver)
        if owner is None and receiver is not call.func.value:
            owner = module.inference.kind(module, call.func.value)
        if owner is not None:
            return call.func.attr, owner
        return None
    method = module.inference.method(module, call.func)
    return (method.name, method.owner) if isinstance(method, Method) else None


# ---------------------------------------------------------------------- names


def binding_scope(frame: Frame, name: ast.Name) -> Scope | None:
    """The scope that binds a name."""
    scope: Scope | None = frame.module.index.scope(name)
    own = scope.function if scope is not None else None
    while scope is not None:
        if (
            name.id in scope.bindings
            and (scope.kind != "class" or scope is own)
            and not (name.id in scope.globals and scope.kind != "module")
        ):
            return scope
        scope = scope.parent
    return None


def bindings_of(frame: Frame, name: ast.Name) -> tuple[Scope, list[Binding]] | None:
    """The scope that binds a name, and the bindings that can supply its value here."""
    scope = binding_scope(frame, name)
    if scope is None:
        return None
    return scope, frame.module.index.reaching(scope, name.id, name)


def resolve(frame: Frame, node: ast.expr) -> tuple[Frame, ast.expr]:
    """What an expression certainly stands for: single assignments, parameters and awaits are seen through."""
    for _ in range(12):
        if isinstance(node, ast.Await):
            node = node.value
            continue
        if isinstance(node, ast.NamedExpr):
            node = node.value
            continue
        if not isinstance(node, ast.Name):
            break
        found = bindings_of(frame, node)
        if found is None or len(found[1]) != 1:
            break
        binding = found[1][0]
        if binding.how == "param":
            given = frame.parameter(found[0], node.id)
            if given is None:
                break
            frame, node = given
        elif binding.how in ("assign", "ann") and not binding.path and isinstance(binding.value, ast.expr):
            node = binding.value
        else:
            break
    return frame, node


def returned(frame: Frame, node: ast.expr) -> tuple[Frame, ast.expr] | None:
    """What a call of a function of the program with a single ``return`` gives."""
    if not isinstance(node, ast.Call):
        return None
    call = invocation(frame.module, node)
    functions = _functions(frame, call)
    if len(functions) != 1:
        return None
    results = results_of(functions[0])
    inner = enter(frame, call, functions[0]) if len(results) == 1 else None
    return resolve(inner, results[0]) if inner is not None else None


def results_of(function: Function) -> list[ast.expr]:
    """The expressions that a function returns, without None."""
    node = function.scope.node
    if isinstance(node, ast.Lambda):
        return [node.body]
    return [r for r in function.scope.returns if not (isinstance(r, ast.Constant) and r.value is None)][:6]


def normal(frame: Frame, node: ast.expr | None) -> str:
    """A text that is equal for expressions that certainly mean the same value when both are evaluated once."""
    return _normal(frame, node, 0, [MAX_NORMAL_NODES])


def _normal(frame: Frame, node: ast.expr | None, depth: int, left: list[int]) -> str:
    if node is None:
        return "-"
    left[0] -= 1
    if depth > MAX_NORMAL_DEPTH or left[0] < 0:
        return f"<{id(node)}>"
    frame, node = resolve(frame, node)
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, ast.Name):
        found = bindings_of(frame, node)
        if found is None:
            return node.id
        scope, reaching = found
        first = scope.params[:1]
        if scope.cls is not None and first and first[0].arg == node.id and scope.kind == "function":
            return "self"
        if scope.kind == "module":
            return node.id
        return f"{node.id}@{','.join(str(id(b.node)) for b in reaching)}"
    if isinstance(node, ast.Attribute):
        return f"{_normal(frame, node.value, depth + 1, left)}.{node.attr}"
    if isinstance(node, ast.Subscript):
        return f"{_normal(frame, node.value, depth + 1, left)}[{_normal(frame, node.slice, depth + 1, left)}]"
    if isinstance(node, ast.Dict):
        parts = [
            f"{_normal(frame, k, depth + 1, left)}:{_normal(frame, v, depth + 1, left)}"
            for k, v in zip(node.keys, node.values, strict=False)
        ]
        return "{" + ",".join(sorted(parts)) + "}"
    if isinstance(node, ast.Call):
        if last_name(node.func) in _IMPURE:
            return f"<{id(node)}>"
        inner = returned(frame, node)
        if inner is not None:
            return _normal(inner[0], inner[1], depth + 1, left)
        arguments = [_normal(frame, a, depth + 1, left) for a in node.args]
        arguments += [f"{k.arg}={_normal(frame, k.value, depth + 1, left)}" for k in node.keywords]
        called = _functions(frame, invocation(frame.module, node))
        name = _normal(frame, node.func, depth + 1, left)
        if len(called) == 1:
            # one function under two names is one function; a method belongs to what it is called on
            bound = called[0].receiver is not None and isinstance(node.func, ast.Attribute)
            name = f"{_normal(frame, node.func.value, depth + 1, left) if bound else ''}<{id(called[0].scope)}>"  # type: ignore[attr-defined]
        return f"{name}({','.join(arguments)})"
    operator = type(getattr(node, "op", None)).__name__
    inside = ",".join(_normal(frame, c, depth + 1, left) if isinstance(c, ast.expr) else type(c).__name__ for c in children(node))
    return f"{type(node).__name__}.{operator}({inside})"


# ---------------------------------------------------------------------- keys and paths


def field_path(frame: Frame, node: ast.expr | None) -> Path | None:
    """The keys that the name of a field stands for: ``stats.wins``, f-strings and names that hold them included."""
    if node is None:
        return None
    frame, node = resolve(frame, node)
    tokens: list[str] = [""]
    pending: list[ast.expr] = [node]
    for _ in range(64):
        if not pending:
            break
        part = pending.pop()
        value = constant(part)
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            pieces = str(value).split(".")
            tokens[-1] += pieces[0]
            tokens.extend(pieces[1:])
        elif isinstance(part, ast.JoinedStr):
            pending.extend(reversed(part.values))
        elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            pending.extend((part.right, part.left))
        elif isinstance(part, ast.FormattedValue):
            tokens[-1] += _unknown(frame, part.value)
        else:
            tokens[-1] += _unknown(frame, part)
    return tuple(tokens)


def _unknown(frame: Frame, node: ast.expr) -> str:
    frame, node = resolve(frame, node)
    if isinstance(node, ast.Call) and last_name(node.func) == "str" and len(node.args) == 1:
        frame, node = resolve(frame, node.args[0])
    value = constant(node)
    return value if isinstance(value, str) else f"‹{normal(frame, node)}›"


def access(frame: Frame, node: ast.AST) -> tuple[ast.Name, Path] | None:
    """The name and the keys of ``doc["a"].get("b")`` and ``self.doc["a"]`` (attributes stand as ``.doc``)."""
    path: list[str] = []
    for _ in range(32):
        if isinstance(node, ast.Subscript):
            keys = ("*",) if isinstance(node.slice, ast.Slice) else field_path(frame, node.slice)
            path.extend(reversed(keys or ("?",)))
            node = node.value
        elif isinstance(node, ast.Attribute):
            path.append("." + node.attr)
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ITEMS and node.args:
            path.extend(reversed(field_path(frame, node.args[0]) or ("?",)))
            node = node.func.value
        else:
            break
    return (node, tuple(reversed(path))) if isinstance(node, ast.Name) else None


class Change:
    """A change in place of what a name holds: ``how`` is set, aug, call or del; ``path`` the keys below the name."""

    __slots__ = ("call", "how", "path", "position", "value")

    def __init__(self, how: str, path: Path, node: ast.AST, value: ast.expr | None, call: ast.Call | None = None) -> None:
        self.how = how
        self.path = path
        self.position = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
        self.value = value
        self.call = call

    def below(self, size: int) -> "Change":
        """The same change, seen from some keys further down."""
        other = copy(self)
        other.path = self.path[size:]
        return other


def changes(frame: Frame, scope: Scope, name: str) -> list[Change]:
    """The changes in place of a name in the function that binds it, through local aliases of its parts, too."""
    module = frame.module
    table: dict[str, list[Change]] = module.remember("changes", scope.function, lambda: _changes(Frame(module, scope)), {})
    return table.get(name, [])


def statements_of(module: "Module", scope: Scope) -> tuple[list[Store], list[ast.Call]]:
    """The assignments to items and attributes, and the calls, of one function's own code."""
    table: dict[Scope, tuple[list[Store], list[ast.Call]]] = module.remember(
        "statements", module.index.module_scope, lambda: _by_scope(module), {}
    )
    return table.get(scope.function, ([], []))


def _by_scope(module: "Module") -> dict[Scope, tuple[list[Store], list[ast.Call]]]:
    found: dict[Scope, tuple[list[Store], list[ast.Call]]] = {}
    for stores in (module.index.item_stores, *module.index.attribute_stores.values()):
        for store in stores:
            found.setdefault(store.scope.function, ([], []))[0].append(store)
    for call in module.index.calls:
        found.setdefault(module.index.scope_of_node[call].function, ([], []))[1].append(call)
    return found


def _changes(frame: Frame) -> dict[str, list[Change]]:
    scope = frame.scope
    found: dict[str, list[Change]] = {}

    def add(target: ast.AST, how: str, node: ast.AST, value: ast.expr | None, call: ast.Call | None = None) -> None:
        place = access(frame, target)
        if place is not None and (place[1] or how == "call"):
            found.setdefault(place[0].id, []).append(Change(how, place[1], node, value, call))

    stores, calls = statements_of(frame.module, scope)
    for store in stores:
        add(store.target, "aug" if store.how == "aug" else "set", store.target, store.value if not store.path else None)
    for call in calls:
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in _GROWERS:
            add(func.value, "call", call, None, call)
    for node in walk(scope.node):
        if isinstance(node, ast.Delete):
            for target in node.targets:
                if not isinstance(target, ast.Name):
                    add(target, "del", target, None)
    for alias, (root, path) in _aliases(frame).items():
        for change in found.get(alias, ()):
            copy = Change(change.how, (*path, *change.path), scope.node, change.value, change.call)
            copy.position = change.position
            if change not in found.get(root, ()):
                found.setdefault(root, []).append(copy)
    return found


def _aliases(frame: Frame) -> dict[str, tuple[str, Path]]:
    """Locals that hold a part of what another local holds: ``stats = doc["stats"]``, ``for item in doc["items"]``."""
    found: dict[str, tuple[str, Path]] = {}
    for name, bindings in frame.scope.bindings.items():
        if len(bindings) != 1 or not isinstance(bindings[0].value, ast.expr) or bindings[0].path:
            continue
        place = access(frame, bindings[0].value) if bindings[0].how in ("assign", "ann", "for") else None
        if place is not None and place[0].id != name and place[0].id in frame.scope.bindings:
            found[name] = (place[0].id, (*place[1], "*") if bindings[0].how == "for" else place[1])
    for name in list(found):
        root, path = found[name]
        for _ in range(3):
            if root not in found or found[root][0] == name:
                break
            root, path = found[root][0], (*found[root][1], *path)
        found[name] = (root, path)
    return found


# ---------------------------------------------------------------------- the way back


def trace(frame: Frame, node: ast.expr, path: Path = ()) -> list[Origin]:
    """The reads that a value, or the part of it at ``path``, comes from."""
    work = _Work(_State(frame, node, path))
    seen: set[object] = set()
    for _ in range(MAX_STEPS):
        if not work.pending:
            break
        state = work.pending.pop()
        if state.key() in seen or len(state.path) > MAX_PATH:
            continue
        seen.add(state.key())
        handler = _FOLLOW.get(type(state.node))
        if handler is not None:
            handler(state, work)
    return work.found


def _name(state: _State, work: _Work) -> None:
    name = state.node
    frame = state.frame
    assert isinstance(name, ast.Name)
    located = bindings_of(frame, name)
    if located is None:
        return
    scope, reaching = located
    use = (name.lineno, name.col_offset)
    start = min((b.position for b in reaching), default=(0, 0))
    replaced = False
    if scope.kind in ("function", "module", "lambda"):
        here = scope.function is frame.module.index.scope(name).function
        for change in changes(frame, scope, name.id):
            if not here or start <= change.position < use:
                replaced = _apply(state, change, frame, work.pending) or replaced
        for call in handed(frame, scope, name.id):
            if not here or start <= (call.lineno, call.col_offset) < use:
                _changed_by_function(state, name.id, call, work.pending)
    for binding in reaching[:MAX_BINDINGS]:
        if binding.how == "param":
            given = frame.parameter(scope, name.id)
            if given is not None:
                work.pending.append(state.at(given[1], frame=given[0]))
            elif state.path or not replaced:
                _by_value(state, work.found)
            continue
        if not isinstance(binding.value, ast.expr):
            continue
        value: ast.expr = binding.value
        if binding.how == "aug":
            raised = state.at(value, computed=True)
            work.pending.append(raised)
            before = state.at(binding.node, computed=True)
            before.plus = before.plus or _positive(value)
            if isinstance(binding.node, ast.Name) and binding.node is not name:
                work.pending.append(before)
            continue
        follow = state.at(value)
        if binding.how in ("assign", "ann"):
            follow.name, follow.named = name.id, state.path
        follow.path = (*map(str, binding.path), *follow.path)
        if binding.how == "for":
            follow.path = ("*", *follow.path)
            follow.name, follow.named = name.id, state.path
        elif binding.how == "match":
            continue
        work.pending.append(follow)


def _apply(state: _State, change: Change, frame: Frame, pending: list[_State]) -> bool:
    """Follow a change in place, made in ``frame``, of what a state stands for; whether it replaces all of it."""
    size = len(change.path)
    inside = change.path[: len(state.path)] == state.path
    around = size <= len(state.path) and state.path[:size] == change.path
    if change.how == "set" and change.value is not None and around:
        pending.append(state.at(change.value, state.path[size:], frame=frame))
        return change.path == state.path
    if change.how == "aug" and inside:
        raised = state.at(state.node, computed=True)
        raised.plus = raised.plus or _positive(change.value)
        pending.append(raised)
    elif change.how in ("set", "del") and inside and size > len(state.path):
        pending.append(state.at(state.node, computed=True))
    elif change.how == "call" and change.call is not None:
        _changed_by_call(state, change, frame, pending, inside, around)
    return False


def _changed_by_function(state: _State, name: str, call: ast.Call, pending: list[_State]) -> None:
    """A function of the program that is given a document may change it in place."""
    given = invocation(state.frame.module, call)
    for function in _functions(state.frame, given):
        inner = enter(state.frame, given, function)
        if inner is None:
            continue
        for parameter, (_, value) in inner.bound.items():
            if isinstance(value, ast.Name) and value.id == name:
                for change in changes(inner, function.scope, parameter):
                    _apply(state, change, inner, pending)


def handed(frame: Frame, scope: Scope, name: str) -> list[ast.Call]:
    """The calls, in the function that binds a name, that are given the name as it is: statements, whose result nobody reads."""

    def compute() -> dict[str, list[ast.Call]]:
        index = frame.module.index
        found: dict[str, list[ast.Call]] = {}
        for call in statements_of(frame.module, scope)[1]:
            up = index.parents.get(call)
            if isinstance(up, ast.Await):
                up = index.parents.get(up)
            if isinstance(up, ast.Expr):
                for value in (*call.args, *(k.value for k in call.keywords)):
                    if isinstance(value, ast.Name):
                        found.setdefault(value.id, []).append(call)
        return found

    table: dict[str, list[ast.Call]] = frame.module.remember("handed", scope.function, compute, {})
    return table.get(name, [])[:8]


def _positive(node: ast.expr | None) -> bool:
    value = constant(node)
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _changed_by_call(state: _State, change: Change, frame: Frame, pending: list[_State], inside: bool, around: bool) -> None:
    call = change.call
    if call is None or not isinstance(call.func, ast.Attribute):
        return
    how = call.func.attr
    below = state.path[len(change.path) :] if around else ()
    if how in ("append", "appendleft", "add") and call.args and below and (below[0] == "*" or below[0].lstrip("-").isdigit()):
        pending.append(state.at(call.args[0], below[1:], frame=frame))
    elif how == "extend" and call.args and below:
        pending.append(state.at(call.args[0], below, frame=frame))
    elif how == "update" and around and len(state.path) > len(change.path):
        rest = state.path[len(change.path) :]
        for value in call.args:
            pending.append(state.at(value, rest, frame=frame))
        for item in call.keywords:
            if item.arg == rest[0]:
                pending.append(state.at(item.value, rest[1:], frame=frame))
    elif inside and not (how == "pop" and call.args and constant(call.args[0]) == "_id") and how not in ("sort", "reverse"):
        pending.append(state.at(state.node, computed=True))


def _by_value(state: _State, found: list[Origin]) -> None:
    """A document whose read is known although the way from it is not: ``self.doc``, a parameter that callers supply."""
    module = state.frame.module
    # find_one(…) or {…}: what stands in for a missing document was not read
    document = module.inference.agreed(tuple(v for v in module.values(state.node) if not isinstance(v, Mapping)))
    read = read_of(document) if document is not None else None
    if read is not None:
        found.append(Origin("document", *read, state))


def read_of(document: Value) -> tuple[Frame, Invocation, Driver] | None:
    """The read that a document of the driver comes from: its frame, the call, the collection."""
    if not isinstance(document, Driver) or document.family != "document" or document.site is None:
        return None
    site = document.site
    home = document.root("collection")
    if home is None or not isinstance(site.node, ast.Call):
        return None
    return Frame(site.module, site.module.index.scope(site.node)), invocation(site.module, site.node), home


def _subscript(state: _State, work: _Work) -> None:
    node = state.node
    assert isinstance(node, ast.Subscript)
    if isinstance(node.slice, ast.Slice):
        work.pending.append(state.at(node.value, computed=True))
        return
    keys = field_path(state.frame, node.slice)
    if keys is not None:
        work.pending.append(state.at(node.value, (*keys, *state.path)))


def _attribute(state: _State, work: _Work) -> None:
    node = state.node
    assert isinstance(node, ast.Attribute)
    if node.attr == "__dict__":
        work.pending.append(state.at(node.value, _dotted(state.path)))
        return
    module = state.frame.module
    for edge in module.calls.inside(module.index.scope(node)):
        if edge.node is node and edge.how == "property":
            inner = Frame(edge.target.module, edge.target.scope, state.frame, node)
            if state.frame.depth < MAX_FRAMES and edge.target.scope.positional:
                inner.bound[edge.target.scope.positional[0].arg] = (state.frame, node.value)
                work.pending.extend(state.at(result, frame=inner) for result in results_of(edge.target))
            return
    count = len(work.found)
    replaced = False
    for change in changes_of(state.frame, node):
        _apply(state, change, state.frame, work.pending)
        replaced = replaced or (change.how == "set" and not change.path)
    if not replaced:
        _by_value(state, work.found)
    if len(work.found) == count:
        work.pending.append(state.at(node.value, ("." + node.attr, *state.path)))


def changes_of(frame: Frame, node: ast.Attribute) -> list[Change]:
    """The changes in place of what an attribute such as ``self.doc`` holds, made before in the function that uses it."""
    place = access(frame, node)
    located = bindings_of(frame, place[0]) if place is not None else None
    if place is None or located is None or located[0].function is not frame.module.index.scope(node).function:
        return []
    size = len(place[1])
    return [
        c.below(size)
        for c in changes(frame, located[0], place[0].id)
        if c.path[:size] == place[1] and c.position < (node.lineno, node.col_offset)
    ]


def _dotted(path: Path) -> Path:
    """Keys of a document as attributes of the object that is made from it."""
    return ("." + path[0], *path[1:]) if path and not path[0].startswith(".") else path


def _undotted(path: Path) -> Path:
    return (path[0][1:], *path[1:]) if path and path[0].startswith(".") else path


def _call(state: _State, work: _Work) -> None:
    node = state.node
    frame = state.frame
    assert isinstance(node, ast.Call)
    call = invocation(frame.module, node)
    name = last_name(call.func)
    if name in READS or name in CURSORS or name in COUNTS or name == "distinct":
        located = driver_call(frame, call)
        if located is not None and located[1].family == "collection":
            _read(state, call, located[0], located[1], work.found)
            return
        if located is not None and located[0] == "count":
            work.pending.append(_counted(state, call.func))
            return
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    first = call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None
    functions = _functions(frame, call)
    if functions:
        _through(state, call, functions, work.pending)
        return
    if receiver is not None and name in _ITEMS and first is not None:
        keys = field_path(frame, first)
        if keys is not None:
            work.pending.append(state.at(receiver, (*keys, *state.path)))
            return
    if receiver is not None and name in _CHAINS and not (name == "copy" and first is not None):
        work.pending.append(state.at(receiver))
    elif receiver is not None and name in _STEPS:
        work.pending.append(state.at(receiver, ("*", *state.path)))
    elif receiver is not None and name in ("values", "items", "keys") and not call.args:
        work.pending.append(state.at(receiver, state.path[1:]))
    elif name in _AS_DOCUMENT and (receiver is not None or first is not None) and _is_model(frame, receiver or first):
        work.pending.append(state.at(receiver or first or node, _dotted(state.path)))
    elif name.lower() in _FROM_DOCUMENT and first is not None:
        work.pending.append(state.at(first, _undotted(state.path)))
    elif first is not None and name in (_SAME if receiver is None else _SAME_IN_MODULES):
        same = state.at(first)
        if name == "sorted" and state.path[:1] == (("0",) if constant(option(call, "reverse")) is True else ("-1",)):
            same.peak = True
        work.pending.append(same)
        if name == "dict":
            _by_keyword(state, call, work.pending)
    elif name == "dict":
        _by_keyword(state, call, work.pending)
    elif name == "cast" and len(call.args) > 1:
        work.pending.append(state.at(call.args[1]))
    elif name in ("next", "anext") and first is not None:
        work.pending.append(state.at(first, ("*", *state.path)))
    elif name == "enumerate" and first is not None:
        if state.path[1:2] == ("1",):
            work.pending.append(state.at(first, (state.path[0], *state.path[2:])))
    elif name == "gather":
        if state.path and state.path[0].isdigit() and int(state.path[0]) < len(call.args):
            work.pending.append(state.at(call.args[int(state.path[0])], state.path[1:]))
    elif name == "len" and first is not None:
        work.pending.append(_counted(state, first))
    elif name in _FOLDS:
        for value in call.args:
            parts = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
            for part in parts:
                folded = state.at(part, computed=True)
                folded.peak = folded.peak or name == "max"
                work.pending.append(folded)
    elif name in _TEXT and receiver is not None:
        for value in (receiver, *call.args, *(k.value for k in call.keywords)):
            text = state.at(value)
            text.text = True
            work.pending.append(text)
    elif any(isinstance(v, (Class, Instance)) for v in frame.module.values(node)) or name[:1].isupper():
        _by_keyword(state.at(node, _undotted(state.path)), call, work.pending)


def _is_model(frame: Frame, node: ast.expr | None) -> bool:
    """Whether an expression is an object of a class, not a plain dictionary."""
    if node is None:
        return False
    home, expression = resolve(frame, node)
    if isinstance(expression, ast.Call):
        name = last_name(expression.func)
        if name[:1].isupper() or name.lower() in _FROM_DOCUMENT:
            return True
    return any(isinstance(v, Instance) for v in frame.module.values(node)) or any(
        isinstance(v, Instance) for v in home.module.values(expression)
    )


def _by_keyword(state: _State, call: Invocation, pending: list[_State]) -> None:
    """The parts of what ``dict(a=…)`` or ``Model(**doc)`` makes."""
    for item in call.keywords:
        if item.arg is None:
            pending.append(state.at(item.value))
        elif state.path and item.arg == state.path[0]:
            pending.append(state.at(item.value, state.path[1:]))


def _counted(state: _State, node: ast.expr) -> _State:
    counted = state.at(node, ("#", *state.path))
    counted.computed = True
    return counted


def _read(state: _State, call: Invocation, name: str, owner: Driver, found: list[Origin]) -> None:
    path = state.path
    if name in COUNTS:
        if not path:
            found.append(Origin("count", state.frame, call, owner, state))
        return
    if name == "distinct":
        found.append(Origin("distinct", state.frame, call, owner, state))
        return
    if name in CURSORS:
        if path == ("#",):
            found.append(Origin("count", state.frame, call, owner, state))
            return
        if not path:
            # documents handed on without a step of iteration: only a maximum over them says something
            return
        step = path[0]
        if step != "*" and not step.lstrip("-").isdigit():
            return
        named = state.named
        state.path = path[1:]
        if named is not None and named[:1] == path[:1]:
            state.named = named[1:]
    found.append(Origin("document", state.frame, call, owner, state))


def _through(state: _State, call: Invocation, functions: list[Function], pending: list[_State]) -> None:
    for function in functions:
        inner = enter(state.frame, call, function)
        if inner is None:
            continue
        if function.scope.yields:
            for item in function.scope.yields[:4]:
                if isinstance(item, ast.YieldFrom):
                    pending.append(state.at(item.value, frame=inner))
                elif item.value is not None and state.path:
                    pending.append(state.at(item.value, state.path[1:], frame=inner))
            continue
        for result in results_of(function):
            follow = state.at(result, frame=inner)
            if isinstance(call.func, ast.Attribute) and call.func.attr.lower() in _FROM_DOCUMENT and call.args:
                pending.append(state.at(call.args[0], _undotted(state.path)))
                break
            pending.append(follow)


def _binary(state: _State, work: _Work) -> None:
    node = state.node
    assert isinstance(node, ast.BinOp)
    if not isinstance(node.op, _ARITHMETIC):
        return
    text = (
        isinstance(node.op, ast.Mod) and isinstance(node.left, (ast.Constant, ast.JoinedStr)) and not isinstance(constant(node.left), int)
    )
    for side, other in ((node.right, node.left), (node.left, node.right)):
        follow = state.at(side, computed=True)
        follow.text = follow.text or text
        follow.plus = follow.plus or (isinstance(node.op, ast.Add) and _positive(other))
        work.pending.append(follow)


def _parts(state: _State, *nodes: ast.AST | None) -> list[_State]:
    return [state.at(n) for n in nodes if n is not None]


def _unary(state: _State, work: _Work) -> None:
    work.pending.append(state.at(state.node.operand, computed=True))  # type: ignore[attr-defined]


def _either(state: _State, work: _Work) -> None:
    work.pending.extend(_parts(state, state.node.body, state.node.orelse))  # type: ignore[attr-defined]


def _boolean(state: _State, work: _Work) -> None:
    work.pending.extend(_parts(state, *state.node.values))  # type: ignore[attr-defined]


def _value(state: _State, work: _Work) -> None:
    work.pending.extend(_parts(state, state.node.value))  # type: ignore[attr-defined]


def _walrus(state: _State, work: _Work) -> None:
    node = state.node
    assert isinstance(node, ast.NamedExpr)
    follow = state.at(node.value)
    follow.name, follow.named = node.target.id, state.path
    work.pending.append(follow)


def _display(state: _State, work: _Work) -> None:
    elements: list[ast.expr] = state.node.elts  # type: ignore[attr-defined]
    path = state.path
    if path and path[0].isdigit() and int(path[0]) < len(elements):
        work.pending.append(state.at(elements[int(path[0])], path[1:]))
    elif path[:1] == ("*",):
        work.pending.extend(
            state.at(e.value if isinstance(e, ast.Starred) else e, path if isinstance(e, ast.Starred) else path[1:]) for e in elements[:12]
        )
    elif not path:
        work.pending.extend(state.at(e.value, computed=True) for e in elements if isinstance(e, ast.Starred))


def _dictionary(state: _State, work: _Work) -> None:
    node = state.node
    assert isinstance(node, ast.Dict)
    for key, value in zip(node.keys, node.values, strict=False):
        if key is None:
            work.pending.append(state.at(value, computed=len(node.keys) > 1))
        elif state.path:
            keys = field_path(state.frame, key)
            if keys is not None and state.path[: len(keys)] == keys:
                work.pending.append(state.at(value, state.path[len(keys) :]))


def _comprehension(state: _State, work: _Work) -> None:
    node = state.node
    source = node.generators[0].iter  # type: ignore[attr-defined]
    if isinstance(node, ast.DictComp):
        work.pending.append(state.at(source, ("*", *state.path) if state.path else (), computed=True))
        return
    element = node.elt  # type: ignore[attr-defined]
    if state.path[:1] == ("#",):
        work.pending.append(state.at(source))
    elif state.path and (state.path[0] == "*" or state.path[0].lstrip("-").isdigit()):
        work.pending.append(state.at(element, state.path[1:]))
    elif not state.path:
        if state.peak:
            work.pending.append(state.at(element))
        if isinstance(constant(element), int):
            work.pending.append(_counted(state, source))
        work.pending.append(state.at(source, computed=True))


def _formatted(state: _State, work: _Work) -> None:
    for part in state.node.values:  # type: ignore[attr-defined]
        if isinstance(part, ast.FormattedValue):
            text = state.at(part.value)
            text.text = True
            work.pending.append(text)


_FOLLOW = {
    ast.Name: _name,
    ast.Subscript: _subscript,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.IfExp: _either,
    ast.BoolOp: _boolean,
    ast.Await: _value,
    ast.Starred: _value,
    ast.NamedExpr: _walrus,
    ast.List: _display,
    ast.Tuple: _display,
    ast.Set: _display,
    ast.Dict: _dictionary,
    ast.JoinedStr: _formatted,
    **dict.fromkeys(COMPREHENSIONS, _comprehension),
}
"""How each kind of expression hands its value on."""


def option(call: Invocation, name: str) -> ast.expr | None:
    """A keyword argument of a call, or None."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def sort_of(frame: Frame, call: Invocation) -> list[tuple[Frame, ast.expr, ast.expr | None]]:
    """What the documents of a read are sorted by: the ``sort=`` of the read and the ``sort()`` chained to it."""
    found: list[tuple[Frame, ast.expr, ast.expr | None]] = []
    given = option(call, "sort")
    if given is not None:
        found.append((frame, given, None))
    parents = frame.module.index.parents
    # the cursor may be sorted where it is made, or later under the name it was given
    tops: list[ast.AST] = [call.node]
    binding = parents.get(call.node)
    if isinstance(binding, (ast.Assign, ast.AnnAssign)):
        targets = binding.targets if isinstance(binding, ast.Assign) else [binding.target]
        for target in targets:
            if isinstance(target, ast.Name):
                tops.extend(frame.module.index.name_loads.get(target.id, ()))
    for top in tops:
        node: ast.AST | None = parents.get(top)
        while isinstance(node, (ast.Attribute, ast.Call)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr == "sort":
                    first = node.args[0] if node.args else keyword(node, "key_or_list")
                    if first is not None:
                        found.append((frame, first, node.args[1] if len(node.args) > 1 else keyword(node, "direction")))
                elif node.func.attr not in _CHAINS:
                    break
            node = parents.get(node)
    return found
