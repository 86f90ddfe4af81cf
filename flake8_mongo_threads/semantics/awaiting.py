"""How the driver's awaitables are used, and whether each object meets the ``await``, ``with`` and ``for`` of its colour.

What a name holds is followed through the function that binds it. A coroutine that anybody could still await (it is passed
on, returned, stored, captured by another function) is nobody's mistake.
"""

import ast
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.contexts import Context
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation
from flake8_mongo_threads.semantics.guards import expects_failure, for_sync_twin
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, FUNCTIONS, WITHS
from flake8_mongo_threads.semantics.values import (
    NOTHING,
    OPEN,
    UNKNOWN,
    Awaitable,
    Driver,
    External,
    Function,
    Method,
    Partial,
    Sequence,
    Values,
    known,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_USES = 64

MISUSES: dict[str, str] = {
    "discarded": "its result is discarded",
    "unused": "the name it is bound to is never read",
    "truth": "its truth value is tested, which is always true",
    "comparison": "it is compared",
    "subscript": "it is subscripted",
    "attribute": "an attribute of it is read",
    "iteration": "it is iterated",
    "operand": "it is an operand",
    "format": "it is formatted into a text",
    "consumed": "it is passed to a function that cannot await it",
    "unpack": "it is unpacked",
    "called": "it is called",
    "answer": "it is the answer of a handler, which the framework does not await",
}
"""What can be done with an awaitable that never runs it, with the words for a message."""

_COROUTINE_NAMES = frozenset(
    ("close", "send", "throw", "cr_await", "cr_code", "cr_frame", "cr_origin", "cr_running", "__await__", "__name__", "__qualname__")
)
_FUTURE_NAMES = frozenset(
    (
        "result",
        "exception",
        "done",
        "cancel",
        "cancelled",
        "add_done_callback",
        "remove_done_callback",
        "set_result",
        "set_exception",
        "get_loop",
        "running",
        "__await__",
    )
)
"""Attributes that a coroutine, and a Future, really has."""

_CONSUMERS = frozenset(
    (
        *("builtins." + name for name in ("len", "str", "repr", "bool", "int", "float", "dict", "print", "format", "abs", "round")),
        "json.dumps", "json.dump", "flask.jsonify", "quart.jsonify", "bson.json_util.dumps", "bson.encode", "pprint.pprint",
        "pprint.pformat", "orjson.dumps", "ujson.dumps", "fastapi.encoders.jsonable_encoder", "fastapi.responses.JSONResponse",
        "starlette.responses.JSONResponse", "aiohttp.web.json_response",
    )
)  # fmt: skip
"""Callables that read their argument and cannot await it."""
LAZY_ITERATORS = frozenset(
    (
        *("builtins." + n for n in ("enumerate", "zip", "map", "filter", "iter", "reversed")),
        *("itertools." + n for n in ("accumulate", "batched", "chain", "dropwhile", "filterfalse", "groupby", "islice", "takewhile", "zip_longest")),
        "tqdm.tqdm", "tqdm.auto.tqdm", "rich.progress.track", "more_itertools.chunked",
    )
)  # fmt: skip
"""Callables that read their arguments as far as they are iterated themselves, and not before."""
_ITERATORS = frozenset(
    (
        *("builtins." + n for n in ("list", "tuple", "set", "frozenset", "sorted", "sum", "min", "max", "any", "all", "next")),
        "collections.deque", "pandas.DataFrame", "polars.DataFrame", "collections.Counter", *LAZY_ITERATORS,
    )
)  # fmt: skip
"""Callables that iterate their arguments (``dict`` does too, and counts so for a cursor)."""
_ASSERTIONS = frozenset(
    "assert" + what
    for what in (
        "True", "False", "Equal", "NotEqual", "IsNone", "IsNotNone", "In", "NotIn", "Greater", "GreaterEqual", "Less", "LessEqual", "AlmostEqual",
        "CountEqual", "DictEqual", "ListEqual",
    )
)  # fmt: skip
"""Assertions of a unittest case that look at a value and await nothing."""
_NEUTRAL = frozenset(("builtins.isinstance", "builtins.type", "builtins.id", "builtins.hasattr", "builtins.callable"))

CONTEXTS = frozenset(
    (
        "client",
        "cursor",
        "command-cursor",
        "raw-cursor",
        "change-stream",
        "session",
        "transaction",
        "bind",
        "grid-in",
        "grid-out",
        "grid-out-cursor",
        "client-encryption",
    )
)
"""Families whose objects are context managers of their own colour."""
OBJECTS = frozenset(kinds.FAMILIES)
"""Families that are objects of the driver, not results; none of them can be awaited."""


class Use(NamedTuple):
    """One thing that is done with the value of an expression."""

    how: str
    node: ast.AST
    """The expression as it stands there: the expression itself, or a name that holds its value."""
    at: ast.AST
    """The node that uses it."""
    named: bool
    """Whether it came there through a name."""
    collected: bool
    """Whether it is an element of a container there."""


def uses(module: "Module", start: ast.AST) -> list[Use]:
    """What is done with the value of an expression, in its function; names that it is bound to are followed."""
    index = module.index
    found: list[Use] = []
    pending: list[tuple[ast.AST, bool, bool]] = [(start, False, False)]
    seen: set[ast.AST] = set()
    while pending and len(found) < MAX_USES:
        node, named, collected = pending.pop(0)
        if node in seen:
            continue
        seen.add(node)
        up = index.parents.get(node)
        if up is None:
            found.append(Use("other", node, node, named, collected))
            continue
        how = _plain_use(node, up)
        if how == "up":
            container = isinstance(up, (ast.List, ast.Tuple, ast.Set, ast.Dict, *COMPREHENSIONS))
            if isinstance(up, ast.BoolOp) and node is not up.values[-1]:
                found.append(Use("truth", node, up, named, collected))
            if isinstance(up, ast.NamedExpr):
                pending.extend((load, True, collected) for load in _followed(module, node, up.target, found, named, collected))
                named = True
            pending.append((up, named, collected or container))
        elif how == "bind":
            targets = up.targets if isinstance(up, ast.Assign) else [up.target]  # type: ignore[attr-defined]
            for target in targets:
                if isinstance(target, (ast.Tuple, ast.List)):
                    found.append(Use("unpack", node, up, named, collected))
                else:
                    pending.extend((load, True, collected) for load in _followed(module, node, target, found, named, collected))
        elif how == "argument":
            found.append(Use(_argument(module, node, up), node, up, named, collected))
        else:
            found.append(Use(how, node, up, named, collected))
    return found


def _plain_use(node: ast.AST, up: ast.AST) -> str:
    if isinstance(up, ast.Await):
        return "await"
    if isinstance(up, ast.Expr):
        return "discarded"
    if isinstance(up, ast.Attribute):
        return "attribute"
    if isinstance(up, ast.Subscript):
        return "subscript" if node is up.value else "other"
    if (isinstance(up, ast.keyword) and up.arg is None) or (isinstance(up, ast.Dict) and _spread_into(up, node)):
        return "unpack"
    if isinstance(up, (ast.Call, ast.keyword)):
        return "called" if isinstance(up, ast.Call) and node is up.func else "argument"
    if isinstance(up, (ast.Starred, ast.YieldFrom)):
        return "iteration"
    if isinstance(up, ast.FormattedValue):
        return "format"
    if isinstance(up, ast.Compare):
        membership = node is not up.left and isinstance(up.ops[up.comparators.index(node)], (ast.In, ast.NotIn))  # type: ignore[arg-type]
        return "iteration" if membership else "comparison"
    if isinstance(up, ast.Match):
        return "comparison"
    if isinstance(up, (ast.BoolOp, ast.NamedExpr, ast.List, ast.Tuple, ast.Set, ast.Dict)):
        return "up"
    if isinstance(up, ast.UnaryOp):
        return "truth" if isinstance(up.op, ast.Not) else "operand"
    if isinstance(up, ast.IfExp):
        return "truth" if node is up.test else "up"
    if isinstance(up, (ast.If, ast.While, ast.Assert)):
        return "truth"
    if isinstance(up, (ast.Assign, ast.AnnAssign)):
        return "bind"
    if isinstance(up, (ast.BinOp, ast.AugAssign)):
        return "operand"
    if isinstance(up, ast.For):
        return "iteration"
    if isinstance(up, ast.AsyncFor):
        return "async for"
    if isinstance(up, ast.comprehension):
        if node is up.iter:
            return "async for" if up.is_async else "iteration"
        return "truth"
    if isinstance(up, COMPREHENSIONS):
        return "up"
    if isinstance(up, ast.withitem):
        return "with"
    if isinstance(up, ast.Return):
        return "return"
    if isinstance(up, ast.Yield):
        return "yield"
    return "other"


def _spread_into(display: ast.Dict, node: ast.AST) -> bool:
    """``{**node}``."""
    return any(key is None and value is node for key, value in zip(display.keys, display.values, strict=True))


def _argument(module: "Module", node: ast.AST, up: ast.AST) -> str:
    call = module.index.parents.get(up) if isinstance(up, ast.keyword) else up
    if not isinstance(call, ast.Call):
        return "argument"
    callees = module.values(call.func)
    paths = {v.path for v in callees if isinstance(v, External)}
    if not paths or len(paths) != len(callees):
        return "iteration" if (_joins(call) or _extends(module, call)) and node in call.args else "argument"
    if paths <= _NEUTRAL:
        return "peek"
    if all(path.startswith("unittest.") and path.rpartition(".")[2] in _ASSERTIONS for path in paths):
        return "consumed"
    if paths <= _ITERATORS and not isinstance(up, ast.keyword):
        if paths <= {"builtins.map", "builtins.filter"} and node is call.args[0]:
            return "argument"
        if paths <= {"builtins.next"} and node is not call.args[0]:
            return "argument"
        return "iteration"
    return "consumed" if paths <= _CONSUMERS else "argument"


def _joins(call: ast.Call) -> bool:
    """``", ".join(x)``."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "join" and isinstance(call.func.value, ast.Constant)


def _extends(module: "Module", call: ast.Call) -> bool:
    """``found.extend(x)`` of a list."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in ("extend", "extendleft")):
        return False
    receivers = known(module.values(call.func.value))
    return bool(receivers) and all(isinstance(v, Sequence) for v in receivers)


def _followed(module: "Module", value: ast.AST, target: ast.AST, found: list[Use], named: bool, collected: bool) -> list[ast.AST]:
    """The places that read a name bound to a value; what cannot be followed is recorded as a use."""
    index = module.index
    if not isinstance(target, ast.Name):
        found.append(Use("stored", value, target, named, collected))
        return []
    scope = index.scope(value).function
    name = target.id
    if scope.kind not in ("function", "lambda") or name in scope.globals or name in scope.nonlocals:
        found.append(Use("stored", value, target, named, collected))
        return []
    bindings = [b for b in scope.bindings.get(name, ()) if b.node is target][:1]
    for other in scope.bindings[name] if collected and bindings else ():
        # ``jobs += […]`` leaves in the list what it holds already
        if other.how == "aug" and any(b in bindings for b in index.reaching(scope, name, other.node)):
            bindings.append(other)
    loads: list[ast.AST] = []
    for function, places in _loads(module, name).items():
        if function is scope:
            loads.extend(load for load in places if not bindings or any(b in bindings for b in index.reaching(scope, name, load)))
        elif _captures(function, name, scope):
            found.append(Use("captured", value, places[0], True, collected))
    if not loads and not any(u.how == "captured" and u.node is value for u in found):
        found.append(Use("unused", value, target, True, collected))
    return loads


def _loads(module: "Module", name: str) -> dict[Scope, list[ast.Name]]:
    """The places that read a name, by function; not those that read the target of a comprehension."""

    def compute() -> dict[Scope, list[ast.Name]]:
        found: dict[Scope, list[ast.Name]] = {}
        for load in module.index.name_loads.get(name, ()):
            scope = module.index.scope(load)
            while scope.kind == "comprehension" and scope.parent is not None and name not in scope.bindings:
                scope = scope.parent
            if scope.kind != "comprehension":
                found.setdefault(scope, []).append(load)
        return found

    result: dict[Scope, list[ast.Name]] = module.remember("loads of " + name, module.index.module_scope, compute, {})
    return result


def _captures(scope: Scope, name: str, owner: Scope) -> bool:
    """Whether a name read in an inner function is the one that an outer function binds."""
    current: Scope | None = scope
    while current is not None and current is not owner:
        if name in current.bindings and name not in current.nonlocals:
            return False
        current = current.parent
    return current is owner


# ---------------------------------------------------------------------- what an expression gives


def driver_awaitable(values: Values) -> Awaitable | None:
    """The awaitable that an expression certainly is, when the driver made it; else None. A task of it runs by itself."""
    found: Awaitable | None = None
    for value in known(values):
        if (
            not isinstance(value, Awaitable)
            or value.how == "task"
            or not isinstance(value.origin, Method)
            or not value.origin.member.coroutine
        ):
            return None
        if found is None:
            found = value
    return found


def awaited_kind(module: "Module", awaitable: Awaitable) -> Driver | None:
    """The driver object that awaiting it certainly gives."""
    return module.inference.agreed(awaitable.values)


def class_name(kind: tuple[str, str]) -> str:
    """What people call the objects of a kind: ``AsyncCursor``, ``AsyncIOMotorClient``, ``MongoClient``."""
    family, flavour = kind
    base = {
        "client": "MongoClient",
        "gridfs": "GridFS",
        "gridfs-bucket": "GridFSBucket",
        "session": "ClientSession",
        "raw-cursor": "RawBatchCursor",
    }.get(family)
    if base is None:
        base = "".join(part.capitalize() for part in family.split("-"))
    if flavour == "motor":
        return "AsyncIOMotor" + ("Client" if family == "client" else base)
    return ("Async" if flavour == "async" else "") + base


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def origin(driver: Driver) -> tuple[Step, ...]:
    """Where an object comes from, as the first hop of a witness."""
    root = driver.root("client") or driver
    if root.site is None or root.site.node not in root.site.module.index.parents:
        return ()
    return (root.site.step(f"{class_name(root.kind)} comes from here"),)


def can_await(module: "Module", node: ast.AST) -> bool:
    """Whether ``await`` may be written at a node: directly in an ``async def``, not in a lambda or generator expression.

    Outside functions it may where the program does so already: in a notebook, or a session of ``python -m asyncio``.
    """
    scope = module.index.scope(node)
    while scope.kind == "comprehension":
        if isinstance(scope.node, ast.GeneratorExp) or scope.parent is None:
            return False
        scope = scope.parent
    if scope.kind == "module":
        return any(module.index.scope(awaited).kind == "module" for awaited in module.index.awaited)
    return scope.is_async


# ---------------------------------------------------------------------- missing await


def _without_await(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Await):
        node = node.value
    return node


class Unawaited:
    """An awaitable of the driver that nobody awaits. ``node`` is the expression that makes it."""

    __slots__ = ("awaitable", "method", "node", "scope", "span", "steps", "use")

    def __init__(self, module: "Module", node: ast.expr, scope: Scope, awaitable: Awaitable, method: Method, use: Use) -> None:
        self.node = node
        self.scope = scope
        self.awaitable = awaitable
        self.method = method
        self.use = use
        inner = node.value if isinstance(node, ast.Await) else node
        self.span: Span = module.source.name_span(inner)
        made = "Future" if method.owner.flavour == "motor" else "coroutine"
        steps = [*origin(method.owner), module.step(node, f"'{method.name}' gives a {made}")]
        if use.at is not node and hasattr(use.at, "lineno"):
            steps.append(module.step(use.at, self.misuse))
        self.steps = tuple(steps)

    @property
    def misuse(self) -> str:
        """What is done with it instead, in words."""
        return MISUSES["answer" if self.use.how == "return" else self.use.how]


def missing_awaits(module: "Module") -> list[Unawaited]:
    """Every awaitable of the driver whose uses all leave it un-awaited."""
    found: list[Unawaited] = []
    if not module.project.may_be_async:
        return found
    callbacks = _sync_callbacks(module)
    for node, method in _awaitables(module):
        scope = module.index.scope(node)
        if scope.function in callbacks:
            continue
        awaitable = driver_awaitable(module.values(node))
        if awaitable is None:
            continue
        use = misuse(module, node, method.owner.flavour)
        if use is None or (use.how == "iteration" and _gives_cursor(module, awaitable)) or for_sync_twin(module, node):
            continue
        found.append(Unawaited(module, node, scope, awaitable, method, use))
    return found


def _gives_cursor(module: "Module", awaitable: Awaitable) -> bool:
    kind = awaited_kind(module, awaitable)
    return kind is not None and kind.family in CURSORS


def _awaitables(module: "Module") -> list[tuple[ast.expr, Method]]:
    """The expressions of a file that make an awaitable of the driver: operations, properties, calls of helpers that return one."""
    found: list[tuple[ast.expr, Method]] = []
    for operation in module.facts(Operation):
        if operation.call is not None and operation.method is not None and operation.coroutine:
            found.append((operation.call, operation.method))
    for call, _, value in module.calls.constructions:
        if isinstance(value, Partial):
            awaitable = driver_awaitable(module.values(call))
            if awaitable is not None and isinstance(awaitable.origin, Method):
                found.append((call, awaitable.origin))
    for name in _async_properties():
        for attribute in module.index.attribute_loads.get(name, ()):
            awaitable = driver_awaitable(module.values(attribute))
            if awaitable is not None and isinstance(awaitable.origin, Method) and awaitable.origin.member.is_property:
                found.append((attribute, awaitable.origin))
    for edges in module.calls.edges.values():
        for edge in edges:
            node: ast.AST | None = edge.node
            if edge.how != "call" or not isinstance(node, ast.Call) or decorated(edge.target):
                continue
            if edge.target.scope.is_async:
                node = module.index.parents.get(node) if node in module.index.awaited else None
            if isinstance(node, ast.expr):
                awaitable = driver_awaitable(module.values(node))
                if awaitable is not None and isinstance(awaitable.origin, Method):
                    found.append((node, awaitable.origin))
    return found


def _async_properties() -> frozenset[str]:
    found = _property_names.get("")
    if found is None:
        found = frozenset(
            name
            for family in kinds.FAMILIES
            for flavour in ("async", "motor")
            for name, m in kinds.members(family, flavour).items()
            if m.is_property and m.coroutine
        )
        _property_names[""] = found
    return found


_property_names: dict[str, frozenset[str]] = {}


def decorated(function: Function) -> bool:
    """Whether decorators may change what calling a function gives: any but those that are known not to."""
    scope = function.scope
    if not scope.decorators:
        return False
    paths = function.module.inference.decorators(function.module, scope)
    return len(paths) < len(scope.decorators) or not all(path.removesuffix("()") in _HARMLESS for path in paths)


_HARMLESS = frozenset(
    (
        "builtins.staticmethod",
        "builtins.classmethod",
        "builtins.property",
        "functools.lru_cache",
        "functools.cache",
        "functools.cached_property",
        "typing.override",
        "abc.abstractmethod",
        "typing.overload",
    )
)


def misuse(module: "Module", node: ast.AST, flavour: str) -> Use | None:
    """The use that shows that nobody awaits the value of an expression, or None when somebody may."""
    found = uses(module, node)
    for use in found:
        if not use.named and _bad(module, use, flavour):
            return use
    if any(not use.named and use.how != "peek" and not _bad(module, use, flavour) for use in found):
        return None
    named = [use for use in found if use.named and use.how != "peek" and not _undecided(module, use)]
    if not named or any(not _bad(module, use, flavour) for use in named):
        return None
    return next((use for use in named if use.how != "unused"), named[0])


def _undecided(module: "Module", use: Use) -> bool:
    """``if pending:`` or ``pending is None`` where the name can also hold something else: it says nothing."""
    if use.how == "comparison":
        return isinstance(use.at, ast.Match) or (
            isinstance(use.at, ast.Compare) and any(isinstance(c, ast.Constant) and c.value is None for c in use.at.comparators)
        )
    if use.how != "truth":
        return False
    return any(v in (NOTHING, OPEN, UNKNOWN) or not isinstance(v, Awaitable) for v in module.values(use.node))


def _bad(module: "Module", use: Use, flavour: str) -> bool:
    if use.collected:
        return use.how in ("discarded", "unused")
    if use.how == "attribute":
        name = str(getattr(use.at, "attr", ""))
        return name not in (_FUTURE_NAMES if flavour == "motor" else _COROUTINE_NAMES)
    if use.how == "return":
        return _answers(module, use)
    return use.how in MISUSES


def _answers(module: "Module", use: Use) -> bool:
    """Whether a ``return`` is the answer of a route handler: a framework never awaits what a handler's coroutine gives."""
    scope = module.index.scope(use.at).function
    return any(_is_route(c, scope) for c in module.contexts.at(scope))


def _is_route(context: Context, scope: Scope) -> bool:
    return (
        context.handler is not None
        and context.handler.label == "route handler"
        and context.root is scope
        and (scope.is_async or context.handler.sync_runs == "threads")
    )


def _sync_callbacks(module: "Module") -> set[Scope]:
    """Plain functions that are callbacks of an asynchronous transaction: their colour is what is wrong with them."""
    return {f.scope for f, flavour in callbacks(module) if flavour != "sync" and not f.scope.is_async and f.scope.kind == "function"}


def callbacks(module: "Module") -> list[tuple[Function, str]]:
    """The functions handed to ``with_transaction``, with the flavour of the session."""
    found: list[tuple[Function, str]] = []
    for call, _, method in module.calls.methods:
        if method.name != "with_transaction":
            continue
        target = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "callback"), None)
        pending = list(module.values(target)) if target is not None else []
        for _ in range(16):
            if not pending:
                break
            value = pending.pop(0)
            if isinstance(value, Function):
                found.append((value, method.owner.flavour))
            elif isinstance(value, Partial):
                pending.extend(value.target)
    return found


