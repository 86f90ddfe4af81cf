"""Where clients are built, and whether they are kept.

A client is *kept* when the code makes sure that it is built once: behind a guard on the place that stores it, in a
cached function, in a class that is a singleton.
"""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.concurrency.names import slot
from flake8_mongo_threads.driver import kinds, wrappers
from flake8_mongo_threads.findings import Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.scopes import Binding, Scope
from flake8_mongo_threads.semantics.spawns import ends_test
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, TRIES, WITHS, asked_for, last_name, names_in, path_key, walk
from flake8_mongo_threads.semantics.values import Class, External, Function, Instance, Partial, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_EFFECT_DEPTH = 6
MAX_EFFECTS = 12


class Build(NamedTuple):
    """One expression that makes a client."""

    module: "Module"
    call: ast.Call
    scope: Scope
    flavour: str
    name: str
    """The class as the code names it, where it names a class."""


def client_kind(module: "Module", value: Value) -> str:
    """The flavour of client that calling a value makes, or an empty text."""
    if isinstance(value, External):
        kind = kinds.class_kind(value.path) or wrappers.CLASSES.get(value.path)
        return kind[1] if kind is not None and kind[0] == "client" else ""
    if isinstance(value, Class):
        kind = module.inference.driver_base(value)
        return kind[1] if kind is not None and kind[0] == "client" else ""
    if isinstance(value, Partial):
        for target in value.target:
            flavour = client_kind(module, target)
            if flavour:
                return flavour
    return ""


def builds_in(module: "Module", scope: Scope | None = None) -> list[Build]:
    """Every expression of a module, or of one function of it, that makes a client."""
    found: list[Build] = []
    if not module.may_build:
        return found
    seen: set[ast.AST] = set()
    for call, _, value in module.calls.constructions if scope is None else module.calls.of(scope).constructions:
        if call in seen:
            continue
        flavour = client_kind(module, value)
        if flavour and not _uncertain(module, call):
            seen.add(call)
            named = last_name(call.func)
            name = named if named.lstrip("_")[:1].isupper() else _class_name(flavour)
            found.append(Build(module, call, module.index.scope_of_node[call], flavour, name))
    return found


def _class_name(flavour: str) -> str:
    return {"sync": "MongoClient", "async": "AsyncMongoClient", "motor": "AsyncIOMotorClient"}[flavour]


def _uncertain(module: "Module", call: ast.Call) -> bool:
    """Whether the callee can also be something that is not the driver's client (a fake for tests)."""
    values = module.values(call.func)
    return any(not client_kind(module, v) for v in values)


# ---------------------------------------------------------------------- kept


def stored_in(module: "Module", call: ast.AST) -> list[ast.AST]:
    """The targets that a value, or something made from it in the same expression, is assigned to."""
    index = module.index
    node: ast.AST = call
    up = index.parents.get(node)
    while up is not None and isinstance(
        up, (ast.Attribute, ast.Subscript, ast.Call, ast.Await, ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.keyword)
    ):
        if isinstance(up, ast.NamedExpr):
            return [up.target]
        if isinstance(up, ast.Call) and node is not up.func and not isinstance(node, ast.keyword) and last_name(up.func) == "setdefault":
            return [up.func.value] if isinstance(up.func, ast.Attribute) else []
        node = up
        up = index.parents.get(up)
    if isinstance(up, ast.Assign):
        return list(up.targets)
    if isinstance(up, ast.AnnAssign):
        return [up.target]
    return []


def shared_targets(module: "Module", scope: Scope, targets: list[ast.AST]) -> list[str]:
    """Path keys of those targets that outlive the function: globals, attributes, items of outer containers."""
    found = []
    for target in targets:
        key = path_key(target)
        if isinstance(target, (ast.Tuple, ast.List)):
            found.extend(shared_targets(module, scope, list(target.elts)))
            continue
        if isinstance(target, ast.Name):
            function = scope.function
            if function.kind == "module" or key in function.globals or key in function.nonlocals:
                found.append(key)
        elif key:
            found.append(key)
        elif isinstance(target, ast.Subscript):
            base = path_key(target.value)
            if base:
                found.append(base + "[")
        elif isinstance(target, ast.Attribute):
            found.append("." + target.attr)
    return found


