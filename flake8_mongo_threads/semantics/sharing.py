"""One object used by several workers at once: sessions, cursors, files, documents."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.carrying import MAX_HELPER_DEPTH, MAX_HELPERS, drivers_in, helpers, made_by_work, same_object
from flake8_mongo_threads.semantics.contexts import PER_REQUEST, THREADS, Context
from flake8_mongo_threads.semantics.facts import PRODUCERS, HandOver, Operation, captured, operations_in
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import Work, enclosing_loop, several_runs, single_worker
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, WITHS, argument, constant, last_name, path_key, text_of, walk
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function, Instance, Mapping, Method, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

NOT_SHAREABLE = frozenset(("session", "cursor", "command-cursor", "raw-cursor", "change-stream", "grid-in", "grid-out", "grid-out-cursor"))

_LOCKS = frozenset(
    ("threading.Lock()", "threading.RLock()", "threading.Condition()", "threading.Semaphore()", "threading.BoundedSemaphore()", "asyncio.Lock()", "asyncio.Semaphore()", "anyio.Lock()", "multiprocessing.Lock()")
)  # fmt: skip


class Shared:
    """An object that several workers use at the same time. ``node`` is the launch, or the assignment that stores it."""

    __slots__ = ("cause", "how", "node", "span", "steps", "text", "value", "where", "work")

    def __init__(
        self, module: "Module", node: ast.AST, value: Driver, where: str, how: str, text: str, steps: tuple[Step, ...], work: Work | None
    ) -> None:
        self.node = node
        self.value = value
        self.where = where
        self.how = how
        self.text = text
        """How it comes to be shared: ``reaches every thread started at line 12``."""
        self.steps = steps
        self.work = work
        self.span: Span = module.source.name_span(node)
        self.cause = f"shared@{self.span.line}:{self.span.col}:{value.family}"

    def made(self, module: "Module") -> str:
        """Where the object was made, for a message."""
        site = self.value.site
        return f" made at {site.module.where(site.node, module)}" if site is not None else ""


def shared_objects(module: "Module") -> list[Shared]:
    """Every object that is not safe to share and that several workers get, one fact an object and launching function."""
    found: list[Shared] = []
    groups: dict[object, list[HandOver]] = {}
    for hand_over in (*module.facts(HandOver), *objects_of_workers(module)):
        if hand_over.value.family not in NOT_SHAREABLE or _owned_by_worker(hand_over):
            continue
        if not _only_closes(hand_over) and not _only_looks(hand_over):
            groups.setdefault((hand_over.value.key(), id(hand_over.work.scope.function)), []).append(hand_over)
    for hand_overs in groups.values():
        shared = _conflict(module, hand_overs)
        if shared is not None:
            found.append(shared)
    reported = {s.value.key() for s in found}
    found.extend(s for s in stored_objects(module) if s.value.key() not in reported)
    return found


def _owned_by_worker(hand_over: HandOver) -> bool:
    """Whether the object is made by the code that runs in the worker."""
    reads = hand_over.how in ("self", "closure", "global")
    return made_by_work(hand_over.value, hand_over.work.functions, through=reads)


def _only_closes(hand_over: HandOver) -> bool:
    """Whether a worker only closes the object: closing a change stream from another thread is how it is stopped."""
    work = hand_over.work
    methods = [v for v in work.targets if isinstance(v, Method)]
    if methods:
        return all(m.name == "close" for m in methods) and hand_over.how == "bound"
    uses = [name for _, _, name, _ in _worker_uses(hand_over) if name]
    return bool(uses) and all(name == "close" for name in uses)


_LOOKS = frozenset(
    ("clone", "alive", "retrieved", "collection", "cursor_id", "length", "filename", "metadata", "upload_date", "content_type", "chunk_size", "_id", "has_ended", "session_id")
)  # fmt: skip
"""What leaves an object as it is: a copy of a cursor that was not sent, and plain facts."""


def _only_looks(hand_over: HandOver) -> bool:
    """Whether a worker only copies the object or reads facts of it: ``mine = cursor.clone()``."""
    work, node = hand_over.work, hand_over.node
    functions = work.functions
    handed = hand_over.module.index.parents.get(node)
    in_order = isinstance(handed, (ast.Tuple, ast.List)) or (handed is work.call and node in work.call.args)
    for function in functions:
        scope, index = function.scope, function.module.index
        loads: list[ast.AST] = []
        if hand_over.how in ("closure", "global") and isinstance(node, ast.Name):
            home = scope.binder(node.id)
            loads.extend(load for load in index.name_loads.get(node.id, ()) if index.scope(load).binder(node.id) is home)
        elif hand_over.how == "self" and isinstance(node, ast.Attribute):
            loads.extend(load for load in index.attribute_loads.get(node.attr, ()) if path_key(load) == path_key(node))
        elif hand_over.how == "argument" and in_order and work.launcher.passing in (spawners.REST, spawners.TUPLE):
            position = next((p for p, given in enumerate(work.arguments) if given is node), len(scope.positional)) + function.bound
            if position >= len(scope.positional) or any(isinstance(given, ast.Starred) for given in work.arguments):
                return False
            name = scope.positional[position].arg
            loads.extend(load for load in index.name_loads.get(name, ()) if index.scope(load).binder(name) is scope)
        uses = [index.parents.get(n) for n in loads if index.scope(n).function is scope or scope.encloses(index.scope(n))]
        if not uses or not all(isinstance(use, ast.Attribute) and isinstance(use.ctx, ast.Load) and use.attr in _LOOKS for use in uses):
            return False
    return bool(functions)


def objects_of_workers(module: "Module") -> list[HandOver]:
    """What the constructors of ``Thread`` and ``Process`` subclasses are given and their ``run`` reads from ``self``."""
    found: list[HandOver] = []
    for work in worker_objects(module):
        call, runs = work.call, work.functions
        if not (call.args or call.keywords):
            continue
        reads = [
            value
            for function in (*runs, *helpers(runs[0]))
            if function is runs[0] or same_object(runs[0], function)
            for _, how, node in captured(function)
            if how == "self"
            for value in function.module.values(node)
            if isinstance(value, Driver)
        ]
        read = {driver.key() for driver in reads}
        # what is known of a parameter by its annotation alone is whatever the constructor is given for it
        declared = {driver.kind for driver in reads if driver.described}
        for expression in (*call.args, *(k.value for k in call.keywords)):
            inner = expression.value if isinstance(expression, ast.Starred) else expression
            for driver in drivers_in(module, module.values(inner)):
                if driver.key() in read or driver.kind in declared:
                    found.append(HandOver(module, work, driver, "argument", inner))
    return found


def worker_objects(module: "Module") -> list[Work]:
    """The objects of ``Thread`` and ``Process`` subclasses that the module makes, as the work that their ``run`` is."""
    found: list[Work] = []
    inference = module.inference
    for call, scope, value in module.calls.constructions:
        if not isinstance(value, Class):
            continue
        base = next((b for b in inference.external_bases(value) if b in spawners.WORKER_CLASSES), None)
        if base is None:
            continue
        name, where = spawners.WORKER_CLASSES[base]
        runs = inference.method_of(Instance(value), name)
        launcher = spawners.LAUNCHERS.get(base)
        if runs is not None and launcher is not None:
            loop = enclosing_loop(module, call)
            found.append(Work(module, scope, call, base, launcher, where, call.func, (runs,), [], loop, loop is not None, None))
    return found


def _conflict(module: "Module", hand_overs: list[HandOver]) -> Shared | None:
    works: list[HandOver] = []
    for hand_over in sorted(hand_overs, key=lambda h: (h.work.call.lineno, h.work.call.col_offset)):
        if all(hand_over.work is not other.work for other in works):
            works.append(hand_over)
    works = [h for h in works if not _locked(h) and not single_worker(h.work.pool) and h.work.where != spawners.PROCESS]
    # a synchronous object in tasks of one loop is used by one thread; what counts is the thread such a task hands it to
    works = [h for h in works if h.value.flavour != "sync" or h.work.where != spawners.TASK]
    for hand_over in works:
        if hand_over.shared and not waits_for_each(module, hand_over.work) and not _one_run(module, hand_over.work):
            line = hand_over.work.call.lineno
            text = f"reaches every {_noun(hand_over.work)} started at line {line}"
            return _shared(module, hand_over, text)
    several = [h for h in works if not _waits_at_once(module, h.work)]
    several = _concurrent_launches(module, several)
    if len(several) > 1:
        lines = ", ".join(str(h.work.call.lineno) for h in several[:3])
        one_line = len({h.work.call.lineno for h in several}) == 1
        text = f"reaches several {_noun(several[0].work)}s started at line{'' if one_line else 's'} {several[0].work.call.lineno if one_line else lines}"
        return _shared(module, several[0], text)
    for hand_over in (h for h in several if not h.alone and not _done_at_once(module, h.work)):
        use = _used_meanwhile(module, hand_over)
        if use is not None:
            text = f"reaches the {_noun(hand_over.work)} started at line {hand_over.work.call.lineno} and is used here meanwhile (line {getattr(use, 'lineno', 1)})"
            return _shared(module, hand_over, text)
    return None


def _concurrent_launches(module: "Module", works: list[HandOver]) -> list[HandOver]:
    """Launches of one function scope that are under way together with one object: no join of the first lies before the second.

    Without two such launches, those that may still meet a use by the launching function itself.
    """
    if len(works) < 2:
        return works
    for position, first in enumerate(works):
        together = [first]
        for other in works[position + 1 :]:
            if other.work.scope.function is not first.work.scope.function or not _one_object(module, first, other):
                continue
            if at_once(module, first.work, other.work):
                together.append(other)
        if len(together) > 1:
            return together
    return [h for h in works if not h.alone][:1]


def at_once(module: "Module", first: Work, second: Work) -> bool:
    """Whether a launch is still under way when a later one of the same function, or of the same call, comes."""
    if first.call is second.call:
        return True
    if exclusive(module, first.call, second.call):
        return False
    return not _done_at_once(module, first) and not joined_between(module, first, second.call)


def _done_at_once(module: "Module", work: Work) -> bool:
    """Whether the launching call itself waits for all of its runs: an awaited ``gather``, a ``map`` of a pool."""
    if not work.launcher.joined:
        return False
    return work.call in module.index.awaited or (work.where in THREADS and not awaitable_launcher(work))


def _one_object(module: "Module", first: HandOver, second: HandOver) -> bool:
    """Whether two hand-overs of objects that one expression made are of one and the same object.

    What a factory made is told apart by the names that stand for it; what a loop made, too.
    """
    if first.alone or second.alone:
        return False
    site = first.value.site
    if site is None:
        return True
    home = site.module.index.scope(site.node).function
    if home.kind in ("module", "class"):
        return True
    launching = _scopes_around(first.work.scope)
    repeated = site.module is module and home in launching and enclosing_loop(module, site.node) is not None
    if home in launching and not repeated:
        return True
    mine, other = identity(module, first.node), identity(module, second.node)
    return mine is not None and mine == other


def _scopes_around(scope: Scope) -> list[Scope]:
    found: list[Scope] = []
    current: Scope | None = scope.function
    while current is not None:
        found.append(current)
        current = current.parent
    return found


def identity(module: "Module", node: ast.AST) -> object:
    """What a name or an attribute path stands for, as far as it can be told without its value; None when it cannot."""
    if isinstance(node, ast.Attribute):
        return path_key(node) or None
    if not isinstance(node, ast.Name) or node not in module.index.parents:
        return None
    scope = module.index.scope(node).binder(node.id)
    if scope is None:
        return None
    if scope.function is module.index.scope(node).function:
        return tuple(id(b.node) for b in module.index.reaching(scope, node.id, node))
    return tuple(id(b.node) for b in scope.bindings[node.id])


def exclusive(module: "Module", first: ast.AST, second: ast.AST) -> bool:
    """Whether two nodes stand in different branches of one ``if`` or ``match``."""
    path = {(id(o), f): at for o, f, at in module.index.block_path(first, module.index.tree)}
    for owner, field, at in module.index.block_path(second, module.index.tree):
        if isinstance(owner, ast.If):
            other = "orelse" if field == "body" else "body"
            if (id(owner), other) in path:
                return True
        elif isinstance(owner, ast.Match) and path.get((id(owner), field), at) != at:
            return True
    return False


def _shared(module: "Module", hand_over: HandOver, text: str) -> Shared:
    work = hand_over.work
    steps: list[Step] = []
    if hand_over.value.site is not None:
        steps.append(hand_over.value.site.step(f"the {hand_over.value.noun} is made here"))
    steps.append(module.step(work.call, f"it {text}"))
    return Shared(module, work.call, hand_over.value, work.where, hand_over.how, text, tuple(steps), work)


def _noun(work: Work) -> str:
    return {"thread": "thread", "task": "task", "greenlet": "greenlet", "job": "job"}.get(work.where, work.where)


def waits_for_each(module: "Module", work: Work) -> bool:
    """Whether the launching code waits for the work before the next one begins."""
    return _waits_at_once(module, work) or _joined_in_loop(module, work)


def _waits_at_once(module: "Module", work: Work) -> bool:
    """Whether the launching expression itself waits for the work, before anything else can use the object."""
    index = module.index
    parent = index.parents.get(work.call)
    # pool.submit(f, x).result(), Thread(...).start() is not waiting
    if isinstance(parent, ast.Attribute) and parent.attr in ("result", "get", "wait", "join"):
        return True
    if work.launcher.joined and work.where in (spawners.THREAD, spawners.RUN) and not work.launcher.many:
        if work.call in index.awaited or not awaitable_launcher(work):
            return True
    if work.path.endswith("run_in_executor") and work.call in index.awaited:
        return True
    return work.where == spawners.TASK and work.call in index.awaited and (not work.launcher.many or _one_of_one(module, work))


def _one_run(module: "Module", work: Work) -> bool:
    """Whether an awaited ``gather`` or ``wait`` runs this coroutine once: a loop around it starts the next one afterwards."""
    if not (work.launcher.many and work.launcher.joined and work.call in module.index.awaited):
        return False
    starred = isinstance(module.index.parents.get(work.target), ast.Starred)
    return work.launcher.passing == spawners.COROUTINE and not several_runs(work.target, work.targets, starred=starred)


def _one_of_one(module: "Module", work: Work) -> bool:
    """Whether a launcher of coroutines is given this very one and no other."""
    return len(work.call.args) == 1 and _one_run(module, work)


def awaitable_launcher(work: Work) -> bool:
    """Whether what launches work gives a coroutine that ends with the work: ``asyncio.to_thread``."""
    return work.path.startswith(("asyncio.", "anyio.", "trio.", "fastapi.", "asgiref."))


def _joined_in_loop(module: "Module", work: Work) -> bool:
    """``t = Thread(…); t.start(); t.join()`` in one loop body: one at a time."""
    index = module.index
    loop = enclosing_loop(module, work.call)
    if not isinstance(loop, (ast.For, ast.While, ast.AsyncFor)):
        return False
    group = path_key(work.call.func.value) if isinstance(work.call.func, ast.Attribute) else ""
    for up in index.ancestors(work.call):
        if up is loop:
            break
        if isinstance(up, ast.Call) and up in index.awaited and last_name(up.func) in _WAITING:
            return True
        if isinstance(up, WITHS) and group:
            if any(item.optional_vars is not None and path_key(item.optional_vars) == group for item in up.items):
                return True  # the group or pool is made for this turn, and its block ends with the turn
    statement = index.statement(work.call)
    targets = [t.id for t in statement.targets if isinstance(t, ast.Name)] if isinstance(statement, ast.Assign) else []
    if not targets:
        return False
    for call in index.calls:
        waiting = call in index.awaited and last_name(call.func) in _WAITING and any(_mentions(a, {targets[0]}) for a in call.args)
        if (waiting or _waits(call, targets[0])) and module.index.within(call, loop) and enclosing_loop(module, call) is loop:
            return True
    return any(isinstance(n, ast.Name) and n.id == targets[0] and module.index.within(n, loop) for n in index.awaited)


_WAITING = frozenset(("wait", "wait_for", "gather", "shield"))


def _waits(call: ast.Call, name: str) -> bool:
    func = call.func
    return (
        isinstance(func, ast.Attribute)
        and func.attr in ("join", "result", "wait", "get")
        and isinstance(func.value, ast.Name)
        and func.value.id == name
    )


def joined_between(module: "Module", work: Work, later: ast.AST) -> bool:
    """Whether the code waits for the work somewhere between its launch and a later node of the same function."""
    return wait_after(module, work, before=later) is not None


def wait_after(module: "Module", work: Work, before: ast.AST | None = None) -> ast.AST | None:
    """The first place after a launch, in the same function, that waits for the work: join, result, shutdown, the end of
    the ``with`` of its pool, ``wait``, ``as_completed``, ``await`` of the task, iteration of ``map``."""
    index = module.index
    start = (work.call.end_lineno or work.call.lineno, work.call.end_col_offset or 0)
    end = (getattr(before, "lineno", 1 << 30), getattr(before, "col_offset", 0)) if before is not None else (1 << 30, 0)
    names = handles(module, work)
    scope = work.scope.function
    pool_key = path_key(work.call.func.value) if isinstance(work.call.func, ast.Attribute) else ""
    for call in index.calls:
        at = (call.lineno, call.col_offset)
        if not (start <= at < end) or index.scope_of_node[call].function is not scope:
            continue
        func = call.func
        if isinstance(func, ast.Attribute):
            key = path_key(func.value)
            if func.attr in ("join", "result", "wait", "get", "joinall") and (key in names or _loops_over(module, func.value, names)):
                return call
            if func.attr in ("shutdown", "join") and pool_key and key == pool_key and not _at_once(call):
                return call
        if work.relayed and any(word in last_name(func) for word in _WAITING_WORDS):
            if not any(isinstance(v, Method) for v in module.values(func)):
                return call  # what launches the work may also be told to wait for it
        name = _called(module, func)
        if name in ("wait", "as_completed", "gather", "list", "tuple", "joinall", "wait_for", "sorted", "set", "dict", "sum") and any(
            _mentions(a, names) for a in call.args
        ):
            return call
    awaits = [
        (at, node)
        for node in index.awaited
        if start <= (at := (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))) < end
        and path_key(node) in names
        and index.scope(node).function is scope
    ]
    if awaits:
        return min(awaits, key=lambda found: found[0])[1]
    for loop, where in index.loops:
        if (
            where.function is scope
            and isinstance(loop, (ast.For, ast.AsyncFor))
            and start <= (loop.lineno, loop.col_offset) < end
            and _mentions(loop.iter, names)
            and not _only_starts(module, loop)
        ):
            return loop
    for node, where in index.withs:
        if where.function is scope and (node.end_lineno or 0, node.end_col_offset or 0) < end and module.index.within(work.call, node):
            for item in node.items:
                if item.optional_vars is not None and pool_key and path_key(item.optional_vars) == pool_key:
                    return node
    return None


def _only_starts(module: "Module", loop: ast.For | ast.AsyncFor) -> bool:
    """Whether a loop over threads does nothing with them but to start them."""
    if not isinstance(loop.target, ast.Name):
        return False
    uses = [n for n in module.index.name_loads.get(loop.target.id, ()) if any(module.index.within(n, s) for s in loop.body)]
    holders = [module.index.parents.get(n) for n in uses]
    return bool(holders) and all(isinstance(up, ast.Attribute) and up.attr == "start" for up in holders)


def _at_once(call: ast.Call) -> bool:
    """``shutdown(wait=False)`` does not wait."""
    return constant(argument(call, 0, "wait")) is False


_WAITING_WORDS = ("wait", "join", "drain", "shutdown", "flush", "finish", "close", "stop")


def handles(module: "Module", work: Work) -> set[str]:
    """Path keys of the variables that hold the launched thread, future or task, or the list it is put into."""
    index = module.index
    found: set[str] = set()
    node: ast.AST = work.call
    up = index.parents.get(node)
    while up is not None and not isinstance(up, ast.stmt):
        if (
            isinstance(up, ast.Call)
            and isinstance(up.func, ast.Attribute)
            and up.func.attr in ("append", "add", "put", "extend")
            and node in up.args
        ):
            found.add(path_key(up.func.value))
        if isinstance(up, ast.NamedExpr):
            found.add(up.target.id)
        node = up
        up = index.parents.get(up)
    if isinstance(up, ast.Assign):
        for target in up.targets:
            found.update(path_key(t) for t in (target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]))
    elif isinstance(up, ast.AnnAssign):
        found.add(path_key(up.target))
    for calls in index.mutations.values():
        for call, scope in calls:
            if (
                scope.function is work.scope.function
                and isinstance(call.func, ast.Attribute)
                and any(path_key(a) in found for a in call.args)
            ):
                found.add(path_key(call.func.value))
    found.discard("")
    return found


def _loops_over(module: "Module", expression: ast.AST, names: set[str]) -> bool:
    """Whether a name is the target of a loop over one of the handles."""
    if not isinstance(expression, ast.Name):
        return False
    scope = module.index.scope(expression)
    current: Scope | None = scope
    while current is not None:
        for binding in current.bindings.get(expression.id, ()):
            if binding.how == "for" and binding.value is not None and _mentions(binding.value, names):
                return True
        if current.kind != "comprehension":
            break
        current = current.parent
    return False


def _called(module: "Module", func: ast.expr) -> str:
    """The last part of what is called, under the name that it has where it is defined."""
    if isinstance(func, ast.Name):
        for value in module.values(func):
            if isinstance(value, External):
                return value.path.rpartition(".")[2]
    return last_name(func)


def _mentions(expression: ast.AST, names: set[str]) -> bool:
    return any(path_key(n) in names for n in walk(expression) if isinstance(n, (ast.Name, ast.Attribute)))


def _locked(hand_over: HandOver) -> bool:
    """Whether every use of the object inside the worker holds a lock."""
    uses = _worker_uses(hand_over)
    return bool(uses) and all(locked for _, _, _, locked in uses)


Use = tuple["Module", ast.AST, str, bool]


def _worker_uses(hand_over: HandOver) -> list[Use]:
    """What the code of a worker does with the object, itself and through helpers: place, name of the operation (empty
    when it is given to an iteration that is no operation), and whether a lock is held."""
    found: list[Use] = []
    pending = [(function, False, 0) for function in hand_over.work.functions]
    seen: set[tuple[int, bool]] = set()
    value = hand_over.value
    while pending:
        function, locked, depth = pending.pop(0)
        key = (id(function.scope), locked)
        if key in seen or len(seen) > MAX_HELPERS:
            continue
        seen.add(key)
        home, scope = function.module, function.scope
        for operation in operations_in(home, scope):
            if _uses(home, operation, value):
                found.append((home, operation.node, operation.name, locked or under_lock(home, operation.node)))
        for node in _iterated(home, scope):
            driver = home.inference.kind(home, node)
            if driver is not None and driver.kind == value.kind:
                found.append((home, node, "", locked or under_lock(home, node)))
        if depth < MAX_HELPER_DEPTH:
            pending.extend((e.target, locked or under_lock(home, e.node), depth + 1) for e in home.calls.inside(scope))
    return found


def _iterated(module: "Module", scope: Scope) -> list[ast.AST]:
    """What one function gives to ``async for`` and ``anext``."""
    index = module.index
    found: list[ast.AST] = [loop.iter for loop, where in index.loops if isinstance(loop, ast.AsyncFor) and where.function is scope]
    found.extend(
        call.args[0]
        for call in index.calls
        if call.args and last_name(call.func) == "anext" and index.scope_of_node[call].function is scope
    )
    return found


def _uses(module: "Module", operation: Operation, value: Driver) -> bool:
    if operation.owner.key() == value.key() or operation.owner.kind == value.kind:
        return True
    return operation.session is not None and any(isinstance(v, Driver) and v.kind == value.kind for v in module.values(operation.session))


def under_lock(module: "Module", node: ast.AST) -> bool:
    """Whether a node stands inside ``with lock:`` (or ``async with``) of its own function, or between ``acquire`` and ``release``,
    or a decorator holds a lock while the function runs."""
    for up in module.index.ancestors(node):
        if isinstance(up, FUNCTIONS) and node not in up.decorator_list and _runs_locked(module, module.index.bodies[up]):
            return True
        if isinstance(up, (*FUNCTIONS, ast.Lambda)):
            break
        if isinstance(up, WITHS):
            for item in up.items:
                if is_lock(module, item.context_expr):
                    return True
    return _acquired(module, node)


def _runs_locked(module: "Module", scope: Scope) -> bool:
    """Whether a decorator of the program takes a lock wherever it calls the function that it is given: ``@synchronized``."""

    def compute() -> bool:
        for decorator in scope.decorators:
            for value in module.values(decorator):
                positional = value.scope.positional[value.receiver is not None :] if isinstance(value, Function) else []
                if isinstance(value, Function) and positional and _called_locked(value, positional[0].arg):
                    return True
        return False

    result: bool = module.remember("runs locked", scope, compute, False) if scope.decorators else False
    return result


def _called_locked(decorator: Function, parameter: str) -> bool:
    """Whether a decorator calls what it is given, and always under a lock."""
    home = decorator.module
    calls = [
        call
        for load in home.index.name_loads.get(parameter, ())
        if isinstance(call := home.index.parents.get(load), ast.Call)
        and call.func is load
        and (home.index.scope(load).function is decorator.scope or decorator.scope.encloses(home.index.scope(load)))
    ]
    return bool(calls) and all(under_lock(home, call) for call in calls)


def _acquired(module: "Module", node: ast.AST) -> bool:
    """Whether an ``acquire`` of a lock stands before a node in one of the blocks around it, without a ``release`` between."""
    for owner, field, position in module.index.block_path(node, module.index.tree):
        for statement in reversed(getattr(owner, field)[:position]):
            call = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(call, ast.Await):
                call = call.value
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and is_lock(module, call.func.value):
                if call.func.attr == "release":
                    break
                if call.func.attr == "acquire":
                    return True
        if isinstance(owner, (*FUNCTIONS, ast.ClassDef)):
            break
    return False


def is_lock(module: "Module", expression: ast.AST) -> bool:
    """Whether an expression is a lock: known as one, or named so."""
    for value in module.values(expression):
        if isinstance(value, External) and value.path in _LOCKS:
            return not _admits_several(value)
    for _ in range(4):  # ``locks[key]``, ``locks.setdefault(key, Lock())``
        if isinstance(expression, ast.Subscript):
            expression = expression.value
        elif (
            isinstance(expression, ast.Call)
            and isinstance(expression.func, ast.Attribute)
            and expression.func.attr in ("get", "setdefault")
        ):
            expression = expression.func.value
        else:
            break
    name = last_name(expression.func if isinstance(expression, ast.Call) else expression).lower()
    return "lock" in name or "mutex" in name or "semaphore" in name


def _admits_several(lock: External) -> bool:
    """Whether a lock is a semaphore that a literal lets several workers through at once."""
    made = lock.site.node if lock.site is not None else None
    if not isinstance(made, ast.Call) or "Semaphore" not in lock.path:
        return False
    limit = constant(argument(made, 0, "value"))
    return isinstance(limit, int) and limit > 1


def _used_meanwhile(module: "Module", hand_over: HandOver) -> ast.AST | None:
    """A use of the object by the launching function after the launch and before it waits."""
    work = hand_over.work
    if work.where not in THREADS and work.where != spawners.TASK:
        return None
    wait = wait_after(module, work)
    start = (work.call.end_lineno or work.call.lineno, work.call.end_col_offset or 0)
    if work.path in ("threading.Thread", "threading.Timer"):
        started = _start_of(module, work)
        if started is not None:
            start = (started.end_lineno or started.lineno, started.end_col_offset or 0)
    end = (getattr(wait, "lineno", 1 << 30), getattr(wait, "col_offset", 0)) if wait is not None else (1 << 30, 0)
    for operation in module.facts(Operation):
        at = (getattr(operation.node, "lineno", 0), getattr(operation.node, "col_offset", 0))
        if operation.scope.function is not work.scope.function or not start <= at < end or not operation.io:
            continue
        if operation.name in ("close", "end_session"):
            continue
        if exclusive(module, work.call, operation.node):
            continue
        mine = operation.owner.key() == hand_over.value.key() and _same_receiver(module, hand_over, operation)
        if not mine and operation.session is not None:
            mine = any(isinstance(v, Driver) and v.key() == hand_over.value.key() for v in module.values(operation.session))
        if mine:
            return operation.node
    for call in module.index.calls:
        if (
            not start <= (call.lineno, call.col_offset) < end
            or module.index.scope_of_node[call].function is not work.scope.function
            or call is work.call
        ):
            continue
        if not any(isinstance(v, Function) for v in module.values(call.func)) or exclusive(module, work.call, call):
            continue
        for arg in (*call.args, *(k.value for k in call.keywords)):
            if any(isinstance(v, Driver) and v.key() == hand_over.value.key() for v in module.values(arg)):
                return call
    return None


def _same_receiver(module: "Module", hand_over: HandOver, operation: Operation) -> bool:
    """Whether an operation of the launching function is on the object that was handed over, and not on its factory's next one."""
    node: ast.AST = operation.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    probe = HandOver(module, hand_over.work, operation.owner, hand_over.how, node)
    return hand_over.how != "argument" or _one_object(module, hand_over, probe)


