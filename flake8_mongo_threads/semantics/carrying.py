"""How objects come to launched work: one for all of its runs or one for each, by itself or through the functions it calls."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.spawns import Work, enclosing_loop
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, argument, last_name
from flake8_mongo_threads.semantics.values import Driver, Function, Instance, Mapping, Sequence, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module
    from flake8_mongo_threads.semantics.scopes import Scope

MAX_ELEMENTS = 12
MAX_HELPERS = 24
MAX_HELPER_DEPTH = 4


def drivers_in(module: "Module", values: tuple[Value, ...]) -> list[Driver]:
    """The driver objects among some values and inside the containers among them."""
    found: list[Driver] = []
    pending: list[Value] = list(values)
    for _ in range(48):
        if not pending:
            break
        value = pending.pop(0)
        driver = module.inference.as_driver(value)
        if driver is not None:
            found.append(driver)
        elif isinstance(value, Sequence):
            for element in value.elements[:MAX_ELEMENTS]:
                pending.extend(module.inference.element(element))
        elif isinstance(value, Mapping):
            for _, element in value.items[:MAX_ELEMENTS]:
                pending.extend(module.inference.element(element))
        elif isinstance(value, Instance):
            found.extend(driver for _, driver in sessions_of(value))
    return found


def sessions_read(method: Function) -> list[Driver]:
    """The sessions that the object of a bound method was made with and that the method reads."""
    receiver = method.receiver
    if not isinstance(receiver, Instance):
        return []
    scopes = {method.scope, *(h.scope for h in helpers(method) if same_object(method, h))}
    found: list[Driver] = []
    for name, driver in sessions_of(receiver):
        homes = {method.module, *(h.module for h in helpers(method))}
        if any(home.index.scope(load).function in scopes for home in homes for load in home.index.attribute_loads.get(name, ())):
            found.append(driver)
    return found


def sessions_of(value: Instance) -> list[tuple[str, Driver]]:
    """The sessions that an object was made with and keeps, with the attribute that each is in."""
    site = value.site
    if site is None:
        return []
    return [
        (name, v)
        for name, expression in made_with(value)
        if expression is not None and not isinstance(expression, ast.Starred)
        for v in site.module.values(expression)
        if isinstance(v, Driver) and v.family == "session"
    ]


def made_with(value: Instance) -> list[tuple[str, ast.expr | None]]:
    """The attributes that keep what an object was made with, each with what the call gave for it: fields of a dataclass,
    ``self.session = session`` in a constructor."""
    site, inference = value.site, value.cls.module.inference
    if site is None or not isinstance(site.node, ast.Call) or site.node not in site.module.index.parents:
        return []
    call = site.node
    given: list[tuple[str, ast.expr | None]] = []
    init = inference.method_of(value, "__init__")
    if init is None:
        fields = [
            b for _, scope in inference.resolution_order(value.cls) for group in scope.bindings.values() for b in group if b.how == "ann"
        ]
        fields.sort(key=lambda b: b.position)
        given.extend((field.name, argument(call, position, field.name)) for position, field in enumerate(fields))
    else:
        params = {arg.arg: arg for arg in init.scope.params}
        for stores in init.module.index.attribute_stores.values():
            for store in stores:
                if store.scope.function is init.scope and isinstance(store.value, ast.Name) and store.value.id in params:
                    name = store.target.attr if isinstance(store.target, ast.Attribute) else ""
                    given.append((name, inference.argument_for(call, init.scope, params[store.value.id], skip_first=True)))
    return given


def kept_by(value: Instance, name: str) -> tuple[Value, ...] | None:
    """What the call that made an object gave for an attribute of it, where nothing else is ever put there; None when that is not
    to be seen. What the class as a whole keeps there is what all of its objects were made with."""
    given = [expression for attribute, expression in made_with(value) if attribute == name]
    site = value.site
    if len(given) != 1 or site is None or len(value.cls.module.index.attribute_stores.get(name, ())) > 1:
        return None
    expression = given[0]
    if expression is not None:
        return None if isinstance(expression, ast.Starred) else site.module.values(expression)
    call = site.node
    if not isinstance(call, ast.Call) or any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
        return None
    return ()


def dealt(module: "Module", expression: ast.AST, depth: int = 0) -> list[tuple[Driver, bool]]:
    """The driver objects that the runs of a ``map`` get from one of its iterables, and whether each goes to one run alone.

    A cursor that is the iterable itself is advanced by the caller: the runs get documents, not the cursor.
    """
    found: list[tuple[Driver, bool]] = []
    target = expression.value if isinstance(expression, ast.Starred) else expression
    for value in module.values(target):
        driver = module.inference.as_driver(value)
        if driver is not None:
            if driver.family not in CURSORS:
                found.append((driver, False))
            continue
        if not isinstance(value, Sequence):
            continue
        made = value.site.node if value.site is not None else None
        if isinstance(made, ast.Call) and last_name(made.func) in ("zip", "product") and depth < 3:
            for source in made.args:
                found.extend(dealt(value.site.module, source, depth + 1))  # type: ignore[union-attr]
            continue
        repeated = isinstance(made, ast.BinOp) or (isinstance(made, ast.Call) and last_name(made.func) == "repeat")
        times: dict[object, int] = {}
        drivers: list[Driver] = []
        elements = value.elements or [e for _, e in module.inference.entries(module, target, value)]
        for element in elements[:MAX_ELEMENTS]:
            inside = drivers_in(module, module.inference.element(element))
            for key in {d.key() for d in inside}:
                times[key] = times.get(key, 0) + 1
            drivers.extend(inside)
        for driver in drivers:
            one_of_many = isinstance(made, COMPREHENSIONS) and not _constant_in(value, made, driver)
            alone = not repeated and (one_of_many or (not isinstance(made, COMPREHENSIONS) and times[driver.key()] == 1))
            found.append((driver, alone))
    return found


def _constant_in(value: Sequence, comprehension: ast.AST, driver: Driver) -> bool:
    """Whether a comprehension puts one object, made before it, into every one of its elements."""
    site = value.site
    if site is None or not value.elements or value.elements[0].expression is None:
        return False
    module = site.module
    if (
        driver.site is not None
        and driver.site.module is module
        and comprehension in (driver.site.node, *module.index.ancestors(driver.site.node))
    ):
        return False
    expression = value.elements[0].expression
    parts = expression.elts if isinstance(expression, (ast.Tuple, ast.List)) else [expression]
    if isinstance(expression, ast.Call):  # ``[Job(session, name) for name in names]``
        parts = [*expression.args, *(k.value for k in expression.keywords)]
    for part in parts:
        own = module.inference.kind(module, part)
        if own is not None and own.key() == driver.key():
            return not bound_in(module, part, comprehension)
    return False


def bound_in(module: "Module", node: ast.AST, loop: ast.AST) -> bool:
    """Whether what an expression names is bound anew by each turn of a loop: its target, assigned in its body, or called there."""
    index = module.index
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Await)):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant) and bound_in(module, node.slice, loop):
            return True
        node = node.value
    if isinstance(node, ast.Call):
        return True
    if not isinstance(node, ast.Name):
        return False
    scope = index.scope(node).binder(node.id)
    if scope is None or scope.function is not index.scope(node).function:
        return False
    bindings = [b for b in index.reaching(scope, node.id, node) if b.how != "del"]
    return bool(bindings) and all(module.index.within(b.node, loop) for b in bindings)


def fresh_for(module: "Module", value: Driver, work: Work, node: ast.AST | None = None) -> bool:
    """Whether each run of some work has an object of its own.

    The object is made inside the loop that launches the work, or what brings it in (``node``) is bound anew by each turn
    of the innermost loop around it.
    """
    repeated = {work.loop} if work.loop is not None else set()
    if isinstance(work.target, COMPREHENSIONS):
        repeated.add(work.target)
    current: ast.AST | None = value.site.node if value.site is not None and value.site.module is module else None
    while current is not None:
        if current in repeated:
            return True
        current = module.index.parents.get(current)
    if node is None or node not in module.index.parents:
        return False
    around = enclosing_loop(module, node)
    if around is None or not (around is work.loop or not module.index.within(work.call, around)):
        return False
    if isinstance(node, ast.Call):  # a call in the loop that hands on an object of an outer scope gives the same one each time
        site = value.site
        return site is not None and site.module.index.scope(site.node).function.kind not in ("module", "class")
    return bound_in(module, node, around)


def helpers(function: Function) -> list[Function]:
    """The functions that running a function runs as well, nearest first, without itself."""

    def compute() -> list[Function]:
        found: list[Function] = []
        seen = {id(function.scope)}
        layer = [function]
        for _ in range(MAX_HELPER_DEPTH):
            following: list[Function] = []
            for caller in layer:
                for edge in caller.module.calls.inside(caller.scope):
                    if id(edge.target.scope) not in seen and len(found) < MAX_HELPERS:
                        seen.add(id(edge.target.scope))
                        found.append(edge.target)
                        following.append(edge.target)
            layer = following
        return found

    result: list[Function] = function.module.remember("helpers", function.scope, compute, [])
    return result


def same_object(function: Function, helper: Function) -> bool:
    """Whether a helper is a method of the very class whose method the launched function is, so that both read one ``self``."""
    mine, other = function.receiver, helper.receiver
    if not isinstance(mine, Instance) or not isinstance(other, Instance):
        return False
    order = function.module.inference.resolution_order(mine.cls)
    return any(scope is other.cls.scope for _, scope in order)


def made_by_work(value: Driver, functions: list[Function], *, through: bool) -> bool:
    """Whether the code that runs in a worker makes an object itself.

    With ``through``, a function that only the worker's code calls counts as well: a ``run`` that opens its own client by
    ``self._connect()``.
    """
    site = value.site
    if site is None:
        return False
    home = site.module.index.scope(site.node).function
    for function in functions:
        scope: Scope | None = home if site.module is function.module else None
        while scope is not None:
            if scope is function.scope:
                return True
            scope = scope.parent
        if not through:
            continue
        inner = helpers(function)
        if all(h.scope is not home for h in inner) or site.module.inference.is_cached(site.module, home):
            continue  # what a cached function or property makes, the next run gets as well
        own = {id(function.scope), *(id(h.scope) for h in inner)}
        callers = [s for s, edges in site.module.calls.edges.items() if any(e.target.scope is home for e in edges)]
        if all(id(s) in own for s in callers):
            return True
    return False
