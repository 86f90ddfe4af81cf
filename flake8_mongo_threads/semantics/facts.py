"""The facts that rules subscribe to: each answers once what several rules would otherwise have to find out.

A fact names nodes of the file being linted, the driver objects involved and the evidence. Facts are computed on demand,
only when an enabled rule subscribes to their type.
"""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.concurrency.frameworks import REQUEST
from flake8_mongo_threads.concurrency.names import OFFLOADING_DECORATORS
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.carrying import dealt, drivers_in, fresh_for, helpers, kept_by, same_object, sessions_read
from flake8_mongo_threads.semantics.contexts import COROUTINE, LOOP, Context
from flake8_mongo_threads.semantics.guards import for_sync_twin
from flake8_mongo_threads.semantics.inference import CURSORS, dependency
from flake8_mongo_threads.semantics.lifecycle import (
    Build,
    awaited_by_test,
    call_kept,
    conditional,
    effects,
    guarded_local,
    in_handler_of,
    is_kept,
    request_store,
    restarts,
    selected,
    thread_local_store,
)
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import Work, repeating_loop
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, keyword, last_name, path_key, says_nothing
from flake8_mongo_threads.semantics.values import (
    Awaitable,
    Class,
    Driver,
    External,
    Function,
    Instance,
    Mapping,
    Method,
    Partial,
    Sequence,
    Value,
)
from flake8_mongo_threads.semantics.varying import arguments_of, handed_over, varies_along, varies_in_loop

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_BLOCK_DEPTH = 8
MAX_READS = 16
MAX_LAZY = 4
"""Lazy iterators over one another that are looked through."""


# ---------------------------------------------------------------------- clients


class ClientBuilt:
    """A client that is built in a context that runs again and again, in this file or through a call that leaves it.

    ``node`` is the place to report: the expression that builds it, or the call, launch or decorator of this file.
    """

    __slots__ = ("build", "cause", "context", "direct", "flavour", "keeper", "name", "node", "scope", "span", "steps", "varies")

    def __init__(
        self,
        module: "Module",
        node: ast.AST,
        scope: Scope,
        build: Build,
        context: Context,
        steps: tuple[Step, ...],
        *,
        direct: bool,
        varies: bool,
        keeper: ast.AST | None = None,
    ) -> None:
        self.node = node
        self.scope = scope
        self.build = build
        self.context = context
        self.steps = steps
        self.direct = direct
        self.varies = varies
        """Whether its arguments depend on the loop variable or the request: one client per deployment."""
        self.keeper = keeper
        """The ``threading.local()`` attribute, or the item for the thread, that it is stored in, if any."""
        self.flavour = build.flavour
        self.name = build.name
        self.span: Span = module.source.name_span(node) if isinstance(node, ast.expr) else _definition_span(module, node)
        self.cause = f"client@{self.span.line}:{self.span.col}"

    def told(self, module: "Module") -> str:
        """The client and where it is built, for a message: ``MongoClient built in 'get_db' (db.py:12)``."""
        if self.direct:
            name = self.build.scope.function.name
            return f"{self.name} built in '{name}'" if name else f"{self.name} built at module level"
        where = self.build.module.where(self.build.call, module)
        return f"{self.name} built in '{self.build.scope.function.name}' ({where})"


def _definition_span(module: "Module", node: ast.AST) -> Span:
    """The name in a definition, where a finding about the whole function stands."""
    line: int = getattr(node, "lineno", 1)
    col = module.source.char_col(line, getattr(node, "col_offset", 0))
    name: str = getattr(node, "name", "")
    if name and line <= len(module.source.lines):
        at = module.source.lines[line - 1].find(name, col)
        if at >= 0:
            return Span(line, at, line, at + len(name))
    return Span(line, col, line, col + 1)


def clients_built(module: "Module") -> list[ClientBuilt]:
    """Every client built in a loop, thread, task or handler, by this file or through it."""
    found: list[ClientBuilt] = []
    for build in module.builds:
        found.extend(_direct_builds(module, build))
    for scope, edges in module.calls.edges.items():
        for edge in edges:
            if edge.target.module is not module:
                found.extend(_through_call(module, scope, edge))
    for work in module.calls.works:
        for function in work.functions:
            if function.module is not module:
                found.extend(_through_work(module, work, function))
    found.extend(_through_injection(module))
    return found


