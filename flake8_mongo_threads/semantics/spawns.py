"""Work handed elsewhere: which call launches which function where, and with which arguments."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.concurrency.names import ALIASES
from flake8_mongo_threads.concurrency.spawners import LAUNCHERS, PROCESS_POOLS, Launcher
from flake8_mongo_threads.semantics.keeping import KEEPS, calls_of_kept
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import (
    COMPREHENSIONS,
    LOOPS,
    TRIES,
    argument,
    base_of,
    constant,
    dotted,
    keyword,
    last_name,
    path_key,
)
from flake8_mongo_threads.semantics.values import (
    NOTHING,
    Awaitable,
    Class,
    Driver,
    External,
    Function,
    Generator,
    Instance,
    Mapping,
    Method,
    Partial,
    Sequence,
    Value,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference import Inference
    from flake8_mongo_threads.semantics.module import Module

MAX_RELAYS = 12
"""Uses of a parameter that are looked at to see what a callable handed over is called with."""
LAUNCHER_NAMES = frozenset(
    path.rpartition(".")[2] for path in (*LAUNCHERS, *(other for other, path in ALIASES.items() if path in LAUNCHERS))
)
"""Last parts of the names of launchers, also of their other names."""
JOBLIB = frozenset(("joblib.Parallel()", "joblib.parallel.Parallel()"))
_JOBLIB_CONTEXTS = frozenset(("joblib.parallel_backend", "joblib.parallel_config", "joblib.parallel.parallel_backend"))
"""Blocks that set the backend and the number of jobs for what runs in them."""


class Work:
    """One callable or coroutine handed to one launcher by one call."""

    __slots__ = ("arguments", "call", "launcher", "lender", "loop", "many", "module", "path", "pool", "scope", "target", "targets", "where")

    def __init__(
        self,
        module: "Module",
        scope: Scope,
        call: ast.Call,
        path: str,
        launcher: Launcher,
        where: str,
        target: ast.expr,
        targets: Values,
        arguments: list[ast.expr],
        loop: ast.AST | None,
        many: bool,
        pool: Value | None,
        lender: ast.expr | None = None,
    ) -> None:
        self.module = module
        self.scope = scope
        self.call = call
        self.path = path
        self.launcher = launcher
        self.where = where
        self.target = target
        """The expression of the callable, or of the coroutine."""
        self.targets = targets
        self.arguments = arguments
        """The expressions handed over beside the callable."""
        self.loop = loop
        self.many = many
        """Whether several runs can be under way at once because of this very call."""
        self.pool = pool
        """The executor, pool or task group, when the launcher is a method of one."""
        self.lender = lender
        """The pool that the call hands to a function of the program, for that to launch the work."""

    @property
    def label(self) -> str:
        """What the launcher makes, for messages."""
        return self.launcher.label or {"thread": "thread", "process": "process", "task": "task", "greenlet": "greenlet", "job": "job"}.get(
            self.where, self.where
        )

    @property
    def relayed(self) -> bool:
        """Whether it is a function of the program that launches the work, on its caller's behalf."""
        return self.path.endswith("()")

    def relays(self, other: "Work") -> bool:
        """Whether this is the call of a function that launches the other work with what it is given: both are one launch."""
        return self.relayed and self.path == f"{other.module.name}.{other.scope.function.qualname}()"

    @property
    def functions(self) -> list[Function]:
        """The functions of the program that run there."""
        found: list[Function] = []
        for value in flatten(self.targets):
            if isinstance(value, Function):
                found.append(value)
            elif isinstance(value, Instance):
                method = self.module.inference.method_of(value, "__call__")
                if method is not None:
                    found.append(method)
        return found


