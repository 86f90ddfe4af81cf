"""Attributes of objects and classes of the program: what is stored in them, fields, properties, descriptors, stand-ins."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import PROPERTY_DECORATORS, canonical
from flake8_mongo_threads.driver import wrappers
from flake8_mongo_threads.semantics.inference.common import MAX_CALLERS, MAX_HOPS, MAX_RETURNS, PLAIN_BASES
from flake8_mongo_threads.semantics.scopes import Binding, Scope, Store
from flake8_mongo_threads.semantics.syntax import argument, has_star, keyword, last_name, says_nothing
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    NOTHING,
    UNKNOWN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Driver,
    External,
    Function,
    Instance,
    Method,
    Value,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_FIELDS = frozenset(("dataclasses.field", "attr.ib", "attrs.field", "attr.attrib", "pydantic.Field"))
_FIELD_CLASSES = frozenset(
    ("dataclasses.dataclass", "attr.s", "attr.attrs", "attr.dataclass", "attr.define", "attr.frozen", "attrs.define", "attrs.frozen", "attrs.mutable")
)  # fmt: skip
"""Decorators that write an ``__init__`` from the annotated fields of a class."""


def stores_of(module: "Module", name: str) -> list[Store]:
    """The places of a module that store an attribute of some name."""
    return module.index.attribute_stores.get(name, [])


def stored(inference: "Inference", module: "Module", store: Store) -> Values:
    """What an attribute or item assignment puts there."""
    if store.how == "ann":
        return inference.annotated(module, store.annotation, store.value, store.scope)
    if store.value is None or store.how == "aug":
        return UNKNOWN_ONLY
    value = inference.values(module, store.value)
    if store.how == "for":
        value = inference.iterate(module, store.value, value)
    elif store.how == "with":
        value = inference.enter(value, inference.with_is_async(module, store.value))
    return inference.unpack(value, store.path)


def instance_attribute(inference: "Inference", value: Instance, name: str, node: ast.AST | None, module: "Module") -> Values:
    """An attribute of an object of the program: set anywhere in its classes, defined by them, or a driver member."""
    if name == "__class__":
        return (value.cls,)
    known_value = inference._attributes.get((value.cls.scope, name))
    if known_value is not None:
        return known_value
    key = ("attribute", id(value.cls.scope), name)
    if key in inference.active or inference.hops >= MAX_HOPS:
        inference.cuts += 1
        return BOTTOM if key in inference.active else UNKNOWN_ONLY
    inference.active.add(key)
    inference.hops += 1
    before = inference.cuts
    try:
        found = _instance_attribute(inference, value, name, node, module)
    finally:
        inference.hops -= 1
        inference.active.discard(key)
    if (inference.cuts == before or (found and inference.settled_now(key))) and not any(
        isinstance(v, (Function, Method)) or (isinstance(v, External) and v.site is not None) for v in found
    ):
        inference._attributes[value.cls.scope, name] = found
    return found


def _instance_attribute(inference: "Inference", value: Instance, name: str, node: ast.AST | None, module: "Module") -> Values:
    parts: list[Values] = []
    order = inference.resolution_order(value.cls)
    declared = True
    for home, cls in order:
        if name in cls.bindings:
            parts.append(inference.class_binding(home, cls, name, value, node, module))
            declared = declared and all(b.how == "ann" and b.value is None for b in cls.bindings[name])
            methods = any(b.how == "def" for b in cls.bindings[name])
            if methods:
                break
    set_here = [v for home, cls in order for v in _self_stores(inference, home, cls, name)]
    if set_here and any(s.scope.name == "__init__" for home, cls in order for s in inference.stores_of(home, name) if s.scope.cls is cls):
        # an object has what its ``__init__`` sets rather than a method of that name
        parts = [part for part in parts if not all(isinstance(v, Function) for v in part)]
    parts.extend(set_here[: MAX_RETURNS + 4])
    if not set_here and declared:
        # nothing, or a bare annotation: what is put there from outside says more
        outside = [*_outside_stores(inference, module, value, name), *_from_construction(inference, value, name)]
        if (outside and inference.agreed(union(*outside)) is not None) or not parts:
            parts = outside
    result = _made(union(*parts)) if parts else BOTTOM
    if node is not None and not known(result) and not any(v is UNKNOWN for v in result):
        # a base class or mixin reads what only its subclasses set
        subclass = _from_subclasses(inference, value, name, node, module)
        if known(subclass):
            return union(result, subclass)
    silent = bool(result) and all(isinstance(v, Function) and says_nothing(v.scope.node) for v in result)
    if result == UNKNOWN_ONLY:
        nearest = next((cls for _, cls in order if name in cls.bindings), None)
        silent = nearest is not None and any(says_nothing(method.node) for method in inference.definitions(nearest, name))
    if node is not None and silent:
        # an abstract method or property: what runs is what the subclasses define, where all of them are known
        defined = _from_subclasses(inference, value, name, node, module)
        if known(defined):
            if not _inherited_elsewhere(inference, value.cls.scope.name):
                return defined
            if own_object(module, node):
                # the class calls it on its own object: of a subclass beside it that much is certain
                return union(tuple(v for v in defined if isinstance(v, Function) and v.module is module), UNKNOWN_ONLY)
    if result or set_here:
        return result
    kind = inference.driver_base(value.cls)
    if kind is not None:
        return inference.member(Driver(kind[0], kind[1], value.site), name, node, module)
    if any(name in cls.bindings for _, cls in order):
        return UNKNOWN_ONLY
    for home, cls in order:
        if "__getattr__" in cls.bindings:
            return _delegated(inference, home, cls, value, name, node, module)
    bases = [base for base in inference.external_bases(value.cls) if base not in PLAIN_BASES]
    for base in bases:
        handed = wrappers.ATTRIBUTES.get((base, name))
        if handed is not None:
            return (Driver(handed[0], handed[1], value.site),)
    if bases and not inference.opaque_base(value.cls):
        return (
            (External(canonical(f"{bases[0]}().{name}"), value.site),)
            if len(bases) == 1
            else tuple(External(canonical(f"{b}().{name}"), value.site) for b in bases[:3])
        )
    return UNKNOWN_ONLY


def _inherited_elsewhere(inference: "Inference", name: str) -> bool:
    """Whether modules that were not read may have subclasses of a class of that name."""
    found = inference._inherited.get(name)
    if found is None:
        from flake8_mongo_threads.semantics.callers import inherited_elsewhere

        found = inference._inherited[name] = inherited_elsewhere(inference.project.order[0], name)
    return found


def _from_subclasses(inference: "Inference", value: Instance, name: str, node: ast.AST, module: "Module") -> Values:
    """A mixin or base reads what only its subclasses set: the union over the subclasses that are loaded."""
    parts: list[Values] = []
    wanted = value.cls.scope
    for home in list(inference.project.order):
        for other in home.index.classes:
            if other is wanted or not _named_bases(other, wanted.name):
                continue
            if name in other.bindings or any(s.scope.function.cls is other for s in inference.stores_of(home, name)):
                # what the subclass sets itself is enough: its other bases need not be read
                order = [(home, other)]
                if not any(
                    isinstance(v, Class) and v.scope is wanted
                    for base in _named_bases(other, wanted.name)
                    for v in inference.values(home, base)
                ):
                    continue
            else:
                order = inference.resolution_order(Class(home, other))
                if not any(scope is wanted for _, scope in order):
                    continue
            for owner, scope in order:
                if scope is wanted:
                    continue
                if name in scope.bindings:
                    parts.append(inference.class_binding(owner, scope, name, Instance(Class(home, other)), node, module))
                parts.extend(_self_stores(inference, owner, scope, name))
    return union(*parts) if parts and len(parts) <= MAX_RETURNS else BOTTOM


def _delegated(
    inference: "Inference", home: "Module", cls: Scope, value: Instance, name: str, node: ast.AST | None, module: "Module"
) -> Values:
    """A ``__getattr__`` of the form ``return getattr(self._client, name)`` hands over to another object."""
    del value
    target = inference.agreed(_stand_in(inference, home, cls))
    return inference.member(target, name, node, module) if target is not None else UNKNOWN_ONLY


def _stand_in(inference: "Inference", home: "Module", cls: Scope) -> Values:
    """The object whose attributes a class's ``__getattr__`` gives; nothing where it only raises."""
    for definition in inference.definitions(cls, "__getattr__"):
        if not definition.returns and isinstance(definition.node.body[-1], ast.Raise):  # type: ignore[attr-defined]
            return BOTTOM
        if len(definition.returns) != 1:
            continue
        returned = definition.returns[0]
        if (
            isinstance(returned, ast.Call)
            and isinstance(returned.func, ast.Name)
            and returned.func.id == "getattr"
            and len(returned.args) >= 2
            and isinstance(returned.args[1], ast.Name)
            and [arg.arg for arg in definition.positional[1:]] == [returned.args[1].id]
            and len(definition.bindings[returned.args[1].id]) == 1
        ):
            return inference.values(home, returned.args[0])
    return UNKNOWN_ONLY