def _direct_builds(module: "Module", build: Build) -> list[ClientBuilt]:
    here = module.step(build.call, f"{build.name} is built here")

    def made(context: Context, varies: bool = False, keeper: ast.AST | None = None) -> ClientBuilt:
        steps = (here, *context.steps)
        return ClientBuilt(module, build.call, build.scope, build, context, steps, direct=True, varies=varies, keeper=keeper)

    keeper = thread_local_store(module, build.call)
    if keeper is not None:
        text = "under the number of the thread" if isinstance(keeper, ast.Subscript) else "in a threading.local()"
        steps = (module.step(keeper, f"stored {text}: one client for every thread"),)
        text = f"every thread (kept {text} at line {getattr(keeper, 'lineno', 1)})"
        return [made(Context(spawners.THREAD, True, keeper, text, steps, root=build.scope), keeper=keeper)]
    request = request_store(module, build.call)
    if request is not None:
        steps = (module.step(request, "stored for one request"),)
        text = f"'{path_key(request)}' (line {getattr(request, 'lineno', 1)}), which lives for one request"
        return [made(Context(REQUEST, True, request, text, steps, root=build.scope))]
    if is_kept(module, build):
        return []
    found: list[ClientBuilt] = []
    loop = repeating_loop(module, build.call)
    if (
        loop is not None
        and not awaited_by_test(module, build.call, loop)
        and not selected(module, build.call, loop)
        and not guarded_local(module, build.call, loop)
        and not _after_error(module, build.call, loop)
    ):
        steps = (module.step(loop, "this loop repeats it"),)
        context = Context(LOOP, True, loop, f"the loop at line {getattr(loop, 'lineno', 1)}", steps, root=build.scope)
        found.append(made(context, varies_in_loop(module, build.scope, arguments_of(build.call), loop)))
    for context in module.contexts.at(build.scope):
        if any(call_kept(module, edge) for edge in context.chain if edge.caller.index is module.index):
            continue
        if len(context.chain) > 1 and (
            conditional(module, build.call) or any(conditional(module, edge.node) for edge in context.chain[1:])
        ):
            continue
        if (context.where == LOOP and _begins_anew(context.chain)) or handed_over(build, context.edge, context.work):
            continue
        found.append(made(context, varies_along(build, context.chain, context, module)))
    return found


def _begins_anew(chain: list[Edge]) -> bool:
    """Whether what a loop calls is a program of its own each time: a function that only an error ends, or a process."""
    return restarts(chain) or any(_makes_process(edge) for edge in chain)


def _makes_process(edge: Edge) -> bool:
    """Whether an edge makes an object of a process class: each process needs a client of its own, if not one from the parent."""
    home, scope = edge.target.module, edge.target.scope
    return (
        scope.cls is not None
        and scope.name == "__init__"
        and "multiprocessing.Process" in home.inference.external_bases(Class(home, scope.cls))
    )


def _after_error(module: "Module", node: ast.AST, loop: ast.AST) -> bool:
    """Whether a node in a loop runs only in iterations in which something failed."""
    handler = in_handler_of(module, node)
    return handler is not None and module.index.within(handler, loop)


def _through_call(module: "Module", scope: Scope, edge: Edge) -> list[ClientBuilt]:
    """A call of this file that leads to a client built in another."""
    found: list[ClientBuilt] = []
    contexts = [c for c in module.contexts.at(scope) if c.where != COROUTINE]
    loop = repeating_loop(module, edge.node)
    if loop is not None and selected(module, edge.node, loop):
        loop = None
    if loop is None and not contexts:
        return found
    built = effects(edge.target)
    if not built or call_kept(module, edge):
        return found
    for effect in built[:1]:
        if not effect.chain and handed_over(effect.build, edge, None):
            continue
        call = module.step(edge.node, f"calls '{edge.target.scope.name}'")
        steps = (call, *effect.steps)
        chain = [edge, *effect.chain]
        if loop is not None and not _begins_anew(chain) and not guarded_local(module, edge.node, loop):
            context = Context(
                LOOP, True, loop, f"the loop at line {getattr(loop, 'lineno', 1)}", (module.step(loop, "this loop repeats it"),), root=scope
            )
            varies = any(varies_along(e.build, [edge, *e.chain], context, module) for e in built)
            found.append(
                ClientBuilt(module, edge.node, scope, effect.build, context, (*context.steps, *steps), direct=False, varies=varies)
            )
        for context in contexts:
            if any(call_kept(module, e) for e in context.chain if e.caller.index is module.index):
                continue
            if context.chain and (conditional(module, edge.node) or any(conditional(module, e.node) for e in context.chain[1:])):
                continue
            varies = any(varies_along(e.build, [*context.chain, edge, *e.chain], context, module) for e in built)
            found.append(
                ClientBuilt(module, edge.node, scope, effect.build, context, (*context.steps, *steps), direct=False, varies=varies)
            )
    return found


def _through_work(module: "Module", work: Work, function: Function) -> list[ClientBuilt]:
    """Work launched here whose function, in another file, builds a client."""
    found = []
    same = [w for w in module.calls.works if w.where == work.where and any(f.scope is function.scope for f in w.functions)]
    # a launch of its own beside one that starts many is not what makes them many
    many = work.many or (len(same) > 1 and not any(w.many for w in same))
    if not many and any(c.many and c.where != COROUTINE for c in module.contexts.at(work.scope)):
        many = True
    for effect in effects(function)[:1]:
        if not effect.chain and handed_over(effect.build, None, work):
            continue
        line = getattr(work.call, "lineno", 1)
        context = Context(
            work.where,
            many,
            work.call,
            f"{'every' if many else 'the'} {work.label} started at line {line}",
            (),
            root=function.scope,
            work=work,
        )
        launch = module.step(work.call, f"launches '{function.scope.name}'")
        varies = varies_along(effect.build, list(effect.chain), context, module, function.module)
        found.append(
            ClientBuilt(module, work.call, work.scope, effect.build, context, (launch, *effect.steps), direct=False, varies=varies)
        )
    return found