def flatten(values: Values) -> list[Value]:
    """Callables behind partial objects, coroutines behind containers, and the functions behind coroutines."""
    found: list[Value] = []
    pending = list(values)
    for _ in range(64):
        if not pending:
            break
        value = pending.pop(0)
        if isinstance(value, Partial):
            pending.extend(value.target)
        elif isinstance(value, Awaitable):
            if value.origin is not None:
                found.append(value.origin)
        elif isinstance(value, Sequence):
            for element in value.elements:
                pending.extend(element.module.project.inference.element(element))
        else:
            found.append(value)
    return found


def enclosing_loop(module: "Module", node: ast.AST) -> ast.AST | None:
    """The innermost loop or comprehension of the same function whose repeated part contains a node."""
    parents = module.index.parents
    child = node
    up = parents.get(node)
    while up is not None:
        if isinstance(up, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            return None
        if isinstance(up, LOOPS):
            if child in up.body or (isinstance(up, ast.While) and child is up.test):
                return up
        elif isinstance(up, COMPREHENSIONS):
            first = up.generators[0]
            if child is not first or (module.index.within(node, first) and not module.index.within(node, first.iter)):
                return up
        child = up
        up = parents.get(up)
    return None


def leaves_loop(module: "Module", node: ast.AST, loop: ast.AST) -> bool:
    """Whether a loop is left right after a node ran without an error: a retry loop, or a search that ends at its hit."""
    if isinstance(loop, COMPREHENSIONS):
        return False
    index = module.index
    statement = index.statement(node)
    while statement in index.place and statement is not loop:
        if isinstance(statement, (ast.Return, ast.Raise)):
            return True
        owner, field, position = index.place[statement]
        block = getattr(owner, field)
        for later in block[position + 1 :]:
            if _leaves(later):
                return True
            if isinstance(later, ast.Continue):
                break
            if isinstance(later, TRIES) and _ends_well(later):
                return True
            if isinstance(loop, ast.While) and ends_test(loop.test, later):
                return True
        if isinstance(owner, TRIES) and field == "body" and any(b and _leaves(b[-1]) for b in (owner.orelse, owner.finalbody)):  # type: ignore[attr-defined]
            return True
        statement = owner if owner in index.place else index.statement(owner)
        if isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module, ast.ClassDef)):
            break
    return False


def ends_test(test: ast.expr, statement: ast.stmt) -> bool:
    """Whether a statement, or the end of a ``try``, sets the flag that the test of a loop waits for: ``while not connected: … connected = True``."""
    if isinstance(statement, TRIES):
        last: list[ast.stmt] = [block[-1] for block in (statement.orelse, statement.body) if block]  # type: ignore[attr-defined]
    else:
        last = [statement]
    for each in last:
        if not isinstance(each, ast.Assign) or not isinstance(each.value, ast.Constant):
            continue
        flags = {path_key(target) for target in each.targets} - {""}
        for part in test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]:
            negated = isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not)
            asked = part.operand if isinstance(part, ast.UnaryOp) else part
            if path_key(asked) in flags and bool(each.value.value) is negated:
                return True
    return False


def _ends_well(attempt: object) -> bool:
    """Whether a ``try`` leaves the loop or the function when nothing fails."""
    blocks: tuple[list[ast.stmt], ...] = (attempt.orelse, attempt.body)  # type: ignore[attr-defined]
    return any(block and _leaves(block[-1]) for block in blocks)