def _start_of(module: "Module", work: Work) -> ast.Call | None:
    names = handles(module, work)
    for call in module.index.calls:
        func = call.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr == "start"
            and path_key(func.value) in names
            and module.index.scope_of_node[call].function is work.scope.function
        ):
            return call
    return None


def stored_objects(module: "Module") -> list[Shared]:
    """Sessions kept in a global, an application or an attribute that concurrent handlers or threads use."""
    found: list[Shared] = []
    seen: set[object] = set()
    for operation in module.facts(Operation):
        candidates: list[Driver] = []
        if operation.session is not None:
            candidates.extend(v for v in module.values(operation.session) if isinstance(v, Driver) and v.family == "session")
        used = operation.node.func if isinstance(operation.node, ast.Call) and not operation.implicit else operation.node
        if operation.owner.family in NOT_SHAREABLE and isinstance(used, (ast.Attribute, ast.Name)):
            candidates.append(operation.owner)
        for value in candidates:
            if value.key() in seen or value.site is None or not (operation.io or operation.session is not None):
                continue
            store = _shared_store(module, value)
            maker = None
            if store is None:
                maker = _closed_over(module, value, operation.scope.function)
                store = (value.site.node, f"a variable of '{maker.name}'") if maker is not None else None
            if store is None or under_lock(module, operation.node):
                continue
            for context in module.contexts.at(operation.scope):
                where = _place(context.where, operation.scope, value.flavour)
                # what runs the whole file again and again (a Streamlit script) makes its globals anew each time
                anew = context.root is module.index.module_scope
                if context.work is not None and waits_for_each(module, context.work):
                    continue
                if maker is not None and not (context.where in PER_REQUEST and maker.encloses(context.root)):
                    continue
                if context.many and where and not anew and not _made_on_the_way(context, store[0]):
                    seen.add(value.key())
                    text = f"is kept in {store[1]} and used by {context.text}"
                    steps = (
                        value.site.step(f"the {value.noun} is made here"),
                        *context.steps,
                        module.step(operation.node, "it is used here"),
                    )
                    found.append(Shared(module, store[0], value, where, "global", text, steps, None))
                    break
    return found