def _through_injection(module: "Module") -> list[ClientBuilt]:
    """``Depends(provider)`` where the provider of another file builds a client on each call."""
    from flake8_mongo_threads.concurrency import frameworks

    found = []
    for call, scope, value in module.calls.constructions:
        if not (isinstance(value, External) and value.path in frameworks.INJECTORS):
            continue
        provider = dependency(module, call)
        if provider is None:
            continue
        for target in module.values(provider):
            if isinstance(target, Function) and target.module is not module:
                for effect in effects(target)[:1]:
                    step = module.step(
                        call, f"'{target.scope.name}' is a dependency: {frameworks.INJECTORS[value.path]} calls it for every request"
                    )
                    handler = frameworks.Handler(frameworks.REQUEST, "dependency")
                    context = Context(
                        frameworks.REQUEST, True, call, f"dependency '{target.scope.name}'", (step,), root=scope, handler=handler
                    )
                    varies = varies_along(effect.build, list(effect.chain), context, module, target.module)
                    found.append(
                        ClientBuilt(module, call, scope, effect.build, context, (step, *effect.steps), direct=False, varies=varies)
                    )
    return found


# ---------------------------------------------------------------------- operations


class Operation:
    """One call of a driver method, or an iteration that makes a cursor fetch."""

    __slots__ = ("awaited", "call", "implicit", "method", "name", "node", "owner", "scope", "session", "span")

    def __init__(
        self, module: "Module", node: ast.AST, scope: Scope, method: Method | None, owner: Driver, name: str, implicit: bool
    ) -> None:
        self.node = node
        self.call = node if isinstance(node, ast.Call) and not implicit else None
        self.scope = scope
        self.method = method
        self.owner = owner
        self.name = name
        self.implicit = implicit
        """Whether it is the iteration of a cursor (``for``, ``list``, ``next``) rather than a method call."""
        self.awaited = node in module.index.awaited
        self.session = keyword(node, "session") if isinstance(node, ast.Call) else None
        self.span: Span = module.source.name_span(node)

    def receivers(self, module: "Module") -> list[Driver]:
        """Every object that it can be called on: more than one where a parameter is handed different ones."""
        func = self.call.func if self.call is not None else self.node
        receiver = func.value if isinstance(func, ast.Attribute) and self.call is not None else func
        return [v for v in module.values(receiver) if isinstance(v, Driver) and v.kind == self.owner.kind] or [self.owner]

    @property
    def io(self) -> bool:
        """Whether it talks to the server when it runs."""
        return self.implicit or (self.method is not None and self.method.member.io)

    @property
    def write(self) -> bool:
        """Whether it changes data or schema."""
        return self.method is not None and self.method.member.write

    @property
    def coroutine(self) -> bool:
        """Whether calling it only makes an awaitable."""
        return self.method is not None and self.method.member.coroutine


def operations_in(module: "Module", scope: Scope) -> list[Operation]:
    """The operations of one function's own code: of another module only what is reached is looked at."""

    def compute() -> list[Operation]:
        found = [
            Operation(module, call, where, method, method.owner, method.name, False)
            for call, where, method in module.calls.of(scope).methods
        ]
        found.extend(iterations(module, scope))
        found.sort(key=lambda o: (o.span.line, o.span.col, o.implicit))
        return found

    result: list[Operation] = module.remember("operations", scope.function, compute, [])
    return result


_BUILTIN_CONSUMERS = frozenset(
    (
        "list",
        "tuple",
        "set",
        "sorted",
        "sum",
        "min",
        "max",
        "any",
        "all",
        "dict",
        "next",
        "frozenset",
        "enumerate",
        "zip",
        "map",
        "filter",
        "reversed",
        "join",
    )
)
_READERS = frozenset(
    (
        "collections.deque", "collections.Counter", "pandas.DataFrame", "pandas.DataFrame.from_records", "pandas.json_normalize", "polars.DataFrame", "bson.json_util.dumps",
        "csv.writer().writerows", "csv.DictWriter().writerows",
    )
)  # fmt: skip
"""Callables of libraries that iterate their first argument to its end."""
_CONSUMERS = _BUILTIN_CONSUMERS | {path.rpartition(".")[2] for path in _READERS}
_EAGER = frozenset(("list", "tuple", "set", "sorted", "sum", "min", "max", "any", "all", "dict", "next", "frozenset")) | {
    path.rpartition(".")[2] for path in _READERS
}


def operations(module: "Module") -> list[Operation]:
    """Every operation of this file on driver objects of certain kind, in source order."""
    found = [Operation(module, call, scope, method, method.owner, method.name, False) for call, scope, method in module.calls.methods]
    found.extend(iterations(module))
    found.sort(key=lambda o: (o.span.line, o.span.col, o.implicit))
    return found


def iterations(module: "Module", only: Scope | None = None) -> list[Operation]:
    """Iterations of cursors: ``for`` loops, comprehensions and consuming calls; of one function when it is given."""
    found: list[Operation] = []
    index = module.index
    for loop, scope in index.loops if only is None else ((node, only) for node in index.loops_in.get(only, ())):
        if isinstance(loop, ast.For):
            found.extend(_iteration(module, loop.iter, scope.function, "for"))
        elif isinstance(loop, COMPREHENSIONS):
            for generator in loop.generators:
                if not generator.is_async:
                    found.extend(_iteration(module, generator.iter, scope.function, "comprehension"))
    aliases: dict[str, str] = module.remember("readers", index.module_scope, lambda: _reader_aliases(module), {})
    for call in module.calls_to(_CONSUMERS.union(aliases)) if only is None else index.calls_in.get(only, ()):
        name = last_name(call.func)
        name = aliases.get(name, name)
        if call.args and name in _CONSUMERS and _is_builtin(module, call.func, name):
            for arg in call.args[:3]:
                target = arg.value if isinstance(arg, ast.Starred) else arg
                found.extend(_iteration(module, target, index.scope_of_node[call].function, name))
    return found


