"""The fix that lets a client outlive the request: a getter that builds it on first use and keeps it.

A getter and not a client of the module: nothing happens when the module is imported, and a process that is forked later makes its own.
"""

import ast
import builtins
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import frameworks
from flake8_mongo_threads.edits import Edit, ImportRequest, InsertStatement, Unwrap
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.documents import only_binding
from flake8_mongo_threads.rules.lifting import closes_of, closing_taken_out, only_loads, single_target, steady, taken_apart, text_of
from flake8_mongo_threads.rules.repair import anchor, replace
from flake8_mongo_threads.semantics.syntax import WITHS, last_name, path_key
from flake8_mongo_threads.semantics.values import External

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.facts import ClientBuilt
    from flake8_mongo_threads.semantics.module import Module
    from flake8_mongo_threads.semantics.scopes import Scope

_CACHED = "cached client"
"""One getter is made in a round, so that the others see it."""
_NAMES = ("get_client", "get_mongo_client", "get_shared_client")
_OF_ONE_REQUEST = frozenset(("g", "request", "session", "websocket", "_request_ctx_stack", "_app_ctx_stack"))
"""Names of web frameworks that stand for another object in every request."""
_SETTINGS = frozenset(("config", "environ", "settings"))

_ONE_LOOP = frozenset(
    (
        "aiogram",
        "aiohttp",
        "blacksheep",
        "discord",
        "disnake",
        "fastapi",
        "hikari",
        "litestar",
        "nextcord",
        "pyrogram",
        "quart",
        "sanic",
        "starlette",
        "telegram",
        "telethon",
        "tornado",
    )
)
"""Frameworks whose handlers run on one event loop."""
_MANY_LOOPS = frozenset(("asgiref", "azure", "bottle", "celery", "chalice", "django", "flask", "functions_framework", "rest_framework"))


def cached(module: "Module", fact: "ClientBuilt") -> Fix | None:
    """Build the client in a cached getter, where its arguments are names of the module, or texts that can be handed to it; None where they
    could be of the request.

    What the handler did to close its own client goes: others use it too. Not where the client itself is handed out, so that others could
    close it, nor where the file closes clients in a way that cannot be told.
    """
    build, index = fact.build, module.index
    scope = build.scope.function
    if not fact.direct or build.module is not module or fact.node is not build.call or fact.keeper is not None:
        return None
    decorator = "@lru_cache" if scope.kind == "function" else _of_streamlit(module) if scope.kind == "module" else ""
    if not decorator or index.scope(build.call).function is not scope:
        return None
    if build.flavour != "sync" and (fact.context.where == frameworks.JOB or not _one_loop(module, scope)):
        return None  # an asynchronous client belongs to one event loop
    place = _top(module, build.call)
    names = _texts(module, build.call)
    if place is None or not steady(module, build.call, lambda n: _of_the_request(module, n, names, place.lineno), _is_setting):
        return None
    getter = _existing(module, build.call, names)
    name = getter or _free(module, build.flavour)
    text = text_of(module, build.call)
    if not name or not text or "\n" in text:
        return None
    given = ", ".join(names)
    edits = _used(module, scope, build.call, f"{name}({given})")
    if edits is None:
        return None
    imports: tuple[ImportRequest, ...] = ()
    if not getter:
        edits.insert(0, InsertStatement(anchor(module, place), f"{decorator}\ndef {name}({given}):\n    return {text}"))
        imports = (ImportRequest("functools", "lru_cache"),) if scope.kind == "function" else ()
    return Fix("Build one client in a cached getter", Applicability.UNSAFE, tuple(edits), imports, isolation="" if getter else _CACHED)


def _one_loop(module: "Module", scope: "Scope") -> bool:
    """Whether what calls an asynchronous handler has one event loop for all calls, as far as the file tells.

    Flask and Django run each in a loop of its own, and so does who calls ``asyncio.run`` in a function.
    """
    index = module.index
    frameworks_here = {what.module.partition(".")[0] for what, _ in index.imports}
    if not scope.is_async or not frameworks_here & _ONE_LOOP or frameworks_here & _MANY_LOOPS:
        return False
    starts = index.calls_to(frozenset(("run", "run_until_complete", "new_event_loop", "async_to_sync", "Runner")))
    return all(index.scope(call).function is index.module_scope for call in starts)