def _kept_by_all(module: "Module", container: ast.expr) -> bool:
    """Whether a container is the application, or a dictionary that is a global: ``app["session"]``."""
    from flake8_mongo_threads.concurrency.names import slot

    values = known(module.values(container))
    if any(isinstance(v, External) and slot(v.path).startswith("app") for v in values):
        return True
    binder = module.index.scope(container).binder(container.id) if isinstance(container, ast.Name) else None
    return binder is not None and binder.kind == "module" and any(isinstance(v, Mapping) for v in values)


def _closed_over(module: "Module", value: Driver, user: Scope) -> Scope | None:
    """The function of this file that keeps an object in a variable of its own, which an inner function reads: ``create_app``."""
    site = value.site
    if site is None or site.module is not module:
        return None
    maker = module.index.scope(site.node).function
    statement = module.index.statement(site.node)
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is not site.node:
        return None
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        maker = maker.binder(target.value.id) or maker  # a dictionary of the function around it
    return maker if maker.kind == "function" and maker.encloses(user) else None


def _made_on_the_way(context: Context, stored: ast.AST) -> bool:
    """Whether the object that keeps a session is made by the very code that runs several times, so that each run has its own."""
    for edge in context.chain:
        receiver = edge.target.receiver
        if not isinstance(receiver, Instance) or edge.target.scope.cls is None:
            continue
        home = edge.target.module.index
        if stored not in home.parents or home.scope(stored).function.cls not in _classes(edge.target.module, receiver):
            continue
        if receiver.site is not None:
            maker: Scope | None = receiver.site.module.index.scope(receiver.site.node).function
        else:
            maker = _entering(edge)
        if maker is not None and (maker is context.root or any(e.target.scope is maker for e in context.chain)):
            return True
    return False