def is_kept(module: "Module", build: Build) -> bool:
    """Whether a client that is built in code that runs often is nevertheless built once."""
    scope = build.scope.function
    current: Scope | None = scope
    while current is not None and current.kind != "module":
        if current.kind in ("function", "lambda") and module.inference.is_cached(module, current):
            return True
        current = current.parent
    targets = stored_in(module, build.call)
    if scope.cls is not None and scope.name in ("__init__", "__new__") and _singleton(module, scope.cls):
        return True
    local = _stored_later(module, scope, targets)
    shared = shared_targets(module, scope, [*targets, *local])
    if any(isinstance(up, ast.Call) and last_name(up.func) == "setdefault" for up in module.index.ancestors(build.call)[:3]):
        return True
    if not shared:
        shared = _put_into(module, build.call, scope)
    return (bool(shared) and guarded(module, build.call, scope, [*shared, *_flags(module, scope)])) or _memo_guard(
        module, build.call, scope
    )


def _flags(module: "Module", scope: Scope) -> list[str]:
    """Path keys of the attributes and globals in which a function notes that something is done: ``self._connected = True``."""
    stores = [s for group in module.index.attribute_stores.values() for s in group if s.scope.function is scope]
    found = [path_key(s.target) for s in stores if isinstance(s.value, ast.Constant) and s.value.value is True]
    for name in scope.globals:
        for binding in module.index.module_scope.bindings.get(name, ()):
            if binding.scope.function is scope and isinstance(binding.value, ast.Constant) and binding.value.value is True:
                found.append(name)
    return found


def stands_in_for(module: "Module", build: Build) -> str:
    """The parameter that a client is built for when nothing is given: ``client or MongoClient()``, ``if client is None: …``."""
    scope = build.scope.function
    params = {p.arg for p in scope.params}
    child: ast.AST = build.call
    for up in module.index.ancestors(build.call) if params else ():
        if isinstance(up, (*FUNCTIONS, ast.Lambda)):
            break
        asked = ""
        if isinstance(up, ast.BoolOp) and isinstance(up.op, ast.Or) and child is up.values[-1]:
            asked = path_key(up.values[0])
        elif isinstance(up, (ast.If, ast.IfExp)) and child is not up.test:
            first = child is up.body if isinstance(up, ast.IfExp) else child in up.body
            asked = asked_for(up.test) if _asks_for_absence(up.test) is first else ""
        if asked in params:
            return asked
        child = up
    return ""


def _asks_for_absence(test: ast.expr) -> bool:
    """Whether a test is true where there is nothing: ``client is None``, ``not client``."""
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.Is)
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)


def keeps_result(decorator: Function, wrapper: Function) -> bool:
    """Whether the function that a decorator puts in place of another calls that one once and keeps what it gives."""
    home, scope = wrapper.module, wrapper.scope
    params = [p.arg for p in decorator.scope.positional[:1]]
    for load in home.index.name_loads.get(params[0], ()) if params else ():
        call = home.index.parents.get(load)
        if isinstance(call, ast.Call) and call.func is load and home.index.scope(call).function is scope:
            kept = shared_targets(home, scope, stored_in(home, call))
            return bool(kept) and guarded(home, call, scope, kept)
    return False


def _put_into(module: "Module", call: ast.AST, scope: Scope) -> list[str]:
    """The name of the container that outlives the function and that a value is put into: ``clients.append(MongoClient())``."""
    up = module.index.parents.get(call)
    if not isinstance(up, ast.Call) or call not in up.args or not isinstance(up.func, ast.Attribute):
        return []
    if up.func.attr not in ("append", "add", "insert", "appendleft", "put"):
        return []
    container = up.func.value
    if isinstance(container, ast.Name) and any(b.how != "param" for b in scope.bindings.get(container.id, ())):
        return []  # a local list
    key = path_key(container)
    return [key] if key else []


