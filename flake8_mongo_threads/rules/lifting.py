"""Fixes that let a client live longer: it is built before the loop, or once beside the function that several threads or tasks run."""

import ast
import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.edits import DeleteStatement, Edit, HoistWith, InsertStatement, MoveStatement, Unwrap, WrapStatementsInTry
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import anchor, rename, replace, source
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import repeating_loop
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, LOOPS, TRIES, WITHS, last_name, walk
from flake8_mongo_threads.semantics.values import Driver, External

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.facts import ClientBuilt
    from flake8_mongo_threads.semantics.module import Module

_SHARED = "shared client"
"""One new client is shared in a round, so that the others see it; and one is moved out of the loops of a function."""
_NAMES = ("client", "mongo_client", "shared_client")
_PURE = frozenset(
    (
        "os.getenv",
        "os.environ.get",
        "certifi.where",
        "urllib.parse.quote",
        "urllib.parse.quote_plus",
        "builtins.bool",
        "builtins.dict",
        "builtins.float",
        "builtins.int",
        "builtins.str",
    )
)
"""Functions that give the same for the same arguments and do nothing else."""
_DRIVER = ("pymongo.", "bson.", "motor.")
_TEXT = frozenset(("format", "join", "lower", "replace", "strip", "upper"))
_STORES = frozenset(("add", "append", "appendleft", "insert", "put", "put_nowait", "setdefault"))
_TRANSPARENT = (
    ast.Attribute,
    ast.BinOp,
    ast.BoolOp,
    ast.Compare,
    ast.Dict,
    ast.FormattedValue,
    ast.IfExp,
    ast.JoinedStr,
    ast.List,
    ast.Set,
    ast.Starred,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
)
_BRANCHES: tuple[type, ...] = (ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.ExceptHandler, ast.Lambda, *TRIES, *FUNCTIONS)


def hoisted(module: "Module", fact: "ClientBuilt") -> Fix | None:
    """Build the client before the loop, where its arguments are the same for every iteration; None where that is not certain.

    Safe for an assignment that stands directly in the loop, or a ``with`` that is all of it, when the client is only used there, and closed
    at most once, at the end. Unsafe where the client is handed on, or where a name for it has to be made.
    """
    call, index = fact.build.call, module.index
    loop = fact.context.node
    scope = fact.scope.function
    if not fact.direct or fact.build.module is not module or loop is not repeating_loop(module, call):
        return None
    if scope.is_async == (fact.flavour == "sync") or index.scope(call).function is not scope:
        return None  # the event loop would run it, or there is none
    top = _outermost(module, loop)
    if top is None or not steady(module, call, lambda node: _changes(module, node, top)):
        return None
    statement = index.statement(call)
    target = single_target(statement)
    if target is not None and _derived(statement.value, call) and steady(module, statement.value, lambda n: _changes(module, n, top)):  # type: ignore[attr-defined]
        return _moved_out(module, scope, loop, top, statement, target, call)
    if isinstance(statement, WITHS) and any(item.context_expr is call for item in statement.items):
        return _with_outside(module, scope, loop, top, statement)
    return _named_outside(module, top, call)


def _loops_of(scope: Scope) -> str:
    return f"loops of {scope.qualname}"


def _outermost(module: "Module", loop: ast.AST) -> ast.AST | None:
    """The outermost of the nested loops around a node; None where a condition or a handler stands between them."""
    index = module.index
    top = loop if isinstance(loop, LOOPS) else index.statement(loop)
    while (outer := repeating_loop(module, top)) is not None:
        if not isinstance(outer, LOOPS):
            return None
        for up in index.ancestors(top):
            if up is outer:
                break
            if not isinstance(up, (*WITHS, *LOOPS)):
                return None
        top = outer
    return top if top in index.place else None