def _of_streamlit(module: "Module") -> str:
    """The decorator that keeps what a function of a Streamlit script made; empty where the file does not import its module."""
    for what, scope in module.index.imports:
        if what.module == "streamlit" and not what.name and scope is module.index.module_scope:
            return f"@{what.alias.asname or what.alias.name}.cache_resource"
    return ""


def _texts(module: "Module", call: ast.Call) -> list[str]:
    """The local names in the arguments of a client that are certainly texts: they become parameters of the getter."""
    names: list[str] = []
    for argument in (*call.args, *(item.value for item in call.keywords)):
        if isinstance(argument, ast.Name) and argument.id not in names:
            binder = module.index.scope(argument).binder(argument.id)
            binding = only_binding(module, argument)
            if binder is not None and binder.kind == "function" and binding is not None and _is_text(module, binding.value):
                names.append(argument.id)
    return names


def _is_text(module: "Module", node: object) -> bool:
    """Whether an expression gives a text, or None: what a cache can tell apart."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.Call):
        values = module.values(node.func)
        return len(values) == 1 and isinstance(values[0], External) and values[0].path in ("os.getenv", "os.environ.get")
    if isinstance(node, ast.Subscript):
        values = module.values(node.value)
        return len(values) == 1 and isinstance(values[0], External) and values[0].path == "os.environ"
    return isinstance(node, ast.JoinedStr)


def _used(module: "Module", scope: "Scope", call: ast.Call, getting: str) -> list[Edit] | None:
    """The edits that take the client from the getter; None where it could get into other hands."""
    index = module.index
    statement = index.statement(call)
    target = single_target(statement)
    if target is not None and statement.value is call:  # type: ignore[attr-defined]
        loads = only_loads(module, scope, target)
        if loads is None or any(isinstance(index.parents.get(load), ast.Return) for load in loads):
            return None
        # what a generator yields to its framework it gets back
        closes = closes_of(module, [load for load in loads if not isinstance(index.parents.get(load), ast.Yield)], scope.node)
        if closes is None or _closed_elsewhere(module, call, closes) or any(_alone(module, close) for close in closes):
            return None
        if any(_kept(index.statement(load)) for load in loads) and _closes_unknown(module):
            return None
        return [replace(module, call, getting), *closing_taken_out(module, closes)]
    if isinstance(statement, WITHS) and len(statement.items) == 1 and statement.items[0].context_expr is call:
        variable = statement.items[0].optional_vars
        loads = only_loads(module, scope, variable) if isinstance(variable, ast.Name) else None
        if loads is None or any(isinstance(index.parents.get(load), ast.Return) for load in loads):
            return None
        closes = closes_of(module, [load for load in loads if not isinstance(index.parents.get(load), ast.Yield)], scope.node)
        if closes is None or closes or _closed_elsewhere(module, call, []) or not all(index.within(load, statement) for load in loads):
            return None
        if any(_kept(index.statement(load)) for load in loads) and _closes_unknown(module):
            return None
        here = anchor(module, statement)
        return [InsertStatement(here, f"{variable.id} = {getting}"), Unwrap(here)]  # type: ignore[union-attr]
    of_g = isinstance(statement, ast.Assign) and statement.value is call and all(map(_of_g, statement.targets))
    if not (of_g or taken_apart(module, call)) or _closed_elsewhere(module, call, []):
        return None
    if _kept(statement) and _closes_unknown(module):
        return None
    return [replace(module, call, getting)]


def _alone(module: "Module", close: ast.stmt) -> bool:
    """Whether closing is all that a block does, other than a ``finally``: a ``pass`` would be left."""
    owner, field, _ = module.index.place[close]
    return field != "finalbody" and len(getattr(owner, field)) == 1


def _closed_elsewhere(module: "Module", build: ast.Call, closes: list[ast.stmt]) -> bool:
    """Whether something in the file closes the client, or one that it cannot be told from, beside what is taken out."""
    for call, _, method in module.calls.methods:
        if method.name not in ("close", "aclose") or method.owner.family != "client":
            continue
        site = method.owner.site
        other = site is not None and site.module is module and site.node is not build and site.node in {b.call for b in module.builds}
        if not other and not any(module.index.within(call, close) for close in closes):
            return True
    return False


def _of_g(target: ast.expr) -> bool:
    """``g.client``: it goes with the request."""
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "g"


def _kept(statement: ast.AST) -> bool:
    """Whether a statement stores into an object, where other functions find what it stores."""
    return isinstance(statement, ast.Assign) and any(not isinstance(target, ast.Name) for target in statement.targets)


def _closes_unknown(module: "Module") -> bool:
    """Whether the file closes anything that could be a client."""
    for call in module.index.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("close", "aclose"):
            owner = module.inference.kind(module, call.func.value)
            if owner is None or owner.family == "client":
                return True
    return False


def _top(module: "Module", node: ast.AST) -> ast.stmt | None:
    """The statement of the module's own block that a node stands in; only definitions, and of a script that runs again others."""
    index = module.index
    top: ast.AST = node
    for up in index.ancestors(node):
        if up is index.tree:
            return top if isinstance(top, ast.stmt) else None
        top = up
    return None


