"""Work handed over wrongly: results instead of callables, futures nobody reads, arguments that are no tuple, one document for all."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.carrying import bound_in
from flake8_mongo_threads.semantics.facts import PRODUCERS, blocks, operations_in
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import at_once, identity, waits_for_each
from flake8_mongo_threads.semantics.spawns import Work, flatten, single_worker
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, argument, base_of, constant, keyword, last_name, path_key
from flake8_mongo_threads.semantics.values import (
    NOTHING,
    Class,
    Const,
    Driver,
    External,
    Function,
    Mapping,
    Method,
    Partial,
    Sequence,
    known,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_CALLABLE = (Function, Method, Partial, Class)
_CARRIERS = frozenset(("submit", "map", "apply_async", "map_async", "imap", "imap_unordered", "starmap_async", "run_in_executor"))
_INSERTS = frozenset(("insert_one", "insert_many", "insert", "save"))
_WRITERS = frozenset(("client", "database", "collection"))
_LISTS = (ast.List, ast.Tuple, ast.Set)
MAX_RELAYS = 2
"""Functions that a document may pass through on its way to the one that inserts it."""


# ---------------------------------------------------------------------- a call where a callable belongs


class HandedCall:
    """A launcher that is given the result of a driver operation, or of a function that performs one, as its callable."""

    __slots__ = ("call", "name", "span", "steps", "work")

    def __init__(self, module: "Module", work: Work, call: ast.Call, name: str) -> None:
        self.work = work
        self.call = call
        self.name = name
        self.span: Span = module.source.name_span(call)
        self.steps: tuple[Step, ...] = (
            module.step(call, f"'{name}' runs here, in the caller"),
            module.step(work.call, "its result is handed over as the callable"),
        )


def handed_calls(module: "Module") -> list[HandedCall]:
    """Calls that stand where a launcher takes a callable and that perform driver I/O at once."""
    found: list[HandedCall] = []
    for work in module.calls.works:
        target = work.target
        if work.launcher.passing == spawners.COROUTINE or work.where == spawners.RUN or not isinstance(target, ast.Call):
            continue
        name = _performs(module, target)
        if name:
            found.append(HandedCall(module, work, target, name))
    return found


_READERS = frozenset(("list", "tuple", "sorted", "set", "frozenset", "next", "sum", "min", "max", "dict"))
_PLAIN_RESULTS = frozenset(
    (
        "list", "tuple", "sorted", "set", "frozenset", "dict", "sum", "min", "max", "len", "str", "int", "float", "bool", "bytes", "repr", "round", "abs", "any", "all",
        "enumerate", "zip", "range", "format", "isoformat", "dumps", "strftime", "total_seconds", "time", "perf_counter", "monotonic", "now", "join",
    )
)  # fmt: skip
_PLAIN = (
    ast.Compare, ast.JoinedStr, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Constant,
)  # fmt: skip


def _performs(module: "Module", call: ast.Call) -> str:
    """The name of the operation or helper that a call runs, when what it gives is certainly not a callable."""
    method = module.inference.method(module, call.func)
    if method is not None:
        return method.name if method.member.io or method.member.coroutine or method.member.result in ("cursor", "command-cursor") else ""
    if isinstance(call.func, ast.Name) and call.func.id in _READERS and call.args:
        owner = module.inference.kind(module, call.args[0])
        if owner is not None and owner.family in CURSORS and owner.flavour == "sync":
            return call.func.id
        return ""
    functions = [v for v in module.values(call.func) if isinstance(v, Function)]
    if len(functions) != 1 or functions[0].scope.yields or functions[0].scope.is_async:
        return ""
    function = functions[0]
    if blocks(function) is None:
        return ""
    given = known(module.values(call))
    if any(isinstance(v, (*_CALLABLE, External)) for v in given):
        return ""
    if all(isinstance(v, (Driver, Const, Mapping)) or v is NOTHING for v in given):
        if given or not function.scope.returns:
            return function.scope.name
    return function.scope.name if all(_plain(function.module, value) for value in function.scope.returns) else ""


def _plain(module: "Module", expression: ast.expr) -> bool:
    """Whether an expression certainly is data and no callable: a number, text, container, document or result of the driver."""
    pending: list[ast.expr] = [expression]
    for _ in range(32):
        if not pending:
            return True
        node = pending.pop()
        if isinstance(node, _PLAIN):
            continue
        if isinstance(node, ast.BinOp):
            continue
        if isinstance(node, ast.UnaryOp):
            continue
        if isinstance(node, ast.IfExp):
            pending.extend((node.body, node.orelse))
            continue
        if isinstance(node, ast.BoolOp):
            pending.extend(node.values)
            continue
        if isinstance(node, ast.Call):
            if last_name(node.func) in _PLAIN_RESULTS or module.inference.method(module, node.func) is not None:
                continue
            return False
        if isinstance(node, (ast.Subscript, ast.Attribute)):
            owner = module.inference.kind(module, base_of(node))
            if owner is not None and owner.family in ("document", "result"):
                continue
            return False
        if isinstance(node, ast.Name):
            if _plain_name(module, node, pending):
                continue
            return False
        return False
    return False


def _plain_name(module: "Module", name: ast.Name, pending: list[ast.expr]) -> bool:
    """Whether a name stands for data: known to, counted with, or bound to expressions that are still to be looked at."""
    values = known(module.values(name))
    if values and all(isinstance(v, (Driver, Const, Mapping, Sequence)) for v in values):
        return True
    scope = module.index.scope(name)
    bindings = module.index.reaching(scope, name.id, name) if name.id in scope.bindings else []
    if not bindings:
        return False
    for binding in bindings:
        if binding.how == "param" and (_counted(module, name) or _annotated(binding.annotation)):
            continue
        if binding.how == "aug":
            continue
        if binding.how == "assign" and isinstance(binding.value, ast.expr) and not binding.path:
            pending.append(binding.value)
            continue
        return False
    return True


def _counted(module: "Module", name: ast.Name) -> bool:
    """Whether a parameter is used as a number: as an argument of ``range``."""
    scope = module.index.scope(name).function
    for load in module.index.name_loads.get(name.id, ()):
        call = module.index.parents.get(load)
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "range"
            and module.index.scope(load).function is scope
        ):
            return True
    return False


_DATA = frozenset(
    ("int", "str", "float", "bool", "bytes", "dict", "list", "Dict", "List", "Mapping", "MutableMapping", "ObjectId", "datetime")
)


def _annotated(annotation: ast.expr | None, names: frozenset[str] = _DATA) -> bool:
    """Whether an annotation names a type of data."""
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.partition("[")[0].rpartition(".")[2].strip() in names
    return annotation is not None and last_name(annotation) in names


# ---------------------------------------------------------------------- results nobody reads


class Discarded:
    """A driver write handed to an executor whose future, or whose lazy ``map``, nobody looks at."""

    __slots__ = ("method", "span", "steps", "work")

    def __init__(self, module: "Module", work: Work, method: Method) -> None:
        self.work = work
        self.method = method
        self.span: Span = module.source.name_span(work.call)
        self.steps: tuple[Step, ...] = (
            module.step(work.target, f"'{method.name}' is handed over here"),
            module.step(work.call, "nobody reads the result: an error is lost"),
        )


def discarded(module: "Module") -> list[Discarded]:
    """Driver writes submitted to a thread pool whose result is thrown away."""
    found: list[Discarded] = []
    for work in module.calls.works:
        if (
            work.where != spawners.THREAD
            or work.launcher.joined
            or work.path.rpartition(".")[2] not in _CARRIERS
            or not _unread(module, work)
        ):
            continue
        if keyword(work.call, "error_callback") is not None or keyword(work.call, "callback") is not None:
            continue
        method = written(work)
        if method is not None and not unacknowledged(method.owner):
            found.append(Discarded(module, work, method))
    return found


def _unread(module: "Module", work: Work) -> bool:
    parent = module.index.parents.get(work.call)
    if isinstance(parent, ast.Expr):
        return True
    if isinstance(parent, ast.Assign) and parent.value is work.call:
        return all(isinstance(t, ast.Name) and t.id == "_" for t in parent.targets)
    if isinstance(parent, (ast.ListComp, ast.SetComp)) and parent.elt is work.call:
        return isinstance(module.index.parents.get(parent), ast.Expr)
    return False


def written(work: Work) -> Method | None:
    """The driver write that a launcher is given directly, through partial, or as the whole body of a lambda."""
    candidates: list[Method] = []
    for value in flatten(work.targets):
        if isinstance(value, Method):
            candidates.append(value)
        elif isinstance(value, Function) and value.scope.kind == "lambda":
            body = value.scope.node.body  # type: ignore[attr-defined]
            if isinstance(body, ast.Call):
                method = value.module.inference.method(value.module, body.func)
                if method is not None:
                    candidates.append(method)
        else:
            return None
    if not candidates or not all(m.member.write and m.owner.flavour == "sync" and m.owner.family in _WRITERS for m in candidates):
        return None
    return candidates[0]


def unacknowledged(owner: Driver) -> bool:
    """Whether a collection, or what it was made from, is configured with ``w=0``: then there is no error to lose."""
    current: Driver | None = owner
    for _ in range(6):
        if current is None or current.site is None:
            return False
        node = current.site.node
        if isinstance(node, ast.Call):
            concern = keyword(node, "write_concern")
            given = current.site.module.values(concern) if concern is not None else ()
            for made in (v.site.node for v in given if isinstance(v, External) and v.site is not None):
                if isinstance(made, ast.Call) and constant(argument(made, 0, "w")) == 0:
                    return True
            if constant(keyword(node, "w")) == 0:
                return True
        current = current.parent
    return False


# ---------------------------------------------------------------------- args that are no tuple


class LooseArguments:
    """``args=(doc)``: not a tuple, so that the keys of the document (or the letters of the text) become the arguments."""

    __slots__ = ("given", "span", "steps", "text", "work")

    def __init__(self, module: "Module", work: Work, given: ast.expr, text: str) -> None:
        self.work = work
        self.given = given
        self.text = text
        """What stands there: a document or a text."""
        self.span: Span = module.source.span(given)
        self.steps: tuple[Step, ...] = (module.step(given, f"{text} where a tuple of arguments belongs"),)


def loose_arguments(module: "Module") -> list[LooseArguments]:
    """Documents and texts given as the tuple of arguments of work that has to do with the driver."""
    found: list[LooseArguments] = []
    for work in module.calls.works:
        if work.launcher.passing != spawners.TUPLE:
            continue
        given = argument(work.call, work.launcher.args_index, work.launcher.args_keyword)
        if given is None or isinstance(given, (*_LISTS, ast.Starred)):
            continue
        text = _loose(module, given)
        if text and any(isinstance(v, Method) or (isinstance(v, Function) and blocks(v) is not None) for v in flatten(work.targets)):
            found.append(LooseArguments(module, work, given, text))
    return found


_DOCUMENT_CLASSES = frozenset(("bson.SON()", "bson.son.SON()"))
_DOCUMENTS = frozenset(("dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "TypedDict", "SON"))
_TEXTS = frozenset(("str", "ObjectId"))


def _loose(module: "Module", given: ast.expr) -> str:
    if isinstance(given, ast.Dict):
        return "a document"
    if _is_text(given):
        return "a string"
    values = known(module.values(given))
    if values and all(isinstance(v, Mapping) or (isinstance(v, Driver) and v.family == "document") for v in values):
        return "a document"
    if values and all(
        (isinstance(v, Const) and isinstance(v.value, str)) or (isinstance(v, External) and v.path == "builtins.str()") for v in values
    ):
        return "a string"
    if isinstance(given, ast.Name) and all(not isinstance(v, Sequence) for v in values):
        return _declared(module, given)
    return ""


def _is_text(node: ast.expr) -> bool:
    """Whether an expression is written as a text: a literal, an f-string, or one that is added to, filled in or formatted."""
    while True:
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
            node = node.left
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join", "lower", "upper"):
            node = node.func.value
        else:
            return isinstance(node, ast.JoinedStr) or isinstance(constant(node), str)


def _declared(module: "Module", name: ast.Name) -> str:
    """What a parameter is by its annotation, or by being used as a document in the same function."""
    scope = module.index.scope(name)
    bindings = module.index.reaching(scope, name.id, name) if name.id in scope.bindings else []
    if not bindings:
        return ""
    if all(b.how == "param" and b.annotation is not None for b in bindings):
        if all(_annotated(b.annotation, _TEXTS) for b in bindings):
            return "a string"
        return "a document" if all(_annotated(b.annotation, _DOCUMENTS) for b in bindings) else ""
    if any(b.how not in ("param", "for") for b in bindings):
        return ""
    for load in module.index.name_loads.get(name.id, ()):
        parent = module.index.parents.get(load)
        if (
            isinstance(parent, ast.Subscript)
            and parent.value is load
            and isinstance(constant(parent.slice), str)
            and module.index.scope(load).function is scope.function
        ):
            return "a document"
    return ""


# ---------------------------------------------------------------------- one document for several inserts


class SharedDocument:
    """One mutable document that several concurrent operations insert: the driver writes ``_id`` into it."""

    __slots__ = ("document", "span", "steps", "work")

    def __init__(self, module: "Module", work: Work, document: ast.expr, made: Step) -> None:
        self.work = work
        self.document = document
        self.span: Span = module.source.name_span(work.call)
        self.steps: tuple[Step, ...] = (made, module.step(work.call, "several operations insert it at the same time"))


def shared_documents(module: "Module") -> list[SharedDocument]:
    """Documents made once and inserted by work that runs several times at once, or by several pieces of work at once."""
    found: list[SharedDocument] = []
    groups: dict[object, list[tuple[Work, ast.expr, Step]]] = {}
    for work in module.calls.works:
        if work.where in (spawners.PROCESS, spawners.RUN, spawners.SIGNAL, spawners.FINALIZER, spawners.EXIT, spawners.CALLBACK):
            continue
        if waits_for_each(module, work) or single_worker(work.pool):
            continue
        for home, document in _inserted(module, work):
            made = _made_once(home, document, work if home is module else None)
            if made is None:
                continue
            if work.many:
                found.append(SharedDocument(module, work, document, made))
            else:
                apart = None if home is not module or not _made_by_call(home, document) else identity(home, document)
                key = (made.path, made.line, made.col, id(work.scope.function), apart)
                groups.setdefault(key, []).append((work, document, made))
            break
    for group in groups.values():
        for position, (work, document, made) in enumerate(group):
            if any(at_once(module, work, other) for other, _, _ in group[position + 1 :]):
                found.append(SharedDocument(module, work, document, made))
                break
    return found


def _inserted(module: "Module", work: Work) -> list[tuple["Module", ast.expr]]:
    """The expressions that work inserts as documents, as seen where the work is launched or inside the function it runs."""
    found: list[tuple[Module, ast.expr]] = []
    if work.launcher.passing == spawners.COROUTINE:
        for call in _calls(work.target):
            method = module.inference.method(module, call.func)
            if method is not None and method.name in _INSERTS and call.args:
                found.append((module, call.args[0]))
                continue
            for function in (v for v in module.values(call.func) if isinstance(v, Function)):
                found.extend(_by_function(module, function, call))
        return found
    if work.launcher.passing == spawners.TUPLE:
        given = argument(work.call, work.launcher.args_index, work.launcher.args_keyword)
        if given is not None and not isinstance(given, (ast.Tuple, ast.List)):
            return found  # ``args=(doc)``: what becomes of it is another rule's
    for value in work.targets:
        if isinstance(value, Partial) and value.module is module and value.call.args:
            if any(isinstance(t, Method) and t.name in _INSERTS for t in value.target):
                found.append((module, value.call.args[0]))
            for function in (t for t in value.target if isinstance(t, Function)):
                found.extend(_by_function(module, function, value.call))
    for value in flatten(work.targets):
        if (
            isinstance(value, Method)
            and value.name in _INSERTS
            and work.launcher.passing in (spawners.REST, spawners.TUPLE)
            and work.arguments
        ):
            found.append((module, work.arguments[0]))
        elif isinstance(value, Method) and value.name in _INSERTS and work.launcher.passing == spawners.EACH and work.arguments:
            repeated = _repeated(module, work.arguments[0])
            if repeated is not None:
                found.append((module, repeated))
        elif isinstance(value, Function):
            found.extend(_by_function(module, value, None, work))
    return found


def _repeated(module: "Module", iterable: ast.expr) -> ast.expr | None:
    """The one object that every run gets from ``[doc] * n``, ``repeat(doc, n)`` or ``[doc for _ in …]``."""
    for value in module.values(iterable):
        if not isinstance(value, Sequence) or value.site is None or value.site.module is not module or len(value.elements) != 1:
            continue
        made, element = value.site.node, value.elements[0].expression
        if not isinstance(element, (ast.Name, ast.Attribute)):
            continue
        if isinstance(made, (ast.BinOp, ast.Call)) or (isinstance(made, COMPREHENSIONS) and not bound_in(module, element, made)):
            return element
    return None


def _calls(node: ast.AST) -> list[ast.Call]:
    pending = [node]
    found: list[ast.Call] = []
    while pending:
        current = pending.pop(0)
        if isinstance(current, ast.Call):
            found.append(current)
        elif isinstance(current, COMPREHENSIONS) and not isinstance(current, ast.DictComp):
            pending.append(current.elt)
        elif isinstance(current, _LISTS):
            pending.extend(current.elts)
        elif isinstance(current, ast.Starred):
            pending.append(current.value)
    return found


def _by_function(
    module: "Module", function: Function, call: ast.Call | None, work: Work | None = None, depth: int = 0
) -> list[tuple["Module", ast.expr]]:
    """What a function inserts: a parameter (then what it is given), a closure variable or an attribute of ``self``."""
    found: list[tuple[Module, ast.expr]] = []
    home, scope = function.module, function.scope
    documents = [o.call.args[0] for o in operations_in(home, scope) if o.name in _INSERTS and o.call is not None and o.call.args]
    for edge in home.calls.inside(scope) if depth < MAX_RELAYS else ():
        # what it hands to a function that inserts it
        if edge.how == "call" and isinstance(edge.node, ast.Call) and edge.target.scope is not scope:
            inner = _by_function(home, edge.target, edge.node, None, depth + 1)
            documents.extend(given for where, given in inner if where is home and home.index.within(given, edge.node))
    for document in documents:
        if isinstance(document, ast.Name):
            given = _parameter_source(module, scope, document, function, call, work)
            if given is not None:
                found.append((module, given))
            elif not _own(scope, document.id):
                found.append((home, document))
        elif isinstance(document, ast.Attribute) and isinstance(document.value, ast.Name) and document.value.id == "self":
            found.append((home, document))
    return found


def _own(scope: Scope, name: str) -> bool:
    return name in scope.bindings and name not in scope.globals and name not in scope.nonlocals


def _parameter_source(
    module: "Module", scope: Scope, document: ast.Name, function: Function, call: ast.Call | None, work: Work | None
) -> ast.expr | None:
    arg = next((p for p in scope.positional if p.arg == document.id), None)
    if arg is None or len(scope.bindings.get(document.id, ())) != 1:
        return None
    bound = scope.cls is not None and function.receiver is not None
    position = scope.positional.index(arg) - (1 if bound else 0)
    if call is not None:
        return module.inference.argument_for(call, scope, arg, skip_first=bound)
    if work is None or work.launcher.passing not in (spawners.REST, spawners.TUPLE):
        return None
    named = keyword(work.call, document.id) if work.launcher.passing == spawners.REST else None
    if named is not None:
        return named
    return work.arguments[position] if 0 <= position < len(work.arguments) else None


def _made_once(module: "Module", document: ast.expr, work: Work | None) -> Step | None:
    """Where a document that outlives one run of the work is made, or None when each run has its own or nothing is known."""
    if not isinstance(document, (ast.Name, ast.Attribute)):
        return None
    values = known(module.values(document))
    if len(values) != 1 or not isinstance(values[0], (Mapping, Sequence, External)) or values[0].site is None:
        return None
    if isinstance(values[0], External) and values[0].path not in _DOCUMENT_CLASSES:
        return None
    site = values[0].site
    if isinstance(site.node, (ast.DictComp, ast.Subscript)):
        return None
    if isinstance(values[0], Sequence) and not _documents(site.node):
        return None
    if isinstance(document, ast.Name):
        scope = module.index.scope(document)
        current = scope.binder(document.id)
        if current is None:
            return None
        if any(b.how not in ("assign", "ann") for b in current.bindings[document.id]):
            return None
    elif path_key(document) == "":
        return None
    if work is not None and work.loop is not None:
        if site.module is module and module.index.within(site.node, work.loop):
            return None
        if _made_by_call(module, document) and _anew(module, document, work.loop):
            return None
    return site.step("the document is made here, once")


def _documents(made: ast.AST) -> bool:
    """Whether an expression makes a list of documents of its own."""
    if isinstance(made, ast.ListComp):
        return isinstance(made.elt, ast.Dict)
    return isinstance(made, ast.List) and bool(made.elts) and all(isinstance(e, ast.Dict) for e in made.elts)


def _made_by_call(module: "Module", document: ast.expr) -> bool:
    """Whether what makes a document is a function that is none of those around its use: each call of it makes another."""
    home = next((v.site.module.index.scope(v.site.node).function for v in known(module.values(document)) if v.site is not None), None)  # type: ignore[attr-defined]
    here = module.index.scope(document)
    return home is not None and home.kind not in ("module", "class") and home is not here.function and not home.encloses(here)


def _anew(module: "Module", document: ast.expr, loop: ast.AST) -> bool:
    """Whether each turn of a loop binds what a document is read from anew."""
    base = base_of(document)
    scope = module.index.scope(base).binder(base.id) if isinstance(base, ast.Name) else None
    if scope is None or not isinstance(base, ast.Name):
        return False
    stores = [b.node for b in scope.bindings[base.id]]
    if isinstance(document, ast.Attribute):
        path = path_key(document)
        stores_of = [s.target for s in module.index.attribute_stores.get(document.attr, ()) if path_key(s.target) == path]
        if stores_of and all(module.index.within(s, loop) for s in stores_of):
            return True
    return bool(stores) and all(module.index.within(s, loop) for s in stores)


PRODUCERS[HandedCall] = handed_calls
PRODUCERS[Discarded] = discarded
PRODUCERS[LooseArguments] = loose_arguments
PRODUCERS[SharedDocument] = shared_documents
