"""What decorators make of a function: a property, a descriptor, a cached function, a context manager."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import CACHING_DECORATORS, PROPERTY_DECORATORS, canonical
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import dotted, last_name, walk
from flake8_mongo_threads.semantics.values import Class, External, Function

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_CACHES = frozenset(path.removesuffix("()").rpartition(".")[2] for path in CACHING_DECORATORS)


def decorators(inference: "Inference", module: "Module", scope: Scope) -> frozenset[str]:
    """External paths of a function's decorators; ``()`` at the end when the decorator is a call."""
    found = module.decorator_paths.get(scope)
    if found is not None:
        return found
    paths: set[str] = set()
    module.decorator_paths[scope] = frozenset()  # a decorator that leads back here sees none
    for decorator in scope.decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        suffix = "()" if isinstance(decorator, ast.Call) else ""
        for value in inference.values(module, target):
            if isinstance(value, External):
                paths.add(canonical(value.path + suffix))
            elif isinstance(value, Function) and value.module is not module and (value.module.name, value.scope.name):
                paths.add(f"{value.module.name}.{value.scope.name}{suffix}")
    result = frozenset(paths)
    module.decorator_paths[scope] = result
    return result


def converted(inference: "Inference", function: Function) -> str:
    """The colour (sync or async) of the wrapper by which a decorator of the program makes something else of what a function
    returns, as ``return list(fn(*args))`` does; empty when none does."""
    module, scope = function.module, function.scope
    return str(module.remember("converted", scope, lambda: _converted(inference, module, scope), ""))


def _converted(inference: "Inference", module: "Module", scope: Scope) -> str:
    for decorator in scope.decorators:
        for value in inference.values(module, decorator):
            if not isinstance(value, Function) or not value.scope.positional:
                continue
            called = value.scope.positional[0].arg
            for wrapper in inference.returned(value):
                if isinstance(wrapper, Function) and value.scope.encloses(wrapper.scope) and wrapper.scope is not value.scope:
                    results = _results_of(called, wrapper.scope)
                    if any(_makes_else(result, called, results) for result in wrapper.scope.returns):
                        return "async" if wrapper.scope.is_async else "sync"
    return ""


def is_property(inference: "Inference", module: "Module", scope: Scope) -> bool:
    """Whether reading a method as an attribute runs it."""
    return bool(inference.decorators(module, scope) & PROPERTY_DECORATORS) or inference.is_descriptor(module, scope)


def is_descriptor(inference: "Inference", module: "Module", scope: Scope) -> bool:
    """Whether a decorator of a method is a class of the program whose ``__get__`` calls the method and gives what it returns."""
    for decorator in scope.decorators:
        if not isinstance(decorator, (ast.Name, ast.Attribute)):
            continue
        for value in inference.values(module, decorator):
            if not isinstance(value, Class):
                continue
            for _, cls in inference.resolution_order(value):
                for getter in inference.definitions(cls, "__get__"):
                    if any(_calls_own(returned, getter) for returned in getter.returns):
                        return True
            if any(base in PROPERTY_DECORATORS for base in inference.external_bases(value)):
                return True
    return False


def is_cached(inference: "Inference", module: "Module", scope: Scope) -> bool:
    """Whether a function's body runs once, by its decorator."""
    if inference.decorators(module, scope) & CACHING_DECORATORS:
        return True
    for decorator in scope.decorators:
        name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if name and any(mark in name.lower() for mark in ("cache", "singleton", "memoize", "run_once", "call_once")):
            return True
    result: bool = module.remember("kept by what wraps it", scope, lambda: _kept_by_wrapper(inference, module, scope), False)
    return result


def _kept_by_wrapper(inference: "Inference", module: "Module", scope: Scope) -> bool:
    """Whether a decorator of the program calls a function once, or ``cache(function)`` is what others call."""
    from flake8_mongo_threads.semantics.lifecycle import keeps_result

    index = module.index
    for decorator in scope.decorators:
        for value in inference.values(module, decorator):
            if isinstance(value, Function) and any(
                isinstance(wrapper, Function) and value.scope.encloses(wrapper.scope) and keeps_result(value, wrapper)
                for wrapper in inference.returned(value)
            ):
                return True
    named: list[ast.AST] = [scope.node] if scope.kind == "lambda" else list(index.name_loads.get(scope.name, ()))
    for load in named:
        call = index.parents.get(load)
        if not isinstance(call, ast.Call) or load not in call.args:
            continue
        maker, suffix = (call.func.func, "()") if isinstance(call.func, ast.Call) else (call.func, "")
        if last_name(maker) in _CACHES and any(
            isinstance(v, External) and v.path + suffix in CACHING_DECORATORS for v in inference.values(module, maker)
        ):
            return True
    return False


def _calls_own(returned: ast.expr, getter: Scope) -> bool:
    """Whether what a descriptor's ``__get__`` returns is the result of a function that the descriptor keeps: ``self.func(obj)``."""
    values: list[ast.AST] = [returned]
    if isinstance(returned, ast.Name):
        values = [b.value for b in getter.bindings.get(returned.id, ()) if b.how == "assign" and b.value is not None]
    own = getter.positional[0].arg if getter.positional else ""
    return any(
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Name)
        and value.func.value.id == own
        for value in values
    )


def _results_of(called: str, scope: Scope) -> frozenset[str]:
    """The names in a wrapper that hold what the function it wraps returns."""
    return frozenset(
        name
        for name, bindings in scope.bindings.items()
        if any(isinstance(b.value, ast.expr) and not b.path and _calls_name(b.value, called) for b in bindings)
    )


def _calls_name(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Await):
        node = node.value
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _makes_else(result: ast.expr, called: str, results: frozenset[str]) -> bool:
    """Whether an expression is made from what the wrapped function returns without being that."""
    if _calls_name(result, called) or isinstance(result, ast.Name):
        return False
    pending: list[ast.expr] = [result.body, result.orelse] if isinstance(result, ast.IfExp) else [result]
    for part in pending:
        if _calls_name(part, called) or isinstance(part, ast.Name):
            continue
        for node in walk(part):
            if (isinstance(node, ast.Name) and node.id in results) or (isinstance(node, ast.expr) and _calls_name(node, called)):
                return True
    return False