def _reader_aliases(module: "Module") -> dict[str, str]:
    """The names under which a file imports callables that read a cursor: ``from bson.json_util import dumps as to_json``."""
    return {
        what.alias.asname: what.name for what, _ in module.index.imports if what.alias.asname and f"{what.module}.{what.name}" in _READERS
    }


def _is_builtin(module: "Module", func: ast.expr, name: str) -> bool:
    if isinstance(func, ast.Attribute) and name == "join":
        return True
    return any(
        isinstance(v, External) and (v.path in _READERS or (isinstance(func, ast.Name) and v.path == f"builtins.{name}"))
        for v in module.values(func)
    )


def _iteration(module: "Module", expression: ast.expr, scope: Scope, how: str) -> list[Operation]:
    owner = module.inference.kind(module, expression)
    if owner is None or owner.family not in CURSORS:
        return []
    return [Operation(module, expression, scope, None, owner, how, True)]


# ---------------------------------------------------------------------- blocking


class Blocking:
    """Synchronous driver I/O on the event loop: the operation itself, or a call that leads to one.

    ``place`` says where, for a message: ``coroutine 'load'``, ``request handler 'get'``; ``operation`` is what blocks, in ``operation_module``; ``node`` the operation or the call inside the coroutine.
    """

    __slots__ = ("chain", "direct", "node", "operation", "operation_module", "place", "scope", "span", "steps")

    def __init__(
        self,
        module: "Module",
        node: ast.AST,
        scope: Scope,
        place: str,
        operation: Operation,
        operation_module: "Module",
        chain: tuple[str, ...],
        steps: tuple[Step, ...],
    ) -> None:
        self.node = node
        self.scope = scope
        self.place = place
        self.operation = operation
        self.operation_module = operation_module
        self.chain = chain
        """The names of the helpers on the way, outermost first; empty when direct."""
        self.direct = not chain
        self.steps = steps
        self.span: Span = operation.span if self.direct else module.source.name_span(node)


Blocks = tuple[Operation, "Module", tuple[str, ...], tuple[Step, ...]]


def blocks(function: Function, depth: int = 0, *, iterated: bool = False) -> Blocks | None:
    """The first synchronous driver operation that running a plain function performs, with the way to it.

    Calling a generator runs nothing: its body counts only where what it gives is ``iterated``.
    """
    module, scope = function.module, function.scope
    if depth > MAX_BLOCK_DEPTH or scope.is_async:
        return None
    if (scope.yields and not iterated) or module.inference.decorators(module, scope) & OFFLOADING_DECORATORS:
        return None
    result: Blocks | None = module.remember("blocks", scope, lambda: _blocks(module, scope, depth))
    return result


def _blocks(module: "Module", scope: Scope, depth: int) -> Blocks | None:
    for operation in (*operations_in(module, scope), *reads(module, scope)):
        if is_blocking(module, operation):
            return (operation, module, (), (_blocks_here(module, operation),))
    for edge in module.calls.inside(scope):
        if edge.target.scope is scope:
            continue
        inner = blocks(edge.target, depth + 1, iterated=_read_here(module, edge))
        if inner is not None and not _one_of_several(module, scope, edge, depth + 1):
            step = module.step(edge.node, f"'{scope.name}' calls '{edge.target.scope.name}'")
            return (inner[0], inner[1], (edge.target.scope.name, *inner[2]), (step, *inner[3]))
    return None


def _one_of_several(module: "Module", scope: Scope, edge: Edge, depth: int) -> bool:
    """Whether a call leads to another function as well, which does no driver I/O: one of several storages, and unknown which."""
    return any(
        other.node is edge.node
        and other.how == edge.how
        and other.target.scope is not edge.target.scope
        and (edge.how != "enter" or other.target.scope.name == edge.target.scope.name)  # ``with`` runs both of its methods
        and not says_nothing(other.target.scope.node)
        and blocks(other.target, depth) is None
        for other in module.calls.inside(scope)
    )


def _blocks_here(module: "Module", operation: Operation) -> Step:
    by_form = isinstance(operation, Read) and (operation.name == "unpack" or not operation.name.isidentifier())
    what = "reading the cursor" if by_form else f"'{operation.name}'"
    return module.step(operation.node, f"{what} blocks until the server answers")


def _hidden_operations(module: "Module") -> list[Operation]:
    """Blocking work behind other calls: a ``partial`` of a method, a client whose ``mongodb+srv`` name is looked up as it is built."""
    from flake8_mongo_threads.semantics.lifecycle import is_kept

    found: list[Operation] = []
    for call, scope, value in module.calls.constructions:
        if isinstance(value, Partial) and len(value.target) == 1 and isinstance(value.target[0], Method):
            method = value.target[0]
            found.append(Operation(module, call, scope, method, method.owner, method.name, False))
    for build in module.builds:
        on_loop = build.flavour == "sync" and loop_place(module, build.scope.function)
        if on_loop and _looks_up(module, build.call) and not is_kept(module, build):
            found.append(Operation(module, build.call, build.scope, None, Driver("client", "sync", None), LOOK_UP, False))
    return found