# ---------------------------------------------------------------------- wrong await, with, for


class WrongForm:
    """``await``, ``async with``, ``async for`` or ``with`` on something that cannot take it.

    ``cure`` is what makes it right: ``drop`` the await, ``await`` first, ``plain`` or ``async`` form, or ``thread``.
    """

    __slots__ = ("at", "cure", "form", "node", "owner", "scope", "span", "steps", "text")

    def __init__(self, module: "Module", node: ast.expr, at: ast.AST, form: str, owner: Driver, text: str, cure: str) -> None:
        self.node = node
        """The expression that is awaited, entered or iterated."""
        self.at = at
        """The ``Await``, the ``With`` or ``AsyncWith``, the ``AsyncFor`` or comprehension clause."""
        self.form = form
        self.owner = owner
        self.text = text
        self.cure = cure
        self.scope = module.index.scope(node)
        self.span: Span = module.source.name_span(_without_await(node))
        self.steps = (*origin(owner), module.step(node, text))


def wrong_forms(module: "Module") -> list[WrongForm]:
    """Every form of the wrong colour."""
    found: list[WrongForm] = []
    index = module.index
    for value in sorted(index.awaited, key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0))):
        at = index.parents.get(value)
        if isinstance(value, ast.expr) and at is not None:
            found.extend(_awaited(module, value, at))
    for node, _ in index.withs:
        for item in node.items:
            found.extend(_entered(module, item.context_expr, node))
    for loop, _ in index.loops:
        if isinstance(loop, ast.AsyncFor):
            found.extend(_async_iterated(module, loop.iter, loop))
        elif isinstance(loop, COMPREHENSIONS):
            for generator in loop.generators:
                if generator.is_async:
                    found.extend(_async_iterated(module, generator.iter, generator))
    return [form for form in found if not expects_failure(module, form.node) and not for_sync_twin(module, form.node)]