def stands_for(inference: "Inference", value: Instance) -> Values:
    """What an object answers for whatever attribute is asked of it: itself, or what its ``__getattr__`` hands over to."""
    for home, cls in inference.resolution_order(value.cls):
        if "__getattr__" in cls.bindings:
            return tuple(v for v in _stand_in(inference, home, cls) if v is not NOTHING)
    return (value,)


def _self_stores(inference: "Inference", home: "Module", cls: Scope, name: str) -> list[Values]:
    """What methods of a class assign to ``self.name``."""
    found = []
    for store in inference.stores_of(home, name):
        owner = store.scope.function
        while owner.kind in ("lambda", "comprehension") and owner.parent is not None:
            owner = owner.parent
        method = owner
        while method.cls is not cls and method.parent is not None and method.parent.kind != "module":
            method = method.parent
        if method.cls is not cls or not isinstance(store.target.value, ast.Name):
            continue
        positional = method.positional
        if positional and store.target.value.id == positional[0].arg:
            found.append(inference.stored(home, store))
    return found


def _outside_stores(inference: "Inference", module: "Module", value: Instance, name: str) -> list[Values]:
    """What code outside the class assigns to the attribute of such an object."""
    found: list[Values] = []
    for home in list(inference.project.order):
        for store in inference.stores_of(home, name)[:MAX_CALLERS]:
            base = store.target.value
            if isinstance(base, ast.Name) and base.id == "self":
                continue
            for candidate in inference.values(home, base):
                if (isinstance(candidate, Instance) and candidate.cls.scope is value.cls.scope) or (
                    isinstance(candidate, Class) and candidate.scope is value.cls.scope
                ):
                    found.append(inference.stored(home, store))
                    break
    del module
    return [v for v in found if v]


