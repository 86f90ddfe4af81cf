"""What the model knows about one line, for people who ask why something is reported there, or why it is not.

Nothing is decided here: kinds, contexts and facts are those that the rules see.
"""

import ast
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.semantics.facts import loop_place
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import CHAINS, base_of
from flake8_mongo_threads.semantics.values import NOTHING, OPEN, UNKNOWN, Driver, External, Instance, Method, Values

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_DEPTH = 12


class CallSite(NamedTuple):
    """A call that could be one of the driver's."""

    span: Span
    """The name that is called."""
    text: str
    """The call without its arguments, as written."""
    kind: str
    """What it builds or is called on: ``builds a sync client``, ``on an async collection``; empty for anything else."""
    why: str
    """Why it is nothing of the driver's as far as is known: what else it is, or the step at which it becomes unknown, with its line."""
    step: str = ""
    """For a known kind: the condition of the rules about where code runs that is not met; empty when they have something to look at."""


class Place(NamedTuple):
    """The function that a line belongs to and where it runs."""

    function: str
    """Its qualified name; empty at module level."""
    contexts: tuple[str, ...]
    """Each way it comes to run, for people; none when nothing is known."""


def shown_kind(family: str, flavour: str) -> str:
    """A kind for people: ``sync client``."""
    return f"{flavour} {family}"


def receiver_kind(module: "Module", node: ast.expr) -> str:
    """What an expression is: ``sync client``, ``-`` when it is known to be no driver object, empty when unknown."""
    values = module.values(node)
    driver = module.inference.agreed(values)
    if driver is not None:
        return shown_kind(driver.family, driver.flavour)
    return "-" if _other(values) else ""


def _other(values: Values) -> bool:
    known = [value for value in values if value is not NOTHING]
    return bool(known) and all(isinstance(value, (External, Instance)) for value in known)


def shape(module: "Module", node: ast.expr) -> str:
    """What a receiver looks like, by its innermost name: self, local, global, parameter, import, undefined or expression."""
    base = base_of(node, (*CHAINS, ast.Await))
    if not isinstance(base, ast.Name):
        return "expression"
    if base.id in ("self", "cls"):
        return "self"
    scope = module.index.scope(base).binder(base.id)
    if scope is None:
        return "undefined"
    how = scope.bindings[base.id][0].how
    if how in ("import", "param"):
        return {"import": "import", "param": "parameter"}[how]
    return "global" if scope.kind == "module" else "local"


def reason(module: "Module", node: ast.AST) -> str:
    """The innermost step at which an expression becomes unknown, without places: to be counted."""
    return failing_step(module, node)[0]


def failing_step(module: "Module", node: ast.AST, depth: int = 0) -> tuple[str, ast.AST]:
    """The innermost step at which an expression becomes unknown, and the expression that it is about."""
    if depth > MAX_DEPTH:
        return "too deep", node
    values = module.values(node)
    if isinstance(node, ast.Name) and values and all(value is OPEN for value in values):
        return "open parameter", node
    if isinstance(node, ast.Attribute):
        inner = module.values(node.value)
        if _nothing_known(inner):
            return failing_step(module, node.value, depth + 1)
        return f"attribute of {type(inner[0]).__name__ if inner else 'nothing'}", node
    if isinstance(node, (ast.Subscript, ast.Call)):
        base = node.value if isinstance(node, ast.Subscript) else node.func
        inner = module.values(base)
        if _nothing_known(inner):
            return failing_step(module, base, depth + 1)
        word = "item" if isinstance(node, ast.Subscript) else "result"
        return f"{word} of {type(inner[0]).__name__ if inner else 'nothing'}", node
    if isinstance(node, ast.Await):
        return failing_step(module, node.value, depth + 1)
    if isinstance(node, ast.Name):
        return _failing_name(module, node, depth)
    return f"{type(node).__name__} expression", node


def _nothing_known(values: Values) -> bool:
    return UNKNOWN in values or all(value is OPEN for value in values)


def _failing_name(module: "Module", node: ast.Name, depth: int) -> tuple[str, ast.AST]:
    scope = module.index.scope(node).binder(node.id)
    if scope is None:
        return "name not bound", node
    binding = scope.bindings[node.id][-1]
    if binding.how in ("assign", "ann", "with", "for") and isinstance(binding.value, ast.AST) and UNKNOWN in module.values(binding.value):
        why, about = failing_step(module, binding.value, depth + 1)
        return f"{binding.how}: {why}", about
    return f"name bound by {binding.how}", binding.node


_PLAIN = {
    "open parameter": "a parameter about which the program says nothing (no annotation, no default, no known caller)",
    "name not bound": "a name that nothing in this file binds",
    "name bound by import": "an import from a module that is not part of the project, or could not be followed",
    "name bound by param": "a parameter about which the program says nothing (no annotation, no default, no known caller)",
    "too deep": "a chain of assignments that is too long to be followed",
}


def told(module: "Module", node: ast.expr) -> str:
    """Why it is not known what an expression is, as a sentence part with its line."""
    why, about = failing_step(module, node)
    last = why.rpartition(": ")[2]
    text = _PLAIN.get(last)
    if text is None:
        text = {"attribute": "an attribute", "item": "an item", "result": "the result of a call"}.get(last.partition(" ")[0], last)
        if last.startswith(("attribute", "item", "result")):
            text = f"{text} that nothing in the project gives a known value"
    source = _source(about)
    line = getattr(about, "lineno", 0)
    return f"'{source}' is {text}" + (f" (line {line})" if line else "") if source else text