def _moved_out(
    module: "Module", scope: Scope, loop: ast.AST, top: ast.AST, statement: ast.AST, target: ast.Name, call: ast.Call
) -> Fix | None:
    owner, field, _ = module.index.place[statement]
    loads = only_loads(module, scope, target)
    if owner is not loop or field != "body" or loads is None:
        return None
    inside = [load for load in loads if module.index.within(load, top)]
    start = (statement.end_lineno or 0, statement.end_col_offset or 0)  # type: ignore[attr-defined]
    if any((load.lineno, load.col_offset) < start for load in inside if module.index.scope(load).function is scope):
        return None
    uses = _uses(module, inside, top, call)
    if uses is None or len(uses.closes) > 1:
        return None
    edits: list[Edit] = [MoveStatement(anchor(module, statement), anchor(module, top))]
    gone = 1
    if uses.closes:
        end = _at_the_end(module, loop, uses.closes[0], inside)
        if end is None:
            return None
        edits += [end, WrapStatementsInTry(anchor(module, top), anchor(module, top), source(module, uses.closes[0]))]
        gone += isinstance(end, DeleteStatement)
    if len(loop.body) <= gone:  # type: ignore[attr-defined]
        return None
    return Fix("Build the client before the loop", uses.level, tuple(edits), isolation=_loops_of(scope))


def _at_the_end(module: "Module", loop: ast.AST, close: ast.stmt, loads: list[ast.Name]) -> Edit | None:
    """The edit that takes the only close out of the loop: it is the client's last use there, or all of a ``finally``."""
    owner, field, _ = module.index.place[close]
    if owner is loop and field == "body":
        if any((load.lineno, load.col_offset) > (close.end_lineno or 0, close.end_col_offset or 0) for load in loads):
            return None
        return DeleteStatement(anchor(module, close))
    if isinstance(owner, TRIES) and field == "finalbody" and len(owner.finalbody) == 1:  # type: ignore[attr-defined]
        place = module.index.place.get(owner)
        last = (owner.end_lineno or 0, owner.end_col_offset or 0)  # type: ignore[attr-defined]
        if place is not None and place[0] is loop and not any((load.lineno, load.col_offset) > last for load in loads):
            return Unwrap(anchor(module, owner))
    return None


def _with_outside(module: "Module", scope: Scope, loop: ast.AST, top: ast.AST, statement: ast.AST) -> Fix | None:
    target = statement.items[0].optional_vars  # type: ignore[attr-defined]
    if top is not loop or len(statement.items) != 1 or not isinstance(target, ast.Name) or getattr(loop, "body", None) != [statement]:  # type: ignore[attr-defined]
        return None
    loads = only_loads(module, scope, target)
    uses = _uses(module, [load for load in loads if module.index.within(load, loop)], loop) if loads is not None else None
    if loads is None or uses is None or uses.closes:
        return None
    if any(module.index.within(load, loop) and not module.index.within(load, statement) for load in loads):
        return None
    return Fix("Open the client before the loop", uses.level, (HoistWith(anchor(module, loop)),), isolation=_loops_of(scope))


def _named_outside(module: "Module", top: ast.AST, call: ast.Call) -> Fix | None:
    """``MongoClient(URI).shop.orders`` becomes ``client.shop.orders``, with a ``client`` that is built before the loop."""
    index = module.index
    if not taken_apart(module, call) or _uses(module, [], top) is None:
        return None
    for up in index.ancestors(call):
        if up is top:
            break
        if isinstance(up, _BRANCHES):
            return None
    owner, field, position = index.place[top]
    before = getattr(owner, field)[:position]
    name = _already(module, call, before) or _fresh(module)
    text = text_of(module, call)
    if not name or not text:
        return None
    edits: list[Edit] = [replace(module, call, name)]
    if not _already(module, call, before):
        edits.insert(0, InsertStatement(anchor(module, top), f"{name} = {text}"))
    return Fix("Build the client before the loop", Applicability.UNSAFE, tuple(edits), isolation=_loops_of(index.scope(top).function))