LOOK_UP = "mongodb+srv look-up"
"""The name of the operation that building a client of an SRV address performs."""


def _looks_up(module: "Module", call: ast.Call) -> bool:
    address = call.args[0] if call.args else keyword(call, "host")
    while isinstance(address, ast.BinOp):
        address = address.left
    if isinstance(address, ast.JoinedStr) and address.values:
        address = address.values[0]
    text = module.constant(address)
    return isinstance(text, str) and text.startswith("mongodb+srv:")


def is_blocking(module: "Module", operation: Operation) -> bool:
    """Whether an operation blocks its thread: synchronous driver I/O that is not the closing of something."""
    if operation.owner.flavour == "sync" and operation.name == LOOK_UP:
        return True
    if operation.owner.flavour != "sync" or not operation.io:
        return False
    if operation.name in ("close", "end_session", "kill_cursors"):
        return False
    if isinstance(operation, Read):
        return True
    if operation.implicit:
        return operation.name in _EAGER or (operation.name in ("for", "comprehension") and not _lazy_generator(module, operation))
    return True


def _lazy_generator(module: "Module", operation: Operation) -> bool:
    """A generator expression over a cursor does nothing until somebody iterates it."""
    parent = module.index.parents.get(operation.node)
    owner = module.index.parents.get(parent) if isinstance(parent, ast.comprehension) else None
    return isinstance(owner, ast.GeneratorExp)


class Read(Operation):
    """The reading of a cursor by what its own function does with a lazy iterator over it, or by an expression that is no call.

    ``sum(d["n"] for d in cursor)``, ``for i, d in enumerate(cursor)``, ``[*cursor]``, ``first, *rest = cursor``, ``cursor[0]``.
    """

    __slots__ = ()


def reads(module: "Module", scope: Scope) -> list[Read]:
    """The readings of synchronous cursors in a function that are neither loops nor calls with the cursor itself."""

    def compute() -> list[Read]:
        found: dict[ast.AST, Read] = {}
        for operation in operations_in(module, scope):
            if operation.owner.flavour != "sync" or (operation.implicit and is_blocking(module, operation)):
                continue
            result = operation.method.member.result if operation.method is not None else ""
            if not operation.implicit and (operation.call is None or (result != "self" and result not in CURSORS)):
                continue
            for node, name in _readers(module, operation.node):
                owner = module.inference.kind(module, operation.node) or operation.owner
                found.setdefault(node, Read(module, node, scope.function, None, owner, name, True))
        for edge in module.calls.inside(scope):  # a cursor that a helper or a property gives
            given = module.inference.kind(module, edge.node) if edge.how in ("call", "property") else None
            if given is not None and given.family in CURSORS and given.flavour == "sync":
                for node, name in _readers(module, edge.node):
                    found.setdefault(node, Read(module, node, scope.function, None, given, name, True))
        return list(found.values())

    result: list[Read] = module.remember("reads", scope.function, compute, [])
    return result


def _readers(module: "Module", start: ast.AST, *, cursor: bool = True) -> list[tuple[ast.AST, str]]:
    """Where a function reads what an expression gives, through lazy iterators over it: the place, and the name of what reads.

    The expression is a ``cursor``, whose plain loops and calls are operations of their own, or a generator of the program.
    """
    from flake8_mongo_threads.semantics.awaiting import iteration_name, uses

    found: list[tuple[ast.AST, str]] = []
    pending: list[tuple[ast.AST, ast.AST, int]] = [(start, start, 0)]
    while pending and len(found) < MAX_READS:
        node, place, depth = pending.pop(0)
        for use in uses(module, node):
            if use.collected:
                continue
            here = use.node if use.named else place
            direct = cursor and depth == 0
            if direct and not _is_sync_cursor(module, use.node):
                continue
            grows = use.how == "operand" and isinstance(use.at, ast.AugAssign) and isinstance(use.at.op, ast.Add)
            if direct and use.how == "subscript" and not isinstance(use.at.slice, ast.Slice):  # type: ignore[attr-defined]
                found.append((here, "[]"))
            elif use.how in ("iteration", "unpack") or grows or (use.how == "consumed" and _copies(module, use.at)):
                again = _lazily(module, use.at)
                if again is not None:
                    if depth < MAX_LAZY:
                        pending.append((again, here, depth + 1))
                elif not (direct and _operation_of_its_own(module, use.at)):
                    found.append((here, "unpack" if use.how == "unpack" else iteration_name(use.at)))
    return found


def _copies(module: "Module", at: ast.AST) -> bool:
    """Whether a call reads all that its argument gives, of those that take other things as well."""
    paths = [v.path if isinstance(v, External) else "" for v in module.values(at.func)] if isinstance(at, ast.Call) else []
    return bool(paths) and all(path in ("builtins.dict", "bson.json_util.dumps") for path in paths)


def _is_sync_cursor(module: "Module", node: ast.AST) -> bool:
    kind = module.inference.kind(module, node)
    return kind is not None and kind.family in CURSORS and kind.flavour == "sync"