def _stored_later(module: "Module", scope: Scope, targets: list[ast.AST]) -> list[ast.AST]:
    """Where a local that holds the value, or something made from it, is stored afterwards in the same function."""
    found: list[ast.AST] = []
    names = {t.id for t in targets if isinstance(t, ast.Name)}
    if not names:
        return found
    stores = [s for group in module.index.attribute_stores.values() for s in group] + list(module.index.item_stores)
    for store in stores:
        if store.scope.function is scope and store.value is not None:
            read = {n.id for n in walk(store.value) if isinstance(n, ast.Name)}
            if read & names:
                found.append(store.target)
    for name in scope.globals:
        for binding in module.index.module_scope.bindings.get(name, ()):
            if binding.scope.function is scope and isinstance(binding.value, ast.AST):
                read = {n.id for n in walk(binding.value) if isinstance(n, ast.Name)}
                if read & names and isinstance(binding.node, ast.Name):
                    found.append(binding.node)
    return found


def guarded(module: "Module", node: ast.AST, scope: Scope, keys: list[str]) -> bool:
    """Whether a test on the place that stores a value stands around the node or before it in the function."""
    tails = {k.rstrip("[").rpartition(".")[2] or k for k in keys}
    tails |= {k.partition("[")[0].rpartition(".")[2] for k in keys}
    given = tails.intersection(p.arg for p in scope.params).difference(k.rstrip("[") for k in keys)
    if given:
        # self.client = client or MongoClient(): what is tested is the parameter, not the attribute of the same name
        tests = [test for test, where in module.index.tests if where.function is scope]
        tails -= given.difference(n.attr for test in tests for n in walk(test) if isinstance(n, ast.Attribute))
    tested = module.remember("words of its tests", scope, lambda: _words_of_tests(module, scope))
    if not tails.isdisjoint(tested):
        return True
    for target in stored_in(module, node):
        # client = cache.get(key); if client is None: client = cache[key] = MongoClient()
        if isinstance(target, ast.Name) and target.id in tested:
            if any(mentions(b.value, tails) for b in scope.bindings.get(target.id, ()) if b.how == "assign" and b.node is not target):
                return True
    attempts = [a.body for a, where in module.index.tries if where.function is scope and any(map(_cache_miss, a.handlers))]  # type: ignore[attr-defined]
    attempts += [w.body for w, where in module.index.withs if where.function is scope and any(_suppresses_miss(i) for i in w.items)]
    for body in attempts:
        if any(isinstance(statement, ast.Return) and mentions(statement.value, tails) for statement in body):
            return True
    for up in module.index.ancestors(node):
        if isinstance(up, FUNCTIONS):
            break
        if isinstance(up, ast.ExceptHandler) and _cache_miss(up):
            return True
        if isinstance(up, (ast.match_case, ast.While)) and mentions(getattr(up, "test", getattr(up, "guard", None)), tails):
            return True
        if isinstance(up, ast.match_case):
            match = module.index.parents.get(up)
            if isinstance(match, ast.Match) and mentions(match.subject, tails):
                return True
    return False


def _memo_guard(module: "Module", node: ast.AST, scope: Scope) -> bool:
    """``client = self._cached or MongoClient()`` and ``return cached if cached else MongoClient()``."""
    parent = module.index.parents.get(node)
    if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or):
        return bool(module.remember("operand that may be a cache", parent, lambda: _cache_among(parent.values, scope)))
    # an exception handler that fills a cache: try: return cache[key] except KeyError: …
    for up in module.index.ancestors(node):
        if isinstance(up, FUNCTIONS):
            break
        if isinstance(up, ast.ExceptHandler) and _cache_miss(up):
            return True
    return False


def _cache_among(values: list[ast.expr], scope: Scope) -> bool:
    return any(isinstance(v, (ast.Attribute, ast.Subscript)) or (isinstance(v, ast.Name) and v.id in scope.globals) for v in values)


_MISSES = frozenset(("KeyError", "AttributeError", "NameError", "LookupError", "UnboundLocalError", "RuntimeError"))