def shared(module: "Module", fact: "ClientBuilt") -> Fix | None:
    """Build the client once, beside the function that builds it, where its arguments mean the same there; None where they do not.

    The function reads it from the module or the function around it. What it did to close its own client goes: others use it too.
    """
    build, index = fact.build, module.index
    if not fact.direct or fact.keeper is not None or build.module is not module:
        return None
    scope = build.scope.function
    home = _around(scope)
    if scope.kind not in ("function", "lambda") or home is None:
        return None
    before = index.statement(scope.node)
    for up in index.ancestors(before):
        if up is home.node:
            break
        if isinstance(up, ast.ClassDef):
            before = up
    if before not in index.place or not steady(module, build.call, lambda node: _hidden(module, node, home, before)):
        return None
    statement = index.statement(build.call)
    target = single_target(statement)
    work = _Sharing(module, scope, home, before)
    if scope.kind == "function" and target is not None and _derived(statement.value, build.call):  # type: ignore[attr-defined]
        if target.id in scope.globals or target.id in scope.nonlocals:
            return None if statement.value is build.call else work.expression(build.call)  # type: ignore[attr-defined]
        if steady(module, statement.value, lambda node: _hidden(module, node, home, before)):  # type: ignore[attr-defined]
            return work.assignment(statement, target)
        return work.expression(build.call)
    if isinstance(statement, WITHS) and any(item.context_expr is build.call for item in statement.items):
        return work.block(statement, build.call)
    return work.expression(build.call)


class _Sharing:
    """The shapes in which a function builds its client."""

    def __init__(self, module: "Module", scope: Scope, home: Scope, before: ast.AST) -> None:
        self.module = module
        self.scope = scope
        self.home = home
        self.before = before

    def assignment(self, statement: ast.AST, target: ast.Name) -> Fix | None:
        """``client = MongoClient()`` in the function's own code."""
        if not _unconditional(self.module, statement, self.scope.node):
            return None
        annotation = getattr(statement, "annotation", None)
        if annotation is not None and not steady(self.module, annotation, lambda n: _hidden(self.module, n, self.home, self.before)):
            return None
        loads = only_loads(self.module, self.scope, target)
        uses = _uses(self.module, loads, self.scope.node) if loads is not None else None
        if loads is None or uses is None:
            return None
        value: ast.expr = statement.value  # type: ignore[attr-defined]
        edits = self._without_closes(uses.closes)
        existing = self._same_client(value)
        name = existing or self._free(target.id)
        if edits is None or not name:
            return None
        here = anchor(self.module, statement)
        if name != target.id:
            edits += [rename(self.module, load, name) for load in loads if not _closed(self.module, load, uses.closes)]
        if existing:
            edits.append(DeleteStatement(here))
        elif name == target.id:
            edits.append(MoveStatement(here, anchor(self.module, self.before)))
        else:
            text = text_of(self.module, value)
            if not text:
                return None
            edits += [InsertStatement(anchor(self.module, self.before), f"{name} = {text}"), DeleteStatement(here)]
        return self._fix(edits)

    def block(self, statement: ast.AST, call: ast.Call) -> Fix | None:
        """``with MongoClient() as client:`` around what the function does."""
        target = statement.items[0].optional_vars  # type: ignore[attr-defined]
        text = text_of(self.module, call)
        if len(statement.items) != 1 or not isinstance(target, ast.Name) or not text or self.home.kind != "module":  # type: ignore[attr-defined]
            return None
        if not _unconditional(self.module, statement, self.scope.node):
            return None
        loads = only_loads(self.module, self.scope, target)
        uses = _uses(self.module, loads, self.scope.node) if loads is not None else None
        if loads is None or uses is None or uses.closes:
            return None
        existing = self._same_client(call)
        name = existing or self._free(target.id)
        if not name:
            return None
        edits: list[Edit] = [] if existing else [InsertStatement(anchor(self.module, self.before), f"{name} = {text}")]
        if name != target.id:
            edits += [rename(self.module, load, name) for load in loads]
        return self._fix([*edits, Unwrap(anchor(self.module, statement))])

    def expression(self, call: ast.Call) -> Fix | None:
        """``return MongoClient().shop.orders.find_one()`` and what else uses the client where it is built."""
        parent = self.module.index.parents.get(call)
        kept = isinstance(parent, ast.Assign) and parent.value is call and single_target(parent) is None
        handed_out = isinstance(parent, ast.Return) or kept
        if not (handed_out or taken_apart(self.module, call)) or _uses(self.module, [], self.scope.node) is None:
            return None
        if not _unconditional(self.module, call, self.scope.node):
            return None
        text = text_of(self.module, call)
        existing = self._same_client(call)
        name = existing or _fresh(self.module)
        if not name or not text:
            return None
        edits: list[Edit] = [replace(self.module, call, name)]
        if not existing:
            edits.insert(0, InsertStatement(anchor(self.module, self.before), f"{name} = {text}"))
        return self._fix(edits)

    @staticmethod
    def _fix(edits: list[Edit]) -> Fix:
        # who only uses a client that is there already need not wait for the others
        builds = any(isinstance(edit, (InsertStatement, MoveStatement)) for edit in edits)
        return Fix("Build one client and share it", Applicability.UNSAFE, tuple(edits), isolation=_SHARED if builds else "")

    def _without_closes(self, closes: list[ast.stmt]) -> list[Edit] | None:
        """The edits that remove every close; None where the client would then belong to nobody."""
        return None if closes and self.home.kind != "module" else closing_taken_out(self.module, closes)

    def _same_client(self, value: ast.expr) -> str:
        """The name of a client that the code around has already built in the same way."""
        owner, field, position = self.module.index.place[self.before]
        return _already(self.module, value, getattr(owner, field)[:position])

    def _free(self, wanted: str) -> str:
        """The wanted name when nothing around the function has it, else another one."""
        index = self.module.index
        loads = index.name_loads.get(wanted, ())
        taken = wanted in self.home.bindings or any(
            not (binder is self.scope or (binder is not None and self.scope.encloses(binder)))
            and (binder is None or binder is self.home or binder.encloses(self.home))
            for binder in (index.scope(load).binder(wanted) for load in loads)
        )
        return _fresh(self.module) if taken or hasattr(builtins, wanted) else wanted


