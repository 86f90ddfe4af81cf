"""What an attribute of a value is: members of driver objects, of modules, functions, ``super()`` and classes of libraries."""

import ast
import collections
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import canonical
from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.semantics.inference.common import CHAIN, PLAIN_BASES, Result, something
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import last_name, path_key
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    OPEN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Const,
    Driver,
    Element,
    External,
    Function,
    Instance,
    Mapping,
    Method,
    ModuleRef,
    Sequence,
    Site,
    Super,
    Value,
    Values,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_PLAIN_TYPES: dict[str, type] = {f"builtins.{plain.__name__}()": plain for plain in (str, bytes, int, float, bool)}
"""Objects that annotations name beside a driver's: ``client: MongoClient | str``."""


def evaluate_attribute(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """An attribute of whatever its base can be."""
    base = something(inference.values(module, node.value, scope))  # type: ignore[attr-defined]
    name: str = node.attr  # type: ignore[attr-defined]
    if len(base) > 1:
        called = _is_called(module, node)
        base = tuple(v for v in base if _may_have(inference, v, name, module, called=called)) or base
    return union(*(inference.attribute(value, name, node, module) for value in base)) if base else BOTTOM


def _may_have(inference: "Inference", value: Value, name: str, module: "Module", *, called: bool) -> bool:
    """Whether reading an attribute of such an object, or calling it, can succeed: what would raise is no alternative."""
    if isinstance(value, Driver) and called:
        # of a client or a database, any other name is a database or collection: not callable
        return value.family not in CHAIN or kinds.member(value.family, value.flavour, name) is not None
    if not isinstance(value, Instance):
        return _plain_has(value, name)
    order = inference.resolution_order(value.cls)
    if any(name in cls.bindings or "__getattr__" in cls.bindings or "__getattribute__" in cls.bindings for _, cls in order):
        return True
    if inference.opaque_base(value.cls) or any(base not in PLAIN_BASES for base in inference.external_bases(value.cls)):
        return True
    return any(inference.stores_of(home, name) for home in inference.project.order) or "setattr" in module.source.text


def attribute(inference: "Inference", value: Value, name: str, node: ast.AST | None, module: "Module") -> Values:
    """What an attribute of a value is; ``node`` is the expression that reads it."""
    if value is OPEN:
        return (OPEN,)
    if isinstance(value, Driver):
        return inference.member(value, name, node, module)
    if isinstance(value, ModuleRef):
        target = value.module
        if name in target.index.module_scope.bindings:
            return inference.export(target, name)
        submodule = inference.project.find(target, name, 1) if target.package_file else None
        if submodule is not None:
            return (ModuleRef(submodule),)
        return inference.from_star(target, name) or UNKNOWN_ONLY
    if isinstance(value, Instance):
        return inference.instance_attribute(value, name, node, module)
    if isinstance(value, Class):
        return inference.class_attribute(value, name, node, module)
    if isinstance(value, Super):
        return _super_attribute(inference, value, name, node, module)
    if isinstance(value, External):
        return inference.external_attribute(value, name, node, module)
    if isinstance(value, Awaitable) and name == "result":
        return (Result(value),)
    if isinstance(value, Awaitable) and name == "add_done_callback" and value.how != "coroutine":
        made = value.call.node if value.call is not None else None
        pool = isinstance(made, ast.Call) and last_name(made.func) == "submit"
        return (External(f"{'concurrent.futures' if pool else 'asyncio'}.Future().add_done_callback", value.call),)
    if isinstance(value, Function) and node is not None:
        return _function_attribute(inference, value, name, module)
    return UNKNOWN_ONLY


def member(inference: "Inference", owner: Driver, name: str, node: ast.AST | None, module: "Module") -> Values:
    """A member of a driver object: a method, a property, or by ``__getattr__`` a database or collection."""
    if name in module.index.attribute_stores and isinstance(node, ast.Attribute) and _replaced(inference, module, node):
        return UNKNOWN_ONLY
    found = kinds.member(owner.family, owner.flavour, name)
    site = Site(module, node) if node is not None else owner.site
    if found is None:
        child = CHAIN.get(owner.family)
        if child is None or name.startswith("_"):
            return UNKNOWN_ONLY
        full = f"{owner.name}.{name}" if owner.family == "collection" else name
        return (Driver(child, owner.flavour, site, owner, full),)
    if not found.is_property:
        return (Method(owner, name, found),)
    result = inference.member_result(owner, found.result, site)
    if found.coroutine:
        return (Awaitable(result, "coroutine", site, Method(owner, name, found)),)
    return result


def _replaced(inference: "Inference", module: "Module", node: ast.Attribute) -> bool:
    """Whether the program sets this very attribute of a driver object: ``client.db = Mock()``, ``coll.find_one = fake``."""
    key = path_key(node.value)
    if not key or node not in module.index.parents:
        return False
    scope = module.index.scope(node)
    for store in module.index.attribute_stores[node.attr]:
        target = store.target
        if isinstance(target, ast.Attribute) and path_key(target.value) == key and inference.same_place(key, scope, store.scope):
            return True
    return False


def member_result(owner: Driver, result: str, site: Site | None) -> Values:
    """What a member of a driver object gives, by the name of its result in the driver model."""
    if not result or result == "options":
        return UNKNOWN_ONLY
    if result == "self":
        return (owner,)
    if result == "documents":
        document = Driver("document", owner.flavour, site, owner)
        return (Sequence((Element(site.module, None, None, (document,)),), site, many=True),) if site is not None else UNKNOWN_ONLY
    known_parent = owner.root(result) if result in ("client", "database", "collection") and result != CHAIN.get(owner.family) else None
    if known_parent is not None:
        return (known_parent,)
    parent: Driver | None = owner
    if result in ("client", "database") and owner.family != "client":
        parent = owner.root("client")
    return (Driver(result, owner.flavour, site, parent),)


def _function_attribute(inference: "Inference", value: Function, name: str, module: "Module") -> Values:
    """Attributes put on a function by its decorator: Celery's ``delay`` and kin, or the function wrapped."""
    decorators = inference.decorators(value.module, value.scope)
    if name in ("__wrapped__", "fn", "func"):
        return (value,)
    for decorator in sorted(decorators):
        return (External(f"{decorator}.{name}", Site(value.module, value.scope.node)),)
    for store in inference.stores_of(module, name):
        base = inference.values(module, store.target.value)
        if any(isinstance(v, Function) and v.scope is value.scope for v in base):
            return inference.stored(module, store)
    return UNKNOWN_ONLY


def _super_attribute(inference: "Inference", value: Super, name: str, node: ast.AST | None, module: "Module") -> Values:
    order = inference.resolution_order(value.cls)[1:]
    for home, cls in order:
        if name in cls.bindings:
            return inference.class_binding(home, cls, name, value.receiver, node, module)
    if name == "__new__":
        return (External("builtins.object.__new__"),)
    kind = inference.driver_base(value.cls)
    if kind is not None and isinstance(value.receiver, Instance):
        return inference.member(Driver(kind[0], kind[1], value.receiver.site), name, node, module)
    for base in inference.external_bases(value.cls):
        return (External(canonical(f"{base}().{name}")),)
    return UNKNOWN_ONLY


def super_call(inference: "Inference", module: "Module", node: ast.Call, scope: Scope) -> Values:
    """``super()`` in a method, with the class after which the search starts."""
    method: Scope | None = scope.function
    while method is not None and method.cls is None:
        method = method.parent
    if method is None or method.cls is None or method.kind == "class":
        return UNKNOWN_ONLY
    cls = Class(module, method.cls)
    if node.args:
        named = [v for v in inference.values(module, node.args[0]) if isinstance(v, Class)]
        cls = named[0] if named else cls
    receiver: Value = cls if "builtins.classmethod" in inference.decorators(module, method) or method.name == "__new__" else Instance(cls)
    return (Super(cls, receiver),)


def _is_called(module: "Module", node: ast.AST) -> bool:
    parent = module.index.parents.get(node)
    return isinstance(parent, ast.Call) and parent.func is node


def _plain_has(value: Value, name: str) -> bool:
    """Whether a text, number or dictionary has an attribute: ``db = ""`` at first, a client or its ``str``. True for anything else."""
    if isinstance(value, Const):
        return hasattr(value.value, name)
    if isinstance(value, Mapping):
        return hasattr(collections.defaultdict, name) or hasattr(collections.OrderedDict, name)
    plain = _PLAIN_TYPES.get(value.path) if isinstance(value, External) else None
    return plain is None or hasattr(plain, name)
