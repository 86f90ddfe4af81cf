"""Sequences and mappings: displays, items, what is added to them, loops and unpacking."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import slot
from flake8_mongo_threads.semantics.inference.common import CHAIN, CURSORS, NAMED_TUPLE, something
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import keyword, path_key
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
    Generator,
    Instance,
    Manager,
    Mapping,
    Sequence,
    Site,
    Value,
    Values,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_SET = frozenset(("set",))


def evaluate_subscript(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """An item of whatever its base can be."""
    base = something(inference.values(module, node.value, scope))  # type: ignore[attr-defined]
    index = node.slice  # type: ignore[attr-defined]
    parts: list[Values] = []
    for value in base:
        if value is OPEN:
            parts.append((OPEN,))
        elif isinstance(value, Driver) or (
            isinstance(value, Instance)
            and inference.driver_base(value.cls) is not None
            and not inference.has_attribute(value.cls, "__getitem__")
        ):
            driver = inference.as_driver(value)
            if driver is not None:
                parts.append(_driver_item(inference, driver, module, node, index))
        elif isinstance(value, (Sequence, Mapping)):
            parts.append(_item(inference, module, node, value, index))
        elif isinstance(value, (Class, External)):
            parts.append(inference.external_item(module, node, value, index))
        elif isinstance(value, Instance):
            named = "__getitem__" if inference.has_attribute(value.cls, "__getitem__") else "__missing__"
            parts.append(inference.invoke_named(value, named, module))
        else:
            parts.append(UNKNOWN_ONLY)
    return union(*parts) if parts else BOTTOM


def has_attribute(inference: "Inference", cls: Class, name: str) -> bool:
    """Whether a class or one of its bases binds a name."""
    return any(name in scope.bindings for _, scope in inference.resolution_order(cls))


def _driver_item(inference: "Inference", value: Driver, module: "Module", node: ast.AST, index: ast.AST) -> Values:
    child = CHAIN.get(value.family)
    if child is None:
        if value.family in CURSORS:
            return (value,) if isinstance(index, ast.Slice) else (Driver("document", value.flavour, Site(module, node), value),)
        return UNKNOWN_ONLY
    names = [v.value for v in inference.values(module, index) if isinstance(v, Const) and isinstance(v.value, str)]
    name = names[0] if len(names) == 1 else ""
    if value.family == "collection":
        name = f"{value.name}.{name}" if name else ""
    return (Driver(child, value.flavour, Site(module, node), value, name),)


def _item(inference: "Inference", module: "Module", node: ast.AST, value: Sequence | Mapping, index: ast.AST) -> Values:
    wanted: object = None
    certain = False
    if isinstance(index, ast.Slice):
        return (value,)
    for candidate in inference.values(module, index):
        if isinstance(candidate, Const):
            wanted, certain = candidate.value, True
    entries = inference.entries(module, node.value, value)  # type: ignore[attr-defined]
    if isinstance(value, Sequence):
        if certain and value.exact and isinstance(wanted, int) and -len(value.elements) <= wanted < len(value.elements):
            return inference.element(value.elements[wanted])
        return union(*(inference.element(e) for _, e in entries)) if entries else UNKNOWN_ONLY
    if certain:
        exact = [e for k, e in entries if k == wanted and k is not None]
        loose = [e for k, e in entries if k is None]
        chosen = exact or loose
        return union(*(inference.element(e) for e in chosen)) if chosen else UNKNOWN_ONLY
    return union(*(inference.element(e) for _, e in entries)) if entries else UNKNOWN_ONLY


def entries(inference: "Inference", module: "Module", expression: ast.AST, value: Sequence | Mapping) -> list[tuple[object, Element]]:
    """The elements of a container with their constant keys: those of the literal and those put in later."""
    found: list[tuple[object, Element]] = []
    if isinstance(value, Sequence):
        found.extend(enumerate(value.elements))
    else:
        found.extend(value.items)
    home = value.site.module if value.site is not None else module
    for place, where in ((expression, module), (_home_expression(value), home)):
        key = path_key(place) if place is not None else ""
        if not key:
            continue
        own = where.index.scope(place) if place in where.index.parents else None
        known = {id(e.expression) for _, e in found}
        found.extend((k, e) for k, e in _added(inference, where, key, own) if e.expression is None or id(e.expression) not in known)
    return found[:24]


def _home_expression(value: Sequence | Mapping) -> ast.AST | None:
    """The target that the container's own literal is assigned to."""
    if value.site is None:
        return None
    parent = value.site.module.index.parents.get(value.site.node)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        return parent.targets[0]
    if isinstance(parent, ast.AnnAssign):
        return parent.target
    return None