def _operation_of_its_own(module: "Module", at: ast.AST) -> bool:
    """Whether an iteration is one of those that ``iterations`` finds and that block."""
    if isinstance(at, ast.Call):
        name = last_name(at.func)
        return name in _EAGER and _is_builtin(module, at.func, name)
    return isinstance(at, (ast.For, ast.comprehension))


def _lazily(module: "Module", at: ast.AST) -> ast.AST | None:
    """The lazy iterator that iterates in place of its reader: a generator expression, or a call of ``enumerate`` and the like."""
    from flake8_mongo_threads.semantics.awaiting import LAZY_ITERATORS

    if isinstance(at, ast.comprehension):
        owner = module.index.parents.get(at)
        return owner if isinstance(owner, ast.GeneratorExp) else None
    if isinstance(at, ast.Call):
        paths = [v.path if isinstance(v, External) else "" for v in module.values(at.func)]
        return at if paths and all(path in LAZY_ITERATORS for path in paths) else None
    return None


def _read_here(module: "Module", edge: Edge) -> bool:
    """Whether the function that calls a generator runs its body: reads what it gives, or enters it as a context manager."""
    node, target = edge.node, edge.target
    if not isinstance(node, ast.Call) or not target.scope.yields:
        return False
    if isinstance(module.index.parents.get(node), ast.withitem):
        return "contextlib.contextmanager" in target.module.inference.decorators(target.module, target.scope)
    return bool(_readers(module, node, cursor=False))


def blocking(module: "Module") -> list[Blocking]:
    """Synchronous driver I/O on the event loop."""
    from flake8_mongo_threads.semantics.awaiting import callbacks, decorated
    from flake8_mongo_threads.semantics.offload import spoken_for

    found: list[Blocking] = []
    # an async callback of a synchronous transaction never runs: its colour is what is reported
    never_run = {function.scope for function, flavour in callbacks(module) if flavour == "sync" and function.scope.is_async}
    hidden: list[Operation] = _hidden_operations(module)
    for function in dict.fromkeys(o.scope.function for o in module.facts(Operation)):
        if function not in never_run and loop_place(module, function):
            hidden.extend(reads(module, function))
    for operation in [*module.facts(Operation), *hidden]:
        scope = operation.scope.function
        place = loop_place(module, scope)
        if not place or scope in never_run or (operation.implicit and spoken_for(module, operation)):
            continue
        if is_blocking(module, operation) and operation.node not in module.index.awaited:
            step = _blocks_here(module, operation)
            found.append(Blocking(module, operation.node, scope, place, operation, module, (), (*_registration(module, scope), step)))
    for scope, edges in module.calls.edges.items():
        place = loop_place(module, scope)
        if not place or scope in never_run:
            continue
        for edge in edges:
            if edge.node in module.index.awaited and decorated(edge.target):
                continue  # the decorator makes it awaitable: it runs where that decorator says
            inner = blocks(edge.target, iterated=_read_here(module, edge))
            if inner is None or _one_of_several(module, scope, edge, 0):
                continue
            call = module.step(edge.node, f"'{scope.name}' calls '{edge.target.scope.name}' on the event loop")
            found.append(
                Blocking(
                    module, edge.node, scope, place, inner[0], inner[1], (edge.target.scope.name, *inner[2]),
                    (*_registration(module, scope), call, *inner[3]),
                )
            )  # fmt: skip
    return [fact for fact in found if not for_sync_twin(module, fact.node)]


def loop_place(module: "Module", scope: Scope) -> str:
    """How a function itself comes to run on the event loop, for a message; empty when nothing shows that it does."""
    if scope.is_async:
        return f"coroutine '{scope.name}'"
    for context in module.contexts.at(scope):
        if context.where == spawners.CALLBACK and context.parent is None:
            return context.text
    return ""


def _registration(module: "Module", scope: Scope) -> tuple[Step, ...]:
    """The step that makes a plain function a callback of the event loop; none for a coroutine, which says so itself."""
    if not scope.is_async:
        for context in module.contexts.at(scope):
            if context.where == spawners.CALLBACK and context.parent is None:
                return context.steps
    return ()


# ---------------------------------------------------------------------- objects handed to workers


class HandOver:
    """A driver object that was made outside a worker and is used inside it.

    ``how`` is argument, bound (the launched callable is a method of it, or carries it through partial), closure, global
    or self; ``node`` the expression that brings it in.
    """

    __slots__ = ("alone", "how", "module", "node", "value", "work")

    def __init__(self, module: "Module", work: Work, value: Driver, how: str, node: ast.AST, *, alone: bool = False) -> None:
        self.module = module
        self.alone = alone
        """Whether it is one element of an iterable of which each run gets another."""
        self.work = work
        self.value = value
        self.how = how
        self.node = node

    @property
    def shared(self) -> bool:
        """Whether several runs of this work get the same object: it is not made anew for each of them."""
        return self.work.many and not self.alone and not fresh_for(self.module, self.value, self.work, self.node)


def hand_overs(module: "Module") -> list[HandOver]:
    """Every driver object that launched work receives, captures or reaches."""
    found: list[HandOver] = []
    for work in module.calls.works:
        if work.where in (spawners.RUN, spawners.SIGNAL, spawners.FINALIZER, spawners.EXIT, spawners.CALLBACK):
            continue
        seen: set[tuple[object, str]] = set()
        for value, how, node, alone in _reached(module, work):
            key = (value.key(), how)
            if key not in seen:
                seen.add(key)
                found.append(HandOver(module, work, value, how, node, alone=alone))
    return found