def _leaves(statement: ast.stmt) -> bool:
    """Whether a statement leaves the loop around it: ``break``, ``return``, and the end of the process, as in a forked child."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return dotted(statement.value.func) in ("os._exit", "sys.exit", "exit", "quit")
    return isinstance(statement, (ast.Break, ast.Return))


def repeating_loop(module: "Module", node: ast.AST) -> ast.AST | None:
    """The innermost loop that really repeats a node: loops that are left right after it do not count."""
    current: ast.AST | None = node
    while current is not None:
        loop = enclosing_loop(module, current)
        if loop is None:
            return None
        if not leaves_loop(module, node, loop):
            return loop
        current = loop
    return None


def launcher_of(module: "Module", call: ast.Call) -> list[tuple[str, Launcher, Value | None]]:
    """The launchers a call can be: path, row, and the object it is a method of."""
    inference = module.inference
    found: list[tuple[str, Launcher, Value | None]] = []
    for value in module.values(call.func):
        if isinstance(value, External):
            launcher = LAUNCHERS.get(value.path) or _declared(module, value.path)
            if launcher is not None:
                pool: Value | None = None
                if isinstance(call.func, ast.Attribute):
                    pool = next(iter(known(module.values(call.func.value))), None)
                found.append((value.path, launcher, pool))
        elif isinstance(value, Class):
            for base in inference.external_bases(value):
                row = spawners.WORKER_CLASSES.get(base)
                if row is not None and base in LAUNCHERS and not _overrides(inference, value, row[0]):
                    found.append((base, LAUNCHERS[base], None))
        elif isinstance(value, Function):
            launcher = _declared(module, f"{value.module.name}.{value.scope.name}")
            if launcher is not None:
                found.append((f"{value.module.name}.{value.scope.name}", launcher, None))
    return found


def _overrides(inference: "Inference", cls: Class, name: str) -> bool:
    return any(name in scope.bindings or "__init__" in scope.bindings for _, scope in inference.resolution_order(cls))


def _declared(module: "Module", path: str) -> Launcher | None:
    for spawner in module.project.config.spawners:
        if spawner.path == path:
            index = spawner.argument if isinstance(spawner.argument, int) else 99
            name = spawner.argument if isinstance(spawner.argument, str) else ""
            return Launcher(spawner.where, index, name, spawners.REST, True)
    return None


def works_of(module: "Module", call: ast.Call, scope: Scope) -> list[Work]:
    """The work that one call launches."""
    inference = module.inference
    found: list[Work] = []
    for path, launcher, pool in launcher_of(module, call):
        where = launcher.where
        if where == spawners.EXECUTOR:
            first = argument(call, 0, "executor")
            where = "thread"
            if first is not None and any(isinstance(v, External) and v.path in PROCESS_POOLS for v in module.values(first)):
                where = "process"
        loop = enclosing_loop(module, call)
        if launcher.passing == spawners.COROUTINE:
            found.extend(_coroutine_work(module, scope, call, path, launcher, where, loop, pool))
            continue
        target = argument(call, launcher.index, launcher.keyword)
        if target is None or (launcher.passing == spawners.DATASET and not constant(argument(call, 5, "num_workers"))):
            continue
        targets = module.values(target)
        if launcher.passing == spawners.DATASET:
            items = (inference.method_of(v, name) for v in targets if isinstance(v, Instance) for name in ("__getitem__", "__iter__"))
            targets = tuple(method for method in items if method is not None)
        if targets == (NOTHING,) and not isinstance(target, ast.Call):
            continue
        many = launcher.many or loop is not None
        if (
            where == "thread"
            and launcher.passing != spawners.NONE
            and (single_worker(pool) or (launcher.args_keyword == "initargs" and _of_one(call)))
        ):
            many = False
        arguments = _arguments(module, call, launcher)
        handed = LAUNCHERS.get(targets[0].path) if len(targets) == 1 and isinstance(targets[0], External) else None
        if handed is not None and len(arguments) > handed.index >= 0:
            inner = arguments[handed.index]
            if handed.where == spawners.THREAD and handed.passing == launcher.passing == spawners.REST:
                # start_soon(to_thread.run_sync, f, x): what runs is f, on a thread
                where, target, targets, arguments = handed.where, inner, module.values(inner), arguments[handed.index + 1 :]
            elif handed.where == spawners.RUN and handed.passing == spawners.COROUTINE:
                # Thread(target=asyncio.run, args=(coroutine(),)): the thread enters an event loop
                path = targets[0].path  # type: ignore[attr-defined]
                found.append(Work(module, scope, call, path, handed, handed.where, inner, module.values(inner), [], loop, many, None))
                continue
        found.append(Work(module, scope, call, path, launcher, where, target, targets, arguments, loop, many, pool))
    if not found:
        found.extend(_joblib(module, call, scope))
    return found


_HANDED_ON = frozenset((spawners.THREAD, spawners.PROCESS, spawners.TASK))
COPYING = ("asyncio.to_thread", "anyio.", "fastapi.", "starlette.", "asgiref.", "trio.")
"""Launchers that run the work in a copy of the caller's context."""