def closing_taken_out(module: "Module", closes: list[ast.stmt]) -> list[Edit]:
    """The edits that remove statements which close a client; a ``finally`` that does nothing else goes as a whole."""
    edits: list[Edit] = []
    for close in closes:
        owner, field, _ = module.index.place[close]
        if isinstance(owner, TRIES) and field == "finalbody" and len(owner.finalbody) == 1:  # type: ignore[attr-defined]
            edits.append(Unwrap(anchor(module, owner)))
        else:
            edits.append(DeleteStatement(anchor(module, close)))
    return edits


# What a client is used for


class _Uses(NamedTuple):
    level: Applicability
    closes: list[ast.stmt]


def _uses(module: "Module", loads: list[ast.Name], region: ast.AST, build: ast.Call | None = None) -> _Uses | None:
    """What is done with a client (or what was made from it); None when it escapes, or is closed in a way that cannot be moved.

    With ``build`` the closing of other clients that this file builds does not matter.
    """
    index = module.index
    level = Applicability.SAFE
    closes: list[ast.stmt] = []
    calls: set[ast.AST] = set()
    for load in loads:
        parent = index.parents.get(load)
        if isinstance(parent, ast.Attribute):
            if parent.attr in ("close", "aclose"):
                call = index.parents.get(parent)
                outer = index.parents.get(call) if isinstance(call, ast.Call) and call.func is parent else None
                if isinstance(outer, ast.Await):
                    outer = index.parents.get(outer)
                if not isinstance(outer, ast.Expr) or call is None:
                    return None
                closes.append(outer)
                calls.add(call)
            elif parent.attr in ("client", "delegate"):
                return None
        elif isinstance(parent, ast.withitem):
            return None
        elif isinstance(parent, (ast.Call, ast.keyword)):
            if isinstance(parent, ast.Call) and last_name(parent.func) in _STORES:
                return None
            level = Applicability.UNSAFE
        elif isinstance(parent, (ast.Yield, ast.List, ast.Set, ast.Dict, ast.Starred)):
            return None
        elif not isinstance(parent, (ast.Subscript, ast.Compare)):
            level = Applicability.UNSAFE
    for call, _, method in module.calls.methods:
        if method.name in ("close", "aclose") and method.owner.family == "client" and call not in calls and index.within(call, region):
            if not _another(module, method.owner, build):
                return None
    return _Uses(level, closes)