def _reached(module: "Module", work: Work) -> list[tuple[Driver, str, ast.AST, bool]]:
    found: list[tuple[Driver, str, ast.AST, bool]] = []
    consumed = work.launcher.passing in (spawners.EACH, spawners.STAR)
    for expression in work.arguments:
        if consumed:
            found.extend((driver, "argument", expression, alone) for driver, alone in dealt(module, expression))
        else:
            found.extend((driver, "argument", expression, False) for driver in _drivers(module, expression))
    found.extend(_carried(module, work.target))
    for value in work.targets:
        if isinstance(value, Partial) and value.module is module:
            for expression in (*value.call.args, *(k.value for k in value.call.keywords)):
                found.extend((driver, "argument", expression, False) for driver in _drivers(module, expression))
            found.extend(_carried(module, value.call.func))
    for function in work.functions:
        for reads in captured(function):
            given = _given_to_factory(module, work, function, reads[2]) if reads[1] == "closure" else None
            if given is None:
                found.append((*reads, False))
            else:
                found.extend((driver, "argument", expression, False) for expression in given for driver in _drivers(module, expression))
        if isinstance(work.target, ast.Attribute):
            found.extend((driver, "bound", work.target.value, False) for driver in sessions_read(function))
        for helper in helpers(function):
            found.extend((*reads, False) for reads in captured(helper) if reads[1] != "self" or same_object(function, helper))
    return found


def _given_to_factory(module: "Module", work: Work, function: Function, name: ast.AST) -> list[ast.expr] | None:
    """What the call that made a launched closure gave for a name that the closure reads: ``Thread(target=reader(cursor))``.

    Nothing when the call is not to be seen; None when the name is no parameter of a function that makes the closure for others.
    """
    home = function.module.index
    factory = home.scope(name).binder(name.id) if isinstance(name, ast.Name) else None
    if factory is None or not isinstance(name, ast.Name) or factory.kind != "function" or factory is work.scope.function:
        return None
    parameter = next((p for p in factory.params if p.arg == name.id), None)
    if parameter is None or len(factory.bindings[name.id]) != 1 or factory.encloses(work.scope):
        return None
    targets: list[ast.AST | None] = [work.target]
    if isinstance(work.target, ast.Name):
        scope = module.index.scope(work.target).binder(work.target.id)
        targets = [b.value for b in module.index.reaching(scope, work.target.id, work.target)] if scope is not None else []

    def given(targets: list[ast.AST | None]) -> list[ast.expr]:
        found = []
        for target in targets:
            if isinstance(target, ast.Call):
                for value in module.values(target.func):
                    if isinstance(value, Function) and value.scope is factory:
                        argument = module.inference.argument_for(target, factory, parameter, skip_first=value.receiver is not None)
                        found.extend([argument] if argument is not None else [])
        return found

    found = given(targets)
    if not found:  # it came by a list or an attribute: the only call there is must have made it
        loads = module.index.attribute_loads if factory.cls is not None else module.index.name_loads
        found = given([module.index.parents.get(load) for load in loads.get(factory.name, ())])
        return found if len(found) == 1 else []
    return found


def _drivers(module: "Module", expression: ast.AST) -> list[Driver]:
    target = expression.value if isinstance(expression, ast.Starred) else expression
    return drivers_in(module, module.values(target))


def _carried(module: "Module", target: ast.expr) -> list[tuple[Driver, str, ast.AST, bool]]:
    """Objects that the callable itself carries: the owner of a bound method, arguments of partial or of a coroutine call."""
    found: list[tuple[Driver, str, ast.AST, bool]] = []
    pending: list[ast.AST] = [target]
    for _ in range(64):
        if not pending:
            break
        node = pending.pop(0)
        if isinstance(node, ast.Call) and any(isinstance(v, External) and v.path == "builtins.map" for v in module.values(node.func)):
            for arg in node.args[1:]:
                found.extend((driver, "argument", arg, alone) for driver, alone in dealt(module, arg))
            pending.extend(arg.body for arg in node.args[:1] if isinstance(arg, ast.Lambda))
        elif isinstance(node, ast.Call):
            for arg in (*node.args, *(k.value for k in node.keywords)):
                inner = arg.value if isinstance(arg, ast.Starred) else arg
                found.extend((driver, "argument", inner, False) for driver in _drivers(module, inner))
                if isinstance(inner, (ast.Attribute, ast.Lambda)) or (isinstance(inner, ast.Call) and _is_coroutine(module, inner)):
                    pending.append(inner)  # a coroutine handed to the one that is launched runs inside it
            pending.extend(v.call for v in module.values(node.func) if isinstance(v, Partial) and v.module is module)
            if isinstance(node.func, ast.Attribute):
                owner = module.inference.kind(module, node.func.value)
                if owner is not None:
                    found.append((owner, "bound", node.func.value, False))
                elif node.func.attr == "values" and not node.args:
                    pending.extend(_entries(module, node.func.value))
        elif isinstance(node, ast.Attribute):
            owner = module.inference.kind(module, node.value)
            if owner is not None:
                found.append((owner, "bound", node.value, False))
        elif isinstance(node, COMPREHENSIONS) and not isinstance(node, ast.DictComp):
            pending.append(node.elt)
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            pending.extend(node.elts)
        elif isinstance(node, ast.Starred):
            pending.append(node.value)
        elif isinstance(node, ast.Name):
            pending.extend(_coroutines_of(module, node))
    return found