def _source(node: ast.AST) -> str:
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.alias):
        return node.asname or node.name
    if isinstance(node, ast.Call):
        node = node.func
    if not isinstance(node, ast.expr):
        return getattr(node, "name", "")
    try:
        text = ast.unparse(node)
    except RecursionError:
        return ""
    return text if len(text) <= 60 else f"{text[:57]}..."


def call_sites(module: "Module", lines: range) -> list[CallSite]:
    """The calls on some lines that build or use driver objects, or are named as if they did."""
    found: list[CallSite] = []
    for call in module.index.calls:
        span = module.source.name_span(call)
        if span.line not in lines and call.lineno not in lines:
            continue
        text = _source(call) or "a call"
        made = module.inference.agreed(module.values(call))
        if isinstance(made, Driver) and made.family == "client":
            kind = f"builds {_with_article(shown_kind(made.family, made.flavour))}"
            found.append(CallSite(span, text, kind, "", _why_one_client(module, call)))
            continue
        func = call.func
        if not isinstance(func, ast.Attribute) or (func.attr not in kinds.OPERATION_NAMES and not _driver_method(module, func)):
            continue
        kind = receiver_kind(module, func.value)
        if kind == "-":
            found.append(CallSite(span, text, "", _something_else(module, func.value)))
        elif kind:
            found.append(CallSite(span, text, f"on {_with_article(kind)}", "", _why_no_wait(module, call, func)))
        else:
            found.append(CallSite(span, text, "", f"the object is unknown: {told(module, func.value)}"))
    return sorted(found, key=lambda site: (site.span.line, site.span.col))


def _why_one_client(module: "Module", call: ast.Call) -> str:
    """Why nothing shows that a client is built again and again; empty when something may."""
    scope = module.index.scope(call).function
    if module.contexts.at(scope):
        return ""
    if scope.kind == "module":
        return "it is built once, when the file is imported or started"
    return f"nothing shows that '{scope.name}' runs in a loop, on threads, in tasks or for every request"


def _why_no_wait(module: "Module", call: ast.Call, func: ast.Attribute) -> str:
    """Why a call on a driver object does not keep an event loop waiting, and is not one that must be awaited; empty when it may."""
    driver = module.inference.agreed(module.values(func.value))
    member = kinds.member(driver.family, driver.flavour, func.attr) if driver is not None else None
    if driver is None or member is None:
        return ""
    if driver.flavour != "sync":
        if call in module.index.awaited:
            return "it is awaited"
        return "" if member.coroutine else f"'{func.attr}' gives nothing to await: it asks the server nothing by itself"
    if not member.io:
        return f"'{func.attr}' asks the server nothing by itself"
    scope = module.index.scope(call).function
    if loop_place(module, scope):
        return ""
    if scope.kind == "module":
        return "it waits for the server, and the top level of a file is not an event loop"
    return f"it waits for the server, and nothing shows that '{scope.name}' runs on an event loop"


_PLACES = {
    "thread": "on another thread",
    "process": "in another process",
    "task": "as a task of the event loop",
    "greenlet": "in a greenlet",
    "callback": "as a callback of the event loop",
    "run": "on an event loop of its own",
    "job": "as a job",
}


def handed_over(module: "Module", lines: range) -> list[str]:
    """What the calls on some lines hand to a thread, process, task and the like, or that nobody knows what becomes of it."""
    found: list[tuple[int, int, str]] = []
    known: set[ast.expr] = set()
    for work in module.calls.works:
        span = module.source.name_span(work.call)
        if span.line in lines:
            known.add(work.target)
            where = _PLACES.get(work.where, f"as a {work.label}")
            found.append((span.line, span.col, f"{_source(work.target) or 'work'}: {_source(work.call)}() runs it {where}"))
    for call in module.index.calls:
        span = module.source.name_span(call)
        if span.line not in lines:
            continue
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            method = next((value for value in module.values(argument) if isinstance(value, Method)), None)
            if method is None or argument in known:
                continue
            kind = _with_article(shown_kind(method.owner.family, method.owner.flavour))
            text = f"{_source(argument)}: a method of {kind}, and nothing is known about what {_source(call) or 'the call'}() does with it"
            found.append((span.line, span.col, text))
    return [text for _, _, text in sorted(found)]


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _something_else(module: "Module", node: ast.expr) -> str:
    for value in module.values(node):
        if isinstance(value, External):
            return f"the object comes from '{value.path}', which is neither the driver nor part of the project"
        if isinstance(value, Instance):
            return f"the object is an instance of the project's class '{value.cls.scope.name}'"
    return "the object is not one of the driver's"


def _driver_method(module: "Module", func: ast.Attribute) -> bool:
    return any(isinstance(value, Method) for value in module.values(func))


def place_of(module: "Module", line: int) -> Place:
    """The innermost function around a line, and where it runs."""
    best: Scope | None = None
    for scope in module.index.functions:
        node = scope.node
        if isinstance(node, ast.Lambda):
            continue
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) or 0
        if first <= line <= last and (best is None or first >= getattr(best.node, "lineno", 0)):
            best = scope
    if best is None:
        return Place("", ())
    contexts = tuple(f"{context.text}{' (several at once or in turn)' if context.many else ''}" for context in module.contexts.at(best))
    return Place(best.qualname, contexts)


def fact_line(module: "Module", fact: object) -> int:
    """The line that a fact is about; 0 for what is about the whole file."""
    span = getattr(fact, "span", None)
    if isinstance(span, Span):
        return span.line
    for name in ("node", "call"):
        node = getattr(fact, name, None)
        if isinstance(node, ast.expr):
            return module.source.name_span(node).line
        if isinstance(node, ast.AST):
            return getattr(node, "lineno", 0)
    return 0