def _from_construction(inference: "Inference", value: Instance, name: str) -> list[Values]:
    """What calls of a class hand over for a field of it, where the class (a dataclass, a named tuple) writes no ``__init__``."""
    order = inference.resolution_order(value.cls)
    if any("__init__" in cls.bindings for _, cls in order):
        return []
    fields = _fields(inference, value.cls)
    if name not in fields:
        return []
    found: list[Values] = []
    for home in list(inference.project.order):
        names = [value.cls.scope.name, *inference.subclass_names(home, value.cls.scope.name)]
        loads: list[ast.AST] = [n for each in names for n in home.index.name_loads.get(each, ())]
        loads.extend(n for each in names for n in home.index.attribute_loads.get(each, ()))
        for load in loads[: MAX_CALLERS * 2]:
            call = home.index.parents.get(load)
            if not isinstance(call, ast.Call) or call.func is not load:
                continue
            given = keyword(call, name) or argument(call, fields.index(name))
            if given is not None and any(
                isinstance(v, Class) and any(scope is value.cls.scope for _, scope in inference.resolution_order(v))
                for v in inference.values(home, load)
            ):
                found.append(inference.values(home, given))
    return [v for v in found if v][:MAX_CALLERS]


def _fields(inference: "Inference", cls: Class) -> list[str]:
    """The fields of a dataclass or named tuple, in the order of the arguments of its calls; none for other classes."""
    order = inference.resolution_order(cls)
    for home, scope in order:
        for base in scope.node.bases:  # type: ignore[attr-defined]
            for made in inference.values(home, base):
                if fields := inference.tuple_fields(made):
                    return fields
    generated = "typing.NamedTuple" in inference.external_bases(cls) or any(
        isinstance(v, External) and v.path in _FIELD_CLASSES
        for home, scope in order
        for decorator in scope.node.decorator_list  # type: ignore[attr-defined]
        for v in inference.values(home, decorator.func if isinstance(decorator, ast.Call) else decorator)
    )
    found: list[str] = []
    for _, scope in reversed(order) if generated else ():
        declared = sorted((b.position, b.name) for bindings in scope.bindings.values() for b in bindings if b.how == "ann")
        found.extend(name for _, name in declared if name not in found)
    return found


