"""What parameters can be: annotations, defaults, injected dependencies, fixtures, what frameworks hand to their handlers."""

import ast
import os
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.inference.common import MAX_CALLERS
from flake8_mongo_threads.semantics.scopes import Binding, Scope
from flake8_mongo_threads.semantics.syntax import argument, constant, keyword, last_name
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    OPEN,
    UNKNOWN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Driver,
    External,
    Function,
    Generator,
    Instance,
    Manager,
    Value,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module


def parameter(inference: "Inference", module: "Module", binding: Binding) -> Values:
    """What callers, annotations, defaults and frameworks put into a parameter."""
    arg = binding.node
    scope = binding.scope
    if not isinstance(arg, ast.arg):
        return UNKNOWN_ONLY
    found = module.memo.get(arg)
    if found is not None:
        return found
    if arg in inference.active:
        inference.cuts += 1
        return BOTTOM
    inference.active.add(arg)
    before = inference.cuts
    try:
        found = _parameter(inference, module, scope, arg)
    finally:
        inference.active.discard(arg)
    if inference.cuts == before or (found and inference.settled_now(arg)):
        module.memo[arg] = found
    return found


def _parameter(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> Values:
    node = scope.node
    arguments = node.args  # type: ignore[attr-defined]
    if arg is arguments.vararg or arg is arguments.kwarg:
        return (OPEN,)
    cls = scope.cls
    positional = scope.positional
    if cls is not None and positional and arg is positional[0] and "builtins.staticmethod" not in inference.decorators(module, scope):
        owner = Class(module, cls)
        if "builtins.classmethod" in inference.decorators(module, scope) or scope.name in (
            "__new__",
            "__init_subclass__",
            "__class_getitem__",
        ):
            return (owner,)
        return (Instance(owner),)
    if arg.annotation is not None:
        found = inference.annotation(module, arg.annotation, scope.parent or scope)
        if (
            known(found)
            and UNKNOWN not in found
            and not all(isinstance(v, External) and v.path.startswith(("builtins.", "typing.")) for v in known(found))
        ):
            return _handed_for(inference, module, scope, arg, found) or found
    default = scope.default(arg.arg)
    if default is not None:
        injected = inference.depends(module, default, scope.parent or scope)
        if injected is not None:
            return injected
    fixture = _fixture(inference, module, scope, arg)
    if fixture is not None:
        return fixture
    supplied = _supplied(inference, module, scope, arg)
    if supplied is not None:
        return supplied
    parts: list[Values] = []
    if arg.arg == "self" and positional and arg is positional[0]:
        parts.append(_owners_of_decorated(inference, module, scope))
    if default is not None:
        value = inference.values(module, default)
        if known(value):
            parts.append(value)
    parts.extend(inference.from_callers(module, scope, arg))
    result = union(*parts) if parts else BOTTOM
    return result or (OPEN,)


def _handed_for(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg, declared: Values) -> Values:
    """The objects that callers hand to a parameter whose annotation tells their kind; nothing when none is seen."""
    kinds = {v.kind for v in declared if isinstance(v, Driver)}
    if not kinds or len(kinds) != len(known(declared)):
        return BOTTOM
    given = [v for part in inference.from_callers(module, scope, arg) for v in part]
    return union(*((v,) for v in given if isinstance(v, Driver) and v.kind in kinds))


def _owners_of_decorated(inference: "Inference", module: "Module", scope: Scope) -> Values:
    """The objects whose methods a decorator of this module wraps in a function: what the ``self`` of that function is."""

    def compute() -> dict[str, list[tuple[ast.expr, Scope]]]:
        table: dict[str, list[tuple[ast.expr, Scope]]] = {}
        for method in module.index.functions:
            for decorator in method.decorators if method.cls is not None else ():
                named = decorator.func if isinstance(decorator, ast.Call) else decorator
                table.setdefault(last_name(named), []).append((named, method))
        return table

    found: dict[Scope, Value] = {}
    table: dict[str, list[tuple[ast.expr, Scope]]] = module.remember("decorated methods", module.index.module_scope, compute, {})
    outer = scope.parent
    while outer is not None and outer.kind == "function":
        for named, method in table.get(outer.name, ()):
            if method.cls is not None and any(isinstance(v, Function) and v.scope is outer for v in inference.values(module, named)):
                found.setdefault(method.cls, Instance(Class(module, method.cls)))
        outer = outer.parent
    return tuple(found.values())[:MAX_CALLERS]


def depends(inference: "Inference", module: "Module", node: ast.expr, scope: Scope) -> Values | None:
    """The value that ``Depends(provider)`` injects, or None when the expression is no dependency."""
    if not isinstance(node, ast.Call):
        return None
    callee = inference.values(module, node.func, scope)
    if not any(isinstance(v, External) and v.path == "fastapi.Depends" for v in callee):
        return None
    provider = dependency(module, node)
    if provider is None:
        return None
    return inference.provided(module, provider, scope)


def provided(inference: "Inference", module: "Module", provider: ast.expr, scope: Scope | None = None) -> Values:
    """What a dependency provider gives to those who depend on it: returns awaited, generators entered."""
    results = []
    for value in inference.values(module, provider, scope):
        result = inference.invoke(value, None, module)
        results.append(inference.settled(result))
    return union(*results) if results else UNKNOWN_ONLY


def settled(values: Values) -> Values:
    """Alternatives with what they wait for given: what a framework awaits before it hands a value on."""
    parts: list[Values] = []
    for value in values:
        if isinstance(value, (Awaitable, Generator, Manager)):
            parts.append(value.values)
        else:
            parts.append((value,))
    return union(*parts) if parts else UNKNOWN_ONLY


def _fixture(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
    """The value of a pytest fixture for a parameter of a test or of another fixture."""
    if not scope.name.startswith("test") and not inference.is_fixture(module, scope):
        return None
    for home in _fixture_homes(inference, module):
        for binding in home.index.module_scope.bindings.get(arg.arg, ()):
            target = home.index.bodies.get(binding.node) if binding.how == "def" else None
            if target is not None and target is not scope and inference.is_fixture(home, target):
                return inference.settled(inference.invoke(Function(home, target), None, module))
    if scope.cls is not None:
        for binding in scope.cls.bindings.get(arg.arg, ()):
            target = module.index.bodies.get(binding.node) if binding.how == "def" else None
            if target is not None and target is not scope and inference.is_fixture(module, target):
                return inference.settled(inference.invoke(Function(module, target, Instance(Class(module, scope.cls))), None, module))
    return None


def _fixture_homes(inference: "Inference", module: "Module") -> list["Module"]:
    homes = [module]
    folder = os.path.dirname(module.location)
    for _ in range(4):
        path = os.path.join(folder, "conftest.py")
        if path != module.location and os.path.isfile(path):
            found = inference.project.load(path, module)
            if found is not None:
                homes.append(found)
        if folder in module.roots[:1]:
            break
        folder = os.path.dirname(folder)
    return homes


def is_fixture(inference: "Inference", module: "Module", scope: Scope) -> bool:
    """Whether a function is a pytest fixture."""
    return any(d.startswith(("pytest.fixture", "pytest_asyncio.fixture")) for d in inference.decorators(module, scope))


def _supplied(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
    """What a framework hands to a handler's parameter that has no annotation: the request object."""
    if arg.arg == "self" and scope.cls is None and scope.positional[:1] == [arg]:
        return _task_class(inference, module, scope)
    if scope.name == "setup" and scope.positional == [arg] and _is_extension(module, scope, arg):
        return (External("discord.ext.commands.Bot()"),)
    if arg.arg.endswith(("app", "application")):
        return _application(inference, module, scope, arg)
    if scope.name == "initialize" and scope.cls is not None:
        return inference.from_routes(module, scope, arg)
    if arg.arg not in ("request", "req", "ctx", "context", "update"):
        return None
    from flake8_mongo_threads.concurrency.frameworks import request_type

    for value in _handler_paths(inference, module, scope):
        path = request_type(value, arg.arg)
        if path:
            return (External(path),)
    return None


def _application(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
    """The application that a framework hands to a hook: ``app.on_startup.append(hook)``, ``FastAPI(lifespan=hook)``."""
    from flake8_mongo_threads.concurrency.frameworks import application_type

    first = scope.positional[1:] if scope.cls is not None else scope.positional
    if first[:1] != [arg]:
        return None
    for path in sorted(inference.decorators(module, scope)):
        kind = application_type(path, "")
        if kind:
            return (External(kind),)
    for home, reference in inference.references(module, scope)[:MAX_CALLERS]:
        parents = home.index.parents
        parent = parents.get(reference)
        if isinstance(parent, (ast.List, ast.Tuple)):
            parent = parents.get(parent)
        named = parent.arg or "" if isinstance(parent, ast.keyword) else ""
        call = parents.get(parent) if isinstance(parent, ast.keyword) else parent
        if isinstance(call, ast.Call) and call.func is not reference and inference.names(home, reference, scope) is not None:
            for value in inference.values(home, call.func):
                kind = application_type(value.path, named) if isinstance(value, External) else ""
                if kind:
                    return (External(kind),)
    return None


def _is_extension(module: "Module", scope: Scope, arg: ast.arg) -> bool:
    """Whether a function is the entry of an extension of a Discord bot: ``def setup(bot): bot.add_cog(…)``."""
    index = module.index
    if scope.parent is not index.module_scope:
        return False
    if not any(what.module.partition(".")[0] in ("discord", "nextcord", "disnake") for what, _ in index.imports):
        return False
    return any(
        isinstance(node.value, ast.Name) and node.value.id == arg.arg and index.scope(node).function is scope
        for node in index.attribute_loads.get("add_cog", ())
        if isinstance(node, ast.Attribute)
    )


def _task_class(inference: "Inference", module: "Module", scope: Scope) -> Values | None:
    """The task object that Celery hands to ``@app.task(bind=True, base=MongoTask)``."""
    for decorator in scope.decorators:
        if not isinstance(decorator, ast.Call):
            continue
        base = next((k.value for k in decorator.keywords if k.arg == "base"), None)
        bound = any(k.arg == "bind" and isinstance(k.value, ast.Constant) and k.value.value is True for k in decorator.keywords)
        if base is not None and bound:
            classes = tuple(Instance(v) for v in inference.values(module, base) if isinstance(v, Class))
            return classes or None
    return None


def _handler_paths(inference: "Inference", module: "Module", scope: Scope) -> list[str]:
    found = sorted(inference.decorators(module, scope))
    if scope.cls is not None:
        found.extend(sorted(base + "()" for base in inference.external_bases(Class(module, scope.cls))))
    if not found and scope.parent is not None and scope.parent.kind in ("module", "function"):
        for home, reference in inference.references(module, scope)[:MAX_CALLERS]:
            parent = home.index.parents.get(reference)
            if isinstance(parent, ast.Call) and parent.func is not reference:
                if home is module or inference.names(home, reference, scope) is not None:
                    found.extend(v.path for v in inference.values(home, parent.func) if isinstance(v, External))
    return found


def dependency(module: "Module", call: ast.Call) -> ast.expr | None:
    """The provider of a ``Depends(…)``: its argument, or for ``Depends()`` the class that the parameter is annotated with."""
    provider = argument(call, 0, "dependency")
    if provider is not None:
        return None if constant(keyword(call, "use_cache")) is True and last_name(call.func) == "Provide" else provider
    index = module.index
    parent = index.parents.get(call)
    if isinstance(parent, ast.Tuple):
        outer = index.parents.get(parent)
        if isinstance(outer, ast.Subscript) and parent.elts and parent.elts[0] is not call:
            return parent.elts[0]
    if isinstance(parent, ast.arguments):
        positional = [*parent.posonlyargs, *parent.args]
        offset = len(positional) - len(parent.defaults)
        for position, value in enumerate(parent.defaults):
            if value is call:
                return positional[position + offset].annotation
        for arg, default in zip(parent.kwonlyargs, parent.kw_defaults, strict=False):
            if default is call:
                return arg.annotation
    return None
