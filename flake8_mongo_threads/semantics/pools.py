"""Connection pools against the workers that share them, and greenlets without a patched standard library."""

import ast
import os
import re
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.concurrency.frameworks import REQUEST
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.callers import nearby
from flake8_mongo_threads.semantics.carrying import made_by_work
from flake8_mongo_threads.semantics.facts import PRODUCERS, HandOver, blocks, is_blocking, operations_in
from flake8_mongo_threads.semantics.lifecycle import Build
from flake8_mongo_threads.semantics.options import ENTRY, UNKNOWN_VALUE, ClientCall, Option
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import waits_for_each, worker_objects
from flake8_mongo_threads.semantics.spawns import Work, flatten
from flake8_mongo_threads.semantics.syntax import argument, constant, keyword
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function, Method, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

# ---------------------------------------------------------------------- pool size


class SmallPool:
    """A client whose literal pool size is below the literal number of workers that share it."""

    __slots__ = ("build", "node", "size", "span", "steps", "workers")

    def __init__(self, module: "Module", build: Build, node: ast.keyword | ast.expr, size: int, workers: int, work: Work) -> None:
        self.build = build
        self.node = node
        self.size = size
        self.workers = workers
        self.span: Span = module.source.span(node)
        launch: Step = module.step(work.call, f"{workers} workers share the client")
        self.steps = (module.step(build.call, f"{build.name} is built with {size} connection{'s' if size > 1 else ''} at most"), launch)


def small_pools(module: "Module") -> list[SmallPool]:
    """Every client of this file with fewer connections than threads that use it at once."""
    sizes: dict[ast.AST, tuple[Build, ast.keyword | ast.expr, int]] = {}
    for build in module.builds:
        if build.flavour != "sync":
            continue
        address = argument(build.call, 0, "host")
        size = _size_in_uri(module, address) if address is not None else None
        if size and address is not None:
            sizes[build.call] = (build, address, size)
        for item in build.call.keywords:
            if item.arg is not None and item.arg.lower() == "maxpoolsize":
                size = _number(module, item.value)  # a keyword argument wins over the URI
                sizes.pop(build.call, None)
                if size:
                    sizes[build.call] = (build, item, size)
            elif item.arg is None:
                option = _unpacked_size(module, build.call)
                if option is not None:
                    size = _number(module, option.expression) if option.value is not UNKNOWN_VALUE else None  # type: ignore[arg-type]
                    sizes.pop(build.call, None)
                    if size:
                        sizes[build.call] = (build, option.node, size)  # type: ignore[assignment]
    if not sizes:
        return []
    found: dict[ast.AST, SmallPool] = {}
    for work, client in _used_by(module):
        row = sizes.get(client.site.node) if client.site is not None else None
        if row is None or not _at_once(module, work) or made_by_work(client, work.functions, through=True):
            continue
        workers = worker_count(module, work)
        known = found.get(row[0].call)
        if workers is not None and workers > row[2] and (known is None or known.workers < workers):
            found[row[0].call] = SmallPool(module, row[0], row[1], row[2], workers, work)
    return sorted(found.values(), key=lambda p: p.span)


def _at_once(module: "Module", work: Work) -> bool:
    """Whether several runs of the work use the client at the same time; greenlets do so where the standard library is patched."""
    if work.where == spawners.GREENLET:
        return _patched(module, work.path.partition(".")[0])
    if work.where != spawners.THREAD:
        return False
    if work.call in module.index.awaited:  # one task waits for its own, many tasks do not wait for each other
        return not waits_for_each(module, work) or any(
            c.many and c.where in (spawners.TASK, REQUEST) for c in module.contexts.at(work.scope.function)
        )
    return not waits_for_each(module, work)


def _unpacked_size(module: "Module", call: ast.Call) -> Option | None:
    """The ``maxPoolSize`` of a dictionary that is unpacked into the call."""
    for client in module.facts(ClientCall):
        if client.call is call:
            option = client.get("maxpoolsize")
            return option if option is not None and option.where == ENTRY else None
    return None


def _used_by(module: "Module") -> list[tuple[Work, Driver]]:
    """Launched work with the clients it uses: those handed over, and those its operations reach."""
    found: list[tuple[Work, Driver]] = []
    for hand_over in module.facts(HandOver):
        client = hand_over.value.root("client")
        if client is not None:
            found.append((hand_over.work, client))
    for work in (*module.calls.works, *worker_objects(module)):
        for function in work.functions:
            pending: list[Function] = [function]
            seen: set[Scope] = set()
            while pending and len(seen) < 40:
                current = pending.pop(0)
                if current.scope in seen:
                    continue
                seen.add(current.scope)
                for operation in operations_in(current.module, current.scope):
                    client = operation.owner.root("client")
                    if client is not None and is_blocking(current.module, operation):
                        found.append((work, client))
                pending.extend(edge.target for edge in current.module.calls.inside(current.scope))
    return found


def worker_count(module: "Module", work: Work) -> int | None:
    """How many threads a launcher runs at once, when literals say so."""
    if work.path.startswith(("threading.", "gevent.spawn")):
        return _iterations(module, work.loop)
    pool = work.pool
    if work.launcher.where == spawners.EXECUTOR:
        executor = argument(work.call, 0, "executor")
        pool = next((v for v in module.values(executor) if isinstance(v, External)), None) if executor is not None else None
    if isinstance(pool, External) and pool.site is not None and isinstance(pool.site.node, ast.Call):
        home, node = pool.site.module, pool.site.node
        given = argument(node, 0, "max_workers") or keyword(node, "processes") or keyword(node, "size")
        workers = _number(home, given) if given is not None else None
        jobs = _iterations(module, work.loop) if not work.launcher.many else None
        return min(workers, jobs) if workers is not None and jobs is not None else workers
    return None


