"""What calls return: functions, methods and classes of the program, methods of driver objects."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import OFFLOADING_DECORATORS, slot
from flake8_mongo_threads.driver import wrappers
from flake8_mongo_threads.semantics.inference.common import CURSORS, MAX_HOPS, MAX_RETURNS, Result, only_external, something
from flake8_mongo_threads.semantics.inference.library_calls import LIBRARY_CALLS
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import argument, constant
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    OPEN,
    UNKNOWN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Driver,
    Element,
    External,
    Function,
    Generator,
    Instance,
    Manager,
    Mapping,
    Method,
    Partial,
    Sequence,
    Site,
    Value,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_ELEMENT_WRAPPERS = frozenset(
    ("builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.reversed", "builtins.iter", "builtins.frozenset", "tqdm.tqdm", "tqdm.auto.tqdm", "collections.deque", "itertools.cycle", "itertools.islice")
)  # fmt: skip
_RUNS_FIRST = frozenset(
    ("asyncio.to_thread", "anyio.to_thread.run_sync", "fastapi.concurrency.run_in_threadpool", "trio.to_thread.run_sync")
)
_AWAITS_FIRST = frozenset(
    ("asyncio.create_task", "asyncio.ensure_future", "asyncio.shield", "asyncio.wait_for", "asyncio.AbstractEventLoop().create_task", "asyncio.TaskGroup().create_task", "asyncio.wrap_future")
)  # fmt: skip
_RUNS_COROUTINE = frozenset(
    (
        "asyncio.run",
        "asyncio.AbstractEventLoop().run_until_complete",
        "asyncio.Runner().run",
        "asgiref.sync.async_to_sync()",
        "nest_asyncio.run",
    )
)
_MADE_FROM = {"database": "client", "collection": "database", "gridfs": "database", "gridfs-bucket": "database"}
"""What the constructors of the driver's own classes are given first."""