def _cache_miss(handler: ast.ExceptHandler) -> bool:
    names = {last_name(n) for n in walk(handler.type)} if handler.type is not None else set()
    return not names.isdisjoint(_MISSES)


def _suppresses_miss(item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and last_name(call.func) == "suppress" and not _MISSES.isdisjoint(map(last_name, call.args))


def mentions(test: ast.AST | None, tails: set[str]) -> bool:
    """Whether an expression reads one of the given names, as a name, an attribute, or a text given to ``hasattr``."""
    return test is not None and any(word in tails for word in _words(test))


def _words(test: ast.AST) -> Iterator[str]:
    for node in walk(test):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _words_of_tests(module: "Module", scope: Scope) -> set[str]:
    """All that the tests in a function's own code mention."""
    return {word for test, where in module.index.tests if where.function is scope for word in _words(test)}


def _singleton(module: "Module", cls: Scope) -> bool:
    """Whether instances of a class are shared by construction: a metaclass, a ``__new__``, a class decorator."""
    inference = module.inference
    for home, scope in inference.resolution_order(Class(module, cls)):
        if "__new__" in scope.bindings:
            return True
        for item in scope.node.keywords:  # type: ignore[attr-defined]
            if item.arg == "metaclass" and last_name(item.value) not in ("ABCMeta", "type"):
                return True
        for decorator in scope.decorators:
            name = last_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name and name not in ("dataclass", "define", "attrs", "s", "total_ordering", "final", "frozen", "runtime_checkable"):
                return True
        for base in scope.node.bases:  # type: ignore[attr-defined]
            if last_name(base).lower() in ("singleton", "borg", "singletonmixin", "metasingleton"):
                return True
        del home
    return False


# ---------------------------------------------------------------------- through other modules


class Effect(NamedTuple):
    """A client that a function builds, itself or through what it calls, unless it is kept."""

    build: Build
    chain: tuple[Edge, ...]
    steps: tuple[Step, ...]


def effects(function: Function) -> list[Effect]:
    """The clients that running a function builds each time, with the chain of calls inside other modules."""
    result: list[Effect] = function.module.remember("effects", function.scope, lambda: _effects(function, 0, frozenset()), [])
    return result


def _effects(function: Function, depth: int, active: frozenset[int]) -> list[Effect]:
    module, scope = function.module, function.scope
    if depth > MAX_EFFECT_DEPTH or id(scope) in active or module.inference.is_cached(module, scope):
        return []
    found: list[Effect] = []
    for build in builds_in(module, scope):
        if not is_kept(module, build) and request_store(module, build.call) is None:
            if depth > 0 and conditional(module, build.call):
                continue
            found.append(Effect(build, (), (module.step(build.call, f"{build.name} is built here"),)))
    for edge in module.calls.inside(scope):
        if len(found) >= MAX_EFFECTS:
            break
        inner = _effects(edge.target, depth + 1, active | {id(scope)})
        if not inner or _guards_call(module, edge) or _construction_kept(edge) or conditional(module, edge.node):
            continue
        for effect in inner:
            step = module.step(edge.node, f"'{scope.name}' calls '{edge.target.scope.name}'")
            found.append(Effect(effect.build, (edge, *effect.chain), (step, *effect.steps)))
    return found


def _construction_kept(edge: Edge) -> bool:
    scope = edge.target.scope
    return scope.cls is not None and scope.name in ("__init__", "__new__", "__post_init__") and _singleton(edge.target.module, scope.cls)


def _guards_call(module: "Module", edge: Edge) -> bool:
    """Whether what a call gives is stored behind a guard, so that the call happens once."""
    targets = stored_in(module, edge.node)
    scope = edge.caller
    shared = shared_targets(module, scope, [*targets, *_stored_later(module, scope, targets)])
    return (
        (bool(shared) and guarded(module, edge.node, scope, shared))
        or _memo_guard(module, edge.node, scope)
        or module.inference.is_cached(module, scope)
    )


def conditional(module: "Module", node: ast.AST) -> bool:
    """Whether a node runs only on some paths through its function: in a branch, a handler, or the second part of ``and``."""
    index = module.index
    child = node
    up = index.parents.get(node)
    while up is not None:
        if isinstance(up, (*FUNCTIONS, ast.Lambda, ast.Module, ast.ClassDef)):
            break
        if isinstance(up, ast.If) and child is not up.test:
            if not _every_branch(module, up):
                return True
        elif (
            isinstance(up, (ast.ExceptHandler, ast.match_case))
            or (isinstance(up, ast.IfExp) and child is not up.test)
            or (isinstance(up, ast.BoolOp) and child is not up.values[0])
        ):
            return True
        child = up
        up = index.parents.get(up)
    return _after_early_return(module, node)


def _every_branch(module: "Module", branch: ast.If) -> bool:
    """Whether both branches of an ``if`` build a client, so that one is built whatever the test says."""
    calls = {b.call for b in builds_in(module, module.index.scope(branch).function)}
    if not calls or not branch.orelse:
        return False
    return all(any(node in calls for statement in side for node in walk(statement)) for side in (branch.body, branch.orelse))


def _after_early_return(module: "Module", node: ast.AST) -> bool:
    """Whether a test before the node, in the same function body, may have returned already."""
    index = module.index
    statement = index.statement(node)
    while statement in index.place:
        owner, field, position = index.place[statement]
        if isinstance(owner, (*FUNCTIONS, ast.Module)):
            for earlier in getattr(owner, field)[:position]:
                if isinstance(earlier, ast.If) and any(isinstance(n, ast.Return) for n in walk(earlier)):
                    return True
            return False
        statement = owner if owner in index.place else index.statement(owner)
    return False


def selected(module: "Module", node: ast.AST, loop: ast.AST) -> bool:
    """Whether a node in a loop runs only for one value of the loop variable, ``if name == "users": …``, or what it calls is another
    thing for each: ``for make in MAKERS: make()``, ``MAKERS[name]()``."""
    targets = names_in(loop.target) if isinstance(loop, (ast.For, ast.AsyncFor)) else set()
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Subscript):
        called = called.slice
    if isinstance(called, ast.Name) and called.id in targets:
        return True
    child = node
    up = module.index.parents.get(node)
    while up is not None and up is not loop:
        if (
            isinstance(up, ast.If)
            and child is not up.test
            and isinstance(up.test, ast.Compare)
            and isinstance(up.test.ops[0], (ast.Eq, ast.In))
        ):
            if names_in(up.test) & targets and any(isinstance(c, ast.Constant) for c in (up.test.left, *up.test.comparators)):
                return True
        child = up
        up = module.index.parents.get(up)
    return False