def _is_coroutine(module: "Module", expression: ast.expr) -> bool:
    return any(isinstance(v, Awaitable) and v.how == "coroutine" for v in module.values(expression))


def _entries(module: "Module", expression: ast.expr) -> list[ast.AST]:
    """What the values of a dictionary are made by."""
    return [
        element.expression
        for value in module.values(expression)
        if isinstance(value, Mapping)
        for _, element in value.items[:12]
        if element.module is module and isinstance(element.expression, ast.Call)
    ]


def _coroutines_of(module: "Module", name: ast.Name) -> list[ast.AST]:
    """The calls of this module that made the coroutines which a name, or the list it stands for, holds."""
    found: list[ast.AST] = []
    for value in module.values(name):
        if isinstance(value, Sequence):
            found.extend(
                e.expression for e in value.elements[:12] if e.module is module and isinstance(e.expression, (ast.Call, ast.Starred))
            )
            if not value.elements:  # an empty list that is filled afterwards
                scope = module.index.scope(name).function
                for call, where in module.index.mutations.get(name.id, ()):
                    if where.function is scope:
                        found.extend(arg for arg in call.args if isinstance(arg, ast.Call))
        elif isinstance(value, Awaitable) and value.how == "coroutine" and value.call is not None and value.call.module is module:
            found.append(value.call.node)
    return found


def captured(function: Function) -> list[tuple[Driver, str, ast.AST]]:
    """Driver objects that a function reads from its closure, from globals, or from ``self`` when it is a bound method."""
    module, scope = function.module, function.scope
    found: list[tuple[Driver, str, ast.AST]] = []
    index = module.index
    own = _own_scopes(scope)
    bound = {name for s in own if s.kind != "module" for name in s.bindings} - scope.globals
    loads: dict[Scope, list[tuple[int, int, ast.Name]]] = module.remember("loads", index.module_scope, lambda: _loads(module), {})
    read: set[str] = set()
    sessions_possible = scope.parent is not None and scope.parent.kind != "module" and module.project.mentions("start_session")
    for _, _, node in sorted((load for s in own for load in loads.get(s, ())), key=lambda load: load[:2]):
        if node.id in bound or node.id in read:
            continue
        read.add(node.id)
        driver = module.inference.kind(module, node)
        if driver is not None:
            how = "global" if _is_global(scope, node.id) else "closure"
            found.append((driver, how, node))
        elif sessions_possible:
            found.extend((held, "closure", node) for held in drivers_in(module, _objects(module.values(node))))
    owner = scope
    while owner.cls is None and owner.parent is not None and owner.parent.kind != "module":
        owner = owner.parent  # a lambda or closure inside a method reads the method's self
    if owner.cls is not None and owner.positional:
        receiver = owner.positional[0].arg
        seen: set[str] = set()
        for node in index.name_loads.get(receiver, ()):
            parent = index.parents.get(node)
            if isinstance(parent, ast.Attribute) and parent.attr not in seen and index.scope(node) in own:
                driver = module.inference.kind(module, parent)
                if driver is not None:
                    seen.add(parent.attr)
                    kept = kept_by(function.receiver, parent.attr) if isinstance(function.receiver, Instance) else None
                    if kept is not None and driver.family == "session":
                        driver = module.inference.agreed(kept) if kept else None
                    if driver is not None:
                        found.append((driver, "self", parent))
    return found


def _objects(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The objects of classes of the program among some values."""
    return tuple(v for v in values if isinstance(v, Instance))


def _loads(module: "Module") -> dict[Scope, list[tuple[int, int, ast.Name]]]:
    """The reads of names by the scope they stand in, each with its rank: of the name among the file's, and among the name's reads."""
    found: dict[Scope, list[tuple[int, int, ast.Name]]] = {}
    for rank, nodes in enumerate(module.index.name_loads.values()):
        for turn, node in enumerate(nodes):
            found.setdefault(module.index.scope(node), []).append((rank, turn, node))
    return found


def _own_scopes(scope: Scope) -> set[Scope]:
    """A function's scope with those of the comprehensions and lambdas inside it."""
    found = {scope}
    for other in scope.index.scopes:
        if other.kind in ("comprehension", "lambda") and other.parent in found:
            found.add(other)
    return found


def _is_global(scope: Scope, name: str) -> bool:
    current = scope.parent
    while current is not None:
        if name in current.bindings:
            return current.kind == "module"
        current = current.parent
    return True


# ---------------------------------------------------------------------- the file itself


class File:
    """The file as a whole: for rules about imports and names."""

    __slots__ = ("module",)

    def __init__(self, module: "Module") -> None:
        self.module = module


def whole_file(module: "Module") -> list[File]:
    """One fact a file."""
    return [File(module)]


PRODUCERS: dict[type, Callable[["Module"], list[Any]]] = {
    ClientBuilt: clients_built,
    Operation: operations,
    Blocking: blocking,
    HandOver: hand_overs,
    File: whole_file,
}