def _added(inference: "Inference", module: "Module", key: str, scope: Scope | None) -> list[tuple[object, Element]]:
    found: list[tuple[object, Element]] = []
    tail = key.rpartition(".")[2]
    for call, where in module.index.mutations.get(tail, ()):
        func = call.func
        if not isinstance(func, ast.Attribute) or path_key(func.value) != key or not inference.same_place(key, scope, where):
            continue
        name = func.attr
        if name in ("append", "add", "appendleft", "put", "put_nowait") and call.args:
            found.append((None, Element(module, where, call.args[0])))
        elif name == "insert" and len(call.args) > 1:
            found.append((None, Element(module, where, call.args[1])))
        elif name == "setdefault" and len(call.args) > 1:
            found.append((inference.constant_at(module, call.args[0]), Element(module, where, call.args[1])))
        elif name in ("extend", "update"):
            found.extend((item.arg, Element(module, where, item.value)) for item in call.keywords if item.arg is not None)
            for value in inference.values(module, call.args[0]) if call.args else ():
                if isinstance(value, Sequence):
                    found.extend((None, e) for e in value.elements)
                elif isinstance(value, Mapping):
                    found.extend(value.items)
    for store in module.index.items_of.get(tail, ()):
        target = store.target
        if (
            isinstance(target, ast.Subscript)
            and store.value is not None
            and store.how in ("assign", "ann")
            and path_key(target.value) == key
            and inference.same_place(key, scope, store.scope)
        ):
            found.append((inference.constant_at(module, target.slice), Element(module, store.scope, store.value)))
    while scope is not None and key not in scope.bindings:
        scope = scope.parent
    for binding in scope.bindings[key] if scope is not None else ():
        if binding.how == "aug":  # jobs += [job]
            found.extend((None, e) for v in inference.values(module, binding.value) if isinstance(v, Sequence) for e in v.elements)
    return found


def same_place(key: str, scope: Scope | None, where: Scope) -> bool:
    """Whether a path means the same variable in two scopes: attributes of self in one class, closures, globals."""
    if scope is None:
        return True
    head = key.partition(".")[0].partition("[")[0]
    if head == "self" or head == "cls":
        return _class_of(scope) is _class_of(where)

    def owner(start: Scope) -> Scope:
        current: Scope | None = start
        while current is not None:
            if head in current.bindings and head not in current.globals:
                return current
            current = current.parent
        return start.index.module_scope

    return owner(scope) is owner(where)


def constant_at(inference: "Inference", module: "Module", node: ast.AST) -> object:
    """The one constant that an expression can be; None for anything else."""
    found = [v.value for v in inference.values(module, node) if isinstance(v, Const)]
    return found[0] if len(found) == 1 else None