def relayed_works(module: "Module", call: ast.Call, scope: Scope, function: Function) -> list[Work]:
    """The work that a call launches by way of a function of the program that hands on its parameter: ``background(save, doc)``."""
    found: list[Work] = []
    for inner, joined in relays(function.module, function.scope):
        parameter = next(p for p in function.scope.params if p.arg == inner.target.id)  # type: ignore[attr-defined]
        bound = function.bound
        target = module.inference.argument_for(call, function.scope, parameter, skip_first=bound)
        if target is None or isinstance(target, ast.Starred):
            continue
        launcher = inner.launcher
        arguments: list[ast.expr] = []
        rest = False
        for given in inner.arguments:
            named = given.value if isinstance(given, ast.Starred) else given
            owner = next((p for p in function.scope.params if isinstance(named, ast.Name) and p.arg == named.id), None)
            if owner is not None and owner is function.scope.node.args.vararg:  # type: ignore[attr-defined]
                rest = True
                arguments.extend(call.args[len(function.scope.positional) - bound :])
            elif owner is not None:
                expression = module.inference.argument_for(call, function.scope, owner, skip_first=bound)
                arguments.extend([expression] if expression is not None else [])
        passing = launcher.passing
        if passing in (spawners.REST, spawners.TUPLE):
            passing = spawners.REST if rest and target in call.args else spawners.OWN
        index = call.args.index(target) if target in call.args else -1
        loop = enclosing_loop(module, call)
        base = base_of(inner.call.func)
        lent = next((p for p in function.scope.params if isinstance(base, ast.Name) and p.arg == base.id), None)
        lender = module.inference.argument_for(call, function.scope, lent, skip_first=bound) if lent is not None else None
        pool = next(iter(known(module.values(lender))), None) if lender is not None else inner.pool
        many = not single_worker(pool) and (inner.many or loop is not None)
        row = launcher._replace(
            where=inner.where, index=index, keyword=parameter.arg, passing=passing, many=inner.many, args_index=-1, joined=joined
        )
        path = f"{function.module.name}.{function.scope.qualname}()"
        targets = module.values(target)
        if targets != (NOTHING,):
            found.append(Work(module, scope, call, path, row, inner.where, target, targets, arguments, loop, many, pool, lender))
    return found


def relays(home: "Module", scope: Scope) -> list[tuple[Work, bool]]:
    """The launches of a function whose callable, or coroutine, is one of its own parameters, and whether it waits for the work.

    A single run that is waited for is as good as a call.
    """

    def compute() -> list[tuple[Work, bool]]:
        from flake8_mongo_threads.semantics.sharing import wait_after, waits_for_each

        found: list[tuple[Work, bool]] = []
        params = {p.arg for p in scope.params}
        if scope.kind != "function" or scope.yields or scope.is_async or not params or scope.decorators:
            return found
        if not any(last_name(c.func) in LAUNCHER_NAMES for c in home.index.calls_in.get(scope, ())):
            return found
        for work in home.calls.launched_in(scope):
            named = work.target.id if isinstance(work.target, ast.Name) else ""
            if named not in params or len(scope.bindings[named]) != 1 or work.where not in _HANDED_ON or work.path.startswith(COPYING):
                continue
            joined = work.launcher.joined or wait_after(home, work) is not None
            if (work.many or not joined) and not waits_for_each(home, work):
                found.append((work, joined))
        return found

    result: list[tuple[Work, bool]] = home.remember("relays", scope, compute, [])
    return result