def evaluate_call(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """What the call of whatever its callee can be returns."""
    assert isinstance(node, ast.Call)
    func = node.func
    if isinstance(func, ast.Attribute):
        contained = inference.container_call(module, node, func, scope)
        if contained is not None:
            return contained
    elif isinstance(func, ast.Name) and func.id == "super" and scope.binder("super") is None:
        return inference.super_call(module, node, scope)
    callees = something(inference.values(module, func, scope))
    if not callees:
        return BOTTOM
    return union(*(inference.invoke(value, node, module) for value in callees))


def invoke(inference: "Inference", value: Value, call: ast.Call | None, module: "Module") -> Values:
    """What calling a value gives; ``call`` is the expression, None for a call that a framework makes."""
    if value is OPEN:
        return (OPEN,)
    if isinstance(value, Method):
        return _invoke_method(inference, value, call, module)
    if isinstance(value, Function):
        return inference.invoke_function(value, call, module)
    if isinstance(value, Class):
        return _instantiate(inference, value, call, module)
    if isinstance(value, External):
        return _invoke_external(inference, value, call, module)
    if isinstance(value, Partial):
        return union(*(inference.invoke(target, value.call, value.module) for target in value.target)) if value.target else UNKNOWN_ONLY
    if isinstance(value, Instance):
        if inference.driver_base(value.cls) is not None:
            return UNKNOWN_ONLY
        return inference.invoke_named(value, "__call__", module)
    if isinstance(value, Result):
        return value.awaitable.values
    return UNKNOWN_ONLY


def invoke_named(inference: "Inference", value: Instance, name: str, module: "Module") -> Values:
    """What a special method of an object of the program gives."""
    method = inference.method_of(value, name)
    return inference.invoke_function(method, None, module) if method is not None else UNKNOWN_ONLY


def _invoke_method(inference: "Inference", value: Method, call: ast.Call | None, module: "Module") -> Values:
    owner, member = value.owner, value.member
    site = Site(module, call) if call is not None else owner.site
    if member.is_property:
        return UNKNOWN_ONLY
    if member.result == "self" and value.name != "clone":
        result: Values = (owner,)
    elif value.name == "clone" and owner.family in CURSORS:
        result = (Driver(owner.family, owner.flavour, site, owner.parent),)
    else:
        result = inference.member_result(owner, member.result, site)
        if member.result in ("database", "collection") and call is not None and result and isinstance(result[0], Driver):
            first = argument(call, 0, "name")
            name = inference.constant_at(module, first) if first is not None else None
            base = result[0]
            if value.name in ("get_database", "get_default_database", "get_collection", "create_collection"):
                result = (Driver(base.family, base.flavour, site, owner, name if isinstance(name, str) else ""),)
            elif value.name == "with_options":
                result = (Driver(owner.family, owner.flavour, site, owner.parent, owner.name),)
    if member.coroutine:
        return (Awaitable(result, "coroutine" if owner.flavour == "async" else "future", site, value),)
    return result


def returned(inference: "Inference", function: Function) -> Values:
    """The union of what a function returns (for generators see ``yielded``), by body and by annotation."""
    scope = function.scope
    memo = function.module.returns_memo
    if scope in memo:
        return memo[scope]
    key = ("returns", id(scope))
    if key in inference.active or inference.hops >= MAX_HOPS:
        inference.cuts += 1
        return BOTTOM if key in inference.active else UNKNOWN_ONLY
    inference.active.add(key)
    inference.hops += 1
    before = inference.cuts
    try:
        result = _returned(inference, function)
    finally:
        inference.hops -= 1
        inference.active.discard(key)
    if inference.cuts == before or not inference.active or (result and inference.settled_now(key)):
        memo[scope] = result
    return result


def _returned(inference: "Inference", function: Function) -> Values:
    module, scope = function.module, function.scope
    node = scope.node
    if isinstance(node, ast.Lambda):
        return inference.values(module, node.body)
    by_body: Values = BOTTOM
    if scope.returns and len(scope.returns) <= MAX_RETURNS:
        by_body = union(*(inference.values(module, value) for value in scope.returns))
    if known(by_body) and UNKNOWN not in by_body and OPEN not in by_body and not only_external(by_body):
        return by_body
    annotated: Values = BOTTOM
    if node.returns is not None and not scope.yields:  # type: ignore[attr-defined]
        annotated = inference.annotation(module, node.returns, scope.parent or scope)  # type: ignore[attr-defined]
        if scope.is_async and len(annotated) == 1 and isinstance(annotated[0], Awaitable):
            annotated = annotated[0].values
        interesting = [v for v in known(annotated) if not isinstance(v, External)]
        if interesting and UNKNOWN not in annotated:
            agreed = inference.agreed(by_body)
            return by_body if agreed is not None and agreed.kind == getattr(interesting[0], "kind", None) else annotated
    return by_body or annotated or UNKNOWN_ONLY


def yielded(inference: "Inference", function: Function) -> Values:
    """The union of what a generator yields."""
    module, scope = function.module, function.scope
    key = ("yields", id(scope))
    if key in inference.active:
        inference.cuts += 1
        return BOTTOM
    inference.active.add(key)
    try:
        parts: list[Values] = []
        for item in scope.yields[:MAX_RETURNS]:
            if isinstance(item, ast.YieldFrom):
                parts.append(inference.iterate(module, item.value, inference.values(module, item.value)))
            elif item.value is not None:
                parts.append(inference.values(module, item.value))
        return union(*parts) if parts else UNKNOWN_ONLY
    finally:
        inference.active.discard(key)


def invoke_function(inference: "Inference", value: Function, call: ast.Call | None, module: "Module") -> Values:
    """What a call of a function of the program gives, with what its decorators make of it."""
    scope = value.scope
    decorators = inference.decorators(value.module, scope)
    site = Site(module, call) if call is not None else Site(value.module, scope.node)
    if decorators & {"contextlib.contextmanager", "contextlib.asynccontextmanager", "async_generator.asynccontextmanager"}:
        return (Manager(inference.yielded(value), site),)
    if scope.yields:
        return (Generator(inference.yielded(value), site, value),)
    if scope.is_async:
        if decorators & {"asgiref.sync.async_to_sync"}:
            return inference.returned(value)
        how = inference.converted(value) if scope.decorators else ""
        if how == "sync":
            return UNKNOWN_ONLY  # ``return asyncio.run(fn(*args))``
        result = UNKNOWN_ONLY if how else inference.returned(value)
        return (Awaitable(result, "coroutine", site, value),)
    result = UNKNOWN_ONLY if scope.decorators and inference.converted(value) else inference.returned(value)
    if decorators & OFFLOADING_DECORATORS:
        return (Awaitable(result, "future", site, value),)
    if result and all(isinstance(v, Driver) for v in known(result)) and len(known(result)) == 1 and OPEN in result:
        return result
    if OPEN in result and call is not None:
        specific = _specialise(inference, value, call, module)
        if specific is not None:
            return specific
    return result


def _specialise(inference: "Inference", value: Function, call: ast.Call, module: "Module") -> Values | None:
    """A function that returns its parameter: what this call hands over."""
    scope = value.scope
    if len(scope.returns) != 1 or not isinstance(scope.returns[0], ast.Name):
        return None
    for arg in scope.params:
        if arg.arg == scope.returns[0].id:
            expression = inference.argument_for(call, scope, arg, skip_first=value.bound)
            return inference.values(module, expression) if expression is not None else None
    return None


def _instantiate(inference: "Inference", value: Class, call: ast.Call | None, module: "Module") -> Values:
    site = Site(module, call) if call is not None else None
    for home, cls in inference.resolution_order(value):
        for definition in inference.definitions(cls, "__new__"):
            made = inference.returned(Function(home, definition, value))
            drivers = [v for v in known(made) if isinstance(v, Driver)]
            if drivers and len(drivers) == len(known(made)):
                return made
    return (Instance(value, site),)


def _invoke_external(inference: "Inference", value: External, call: ast.Call | None, module: "Module") -> Values:
    path = value.path
    site = Site(module, call) if call is not None else value.site
    if path.startswith("namespace:"):
        return UNKNOWN_ONLY
    if call is not None:
        special = LIBRARY_CALLS.get(path)
        if special is not None:
            return special(inference, module, call, path)
        if path in _RUNS_FIRST:
            return inference.runs(module, call, 0, site)
        if path in _AWAITS_FIRST:
            return inference.task(module, call, site)
        if path in _RUNS_COROUTINE:
            first = argument(call, 0)
            return inference.settled(inference.values(module, first)) if first is not None else UNKNOWN_ONLY
        if path in _ELEMENT_WRAPPERS and call.args:
            return inference.listed(module, call)
        if path.endswith(".get_cog") and slot(path) == "app.get_cog":
            cog = _cog(inference, module, call)
            if cog is not None:
                return (cog,)
    kind = wrappers.CALLS.get(path) or wrappers.CALLS.get(path.replace("().", "."))
    if kind is not None:
        return (Driver(kind[0], kind[1], site),)
    if path in wrappers.LOOKALIKES:
        return UNKNOWN_ONLY
    made = inference.instance(path, site)
    if call is not None and isinstance(made, Driver) and made.family in _MADE_FROM:
        # ``GridFS(db)``, ``Collection(db, "orders")``
        family = _MADE_FROM[made.family]
        parent = inference.kind(module, argument(call, 0, family))
        if parent is not None and parent.kind == (family, made.flavour):
            return (Driver(*made.kind, site, parent),)
    return (made,)


def _cog(inference: "Inference", module: "Module", call: ast.Call) -> Instance | None:
    """The cog that a Discord bot has under a name: of the only class of cogs that is called so, or says ``name="…"``."""
    first = argument(call, 0, "name")
    name = inference.constant_at(module, first) if first is not None else None
    if not isinstance(name, str):
        return None
    found = _cogs(inference, list(inference.project.order), name)
    if not found:
        found = _cogs(inference, inference.siblings(inference.project.order[0], (f"class {name}(", f'name="{name}"')), name)
    return Instance(found[0]) if len(found) == 1 else None


def _cogs(inference: "Inference", homes: list["Module"], name: str) -> list[Class]:
    found: list[Class] = []
    for home in homes:
        for scope in home.index.classes:
            named = next((constant(k.value) for k in scope.node.keywords if k.arg == "name"), scope.name)  # type: ignore[attr-defined]
            if named == name and any(base.endswith("Cog") for base in inference.external_bases(Class(home, scope))):
                found.append(Class(home, scope))
    return found


def listed(inference: "Inference", module: "Module", call: ast.Call) -> Values:
    """What ``list(x)``, ``sorted(x)`` and their like hold."""
    source = inference.values(module, call.args[0])
    for value in source:
        if isinstance(value, (Sequence, Mapping)):
            return source
        if isinstance(value, Generator) or (isinstance(value, Driver) and value.family in CURSORS and value.flavour == "sync"):
            elements = inference.iterate(module, call.args[0], (value,))
            return (Sequence((Element(module, None, None, elements),), Site(module, call), many=True),)
    return UNKNOWN_ONLY


def runs(inference: "Inference", module: "Module", call: ast.Call, position: int, site: Site | None) -> Values:
    """``to_thread(f, …)``: an awaitable of what ``f`` gives."""
    target = argument(call, position, "func")
    if target is None:
        return UNKNOWN_ONLY
    results = union(*(inference.invoke(v, call, module) for v in inference.values(module, target)))
    return (Awaitable(results, "future", site),)


def task(inference: "Inference", module: "Module", call: ast.Call, site: Site | None) -> Values:
    """The task that a coroutine becomes when it is handed to an event loop."""
    first = argument(call, 0)
    if first is None:
        return UNKNOWN_ONLY
    inner = inference.values(module, first)
    awaitables = [v for v in inner if isinstance(v, Awaitable)]
    if not awaitables:
        return (Awaitable(UNKNOWN_ONLY, "task", site),)
    return (Awaitable(union(*(v.values for v in awaitables)), "task", site, awaitables[0].origin),)