def class_attribute(inference: "Inference", value: Class, name: str, node: ast.AST | None, module: "Module") -> Values:
    """An attribute read on a class: its own or an inherited binding, or what ``cls.name = …`` stores."""
    parts: list[Values] = []
    order = inference.resolution_order(value)
    for home, cls in order:
        if name in cls.bindings:
            parts.append(inference.class_binding(home, cls, name, value, node, module))
            break
    for home, cls in order:
        for store in inference.stores_of(home, name)[:MAX_CALLERS]:
            base = store.target.value
            if isinstance(base, ast.Name) and any(isinstance(v, Class) and v.scope is cls for v in inference.values(home, base)):
                parts.append(inference.stored(home, store))
    if not parts:
        parts.extend(_outside_stores(inference, module, Instance(value), name))
    result = union(*parts) if parts else BOTTOM
    if result:
        return result
    bases = inference.external_bases(value)
    for path in bases:
        if f"{path}.{name}" in wrappers.CALLS:
            return (External(f"{path}.{name}"),)
    kind = inference.driver_base(value)
    if kind is not None:
        return UNKNOWN_ONLY
    return (External(f"{bases[0]}.{name}"),) if bases and not inference.opaque_base(value) else UNKNOWN_ONLY


def class_binding(
    inference: "Inference", home: "Module", cls: Scope, name: str, receiver: Value, node: ast.AST | None, module: "Module"
) -> Values:
    """What the body of a class binds a name to, as read through a receiver."""
    parts: list[Values] = []
    for binding in cls.bindings[name]:
        if binding.how != "def":
            if binding.how == "ann" and binding.value is None:
                parts.append(inference.annotation(home, binding.annotation, cls))
            elif isinstance(binding.value, ast.Call) and inference.is_field(home, binding.value):
                parts.append(_field(inference, home, cls, binding))
            else:
                parts.append(_read_descriptors(inference, inference.binding(home, binding), receiver))
            continue
        scope = home.index.bodies.get(binding.node)
        if scope is None:
            continue
        decorators = inference.decorators(home, scope)
        if decorators & PROPERTY_DECORATORS or inference.is_descriptor(home, scope):
            parts.append(_read_property(inference, home, scope, receiver, node, module))
        elif "builtins.staticmethod" in decorators:
            parts.append((Function(home, scope),))
        elif any(d.endswith((".setter", ".deleter", ".getter")) for d in decorators) or any(
            isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter") for d in scope.decorators
        ):
            continue
        else:
            bound = receiver
            if "builtins.classmethod" in decorators and isinstance(receiver, Instance):
                bound = receiver.cls
            unbound = isinstance(receiver, Class) and "builtins.classmethod" not in decorators
            parts.append((Function(home, scope, None if unbound else bound),))
    return union(*parts) if parts else UNKNOWN_ONLY