def _coroutine_work(
    module: "Module", scope: Scope, call: ast.Call, path: str, launcher: Launcher, where: str, loop: ast.AST | None, pool: Value | None
) -> list[Work]:
    expressions: list[ast.expr] = []
    if launcher.keyword:
        first = argument(call, launcher.index, launcher.keyword)
        if first is not None:
            expressions.append(first)
    else:
        expressions.extend(call.args)
    found = []
    for expression in expressions:
        starred = isinstance(expression, ast.Starred)
        inner = expression.value if isinstance(expression, ast.Starred) else expression
        values = module.values(inner)
        added = _added_later(module, inner, values)
        if added:
            values = (*values, *added)
        many = loop is not None or (launcher.many and several_runs(inner, values, starred=starred))
        given = _coroutines_given(module, inner, values)
        if given:
            values = (*values, *given)
        found.append(Work(module, scope, call, path, launcher, where, inner, values, [], loop, many, pool))
    return found


def _added_later(module: "Module", expression: ast.expr, values: Values) -> list[Value]:
    """The coroutines that were put into a list after it was made: ``coros.append(store(row))``."""
    found: list[Value] = []
    for value in values:
        if isinstance(value, Sequence):
            own = set(value.elements)
            for _, element in module.inference.entries(module, expression, value):
                if element not in own:
                    found.extend(v for v in module.inference.element(element) if isinstance(v, Awaitable) and v.how == "coroutine")
    return found


def _coroutines_given(module: "Module", expression: ast.expr, values: Values) -> list[Value]:
    """The coroutines that a coroutine of the program is given to run: ``limited(semaphore, store(row))``, also in a list."""
    found: list[Value] = []
    calls: list[ast.AST | None] = [expression]
    for value in values:
        if isinstance(value, Sequence):
            calls.extend(e.expression for _, e in module.inference.entries(module, expression, value) if e.module is module)
    for node in calls:
        call = node.elt if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)) else node
        if not isinstance(call, ast.Call) or not any(isinstance(a, ast.Call) for a in call.args) or call not in module.index.parents:
            continue
        if not any(isinstance(v, Function) and v.scope.is_async for v in module.values(call.func)):
            continue
        found.extend(
            v
            for a in call.args
            if isinstance(a, ast.Call)
            for v in module.values(a)
            if isinstance(v, Awaitable) and v.how == "coroutine" and isinstance(v.origin, Function)
        )
    return found


def several_runs(expression: ast.expr, values: Values, *, starred: bool) -> bool:
    """Whether an argument of a launcher of coroutines stands for several of them: ``*coros``, a list, a generator."""
    if isinstance(expression, (ast.List, ast.Tuple)) and len(expression.elts) < 2:
        return any(isinstance(e, ast.Starred) for e in expression.elts)
    return starred or any(isinstance(v, (Sequence, Generator)) and getattr(v, "many", True) for v in values)


def _joblib(module: "Module", call: ast.Call, scope: Scope) -> list[Work]:
    """``Parallel(n_jobs=4, backend="threading")(delayed(f)(x) for x in xs)``, also where the object has a name."""
    outer = next((v.site.node for v in module.values(call.func) if isinstance(v, External) and v.path in JOBLIB and v.site), None)
    if not isinstance(outer, ast.Call) or not call.args:
        return []
    backend = constant(keyword(outer, "backend"))
    prefer = constant(keyword(outer, "prefer"))
    n_jobs = argument(outer, 0, "n_jobs")
    for node in module.index.withs_in.get(scope.function, ()):
        for made in (item.context_expr for item in node.items if module.index.within(call, node)):
            if isinstance(made, ast.Call) and any(isinstance(v, External) and v.path in _JOBLIB_CONTEXTS for v in module.values(made.func)):
                backend = backend or constant(argument(made, 0, "backend"))
                n_jobs = n_jobs or argument(made, 1, "n_jobs") or made
    if backend == "sequential" or n_jobs is None or (isinstance(n_jobs, ast.Constant) and n_jobs.value in (None, 1)):
        return []  # one job runs right here
    where = "thread" if backend == "threading" or prefer == "threads" else "process"
    body = call.args[0]
    inner = body.elt if isinstance(body, (ast.GeneratorExp, ast.ListComp)) else None
    if not (
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Call) and inner.func.args and last_name(inner.func.func) == "delayed"
    ):
        return []
    target = inner.func.args[0]
    launcher = Launcher(where, 0, "", spawners.REST, True, joined=True)
    return [
        Work(module, scope, call, "joblib.Parallel", launcher, where, target, module.values(target), list(inner.args), body, True, None)
    ]