def _of_the_request(module: "Module", node: ast.AST, given: list[str], line: int) -> bool:
    """Whether a name is neither one of the module that is bound once nor handed to the getter, or stands for something of one request.

    In the code of a module itself it must be bound before ``line``, where the getter stands.
    """
    if not isinstance(node, ast.Name):
        return False
    scope = module.index.scope(node)
    binder = scope.binder(node.id)
    if binder is None:
        return not hasattr(builtins, node.id)
    if binder.kind != "module" or len(binder.bindings[node.id]) != 1:
        return node.id not in given
    if scope.function is binder and binder.bindings[node.id][0].position >= (line, 0):
        return True
    return any(isinstance(v, External) and _last_part(v.path) in _OF_ONE_REQUEST for v in module.values(node)) or node.id in _OF_ONE_REQUEST


def _last_part(path: str) -> str:
    """The last name of a path."""
    return path.removesuffix("()").rpartition(".")[2]


def _is_setting(call: ast.Call) -> bool:
    """``current_app.config.get("MONGO_URI")``"""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in ("get", "getenv") or not path_key(function.value):
        return False
    literal = all(isinstance(value, ast.Constant) for value in (*call.args, *(item.value for item in call.keywords)))
    return literal and last_name(function.value) in _SETTINGS


def _existing(module: "Module", call: ast.Call, names: list[str]) -> str:
    """The name of a cached function of the module that returns the same client; empty when there is none."""
    wanted = ast.dump(call)
    for node in module.index.tree.body:
        if not isinstance(node, ast.FunctionDef) or len(node.body) != 1 or len(node.decorator_list) != 1:
            continue
        last, bindings = node.body[0], module.index.module_scope.bindings.get(node.name, ())
        kept = last_name(node.decorator_list[0]) in ("lru_cache", "cache", "cache_resource")
        parameters = [child.arg if isinstance(child, ast.arg) else "" for child in ast.iter_child_nodes(node.args)]
        if (
            kept
            and parameters == names
            and len(bindings) == 1
            and isinstance(last, ast.Return)
            and last.value is not None
            and ast.dump(last.value) == wanted
        ):
            return node.name
    return ""


def _free(module: "Module", flavour: str) -> str:
    """A name for the getter that the file does not use for anything."""
    index = module.index
    for name in _NAMES if flavour == "sync" else ("get_async_client", *_NAMES):
        if name not in index.name_loads and not any(name in scope.bindings or name in scope.globals for scope in index.scopes):
            return name
    return ""