def _read_descriptors(inference: "Inference", values: Values, receiver: Value) -> Values:
    """What reading class attributes gives: an object of the program with ``__get__`` gives what that returns."""
    parts: list[Values] = []
    for value in values:
        getter = inference.method_of(value, "__get__") if isinstance(value, Instance) else None
        if getter is None:
            parts.append((value,))
            continue
        given = inference.returned(getter)
        # ``if obj is None: return self`` is for reading on the class
        on_object = tuple(v for v in given if not (isinstance(v, Instance) and v.key() == value.key()))
        parts.append(on_object if on_object and isinstance(receiver, Instance) else given or UNKNOWN_ONLY)
    return union(*parts)


def is_field(inference: "Inference", home: "Module", call: ast.Call) -> bool:
    """Whether a call describes a field of a dataclass, an attrs class or a model."""
    return any(isinstance(v, External) and v.path in _FIELDS for v in inference.values(home, call.func))


def default_factories(inference: "Inference", cls: Class, call: ast.Call) -> list[Function]:
    """The functions that make the fields of an object for which the constructing call gives nothing."""
    fields: list[tuple[Module, Binding]] = []
    for home, scope in reversed(inference.resolution_order(cls)):
        own = [b for group in scope.bindings.values() for b in group if b.how == "ann"]
        fields.extend((home, b) for b in sorted(own, key=lambda b: b.position))
    found: list[Function] = []
    for position, (home, binding) in enumerate(fields):
        value = binding.value
        if not isinstance(value, ast.Call) or argument(call, position, binding.name) is not None or not inference.is_field(home, value):
            continue
        factory = keyword(value, "default_factory") or keyword(value, "factory")
        if factory is not None and not has_star(call):
            found.extend(v for v in inference.values(home, factory) if isinstance(v, Function))
    return found


def _field(inference: "Inference", home: "Module", cls: Scope, binding: Binding) -> Values:
    call = binding.value
    if isinstance(call, ast.Call):
        factory = keyword(call, "default_factory") or keyword(call, "factory")
        if factory is not None:
            return union(*(inference.invoke(v, call, home) for v in inference.values(home, factory)))
        default = keyword(call, "default")
        if default is not None:
            found = inference.values(home, default)
            if known(found):
                return found
    return inference.annotation(home, binding.annotation, cls)


def _read_property(inference: "Inference", home: "Module", scope: Scope, receiver: Value, node: ast.AST | None, module: "Module") -> Values:
    del node, module
    function = Function(home, scope, receiver)
    result = inference.returned(function)
    if scope.is_async:
        return (Awaitable(result, "coroutine", None, function),)
    return result


def _named_bases(cls: Scope, name: str) -> list[ast.expr]:
    """The bases of a class that are written with a name, with type arguments or without."""
    bases: list[ast.expr] = cls.node.bases  # type: ignore[attr-defined]
    return [base for base in bases if last_name(base.value if isinstance(base, ast.Subscript) else base) == name]


def own_object(module: "Module", node: ast.AST) -> bool:
    """Whether an attribute is one of the object that the method around it was called on: ``self.load``."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return False
    scope = module.index.scope(node).function
    return scope.cls is not None and bool(scope.positional) and node.value.id == scope.positional[0].arg


def _made(values: Values) -> Values:
    """Alternatives without the objects that an annotation describes, where it is seen how one of the same kind is made."""
    made = {v.kind for v in values if isinstance(v, Driver) and not v.described} if len(values) > 1 else set()
    return tuple(v for v in values if not (isinstance(v, Driver) and v.kind in made and v.described)) if made else values
