"""What annotations say: classes, unions, generics, aliases, and the objects of libraries that a name stands for."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import canonical
from flake8_mongo_threads.driver import kinds, wrappers
from flake8_mongo_threads.semantics.inference.common import annotation_text, arms
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import argument, last_name
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    NOTHING,
    UNKNOWN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Driver,
    Element,
    External,
    Generator,
    Instance,
    Manager,
    Mapping,
    Sequence,
    Site,
    Value,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_ANNOTATION_ITER = frozenset(
    ("typing.List", "typing.Sequence", "typing.Iterable", "typing.Set", "typing.FrozenSet", "typing.Tuple", "typing.Deque", "builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset", "typing.Collection")
)  # fmt: skip
_ANNOTATION_GENERATOR = frozenset(
    ("typing.Generator", "typing.Iterator", "typing.AsyncGenerator", "typing.AsyncIterator", "typing.AsyncIterable")
)
_ANNOTATION_MANAGER = frozenset(
    ("typing.ContextManager", "typing.AsyncContextManager", "contextlib.AbstractContextManager", "contextlib.AbstractAsyncContextManager")
)
_ANNOTATION_TRANSPARENT = frozenset(
    ("typing.Final", "typing.ClassVar", "typing.Required", "typing.NotRequired", "typing.Type", "builtins.type")
)
_ANNOTATION_MAP = frozenset(
    (
        "typing.Dict",
        "typing.Mapping",
        "builtins.dict",
        "typing.DefaultDict",
        "collections.defaultdict",
        "typing.MutableMapping",
        "typing.OrderedDict",
    )
)


def annotation(inference: "Inference", module: "Module", node: ast.AST | None, scope: Scope, depth: int = 0) -> Values:
    """What an object annotated with an expression is."""
    if node is None or depth > 8:
        return UNKNOWN_ONLY
    if isinstance(node, ast.Constant):
        if node.value is None:
            return (NOTHING,)
        if isinstance(node.value, str):
            parsed = annotation_text(node.value)
            if parsed is None:
                return UNKNOWN_ONLY
            found = inference.annotation(module, parsed, scope, depth + 1)
            return tuple(
                Driver(v.family, v.flavour, Site(module, node), v.parent, v.name)
                if isinstance(v, Driver) and v.site is not None and v.site.node not in module.index.parents
                else v
                for v in found
            )
        return UNKNOWN_ONLY
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return union(inference.annotation(module, node.left, scope, depth + 1), inference.annotation(module, node.right, scope, depth + 1))
    if isinstance(node, ast.Subscript):
        return _generic(inference, module, node, scope, depth)
    values = inference.values(module, node, scope)
    if len(values) > 1 and isinstance(node, ast.Name):
        values = _seen_by_checkers(inference, module, node.id) or values
    return _instances(inference, module, node, values, depth)


def _seen_by_checkers(inference: "Inference", module: "Module", name: str) -> Values:
    """What a name of a module means to type checkers, where that is written for them: ``if TYPE_CHECKING: from app import Bot``."""
    top = module.index.module_scope
    for_them = [
        b
        for b in top.bindings.get(name, ())
        if any(
            arm == "body" and isinstance(test, ast.If) and last_name(test.test) == "TYPE_CHECKING"
            for test, arm in arms(top, b.node).items()
        )
    ]
    return inference.join(module, for_them) if for_them else BOTTOM


def _instances(inference: "Inference", module: "Module", node: ast.AST, values: Values, depth: int) -> Values:
    parts: list[Values] = []
    for value in values:
        if isinstance(value, Class):
            # a class that only describes another driver's objects to a type checker says nothing of what they are
            parts.append(UNKNOWN_ONLY if inference.is_description(value) else (Instance(value),))
        elif isinstance(value, External) and value.path in ("typing.NoReturn", "typing.Never"):
            parts.append((NOTHING,))  # like None: what comes after does not happen
        elif isinstance(value, External):
            parts.append(_alias(inference, value, depth) or _described(inference, value.path, Site(module, node)))
        elif isinstance(value, (Sequence, Mapping, Generator, Manager)):
            parts.append((value,))
        else:
            parts.append(UNKNOWN_ONLY)
    return union(*parts) if parts else UNKNOWN_ONLY


def _described(inference: "Inference", path: str, site: Site) -> Values:
    """An object of the class that an annotation names. ``Database`` says little where every client of the program is asynchronous."""
    found = inference.instance(kinds.class_of_module(path), site)
    if isinstance(found, Driver) and found.flavour == "sync" and inference.project.only_async_clients:
        return UNKNOWN_ONLY
    return (found,)


def _alias(inference: "Inference", value: External, depth: int) -> Values | None:
    """``NewType("Db", Database)`` and annotated aliases kept as values."""
    if (
        value.site is not None
        and value.path in ("typing.NewType()", "typing_extensions.NewType()")
        and isinstance(value.site.node, ast.Call)
    ):
        return inference.annotation(
            value.site.module, argument(value.site.node, 1), value.site.module.index.scope(value.site.node), depth + 1
        )
    if value.site is not None and isinstance(value.site.node, ast.Subscript):
        return _generic(inference, value.site.module, value.site.node, value.site.module.index.scope(value.site.node), depth + 1)
    if value.site is not None and isinstance(value.site.node, ast.BinOp):
        return inference.annotation(value.site.module, value.site.node, value.site.module.index.scope(value.site.node), depth + 1)
    return None


def _generic(inference: "Inference", module: "Module", node: ast.Subscript, scope: Scope, depth: int) -> Values:
    bases = inference.values(module, node.value, scope)
    inner = node.slice
    parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    for base in bases:
        path = base.path if isinstance(base, External) else ""
        if path in ("typing.Optional", "typing.Union"):
            return union(*(inference.annotation(module, part, scope, depth + 1) for part in parts[:6]))
        if path == "typing.Annotated" and parts:
            for extra in parts[1:]:
                injected = inference.depends(module, extra, scope)
                if injected is not None and known(injected) and UNKNOWN not in injected:
                    return injected
            return inference.annotation(module, parts[0], scope, depth + 1)
        if path in _ANNOTATION_TRANSPARENT:
            return inference.annotation(module, parts[0], scope, depth + 1)
        if path in _ANNOTATION_ITER:
            element = Element(module, scope, None, inference.annotation(module, parts[0], scope, depth + 1))
            return (Sequence((element,), Site(module, node), many=True),)
        if path in _ANNOTATION_GENERATOR:
            return (Generator(inference.annotation(module, parts[0], scope, depth + 1), Site(module, node)),)
        if path in _ANNOTATION_MANAGER:
            return (Manager(inference.annotation(module, parts[0], scope, depth + 1), Site(module, node)),)
        if path in _ANNOTATION_MAP and len(parts) > 1:
            element = Element(module, scope, None, inference.annotation(module, parts[1], scope, depth + 1))
            return (Mapping(((None, element),), Site(module, node)),)
        if path in ("typing.Awaitable", "typing.Coroutine"):
            return (Awaitable(inference.annotation(module, parts[-1], scope, depth + 1), "coroutine", Site(module, node)),)
        if path == "typing.Callable":
            return UNKNOWN_ONLY
    return _instances(inference, module, node, bases, depth)


def instance(path: str, site: Site | None) -> Value:
    """An object of an external class: a driver object where the class is the driver's."""
    path = canonical(path)
    if path.startswith("declared:"):
        _, family, flavour = path.split(":")
        return Driver(family, flavour, site)
    kind = kinds.class_kind(path) or wrappers.CLASSES.get(path)
    if kind is not None:
        return Driver(kind[0], kind[1], site)
    return External(canonical(path + "()"), site)
