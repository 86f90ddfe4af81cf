"""``db.authenticate(user, password)``, which is gone, as options of the client that is built a few lines above."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import DeleteStatement, Edit, SetKeyword
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.documents import only_binding
from flake8_mongo_threads.rules.lifting import steady
from flake8_mongo_threads.rules.old_names import remark
from flake8_mongo_threads.rules.repair import anchor, source
from flake8_mongo_threads.semantics.syntax import constant, has_star, keyword
from flake8_mongo_threads.semantics.values import Driver, External, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_PARAMETERS = ("name", "password", "source", "mechanism")
_OPTIONS = {"name": "username", "password": "password", "source": "authSource", "mechanism": "authMechanism"}


def authenticated(module: "Module", node: ast.Attribute, call: ast.Call) -> Fix | None:
    """Credentials as options of the client, where both statements stand in one block and nothing between them matters.

    Unsafe: what a wrong password raised there, the first operation raises now.
    """
    index = module.index
    statement = index.parents.get(call)
    if (
        not isinstance(statement, ast.Expr)
        or remark(module, statement)
        or has_star(call)
        or any(item.arg not in _PARAMETERS for item in call.keywords)
    ):
        return None
    given = dict(zip(_PARAMETERS, call.args, strict=False))
    given |= {item.arg: item.value for item in call.keywords if item.arg is not None}
    build = _client(module, node.value)
    if build is None or len(call.args) > len(_PARAMETERS) or not {"name", "password"} <= given.keys():
        return None
    before, here = index.place.get(index.statement(build)), index.place.get(statement)
    if before is None or here is None or before[:2] != here[:2] or before[2] >= here[2]:
        return None
    others = [load for load in index.attribute_loads.get("authenticate", ()) if load is not node]
    if any(_client(module, load.value) in (None, build) for load in others):
        return None  # several users, or one who cannot be told apart
    texts = {_OPTIONS[name]: source(module, value) for name, value in given.items() if constant(value) is not None or name != "source"}
    values = [*given.values()]
    if "authSource" not in texts:
        database = _name(module, node.value)
        if database is None:
            return None
        values.append(database[1])
        texts["authSource"] = database[0]
    if {item.arg.lower() for item in build.keywords if item.arg} & {option.lower() for option in texts}:
        return None
    if any("@" in str(constant(value)) for value in (*build.args[:1], keyword(build, "host")) if value is not None):
        return None
    if any("\n" in text or "\r" in text for text in texts.values()) or not all(
        _the_same(module, value, build, statement) for value in values
    ):
        return None
    order = ("username", "password", "authSource", "authMechanism")
    edits: list[Edit] = [SetKeyword(anchor(module, build), option, texts[option]) for option in order if option in texts]
    return Fix("Give the client the credentials", Applicability.UNSAFE, (*edits, DeleteStatement(anchor(module, statement))))


def _client(module: "Module", database: ast.expr) -> ast.Call | None:
    """The call of this file that builds the client of a database."""
    values = known(module.values(database))
    root = values[0].root("client") if len(values) == 1 and isinstance(values[0], Driver) else None
    node = root.site.node if root is not None and root.site is not None and root.site.module is module else None
    return node if isinstance(node, ast.Call) and any(build.call is node for build in module.builds) and not has_star(node) else None


def _name(module: "Module", node: ast.expr) -> tuple[str, ast.expr] | None:
    """What names a database, as text and as expression."""
    if isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and not _is_client(module, node.value)):
        stored = _stored(module, node)
        if stored is None:
            return None
        node = stored
    if isinstance(node, ast.Subscript) and _is_client(module, node.value):
        return source(module, node.slice), node.slice
    if isinstance(node, ast.Attribute) and _is_client(module, node.value):
        return f'"{node.attr}"', ast.Constant(node.attr)
    if isinstance(node, ast.Call) and not node.keywords and not has_star(node):
        values = known(module.values(node.func))
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "get_database"
            and len(node.args) == 1
            and _is_client(module, node.func.value)
        ):
            return source(module, node.args[0]), node.args[0]
        if len(node.args) == 2 and len(values) == 1 and isinstance(values[0], External) and values[0].path == "builtins.getattr":
            return source(module, node.args[1]), node.args[1]
    return None


def _is_client(module: "Module", node: ast.expr) -> bool:
    kind = module.inference.kind(module, node)
    return kind is not None and kind.family == "client"


def _stored(module: "Module", node: ast.Name | ast.Attribute) -> ast.expr | None:
    """The expression that a name, or an attribute of this name, was given by the only assignment to it."""
    if isinstance(node, ast.Name):
        binding = only_binding(module, node)
        value = binding.value if binding is not None else None
    else:
        stores = module.index.attribute_stores.get(node.attr, ())
        value = stores[0].value if len(stores) == 1 and not stores[0].path else None
    return value if isinstance(value, ast.expr) else None


def _the_same(module: "Module", value: ast.expr, build: ast.Call, statement: ast.stmt) -> bool:
    """Whether an expression gives what it gives at ``statement`` where the client is built, too."""
    index = module.index
    first, last = index.statement(build).lineno, statement.lineno  # type: ignore[attr-defined]

    def differs(node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return any(first <= store.target.lineno <= last for store in index.attribute_stores.get(node.attr, ()))
        if not isinstance(node, ast.Name):
            return False
        binder = index.scope(node).binder(node.id)
        return binder is not None and any(first <= binding.position[0] <= last for binding in binder.bindings[node.id])

    return isinstance(value, ast.Constant) or steady(module, value, differs)