def single_worker(pool: Value | None) -> bool:
    """Whether an executor was made with exactly one worker."""
    return isinstance(pool, External) and pool.site is not None and isinstance(pool.site.node, ast.Call) and _of_one(pool.site.node)


def _of_one(call: ast.Call) -> bool:
    return constant(argument(call, 0, "max_workers")) == 1 or constant(keyword(call, "processes")) == 1


def named_arguments(call: ast.Call, launcher: Launcher) -> ast.expr | None:
    """The dictionary of keyword arguments that a ``TUPLE`` launcher is given: it stands behind ``args`` everywhere."""
    return argument(call, launcher.args_index + 1, "kwargs") or keyword(call, "kwds")


def _arguments(module: "Module", call: ast.Call, launcher: Launcher) -> list[ast.expr]:
    found: list[ast.expr] = []
    if launcher.passing == spawners.TUPLE:
        given = argument(call, launcher.args_index, launcher.args_keyword)
        if isinstance(given, (ast.Tuple, ast.List)):
            found.extend(given.elts)
        elif given is not None:
            found.append(given)
        named = named_arguments(call, launcher)
        if isinstance(named, ast.Dict):
            found.extend(v for v in named.values if v is not None)
        elif isinstance(named, ast.Call) and last_name(named.func) == "dict":
            found.extend(k.value for k in named.keywords)
        elif named is not None:
            elements = [element for v in module.values(named) if isinstance(v, Mapping) for _, element in v.items]
            found.extend([e.expression for e in elements if isinstance(e.expression, ast.expr) and e.module is module] or [named])
    elif launcher.passing == spawners.REST:
        found.extend(a for a in call.args[launcher.index + 1 :])
        found.extend(k.value for k in call.keywords if k.arg is not None and k.arg != launcher.keyword)
    elif launcher.passing in (spawners.EACH, spawners.STAR):
        found.extend(a for a in call.args[launcher.index + 1 :])
    elif launcher.passing == spawners.DATASET:
        found.extend([dataset] if (dataset := argument(call, launcher.index, launcher.keyword)) is not None else [])
    return found


# ---------------------------------------------------------------------- the other direction: what a callback's parameter gets


_KEYED = frozenset(("builtins.sorted", "builtins.min", "builtins.max"))
"""Built-in functions that call their ``key`` with each element of the first argument."""


def delivered(inference: "Inference", home: "Module", call: ast.Call, reference: ast.AST, position: int | None, name: str) -> Values | None:
    """What a call that receives a function as an argument will put into the parameter at ``position`` (called ``name``).

    None when the call says nothing about it.
    """
    for value in home.values(call.func):
        if isinstance(value, Method):
            if value.name == "with_transaction" and position == 0:
                return (
                    (Driver("session", value.owner.flavour, value.owner.site, value.owner.parent),)
                    if value.owner.family != "session"
                    else (value.owner,)
                )
            continue
        if isinstance(value, Function):
            given = relayed(inference, value, receiving(value, call, reference), position, name)
            if given:
                return given
            continue
        if not isinstance(value, External):
            continue
        if value.path in ("functools.partial", "functools.partialmethod"):
            if call.args and call.args[0] is reference:
                given = _by_position(home, call, position, name, 1)
                outer = home.index.parents.get(call)
                outer = home.index.parents.get(outer) if isinstance(outer, ast.keyword) else outer
                if given is None and position is not None and isinstance(outer, ast.Call) and outer.func is not call:
                    # the partial is itself handed over: what it leaves open is filled by whoever calls it
                    return delivered(inference, home, outer, call, position - len(call.args) + 1, name)
                return given
            continue
        if value.path in ("builtins.map", "builtins.filter") and position is not None and call.args and call.args[0] is reference:
            source = argument(call, position + 1)
            return inference.iterate(home, source, home.values(source)) if source is not None else None
        if value.path in _KEYED and position == 0 and call.args and keyword(call, "key") is reference:
            return inference.iterate(home, call.args[0], home.values(call.args[0]))
        launcher = LAUNCHERS.get(value.path)
        if launcher is None or argument(call, launcher.index, launcher.keyword) is not reference:
            continue
        return _launched(inference, home, call, launcher, position, name)
    return None