def container_call(inference: "Inference", module: "Module", node: ast.Call, func: ast.Attribute, scope: Scope) -> Values | None:
    """What a method of a sequence or mapping gives; None when it is no such call."""
    name = func.attr
    if name not in (
        "get",
        "values",
        "items",
        "pop",
        "setdefault",
        "copy",
        "popleft",
        "keys",
        "get_nowait",
        "result",
        "_replace",
        "__getitem__",
        "__enter__",
        "__aenter__",
        "enter_context",
        "enter_async_context",
    ):
        return None
    base = something(inference.values(module, func.value, scope))
    if name in ("enter_context", "enter_async_context"):
        if node.args and any(isinstance(v, External) and v.path in ("contextlib.ExitStack()", "contextlib.AsyncExitStack()") for v in base):
            entered = inference.enter(inference.values(module, node.args[0]), name.endswith("async_context"))
            return (Awaitable(entered, "coroutine", Site(module, node)),) if name.endswith("async_context") else entered
        return None
    parts: list[Values] = []
    handled = False
    for value in base:
        if isinstance(value, (Sequence, Mapping)):
            handled = True
            entries = inference.entries(module, func.value, value)
            elements = tuple(e for _, e in entries)
            if name == "copy":
                parts.append((inference.copy(module, node, func.value, value),))
            elif name == "values" or (name == "keys" and isinstance(value, Sequence)):
                parts.append((Sequence(elements, Site(module, node), many=True),) if name == "values" else (value,))
            elif name == "items":
                # one pair for all: equal sites are one alternative
                inner = Element(module, scope, None, union(*(inference.element(e) for e in elements[:12])))
                pair = Sequence((Element(module, scope, None, UNKNOWN_ONLY), inner), Site(module, node), exact=True)
                pairs = (Element(module, scope, None, (pair,)),) if elements else ()
                parts.append((Sequence(pairs, Site(module, node), many=True),))
            elif name in ("get", "pop", "setdefault", "popleft", "__getitem__", "get_nowait"):
                wanted = inference.constant_at(module, node.args[0]) if node.args else None
                chosen = [e for k, e in entries if wanted is not None and k == wanted] or [
                    e for k, e in entries if k is None or wanted is None
                ]
                parts.extend(inference.element(e) for e in chosen)
                if name in ("setdefault", "get", "pop") and len(node.args) > 1 and isinstance(value, Mapping):
                    parts.append(inference.values(module, node.args[1]))
                if not chosen:
                    parts.append(UNKNOWN_ONLY)
            else:
                parts.append(UNKNOWN_ONLY)
        elif isinstance(value, External) and name == "get" and node.args and slot(value.path):
            wanted = inference.constant_at(module, node.args[0])
            stored = inference.from_items(value.path, node.args[0], wanted, module) if isinstance(wanted, str) else BOTTOM
            handled = handled or bool(stored)
            parts.append(stored)
        elif isinstance(value, Awaitable) and name == "result":
            handled = True
            parts.append(value.values)
        elif name == "get" and isinstance(value, External) and value.path == "contextvars.ContextVar()":
            handled = True
            parts.append(_set_in_context(inference, value))
        elif name in ("__enter__", "__aenter__") and isinstance(value, (Driver, Manager)):
            handled = True
            parts.append(inference.enter((value,), name == "__aenter__"))
    if not handled:
        return None
    return union(*parts) if parts else UNKNOWN_ONLY


def copy(inference: "Inference", module: "Module", call: ast.Call, original: ast.expr, value: Value) -> Value:
    """What copying a value gives: a dictionary of its own, with what was put into the original."""
    if not isinstance(value, Mapping):
        return value
    return Mapping(tuple(inference.entries(module, original, value)), Site(module, call))


def _set_in_context(inference: "Inference", variable: External) -> Values:
    """What the program puts into a context variable: its default, and what ``set`` is called with."""
    made = variable.site.node if variable.site is not None else None
    if variable.site is None or not isinstance(made, ast.Call):
        return UNKNOWN_ONLY
    default = keyword(made, "default")
    found = [inference.values(variable.site.module, default)] if default is not None else []
    for home in list(inference.project.order):
        for call in home.index.calls_to(_SET):
            if len(call.args) == 1 and isinstance(call.func, ast.Attribute):
                if any(v.key() == variable.key() for v in inference.values(home, call.func.value)):
                    found.append(inference.values(home, call.args[0]))
    return union(*(v for v in found if v)) or UNKNOWN_ONLY