def _size_in_uri(module: "Module", node: ast.expr) -> int | None:
    value = module.constant(node)
    match = re.search(r"[?&]maxPoolSize=(\d+)(?:&|$)", value, re.IGNORECASE) if isinstance(value, str) else None
    return int(match.group(1)) if match else None


def _number(module: "Module", node: ast.expr) -> int | None:
    value = module.constant(node)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _iterations(module: "Module", loop: ast.AST | None) -> int | None:
    """How often a loop over ``range(n)`` with literal bounds, or over a literal list, runs."""
    source: ast.expr | None = None
    if isinstance(loop, ast.For):
        source = loop.iter
    elif isinstance(loop, (ast.ListComp, ast.SetComp, ast.GeneratorExp)) and len(loop.generators) == 1 and not loop.generators[0].ifs:
        source = loop.generators[0].iter
    if isinstance(source, (ast.List, ast.Tuple)) and not any(isinstance(e, ast.Starred) for e in source.elts):
        return len(source.elts)
    if isinstance(source, ast.Call) and isinstance(source.func, ast.Name) and source.func.id == "range" and 1 <= len(source.args) <= 2:
        bounds = [_number(module, a) if constant(a) != 0 else 0 for a in source.args]
        if all(b is not None for b in bounds):
            low, high = (0, bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
            return max((high or 0) - (low or 0), 0)
    return None


# ---------------------------------------------------------------------- greenlets


class UnpatchedGreenlet:
    """A greenlet that uses the driver where nothing patched the standard library, or where patching no longer helps."""

    __slots__ = ("eventlet", "name", "node", "patched", "span", "steps")

    def __init__(self, module: "Module", node: ast.Call, name: str, *, eventlet: bool, patched: bool, steps: tuple[Step, ...]) -> None:
        self.node = node
        self.name = name
        """The driver operation that runs in the greenlet."""
        self.eventlet = eventlet
        self.patched = patched
        self.span = module.source.name_span(node)
        self.steps = (module.step(node, "a greenlet is spawned here"), *steps)


def unpatched_greenlets(module: "Module") -> list[UnpatchedGreenlet]:
    """Every spawn of a greenlet that talks to the server, with whether the standard library is patched."""
    found: dict[ast.AST, UnpatchedGreenlet] = {}
    launches: list[tuple[ast.Call, list[Value], str]] = [
        (w.call, flatten(w.targets), w.path) for w in module.calls.works if w.where == spawners.GREENLET
    ]
    for call, _, value in module.calls.constructions:
        if isinstance(value, Class) and "gevent.Greenlet" in module.inference.external_bases(value):
            runs: list[Value] = []
            for name in ("_run", "run"):
                for home, cls in module.inference.resolution_order(value):
                    runs.extend(Function(home, d) for d in module.inference.definitions(cls, name))
            launches.append((call, runs, "gevent.Greenlet"))
    if not launches:
        return []
    patched = {name: _patched(module, name) for name in ("gevent", "eventlet")}
    for call, targets, path in launches:
        library = path.partition(".")[0]
        for value in targets:
            performed = _performs(value)
            if performed is not None and call not in found:
                found[call] = UnpatchedGreenlet(
                    module, call, performed[0], eventlet=library == "eventlet", patched=patched.get(library, False), steps=performed[1]
                )
    return sorted(found.values(), key=lambda g: g.span)


def _performs(value: Value) -> tuple[str, tuple[Step, ...]] | None:
    if isinstance(value, Method):
        return (value.name, ()) if value.owner.flavour == "sync" and value.member.io else None
    if isinstance(value, Function):
        inner = blocks(value)
        return (inner[0].name, inner[3]) if inner is not None else None
    return None


_MAX_PACKAGES = 12
_PATCHES = {"gevent": ("patch_all", "patch_socket"), "eventlet": ("monkey_patch", "import_patched")}
_PATCHING = {"gevent": ("locust", "grequests")}
"""Packages that patch the standard library themselves when they are imported."""


def _patched(module: "Module", library: str) -> bool:
    """Whether this file, a module that it leads to, or a program near it that imports it or its package patches the standard library."""
    calls = tuple(name + how for name in _PATCHES[library] for how in ("(", " as "))
    if any(_patches(other.source.text, library, calls) for other in module.project.order):
        return True
    if any(i.module.partition(".")[0] in _PATCHING.get(library, ()) for other in module.project.order for i, _ in other.index.imports):
        return True
    folder = os.path.dirname(module.location)
    for _ in range(_MAX_PACKAGES):  # the packages that the file lies in are imported before it
        parsed = modules.read(os.path.join(folder, "__init__.py")) if modules.file_at(folder).endswith("__init__.py") else None
        if parsed is None:
            break
        if _patches(parsed.text, library, calls):
            return True
        folder = os.path.dirname(folder)
    names = {os.path.splitext(os.path.basename(module.location))[0], module.name.partition(".")[0]} - {"", "__init__", "__main__"}
    if not names:
        return False
    importing = re.compile(r"^[ \t]*(?:from|import)[ \t][^\n]*\b(?:" + "|".join(map(re.escape, sorted(names))) + r")\b", re.MULTILINE)
    for path in nearby(module):
        parsed = modules.read(path)
        if parsed is not None and _patches(parsed.text, library, calls) and importing.search(parsed.text) is not None:
            return True
    return False


def _patches(text: str, library: str, calls: tuple[str, ...]) -> bool:
    return library in text and any(call in text for call in calls)


PRODUCERS[SmallPool] = small_pools
PRODUCERS[UnpatchedGreenlet] = unpatched_greenlets