def receiving(function: Function, call: ast.Call, reference: ast.AST) -> str:
    """The parameter of a function of the program that a call fills with an expression."""
    scope = function.scope
    positional = scope.positional[1:] if function.bound else scope.positional
    for position, arg in enumerate(positional):
        if argument(call, position, arg.arg) is reference:
            return arg.arg
    return next((k.arg for k in call.keywords if k.value is reference and k.arg is not None), "")


def relayed(inference: "Inference", function: Function, parameter: str, position: int | None, name: str) -> Values | None:
    """What a function of the program gives to the callable that it gets under a parameter, where it calls it or hands it on."""
    home, scope = function.module, function.scope
    if not parameter or not inference.deeper():
        return None
    try:
        parts: list[Values] = []
        loads = [load for load in home.index.name_loads.get(parameter, ()) if home.index.scope(load).binder(parameter) is scope]
        for load in loads[:MAX_RELAYS]:
            parent = home.index.parents.get(load)
            call = home.index.parents.get(parent) if isinstance(parent, ast.keyword) else parent
            if isinstance(call, ast.Call):
                direct = call.func is load
                given = _by_position(home, call, position, name, 0) if direct else delivered(inference, home, call, load, position, name)
                if given:
                    parts.append(given)
                if direct or given:
                    continue
            elif not isinstance(parent, KEEPS):
                continue
            for later in calls_of_kept(home.index, load)[:MAX_RELAYS]:
                given = _by_position(home, later, position, name, 0)
                if given:
                    parts.append(given)
        return union(*parts) if parts else None
    finally:
        inference.shallower()


def _launched(inference: "Inference", home: "Module", call: ast.Call, launcher: Launcher, position: int | None, name: str) -> Values | None:
    if launcher.passing == spawners.REST:
        return _by_position(home, call, position, name, launcher.index + 1)
    if launcher.passing == spawners.TUPLE:
        given = argument(call, launcher.args_index, launcher.args_keyword)
        if isinstance(given, (ast.Tuple, ast.List)) and position is not None and position < len(given.elts):
            element = given.elts[position]
            return home.values(element) if not isinstance(element, ast.Starred) else None
        named = named_arguments(call, launcher)
        if isinstance(named, ast.Dict):
            for key, item in zip(named.keys, named.values, strict=False):
                if isinstance(key, ast.Constant) and key.value == name:
                    return home.values(item)
        return None
    if position is None:
        return None
    if launcher.passing == spawners.EACH:
        source = argument(call, launcher.index + 1 + position)
        return inference.iterate(home, source, home.values(source)) if source is not None else None
    if launcher.passing == spawners.STAR:
        source = argument(call, launcher.index + 1)
        if source is None:
            return None
        rows = inference.iterate(home, source, home.values(source))
        return inference.unpack(rows, (position,))
    return None


def _by_position(home: "Module", call: ast.Call, position: int | None, name: str, offset: int) -> Values | None:
    for item in call.keywords:
        if item.arg == name:
            return home.values(item.value)
    if position is None:
        return None
    expression = argument(call, position + offset)
    return home.values(expression) if expression is not None else None