def _classes(module: "Module", value: Instance) -> list[Scope]:
    return [scope for _, scope in module.inference.resolution_order(value.cls)]


def _entering(edge: Edge) -> Scope | None:
    """The function whose ``with Unit() as unit`` makes the object on which a method is called there."""
    func = edge.node.func if isinstance(edge.node, ast.Call) else None
    if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name):
        return None
    bindings = edge.caller.function.bindings.get(func.value.id, [])
    if bindings and all(b.how == "with" and isinstance(b.value, ast.Call) for b in bindings):
        return edge.caller.function
    return None


def _place(where: str, scope: Scope, flavour: str) -> str:
    if where in THREADS:
        return where
    if where == spawners.TASK:
        return spawners.TASK
    if where in PER_REQUEST:
        return spawners.TASK if flavour != "sync" or scope.function.is_async else spawners.THREAD
    return ""


def _shared_store(module: "Module", value: Driver) -> tuple[ast.AST, str] | None:
    """The assignment of this file that keeps an object where several callers reach it."""
    site = value.site
    if site is None or site.module is not module:
        return None
    index = module.index
    statement = index.statement(site.node)
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        # ``names = [d["name"] for d in db.people.find()]`` keeps the names, not the cursor
        if not any(isinstance(v, Driver) and v.family == value.family for v in module.values(statement.value)):
            return None
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            if isinstance(target, ast.Name):
                scope = index.scope(site.node).function
                if scope.kind == "module" or target.id in scope.globals:
                    return (site.node, f"global '{target.id}'")
                if scope.kind == "class":
                    return (site.node, f"class attribute '{target.id}'")
            elif isinstance(target, ast.Subscript):
                if _kept_by_all(module, target.value):
                    return (site.node, f"'{text_of(target)}'")
            elif isinstance(target, ast.Attribute) and not any(
                isinstance(v, External) and v.path in ("threading.local()", "contextvars.ContextVar()") for v in module.values(target.value)
            ):
                from flake8_mongo_threads.concurrency.names import slot

                if any(isinstance(v, External) and slot(v.path).startswith(("g", "request.state")) for v in module.values(target.value)):
                    return None
                if _one_per_run(module, index.scope(site.node).function, target):
                    return None
                return (site.node, f"'{path_key(target)}'")
    return None