def call_kept(module: "Module", edge: Edge) -> bool:
    """Whether the object that a call builds is kept by the caller, or by its class."""
    return _guards_call(module, edge) or _construction_kept(edge)


def restarts(chain: list[Edge]) -> bool:
    """Whether a chain of calls enters a function that only an error ends: what calls it in a loop starts it again after one."""
    return any(_endless(edge.target.module, edge.target.scope) for edge in chain)


def _endless(module: "Module", scope: Scope) -> bool:
    """Whether the body of a function ends in a ``while True`` without ``break`` or ``return``."""
    if scope.is_async and scope.yields:
        return False
    for loop, where in module.index.loops:
        if where is not scope or not isinstance(loop, ast.While) or not (isinstance(loop.test, ast.Constant) and loop.test.value):
            continue
        place = module.index.place.get(loop)
        if place is None or (place[0] is not scope.node and not (isinstance(place[0], (*WITHS, *TRIES)) and place[1] == "body")):
            continue
        if not any(isinstance(node, (ast.Break, ast.Return)) for node in walk(loop)):
            return True
    return False


def guarded_local(module: "Module", node: ast.AST, loop: ast.AST) -> bool:
    """``if client is None: client = MongoClient()`` in a loop, ``client = client or MongoClient()``, with a local that
    nothing else in the loop sets but a handler that drops it."""
    index = module.index
    targets = [t for t in stored_in(module, node) if isinstance(t, ast.Name)]
    if len(targets) != 1:
        return False
    name, scope = targets[0].id, index.scope(node).function
    if any(
        b.node is not targets[0] and index.within(b.node, loop) and not _dropped_by_handler(module, b) for b in scope.bindings.get(name, ())
    ):
        return False
    child: ast.AST = node
    for up in index.ancestors(node):
        if up is loop:
            return False
        if isinstance(up, ast.If) and child in up.body and (mentions(up.test, {name}) or any(ends_test(up.test, s) for s in up.body)):
            return True
        if isinstance(up, ast.BoolOp) and isinstance(up.op, ast.Or) and child is not up.values[0] and last_name(up.values[0]) == name:
            return True
        if isinstance(up, ast.IfExp) and child is not up.test and mentions(up.test, {name}):
            return True
        child = up
    return False


