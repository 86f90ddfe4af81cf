"""Event loops: where a program enters one, and which asynchronous clients are used on more than one of them.

A client is bound to the loop of its first operation. One loop for all of its life is right wherever the client was built;
a client that is built inside the coroutine belongs to that loop alone.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.contexts import LOOP, PER_REQUEST, THREADS, Context
from flake8_mongo_threads.semantics.facts import PRODUCERS, operations_in
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.lifecycle import is_kept
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import exclusive
from flake8_mongo_threads.semantics.spawns import Work, flatten, repeating_loop
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, ends, walk
from flake8_mongo_threads.semantics.values import Awaitable, Driver, External, Function, Method, Sequence, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_REACHED = 80
MAX_STARTS = 40

_MAIN_NAMES = ("main", "run", "cli", "start", "entry", "serve", "execute", "bootstrap")
_MARKS = ("run(", "run,", "run_until_complete(", "async_to_sync(", "run_sync(")
"""What a text must contain to enter an event loop. ``nest_asyncio`` makes asyncio.run reuse the loop that there is."""
_LIBRARIES = ("asyncio", "anyio", "trio", "asgiref")
"""The libraries that enter an event loop: a program with an entry imports one of them somewhere."""
_NEW_LOOP = frozenset(("asyncio.run", "anyio.run", "trio.run", "asgiref.sync.async_to_sync"))


class Entry:
    """One call that runs a coroutine on an event loop until it is done, with the outer clients that the coroutine uses.

    ``loop`` identifies the loop object where the call does not make a loop of its own: the expression that made it.
    """

    __slots__ = ("clients", "loop", "maker", "module", "work")

    def __init__(self, module: "Module", work: Work) -> None:
        self.module = module
        self.work = work
        self.maker: ast.AST | None = None
        """The expression that makes the loop (or Runner); None when each call makes its own."""
        self.loop = ""
        if work.path not in _NEW_LOOP:
            pool = work.pool
            site = pool.site.node if isinstance(pool, External) and pool.site is not None else None
            self.maker = site
            made_new = isinstance(site, ast.Call) and _makes_loop(module, site)
            self.loop = f"made@{id(site)}" if made_new else "current"
        self.clients = _outer_clients(module, work)

    @property
    def node(self) -> ast.Call:
        """The entering call."""
        return self.work.call

    def repeats_in(self, loop: ast.AST | None) -> bool:
        """Whether each iteration of a loop of the program enters another event loop."""
        if loop is None:
            return False
        if not self.loop:
            return True
        return self.loop != "current" and self.maker is not None and self.module.index.within(self.maker, loop)

    def other_than(self, entry: "Entry") -> bool:
        """Whether it certainly enters another loop than an earlier entry did."""
        if "current" in (self.loop, entry.loop) and self.loop and entry.loop:
            return False
        return not self.loop or not entry.loop or self.loop != entry.loop

    @property
    def makes_its_own(self) -> bool:
        """Whether every run of the function around it enters another loop."""
        if not self.loop:
            return True
        if self.loop == "current" or self.maker is None:
            return False
        return self.module.index.scope(self.maker).function is self.work.scope.function


def _makes_loop(module: "Module", site: ast.Call) -> bool:
    """Whether a call makes a new loop or Runner, rather than finding the current one."""
    names = [v.path for v in module.values(site.func) if isinstance(v, External)]
    return bool(names) and all(
        n.rpartition(".")[2] in ("new_event_loop", "Runner", "SelectorEventLoop", "ProactorEventLoop", "Loop") for n in names
    )


# ---------------------------------------------------------------------- what a coroutine uses


def _outer_clients(module: "Module", work: Work) -> dict[int, tuple[Driver, Step]]:
    """The asynchronous clients that the work uses and that were not made by it: by identity, with the first use."""
    functions: list[Function] = []
    found: dict[int, tuple[Driver, Step]] = {}
    candidates: list[tuple[list[Driver], Step]] = []
    for value in _run(module, work):
        if isinstance(value, Function):
            functions.append(value)
        elif isinstance(value, Method):
            candidates.append(([value.owner], module.step(work.call, f"'{value.name}' runs here")))
    reached: dict[Scope, Function] = {}
    pending = functions
    while pending and len(reached) < MAX_REACHED:
        function = pending.pop(0)
        if function.scope in reached:
            continue
        reached[function.scope] = function
        home = function.module
        for operation in operations_in(home, function.scope):
            if operation.owner.flavour != "sync" and (operation.io or operation.coroutine):
                step = home.step(operation.node, f"'{operation.name}' uses the client")
                candidates.append((operation.receivers(home), step))
        for cursor, node in _iterated(home, function.scope):
            candidates.append(([cursor], home.step(node, "a cursor of the client is iterated")))
        calls = home.calls.of(function.scope)
        pending.extend(edge.target for edge in calls.edges)
        for launched in calls.works:
            if launched.where == spawners.TASK:
                pending.extend(launched.functions)
    handed: set[object] | None = None
    for owners, step in candidates:
        clients = {client.key(): client for owner in owners if (client := owner.root("client")) is not None}
        if len(clients) > 1:
            # a parameter that several callers give their own: this run has the one that it is called with
            handed = _handed(module, work) if handed is None else handed
            clients = {key: client for key, client in clients.items() if key in handed}
        client = next(iter(clients.values()), None)
        if client is None or client.site is None or len(clients) > 1:
            continue
        home = client.site.module
        node = client.site.node
        if node not in home.index.parents:
            continue
        maker = home.index.scope(node).function
        if maker in reached and not _kept(home, node):
            continue
        found.setdefault(id(node), (client, step))
    return found


def _handed(module: "Module", work: Work) -> set[object]:
    """The clients that a launch gives to what it runs, by identity."""
    given = [a for node in walk(work.call) if isinstance(node, ast.Call) for a in (*node.args, *(k.value for k in node.keywords))]
    held = [v.root("client") for expression in given for v in module.values(expression) if isinstance(v, Driver)]
    return {client.key() for client in held if client is not None}


def _iterated(module: "Module", scope: Scope) -> list[tuple[Driver, ast.AST]]:
    """The cursors that ``async for`` reads in a function: making one touches no event loop, reading it does."""
    found: list[tuple[Driver, ast.AST]] = []
    for loop in module.index.loops_in.get(scope, ()):
        if isinstance(loop, ast.AsyncFor):
            read = [loop.iter]
        elif isinstance(loop, COMPREHENSIONS):
            read = [generator.iter for generator in loop.generators if generator.is_async]
        else:
            continue
        for expression in read:
            kind = module.inference.kind(module, expression)
            if kind is not None and kind.family in CURSORS and kind.flavour != "sync":
                found.append((kind, expression))
    return found


def _kept(module: "Module", node: ast.AST) -> bool:
    return any(build.call is node and is_kept(module, build) for build in module.builds)


def _run(module: "Module", work: Work) -> list[Value]:
    """The functions and methods whose coroutines a launcher runs, those inside ``gather`` and ``wait_for`` included."""
    found: list[Value] = list(flatten(work.targets))
    pending: list[ast.AST] = [work.target]
    for _ in range(64):
        if not pending:
            break
        node = pending.pop(0)
        if isinstance(node, ast.Starred):
            pending.append(node.value)
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            pending.extend(node.elts)
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            pending.append(node.elt)
        elif isinstance(node, ast.Call):
            for value in module.values(node):
                if isinstance(value, Awaitable) and value.origin is not None:
                    found.append(value.origin)
                elif isinstance(value, (Awaitable, Sequence)):
                    pending.extend(a for a in node.args)
    return found


def entries(module: "Module") -> list[Entry]:
    """The calls of a module that enter an event loop with work on an outer asynchronous client, in source order."""
    found: list[Entry] = module.remember("entries", module.index.module_scope, lambda: _entries(module), [])
    return found


def _entries(module: "Module") -> list[Entry]:
    text = module.source.text
    if "nest_asyncio" in text or not any(mark in text for mark in _MARKS):
        return []
    return [e for e in (Entry(module, work) for work in module.calls.works if work.where == spawners.RUN) if e.clients]


# ---------------------------------------------------------------------- more than one loop


class LoopCrossing:
    """An entry into an event loop with a client that is used on another loop as well."""

    __slots__ = ("client", "node", "span", "steps", "text")

    def __init__(self, module: "Module", node: ast.Call, client: Driver, text: str, steps: tuple[Step, ...]) -> None:
        self.node = node
        self.client = client
        self.text = text
        """What makes it another loop, for a message."""
        self.span = module.source.name_span(node)
        made = (client.site.step("the client is made here"),) if client.site is not None else ()
        self.steps = (*made, *steps)


def loop_crossings(module: "Module") -> list[LoopCrossing]:
    """Every entry of this file that takes a client to a second event loop."""
    if not (module.project.mentions(*_LIBRARIES) and module.project.mentions(*_MARKS)):
        return []
    found: dict[ast.AST, LoopCrossing] = {}
    own = entries(module)
    for entry in own:
        client, use = next(iter(entry.clients.values()))
        reason = _repeated(module, entry)
        if reason is not None:
            found[entry.node] = LoopCrossing(module, entry.node, client, reason[0], (use, *reason[1]))
    for scope in [module.index.module_scope, *module.index.functions]:
        _in_sequence(module, scope, found)
    _test_after_test(module, found)
    _beside_a_loop(module, own, found)
    return sorted(found.values(), key=lambda c: c.span)


def _repeated(module: "Module", entry: Entry) -> tuple[str, tuple[Step, ...]] | None:
    """Why one entering call runs several times, each time on another loop."""
    loop = repeating_loop(module, entry.node)
    if entry.repeats_in(loop):
        line = getattr(loop, "lineno", 1)
        return (
            f"every iteration of the loop at line {line} enters another event loop",
            (module.step(loop, "this loop repeats it"),) if loop is not None else (),
        )
    if not entry.makes_its_own:
        return None
    scope = entry.work.scope.function
    if all(_made_by(module, client, scope) for client, _ in entry.clients.values()):
        return None  # each run of the function has a client of its own
    for context in module.contexts.at(scope):
        if _many(context):
            return (
                f"'{scope.name}', which enters one, runs on {context.text}"
                if context.where in THREADS
                else f"each run of {context.text} enters another",
                context.steps,
            )
    return _wrapper(module, entry, scope)


def _made_by(module: "Module", client: Driver, scope: Scope) -> bool:
    """Whether a function makes a client anew each time it runs."""
    site = client.site
    return site is not None and site.module is module and module.index.scope(site.node).function is scope and not _kept(module, site.node)


def _many(context: Context) -> bool:
    if not context.many:
        return False
    return context.where in THREADS or context.where in PER_REQUEST or context.where in (LOOP, spawners.JOB, spawners.EXECUTOR)


def _wrapper(module: "Module", entry: Entry, scope: Scope) -> tuple[str, tuple[Step, ...]] | None:
    """A plain function that gives back what a coroutine gives, for callers that are not asynchronous: each call is another loop.

    A method that gives nothing counts beside one that does. Only where nothing in the file calls it, it takes arguments and is no entry
    point: it is there to be called again and again.
    """
    if scope.kind != "function" or scope.decorators or scope.is_async:
        return None
    name = scope.name.lower().strip("_")
    if any(name == n or name.startswith(n + "_") or name.endswith("_" + n) for n in _MAIN_NAMES) or name.startswith(
        ("cmd", "command", "test", "handle", "do_")
    ):
        return None
    taken = [p.arg for p in scope.params if p.arg not in ("self", "cls")]
    gives = entry.node in scope.returns
    if not taken or not (gives or _beside_a_giver(module, entry, scope)):
        return None
    if any(a in taken for a in ("args", "argv", "ctx", "context", "options", "namespace")):
        return None
    if any(edge.target.scope is scope for edges in module.calls.edges.values() for edge in edges):
        return None
    if any(f.scope is scope for work in module.calls.works for f in work.functions):
        return None
    what = "gives plain callers what a coroutine gives" if gives else "runs a coroutine for plain callers"
    return f"every call of '{scope.name}' enters another event loop", (module.step(scope.node, f"'{scope.name}' {what}"),)


def _beside_a_giver(module: "Module", entry: Entry, scope: Scope) -> bool:
    """Whether another method of the class gives what a coroutine gives, with the same client: ``put`` beside ``get``."""
    return scope.cls is not None and any(
        other.work.scope.function is not scope
        and other.work.scope.function.cls is scope.cls
        and other.makes_its_own
        and not other.clients.keys().isdisjoint(entry.clients)
        and other.node in other.work.scope.function.returns
        for other in entries(module)
    )


def _starts(module: "Module", scope: Scope) -> list[tuple[ast.AST, Entry, tuple[Step, ...]]]:
    """The entries that running a function leads to, each with the node of that function that does, in source order."""
    found: list[tuple[ast.AST, Entry, tuple[Step, ...]]] = module.remember("loop starts", scope, lambda: _find_starts(module, scope), [])
    return found


def _find_starts(module: "Module", scope: Scope) -> list[tuple[ast.AST, Entry, tuple[Step, ...]]]:
    found: list[tuple[ast.AST, Entry, tuple[Step, ...]]] = [(e.node, e, ()) for e in entries(module) if e.work.scope.function is scope]
    for edge in module.calls.inside(scope):
        target = edge.target
        if target.scope is scope or target.scope.is_async or len(found) >= MAX_STARTS:
            continue
        found.extend(
            (edge.node, entry, (_call_step(module, edge), *steps)) for _, entry, steps in _starts(target.module, target.scope)[:MAX_STARTS]
        )
    found.sort(key=lambda s: (getattr(s[0], "lineno", 0), getattr(s[0], "col_offset", 0)))
    return found[:MAX_STARTS]


def _call_step(module: "Module", edge: Edge) -> Step:
    return module.step(edge.node, f"calls '{edge.target.scope.name}'")


def _in_sequence(module: "Module", scope: Scope, found: dict[ast.AST, LoopCrossing]) -> None:
    """Two entries with the same client, one after the other in one function or in what it calls."""
    if scope.is_async:
        return
    starts = _starts(module, scope)
    if len(starts) < 2 and not (starts and starts[0][2]):
        return
    for position, (node, entry, steps) in enumerate(starts):
        loop = repeating_loop(module, node) if node is not entry.node else None
        if loop is not None and entry.makes_its_own:
            client = next(iter(entry.clients.values()))[0]
            _note(
                module,
                found,
                node,
                entry,
                client,
                f"the loop at line {getattr(loop, 'lineno', 1)} enters another event loop on every iteration",
                (module.step(loop, "this loop repeats it"), *steps),
            )
            continue
        for earlier, first, _ in starts[:position]:
            if not (_by_one_call(module, scope, node, first, entry) if earlier is node else _both_run(module, earlier, node)):
                continue
            if first is entry and not entry.makes_its_own:
                continue
            if first is not entry and not entry.other_than(first):
                continue
            common = [c for key, (c, _) in entry.clients.items() if key in first.clients]
            if common:
                where = first.module.where(first.node, module)
                _note(
                    module,
                    found,
                    node,
                    entry,
                    common[0],
                    f"it is bound to the event loop entered at {where}",
                    (first.module.step(first.node, "the first event loop"), *steps),
                )
                break


def _by_one_call(module: "Module", scope: Scope, node: ast.AST, first: Entry, entry: Entry) -> bool:
    """Whether one call of a function of another file makes both entries; the order inside a function of this file is judged there."""
    if first is entry or any(edge.node is node and edge.target.module is module for edge in module.calls.inside(scope)):
        return False
    return first.work.scope.function is not entry.work.scope.function or _both_run(first.module, first.node, entry.node)


def _test_after_test(module: "Module", found: dict[ast.AST, LoopCrossing]) -> None:
    """Tests that each enter a loop of their own with one client of the module or of their class: a runner runs them in one go."""
    earlier: list[tuple[Scope, Entry]] = []
    for scope in module.index.functions:
        if scope.is_async or not scope.name.startswith("test") or scope.parent is None or scope.parent.kind not in ("module", "class"):
            continue
        for node, entry, steps in _starts(module, scope):
            if not entry.makes_its_own:
                continue
            kept = {key: c for key, (c, _) in entry.clients.items() if c.site is not None and _outlives_tests(c)}
            for other, first in earlier:
                common = [key for key in kept if key in first.clients]
                if other is not scope and common and entry.node not in found:
                    text = f"test '{other.name}' has bound it to the event loop entered at line {getattr(first.node, 'lineno', 1)}"
                    step = first.module.step(first.node, "the first event loop")
                    _note(module, found, node, entry, kept[common[0]], text, (step, *steps))
                    break
            if kept:
                earlier.append((scope, entry))


def _outlives_tests(client: Driver) -> bool:
    """Whether a client is made once for all tests: at import or with the class, not by ``setUp`` or a fixture."""
    site = client.site
    return site is not None and site.module.index.scope(site.node).function.kind in ("module", "class")


def _note(
    module: "Module", found: dict[ast.AST, LoopCrossing], node: ast.AST, entry: Entry, client: Driver, text: str, steps: tuple[Step, ...]
) -> None:
    place = entry.node if entry.module is module else node
    if isinstance(place, ast.Call) and place not in found:
        found[place] = LoopCrossing(module, place, client, text, steps)


def _both_run(module: "Module", first: ast.AST, second: ast.AST) -> bool:
    """Whether a later node can run after an earlier one in one go: not in branches that exclude each other."""
    if exclusive(module, first, second):
        return False
    index = module.index
    shared = {(id(owner), field) for owner, field, _ in index.block_path(second, index.tree)}
    for owner, field, _ in index.block_path(first, index.tree):
        if (id(owner), field) in shared:
            break
        block = getattr(owner, field, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt) and ends(block):
            return False
        if isinstance(owner, ast.Try) and field in ("body", "handlers") and any((id(owner), "handlers") == key for key in shared):
            return False
    return True


def _beside_a_loop(module: "Module", own: list[Entry], found: dict[ast.AST, LoopCrossing]) -> None:
    """An entry on a thread, while coroutines of another loop use the same client."""
    for entry in own:
        if entry.node in found or not entry.makes_its_own:
            continue
        scope = entry.work.scope.function
        context = module.contexts.first(scope, *THREADS)
        if context is None or context.work is None:
            continue
        for other in own:
            common = [c for key, (c, _) in entry.clients.items() if key in other.clients]
            if other is not entry and common and entry.other_than(other):
                text = (
                    f"it runs on {context.text}, and the event loop entered at line {getattr(other.node, 'lineno', 1)} uses the client too"
                )
                found[entry.node] = LoopCrossing(
                    module, entry.node, common[0], text, (*context.steps, module.step(other.node, "the other event loop"))
                )
                break
        else:
            _beside_coroutine(module, entry, context, found)


def _beside_coroutine(module: "Module", entry: Entry, context: Context, found: dict[ast.AST, LoopCrossing]) -> None:
    """The thread is started by a coroutine that uses the client itself."""
    work = context.work
    caller = work.scope.function if work is not None else None
    if caller is None or not caller.is_async:
        return
    for operation in operations_in(module, caller):
        client = operation.owner.root("client")
        if client is not None and client.site is not None and id(client.site.node) in entry.clients:
            text = f"it runs on {context.text}, and coroutine '{caller.name}' uses the client on its own event loop"
            found[entry.node] = LoopCrossing(
                module, entry.node, client, text, (*context.steps, module.step(operation.node, "the use on the other loop"))
            )
            return


PRODUCERS[LoopCrossing] = loop_crossings