def _another(module: "Module", owner: Driver, build: ast.Call | None) -> bool:
    """Whether a client is certainly not the one that is built there."""
    site = owner.site
    return build is not None and site is not None and site.node is not build and site.node in {each.call for each in module.builds}


def closes_of(module: "Module", loads: list[ast.Name], region: ast.AST) -> list[ast.stmt] | None:
    """The statements that close a client which others are to use as well; None when it escapes, or is closed where that cannot be seen."""
    uses = _uses(module, loads, region)
    return uses.closes if uses is not None else None


def _closed(module: "Module", load: ast.Name, closes: list[ast.stmt]) -> bool:
    return any(module.index.within(load, close) for close in closes)


def only_loads(module: "Module", scope: Scope, target: ast.Name) -> list[ast.Name] | None:
    """The reads of a name that is bound only here; None when it is bound anywhere else."""
    bindings = scope.bindings.get(target.id, ())
    if len(bindings) != 1 or bindings[0].node is not target or target.id in scope.globals or target.id in scope.nonlocals:
        return None
    index = module.index
    return [load for load in index.name_loads.get(target.id, ()) if index.scope(load).binder(target.id) is scope]


def taken_apart(module: "Module", call: ast.Call) -> bool:
    """Whether a client is only the start of a chain: an attribute or an item of it is used."""
    parent = module.index.parents.get(call)
    if isinstance(parent, ast.Attribute):
        return parent.attr not in ("close", "aclose", "client")
    return isinstance(parent, ast.Subscript) and parent.value is call