def _dropped_by_handler(module: "Module", binding: Binding) -> bool:
    """``client = None`` in an exception handler."""
    return isinstance(binding.value, ast.Constant) and binding.value.value is None and in_handler_of(module, binding.node) is not None


_THREAD_KEYS = ("threading.get_ident()", "threading.get_native_id()", "threading.current_thread()")


def thread_local_store(module: "Module", call: ast.AST) -> ast.AST | None:
    """Where a value is stored for one thread: in an attribute of a ``threading.local()``, or under the number of the thread."""
    for target in stored_in(module, call):
        if isinstance(target, ast.Subscript) and any(
            isinstance(value, External) and value.path.startswith(_THREAD_KEYS) for value in module.values(target.slice)
        ):
            return target
        if isinstance(target, ast.Attribute):
            for value in module.values(target.value):
                if isinstance(value, External) and value.path == "threading.local()":
                    return target
                if isinstance(value, Instance) and "threading.local" in module.inference.external_bases(value.cls):
                    return target
    return None


def request_store(module: "Module", call: ast.AST) -> ast.AST | None:
    """The attribute of ``flask.g`` or of a request's state that a value is stored in: it lives for one request.

    The value may be held by a local first, and its database or collection be what is stored.
    """
    direct = stored_in(module, call)
    for target in direct:
        if _of_one_request(module, target):
            return target
    scope = module.index.scope(call).function
    later = _stored_later(module, scope, direct)
    if not later or not all(isinstance(target, ast.Name) for target in direct) or shared_targets(module, scope, direct):
        return None
    kept = [target for target in later if _holds_client(module, target)]
    if kept and all(_of_one_request(module, target) for target in kept):
        return kept[0]
    return None


def _of_one_request(module: "Module", target: ast.AST) -> bool:
    return isinstance(target, ast.Attribute) and any(
        isinstance(value, External) and slot(value.path).partition(".")[0] in ("g", "request") for value in module.values(target.value)
    )


def _holds_client(module: "Module", target: ast.AST) -> bool:
    """Whether what is stored in a target is a client, or an object that keeps one: not a document read with it."""
    statement = module.index.statement(target)
    value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
    owner = module.inference.kind(module, value) if value is not None else None
    return owner is None or owner.family in ("client", "database", "collection")


def awaited_by_test(module: "Module", call: ast.AST, loop: ast.AST) -> bool:
    """``while client is None: client = MongoClient()``: the loop ends with the first client."""
    if not isinstance(loop, ast.While) or module.index.within(call, loop.test):
        return False
    names = {last_name(t) for t in stored_in(module, call)} - {""}
    return bool(names) and mentions(loop.test, names)


def in_handler_of(module: "Module", node: ast.AST) -> ast.ExceptHandler | None:
    """The innermost exception handler around a node, within its function."""
    for up in module.index.ancestors(node):
        if isinstance(up, (*FUNCTIONS, ast.Lambda)):
            return None
        if isinstance(up, ast.ExceptHandler):
            return up
    return None


def try_of(module: "Module", handler: ast.ExceptHandler) -> ast.AST | None:
    """The ``try`` statement of a handler."""
    parent = module.index.parents.get(handler)
    return parent if isinstance(parent, TRIES) else None