_PLAIN_BASES = frozenset(("builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol"))


def _one_per_run(module: "Module", scope: Scope, target: ast.Attribute) -> bool:
    """Whether an attribute of ``self`` belongs to an object of which every run of the code gets its own.

    A framework or a launcher makes the object (views, handlers, threads), or the program does so inside the handler.
    """
    cls = scope.cls
    if cls is None or not scope.positional or not isinstance(target.value, ast.Name) or target.value.id != scope.positional[0].arg:
        return False
    inference = module.inference
    if any(base not in _PLAIN_BASES for base in inference.external_bases(Class(module, cls))):
        return True
    made = [
        (call, where)
        for call, where, value in module.calls.constructions
        if isinstance(value, Class) and any(c is cls for _, c in inference.resolution_order(value))
    ]
    if made:
        return all(enclosing_loop(module, call) is not None or _each_time(module, where) for call, where in made)
    return any(
        isinstance(parent := module.index.parents.get(load), ast.Call) and last_name(parent.func) == "Depends"
        for load in module.index.name_loads.get(cls.name, ())
    )


def _each_time(module: "Module", scope: Scope) -> bool:
    """Whether a function runs for every request, thread or task, and keeps nothing from one run to the next."""
    function = scope.function
    return any(c.many for c in module.contexts.at(function)) and not module.inference.is_cached(module, function)


PRODUCERS[Shared] = shared_objects