def _matters(module: "Module", node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("__"):
        return False  # x.__aenter__() written out
    return node in module.index.parents and not isinstance(node, (ast.Constant, ast.Await, ast.JoinedStr))


def _awaited(module: "Module", node: ast.expr, at: ast.AST) -> list[WrongForm]:
    if not _matters(module, node):
        return []
    if isinstance(node, ast.Call):
        method = module.inference.method(module, node.func)
        if method is not None:
            if method.member.coroutine or method.member.is_property or _runs_coroutine(module, node, method):
                return []
            owner = method.owner
            if owner.flavour == "sync" and method.member.io:
                text = f"'{method.name}' of {class_name(owner.kind)} is synchronous: it blocks, and its result cannot be awaited"
                return [WrongForm(module, node, at, "await", owner, text, "thread")]
            what = f"'{method.name}' of {class_name(owner.kind)} is no coroutine"
            return [WrongForm(module, node, at, "await", owner, f"{what}: its result cannot be awaited", "drop")]
        if _decorated_call(module, node):
            return []
    kind = _certain(module, node)
    if kind is None:
        return []
    if kind.family in OBJECTS:
        cure = "drop"
        if kind.flavour == "sync" and isinstance(node, ast.Call) and any(isinstance(v, Function) for v in module.values(node.func)):
            cure = "none"
        return [WrongForm(module, node, at, "await", kind, f"{_article(class_name(kind.kind))} cannot be awaited", cure)]
    if kind.flavour == "sync" and kind.family in ("document", "result"):
        return [WrongForm(module, node, at, "await", kind, "the result of a synchronous operation cannot be awaited", "none")]
    return []


def _certain(module: "Module", node: ast.expr) -> Driver | None:
    """The driver object an expression is in every case, parameters about which nothing is known left out."""
    values = module.values(node)
    if any(v is OPEN or v is UNKNOWN for v in values):
        return None
    return module.inference.agreed(values)


def _runs_coroutine(module: "Module", call: ast.Call, method: Method) -> bool:
    """``with_transaction`` of a synchronous session gives what its callback gives, which may be a coroutine."""
    if method.name != "with_transaction" or method.owner.flavour != "sync":
        return False
    return not any(isinstance(v, Function) and not v.scope.is_async for v in module.values(call.args[0])) if call.args else True


def _decorated_call(module: "Module", call: ast.Call) -> bool:
    return any(isinstance(v, Function) and decorated(v) for v in module.values(call.func))


def _made(module: "Module", node: ast.expr, awaitable: Awaitable) -> ast.expr:
    """The operation behind a name: where the await is missing."""
    call = awaitable.call.node if awaitable.call is not None and awaitable.call.module is module else None
    if isinstance(node, ast.Name) and isinstance(call, ast.Call) and module.index.scope(call).function is module.index.scope(node).function:
        return call
    return node


def _entered(module: "Module", node: ast.expr, at: ast.With | ast.AsyncWith) -> list[WrongForm]:
    asynchronous = isinstance(at, ast.AsyncWith)
    values = module.values(node)
    form = "async with" if asynchronous else "with"
    awaitable = driver_awaitable(values)
    if awaitable is not None and isinstance(awaitable.origin, Method):
        method = awaitable.origin
        node = _made(module, node, awaitable)
        text = f"'{method.name}' of {class_name(method.owner.kind)} is a coroutine: '{form}' needs what awaiting it gives"
        return [WrongForm(module, node, at, form, method.owner, text, "await" if asynchronous else "await+async")]
    kind = _certain(module, node)
    if kind is None or kind.family not in CONTEXTS or (isinstance(node, ast.Call) and _decorated_call(module, node)):
        return []
    if asynchronous and kind.flavour == "sync":
        return [WrongForm(module, node, at, form, kind, f"{class_name(kind.kind)} is synchronous: it has no 'async with'", "plain")]
    if not asynchronous and kind.flavour != "sync" and not (kind.flavour == "motor" and kind.family == "client"):
        return [WrongForm(module, node, at, form, kind, f"{class_name(kind.kind)} is asynchronous: it has no plain 'with'", "async")]
    return []


def _async_iterated(module: "Module", node: ast.expr, at: ast.AST) -> list[WrongForm]:
    values = module.values(node)
    awaitable = driver_awaitable(values)
    if awaitable is not None and isinstance(awaitable.origin, Method):
        method = awaitable.origin
        node = _made(module, node, awaitable)
        text = f"'{method.name}' of {class_name(method.owner.kind)} is a coroutine: 'async for' needs what awaiting it gives"
        return [WrongForm(module, node, at, "async for", method.owner, text, "await" if _gives_cursor(module, awaitable) else "none")]
    kind = _certain(module, node)
    if kind is not None and kind.flavour == "sync" and kind.family in (*CURSORS, "grid-out"):
        return [WrongForm(module, node, at, "async for", kind, f"{class_name(kind.kind)} is synchronous: it has no 'async for'", "plain")]
    if isinstance(node, ast.Await) and values and all(isinstance(v, Sequence) for v in values):
        inner = driver_awaitable(module.values(node.value))
        if inner is not None and isinstance(inner.origin, Method):
            text = f"'{inner.origin.name}' gives a list, which has no 'async for'"
            return [WrongForm(module, node, at, "async for", inner.origin.owner, text, "plain")]
    return []


# ---------------------------------------------------------------------- plain iteration of asynchronous cursors


class SyncIteration:
    """Plain iteration of an asynchronous cursor (or of the coroutine that would give one)."""

    __slots__ = ("at", "how", "node", "owner", "scope", "span", "steps", "unawaited")

    def __init__(self, module: "Module", node: ast.expr, at: ast.AST, how: str, owner: Driver, unawaited: bool) -> None:
        self.node = node
        """The expression that is iterated."""
        self.at = at
        """What iterates it: the loop, the comprehension clause, the call, the starred expression."""
        self.how = how
        self.owner = owner
        self.unawaited = unawaited
        self.scope = module.index.scope(node)
        self.span: Span = module.source.name_span(_without_await(node))
        self.steps = (*origin(owner), module.step(node, f"a {class_name(owner.kind)} is iterated without async"))


def sync_iterations(module: "Module") -> list[SyncIteration]:
    """Every plain iteration of an asynchronous cursor."""
    found: dict[ast.AST, SyncIteration] = {}

    def add(node: ast.AST, at: ast.AST | None, how: str, owner: Driver, unawaited: bool = False) -> None:
        if node not in found and isinstance(node, ast.expr) and at is not None:
            found[node] = SyncIteration(module, node, at, how, owner, unawaited)

    index = module.index
    for operation in module.facts(Operation):
        if operation.implicit and operation.owner.flavour != "sync":
            add(operation.node, index.parents.get(operation.node), operation.name, operation.owner)
    made: dict[ast.AST, None] = {}
    for operation in module.facts(Operation):
        if operation.call is None or operation.method is None or operation.owner.flavour == "sync":
            continue
        result = operation.method.member.result
        if result == "self" or result in CURSORS:
            made[operation.call] = None
    if module.project.may_be_async:
        made.update((edge.node, None) for edges in module.calls.edges.values() for edge in edges if edge.how in ("call", "property"))
    for call in made:
        start = index.parents[call] if call in index.awaited else call
        for use in uses(module, start):
            grows = use.how == "operand" and isinstance(use.at, ast.AugAssign) and isinstance(use.at.op, ast.Add)
            if (use.how not in ("iteration", "unpack") and not grows) or use.collected:
                continue
            values = module.values(use.node)
            kind = module.inference.agreed(values)
            unawaited = False
            if kind is None:
                awaitable = driver_awaitable(values)
                kind = awaited_kind(module, awaitable) if awaitable is not None else None
                unawaited = kind is not None
            if kind is not None and kind.family in CURSORS and kind.flavour != "sync":
                add(use.node, use.at, "unpack" if use.how == "unpack" else iteration_name(use.at), kind, unawaited)
    return sorted(
        (i for i in found.values() if not expects_failure(module, i.node) and not for_sync_twin(module, i.node)), key=lambda i: i.span
    )


def iteration_name(at: ast.AST) -> str:
    """What iterates, for a message: the name of the function that is called, else the form."""
    if isinstance(at, ast.For):
        return "for"
    if isinstance(at, ast.comprehension):
        return "comprehension"
    if isinstance(at, ast.Starred):
        return "*"
    if isinstance(at, ast.YieldFrom):
        return "yield from"
    if isinstance(at, ast.AugAssign):
        return "+="
    if isinstance(at, ast.Compare):
        return "in"
    if isinstance(at, ast.Call):
        func = at.func
        return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "call")
    return "for"


def enclosing_with(module: "Module", node: ast.AST) -> list[tuple[ast.With | ast.AsyncWith, int]]:
    """The ``with`` statements of its own function around a node, innermost first, with the number of items already entered."""
    found: list[tuple[ast.With | ast.AsyncWith, int]] = []
    child = node
    up = module.index.parents.get(node)
    while up is not None:
        if isinstance(up, (*FUNCTIONS, ast.Lambda)):
            break
        if isinstance(up, WITHS):
            entered = up.items.index(child) if isinstance(child, ast.withitem) and child in up.items else len(up.items)
            found.append((up, entered))
        child = up
        up = module.index.parents.get(up)
    return found


PRODUCERS[Unawaited] = missing_awaits
PRODUCERS[WrongForm] = wrong_forms
PRODUCERS[SyncIteration] = sync_iterations