def evaluate_display(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """A list, tuple or set with its elements."""
    del inference
    elements = node.elts  # type: ignore[attr-defined]
    starred = any(isinstance(e, ast.Starred) for e in elements)
    exact = not starred and isinstance(node, (ast.Tuple, ast.List))
    return (
        Sequence(
            tuple(Element(module, scope, e.value if isinstance(e, ast.Starred) else e) for e in elements[:64]),
            Site(module, node),
            exact=exact,
        ),
    )


def evaluate_dict(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """A dict with its entries."""
    keys: list[ast.expr | None] = node.keys[:64]  # type: ignore[attr-defined]
    written: list[ast.expr] = node.values[:64]  # type: ignore[attr-defined]
    items = tuple(
        (inference.constant_at(module, k) if k is not None else None, Element(module, scope, v))
        for k, v in zip(keys, written, strict=False)
    )
    return (Mapping(items, Site(module, node)),)


def evaluate_comprehension(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """A comprehension as a sequence of what it makes."""
    del inference, scope
    body = module.index.bodies.get(node)
    if isinstance(node, ast.DictComp):
        return (Mapping(((None, Element(module, body, node.value)),), Site(module, node)),)
    return (Sequence((Element(module, body, node.elt),), Site(module, node), many=True),)  # type: ignore[attr-defined]


def element(inference: "Inference", element: Element) -> Values:
    """The values of one container element."""
    if element.expression is None:
        return element.values
    return inference.values(
        element.module, element.expression, None if element.expression in element.module.index.parents else element.scope
    )


def unpack(inference: "Inference", values: Values, path: tuple[int, ...]) -> Values:
    """The part of a value at a position inside nested tuples."""
    for position in path:
        parts: list[Values] = []
        for value in values:
            if isinstance(value, Sequence) and value.exact and position < len(value.elements):
                parts.append(inference.element(value.elements[position]))
            elif isinstance(value, Sequence) and value.many and value.elements:
                parts.append(inference.element(value.elements[0]))
            elif isinstance(value, Instance):
                parts.append(_tuple_field(inference, value, position))
            elif isinstance(value, External) and value.path == NAMED_TUPLE + "()":
                parts.append(inference.argument_named(value, position) or UNKNOWN_ONLY)
            elif value is OPEN:
                parts.append((OPEN,))
            else:
                parts.append(UNKNOWN_ONLY)
        values = union(*parts) if parts else UNKNOWN_ONLY
    return values


def _tuple_field(inference: "Inference", value: Instance, position: int) -> Values:
    if not any(b == "typing.NamedTuple" for b in inference.external_bases(value.cls)):
        return UNKNOWN_ONLY
    fields = [b for bindings in value.cls.scope.bindings.values() for b in bindings if b.how == "ann"]
    fields.sort(key=lambda b: b.position)
    return inference.annotation(value.cls.module, fields[position].annotation, value.cls.scope) if position < len(fields) else UNKNOWN_ONLY


def iterate(inference: "Inference", module: "Module", expression: ast.AST | None, values: Values) -> Values:
    """What looping over a value gives."""
    parts: list[Values] = []
    for value in something(values):
        if isinstance(value, Sequence):
            entries = inference.entries(module, expression, value) if expression is not None else [(None, e) for e in value.elements]
            parts.extend(inference.element(e) for _, e in entries[:12])
            if not entries:
                parts.append(UNKNOWN_ONLY)
        elif isinstance(value, Generator):
            parts.append(value.values)
        elif isinstance(value, Driver) and value.family in CURSORS:
            site = Site(module, expression) if expression is not None else value.site
            parts.append((Driver("grid-out" if value.family == "grid-out-cursor" else "document", value.flavour, site, value),))
        elif isinstance(value, Instance):
            parts.append(_iterated_instance(inference, value, module))
        elif value is OPEN:
            parts.append((OPEN,))
        else:
            parts.append(UNKNOWN_ONLY)
    return union(*parts) if parts else UNKNOWN_ONLY


def _iterated_instance(inference: "Inference", value: Instance, module: "Module") -> Values:
    for name in ("__iter__", "__aiter__"):
        method = inference.method_of(value, name)
        if method is not None:
            made = inference.invoke_function(method, None, module)
            return union(*(v.values if isinstance(v, Generator) else UNKNOWN_ONLY for v in made))
    return UNKNOWN_ONLY


def _class_of(scope: Scope) -> Scope | None:
    current: Scope | None = scope
    while current is not None:
        if current.kind == "class":
            return current
        current = current.parent
    return None
