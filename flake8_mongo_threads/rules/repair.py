"""Building blocks of fixes: anchors and the few changes that several rules make."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Anchor, Edit, ImportRequest, MakeAsync, RenameName, ReplaceExpr, SetKeyword, SpliceCall
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.semantics.awaiting import can_await
from flake8_mongo_threads.semantics.flow import UseAfterClose
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.spawns import Work
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, has_star, last_name, walk
from flake8_mongo_threads.semantics.values import External, Function

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_LAZY = frozenset(("builtins.map", "builtins.filter"))
"""Callables that do their work only when their result is iterated."""
_LOOP = frozenset(("create_task", "ensure_future", "get_running_loop", "get_event_loop", "call_soon", "call_later", "run_in_executor"))


def anchor(module: "Module", node: ast.AST) -> Anchor:
    """The anchor of a node of this module."""
    span = module.source.span(node)
    return Anchor(type(node).__name__, span.line, span.col, span.end_line, span.end_col)


def replace(module: "Module", node: ast.AST, template: str, *holes: ast.AST) -> ReplaceExpr:
    """Replace an expression by a template whose holes are other nodes of the module."""
    return ReplaceExpr(anchor(module, node), template, tuple(anchor(module, hole) for hole in holes))


def rename(module: "Module", node: ast.Name | ast.Attribute, new: str) -> RenameName:
    """Give a name, or the last name of an attribute, a new identifier."""
    return RenameName(anchor(module, node), new)


def insert_await(module: "Module", node: ast.AST) -> ReplaceExpr:
    """``f(x)`` becomes ``await f(x)``."""
    return replace(module, node, "await {0}", node)


def drop_await(module: "Module", node: ast.Await) -> ReplaceExpr:
    """``await f(x)`` becomes ``f(x)``."""
    return replace(module, node, "{0}", node.value)


def offload(module: "Module", call: ast.Call, at: ast.AST | None = None) -> Fix | None:
    """``f(x)`` becomes ``await asyncio.to_thread(f, x)``; ``at`` is what is replaced, when it is more than the call.

    None where ``await`` cannot stand, where the call is entered by ``with`` or unpacks a generator argument, and where its result is
    awaited: what a function makes for the event loop is not to be made on another thread.
    """
    place = at or call
    if isinstance(module.index.parents.get(place), ast.Await):
        return None
    if not can_await(module, place) or isinstance(module.index.parents.get(place), ast.withitem):
        return None
    if any(isinstance(arg, ast.GeneratorExp) for arg in call.args):
        return None
    for value in module.values(call.func):
        if isinstance(value, External) and value.path in _LAZY:
            return None
        if isinstance(value, Function) and needs_the_loop(value.scope.node):
            return None
    template = "await asyncio.to_thread({0}, {1*})" if call.args or call.keywords else "await asyncio.to_thread({0})"
    edit = ReplaceExpr(anchor(module, place), template, (anchor(module, call.func), anchor(module, call)))
    return Fix("Run it in a thread: await asyncio.to_thread(...)", Applicability.UNSAFE, (edit,), (ImportRequest("asyncio"),))


def tailable(node: ast.AST) -> bool:
    """Whether a cursor may never come to its end."""
    return any(isinstance(part, ast.keyword) and part.arg in ("cursor_type", "tailable", None) for part in walk(node))


def needs_the_loop(function: ast.AST) -> bool:
    """Whether a function starts tasks or asks for the event loop: on another thread there is none."""
    return any(isinstance(node, ast.Call) and last_name(node.func) in _LOOP for node in walk(function))


def make_async(module: "Module", at: ast.AST, asynchronous: bool = True) -> Edit | None:
    """Turn a ``for``, a comprehension clause or a ``with`` into its ``async`` form or back; None where it cannot be.

    A ``with`` of several items is turned where all are of the same colour, and nothing but their form is wrong.
    """
    if isinstance(at, (ast.For, ast.AsyncFor)):
        return MakeAsync(anchor(module, at), 0, asynchronous)
    if isinstance(at, (ast.With, ast.AsyncWith)):
        alike = len(at.items) == 1 or all(_of_colour(module, item.context_expr, asynchronous) for item in at.items)
        return MakeAsync(anchor(module, at), 0, asynchronous) if alike else None
    if isinstance(at, ast.comprehension):
        owner = module.index.parents.get(at)
        if isinstance(owner, COMPREHENSIONS) and not isinstance(owner, ast.GeneratorExp):
            return MakeAsync(anchor(module, owner), owner.generators.index(at), asynchronous)
    return None


_ENTERED = frozenset(("client", "session", "bind"))
"""What is entered as it stands in either colour."""


def _of_colour(module: "Module", node: ast.expr, asynchronous: bool) -> bool:
    kind = module.inference.kind(module, node)
    return kind is not None and kind.family in _ENTERED and kind.flavour == ("async" if asynchronous else "sync")


_TAKES_KEYWORDS = frozenset(("submit", "to_thread", "run_in_threadpool", "add_task", "enqueue", "spawn", "start_soon"))


def separate(module: "Module", work: Work, call: ast.Call) -> Fix | None:
    """``submit(f(a))`` becomes ``submit(f, a)`` and ``Thread(target=f(a))`` becomes ``Thread(target=f, args=(a,))``.

    None where arguments cannot be told apart (stars), or where the launcher is given arguments already.
    """
    if has_star(call) or has_star(work.call):
        return None
    title = "Pass the function and its arguments"
    name = work.path.rpartition(".")[2]
    if work.launcher.passing == "rest":
        if work.arguments or call not in work.call.args:
            return None
        if not call.keywords or name in _TAKES_KEYWORDS:
            return Fix(title, Applicability.SAFE, (SpliceCall(anchor(module, call)),))
        edit = ReplaceExpr(anchor(module, call), "partial({0}, {1*})", (anchor(module, call.func), anchor(module, call)))
        return Fix(title, Applicability.SAFE, (edit,), (ImportRequest("functools", "partial"),))
    if work.launcher.passing != "tuple" or work.arguments:
        return None
    edits: list[Edit] = [replace(module, call, "{0}", call.func)]
    if call.args:
        texts = [source(module, arg) for arg in call.args]
        edits.append(
            SetKeyword(anchor(module, work.call), work.launcher.args_keyword, f"({', '.join(texts)}{',' if len(texts) == 1 else ''})")
        )
    if call.keywords:
        pairs = ", ".join(f'"{k.arg}": {source(module, k.value)}' for k in call.keywords)
        edits.append(SetKeyword(anchor(module, work.call), "kwargs", f"{{{pairs}}}"))
    return Fix(title, Applicability.SAFE, tuple(edits))


def source(module: "Module", node: ast.expr | ast.stmt) -> str:
    """The text of an expression or statement as it stands in the file."""
    span = module.source.span(node)
    lines = module.source.lines[span.line - 1 : span.end_line]
    if len(lines) == 1:
        return lines[0][span.col : span.end_col]
    return lines[0][span.col :] + "".join(lines[1:-1]) + lines[-1][: span.end_col]


HANDED_OUT = "cursor handed out"
"""Who makes a cursor and who reads it are not changed in one round: the one sees what became of the other."""


def listed(module: "Module", fact: UseAfterClose) -> Fix | None:
    """``return coll.find(…)`` inside the block that closes becomes ``return list(…)`` or ``return await ….to_list()``."""
    value = fact.value
    if not fact.escapes or value is None or fact.owner.family not in CURSORS or isinstance(value, ast.GeneratorExp):
        return None
    if _wanted_as_cursor(module, value):
        return None
    title = "Read the documents before the client closes"
    # where the block does not make the client, its owner may mean to open it again; what aggregate gives works for one batch,
    # and who gets it may ask for more than its documents
    level = Applicability.SAFE if fact.made_here and fact.owner.family == "cursor" else Applicability.UNSAFE
    if fact.owner.flavour == "sync":
        return Fix(title, level, (replace(module, value, "list({0})", value),))
    if not can_await(module, value):
        return None
    length = "" if fact.owner.flavour == "async" else "None"
    return Fix(title, level, (replace(module, value, f"await {{0}}.to_list({length})", value),), isolation=HANDED_OUT)


def _wanted_as_cursor(module: "Module", returned: ast.expr) -> bool:
    """Whether a caller in this file does with what a function returns what a list does not allow: ``async for``, or a method."""
    index = module.index
    scope = index.scope(returned).function
    pending: list[ast.AST] = [edge.node for edges in module.calls.edges.values() for edge in edges if edge.target.scope is scope]
    seen: set[ast.AST] = set()
    while pending:
        node = pending.pop()
        parent = index.parents.get(node)
        if parent is None or node in seen:
            continue
        seen.add(node)
        if isinstance(parent, ast.Await):
            pending.append(parent)
        elif isinstance(parent, ast.Attribute):
            return True
        elif isinstance(parent, (ast.AsyncFor, ast.comprehension)) and parent.iter is node:
            if isinstance(parent, ast.AsyncFor) or parent.is_async:
                return True
        elif isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    binder = index.scope(target).binder(target.id)
                    pending += [load for load in index.name_loads.get(target.id, ()) if index.scope(load).binder(target.id) is binder]
    return False