def single_target(statement: ast.AST) -> ast.Name | None:
    """The one name that a statement assigns to."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target = statement.target
    else:
        return None
    return target if isinstance(target, ast.Name) else None


def _derived(value: ast.expr, call: ast.Call) -> bool:
    """Whether an expression is a client, or a database or collection taken from it."""
    while value is not call:
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            if value.func.attr not in ("get_database", "get_default_database", "get_collection"):
                return False
            value = value.func.value
        elif isinstance(value, (ast.Attribute, ast.Subscript)):
            value = value.value
        else:
            return False
    return True


def _unconditional(module: "Module", node: ast.AST, root: ast.AST) -> bool:
    """Whether no branch or handler stands between a node and the function that it belongs to."""
    child = node
    for up in module.index.ancestors(node):
        if up is root:
            return True
        body = isinstance(up, TRIES) and child in up.body  # type: ignore[attr-defined]
        if isinstance(up, _BRANCHES) and not body:
            return False
        child = up
    return False


def _around(scope: Scope) -> Scope | None:
    """The function or module whose names the code of a function sees."""
    home = scope.parent
    while home is not None and home.kind not in ("function", "module"):
        home = home.parent
    return home


# What an expression depends on


def steady(
    module: "Module", expression: ast.AST, differs: Callable[[ast.AST], bool], also: Callable[[ast.Call], bool] = lambda _: False
) -> bool:
    """Whether evaluating an expression elsewhere gives the same and does nothing else.

    ``differs`` judges names, attributes and items; ``also`` knows calls that are harmless beside those that always are.
    """
    stack = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and differs(node):
            return False
        if isinstance(node, ast.Call):
            if not (_harmless(module, node) or also(node)):
                return False
            stack += [node.func, *node.args, *(item.value for item in node.keywords)]
        elif isinstance(node, _TRANSPARENT):
            stack += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        elif not isinstance(node, (ast.Constant, ast.Name)):
            return False
    return True


def _harmless(module: "Module", call: ast.Call) -> bool:
    if any(build.call is call for build in module.builds):
        return True
    values = list(module.values(call.func))
    if values and all(isinstance(value, External) and (value.path in _PURE or value.path.startswith(_DRIVER)) for value in values):
        return True
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in _TEXT or (call.func.attr.startswith("get_") and _derives(module, call))
    return False


def _derives(module: "Module", call: ast.Call) -> bool:
    kind = module.inference.kind(module, call)
    return kind is not None and kind.family in ("database", "collection")


def _changes(module: "Module", node: ast.AST, loop: ast.AST) -> bool:
    """Whether a name, attribute or item gets another value inside a loop."""
    index = module.index
    if isinstance(node, ast.Name):
        binder = index.scope(node).binder(node.id)
        if binder is None:
            return not hasattr(builtins, node.id)
        if any(
            index.within(binding.node, loop) or _imported_in(index.parents.get(binding.node), loop, module)
            for binding in binder.bindings[node.id]
        ):
            return True
        return _put_into(module, node.id, loop)
    if isinstance(node, ast.Attribute):
        stores = index.attribute_stores.get(node.attr, ())
        return any(index.within(store.target, loop) for store in stores) or _put_into(module, node.attr, loop)
    return isinstance(node, ast.Subscript) and _put_into(module, last_name(node.value), loop)


def _imported_in(statement: ast.AST | None, loop: ast.AST, module: "Module") -> bool:
    return isinstance(statement, (ast.Import, ast.ImportFrom)) and module.index.within(statement, loop)


def _put_into(module: "Module", name: str, loop: ast.AST) -> bool:
    index = module.index
    stored = any(index.within(store.target, loop) for store in index.items_of.get(name, ()))
    return stored or any(index.within(call, loop) for call, _ in index.mutations.get(name, ()))


def _hidden(module: "Module", node: ast.AST, home: Scope, before: ast.AST) -> bool:
    """Whether a name means nothing, or something else, in ``home`` just before a statement."""
    if not isinstance(node, ast.Name):
        return False
    binder = module.index.scope(node).binder(node.id)
    if binder is None:
        return not hasattr(builtins, node.id)
    if binder is home:
        bindings = home.bindings[node.id]
        line = min([before.lineno, *(d.lineno for d in getattr(before, "decorator_list", ()))])  # type: ignore[attr-defined]
        return len({id(module.index.statement(b.node)) for b in bindings}) != 1 or bindings[0].position >= (line, 0)
    return not (binder.kind in ("function", "module") and binder.encloses(home))


# Names and texts


def _already(module: "Module", value: ast.expr, statements: list[ast.stmt]) -> str:
    """The name of the same expression's value among earlier statements, bound once; empty when there is none."""
    wanted = _written(module, value)
    for statement in statements:
        target = single_target(statement)
        if target is not None and _written(module, statement.value) == wanted:  # type: ignore[attr-defined]
            scope = module.index.scope(statement)
            if len(scope.bindings.get(target.id, ())) == 1:
                return target.id
    return ""


def _written(module: "Module", value: ast.expr) -> str:
    """The expression as a text that is equal for the same class under another name: ``pm.MongoClient()`` and ``MongoClient()``."""
    if isinstance(value, ast.Call):
        values = list(module.values(value.func))
        if len(values) == 1 and isinstance(values[0], External):
            return f"{values[0].path}({', '.join(map(ast.dump, (*value.args, *value.keywords)))})"
    return ast.dump(value)


def _fresh(module: "Module") -> str:
    """A name for a client that the file does not use for anything."""
    index = module.index
    for name in _NAMES:
        if name not in index.name_loads and not any(name in scope.bindings or name in scope.globals for scope in index.scopes):
            return name
    return ""


def text_of(module: "Module", call: ast.expr) -> str:
    """The text of an expression that can stand in a statement of its own; empty where its layout could not be kept."""
    text = source(module, call)
    if "\n" not in text and "\r" not in text:
        return text
    if any(isinstance(part, (ast.Constant, ast.JoinedStr)) and part.lineno != part.end_lineno for part in walk(call)):
        return ""
    # inside the parentheses of a call a line may begin anywhere: as deep as before, counted from the statement
    span = module.source.span(module.index.statement(call))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if isinstance(call, ast.Call) and call.func.end_lineno == call.lineno and not any("\t" in line for line in lines):
        return "\n".join([lines[0], *(line[min(span.col, len(line) - len(line.lstrip(" "))) :] for line in lines[1:])])
    return ""
