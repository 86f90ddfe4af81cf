"""What callers hand to a parameter: calls, references that are passed on, decorators, subclasses."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.inference.common import DOUBLES, MAX_CALLERS, MAX_HOPS, MAX_LEVELS
from flake8_mongo_threads.semantics.keeping import KEEPS, calls_of_kept
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import argument
from flake8_mongo_threads.semantics.values import OPEN, UNKNOWN_ONLY, Class, External, Function, Instance, Values, union

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module


def from_callers(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> list[Values]:
    """What visible callers hand over: direct calls, instantiation, partial, spawns and callbacks."""
    if inference.hops >= MAX_HOPS:
        inference.cuts += 1
        return [UNKNOWN_ONLY]
    inference.hops += 1
    try:
        parts: list[Values] = []
        for seen, (home, reference) in enumerate(inference.references(module, scope)):
            if seen >= MAX_CALLERS * 2 or len(parts) > MAX_CALLERS:
                break
            value = _handed(inference, home, reference, scope, arg)
            if value is not None and value:
                # what a test double stands in for is what the others hand over
                parts.append(tuple(OPEN if isinstance(v, External) and v.path.startswith(DOUBLES) else v for v in value))
        parts.extend(_from_decorators(inference, module, scope, arg))
        parts.extend(_from_decorated(inference, module, scope, arg))
        return parts
    finally:
        inference.hops -= 1


def _from_decorators(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> list[Values]:
    """What the program's own decorators of a function put into a parameter of it."""
    from flake8_mongo_threads.semantics.spawns import relayed

    if not scope.decorators or arg not in scope.params:
        return []
    parameters = scope.positional
    position = parameters.index(arg) if arg in parameters else None
    found: list[Values] = []
    for decorator in scope.decorators:
        for value in inference.values(module, decorator):
            if isinstance(value, Function) and value.receiver is None and value.scope.positional:
                given = relayed(inference, value, value.scope.positional[0].arg, position, arg.arg)
                if given:
                    found.append(given)
    return found


def _from_decorated(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> list[Values]:
    """What the wrapper that a decorator puts in a function's place gets: the object whose method it is, what callers hand over."""
    outer = scope.parent
    if outer is None or outer.kind != "function" or scope.kind != "function" or arg not in scope.positional:
        return []
    if not any(isinstance(r, ast.Name) and r.id == scope.name for r in outer.returns):
        return []
    factory = outer.parent
    maker = factory if factory is not None and factory.kind == "function" else None
    position = scope.positional.index(arg)
    found: list[Values] = []
    for home, load in inference.references(module, maker or outer)[: MAX_CALLERS * 2]:
        index = home.index
        decorator, placed = load, index.parents.get(load)
        if maker is not None and isinstance(placed, ast.Call) and placed.func is load:
            decorator, placed = placed, index.parents.get(placed)
        if not isinstance(placed, (ast.FunctionDef, ast.AsyncFunctionDef)) or decorator not in placed.decorator_list:
            continue
        decorated = index.bodies.get(placed)
        if decorated is None or position >= len(decorated.positional):
            continue
        if decorated.cls is not None and not position:
            found.append(inference.values_of_parameter(home, decorated, decorated.positional[0]))
        else:
            found.extend(inference.from_callers(home, decorated, decorated.positional[position]))
    return [v for v in found if v]


def values_of_parameter(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> Values:
    """What a parameter of a function can be."""
    binding = next((b for b in scope.bindings.get(arg.arg, ()) if b.how == "param"), None)
    return inference.parameter(module, binding) if binding is not None else UNKNOWN_ONLY


def references(inference: "Inference", module: "Module", scope: Scope) -> list[tuple["Module", ast.AST]]:
    """Expressions that name a function (or the class it initialises), in the modules loaded so far."""
    names: list[str] = [scope.name]
    init = scope.cls is not None and scope.name in ("__init__", "__new__", "__call__", "__post_init__")
    inheriting: list[Module] = []
    if init and scope.cls is not None:
        names = [scope.cls.name]
        inheriting.append(module)
        below = [scope.cls.name]
        for _ in range(MAX_LEVELS):
            derived = [(home, c.name) for home in inference.project.order for name in below for c in home.index.derived.get(name, ())]
            inheriting.extend(home for home in inference.project.order if home not in inheriting and any(h is home for h, _ in derived))
            below = list(dict.fromkeys(name for _, name in derived if name not in names))
            if not below:
                break
            names.extend(below)
    elif scope.kind == "lambda":
        return [(module, scope.node)]
    found: list[tuple[Module, ast.AST]] = []
    for home in list(inference.project.order):
        for name in names[:MAX_CALLERS]:
            found.extend((home, n) for n in home.index.name_loads.get(name, ()))
            found.extend((home, n) for n in home.index.attribute_loads.get(name, ()))
        if home in inheriting:
            found.extend((home, n) for n in home.index.attribute_loads.get(scope.name, ()))
            # ``return cls(client)`` of another way to make one, ``self.__class__(…)`` of a copy
            own: list[ast.AST] = [*home.index.name_loads.get("cls", ()), *home.index.attribute_loads.get("__class__", ())]
            calls = ((n, home.index.parents.get(n)) for n in own)
            found.extend((home, n) for n, call in calls if isinstance(call, ast.Call) and call.func is n)
    return found


def subclass_names(module: "Module", name: str) -> list[str]:
    """Names of the classes of a module that inherit from a class of that name, directly or through one another."""
    found = [name]
    for base in found:
        found.extend(c.name for c in module.index.derived.get(base, ()) if len(found) < MAX_CALLERS and c.name not in found)
    return found[1:]


def _handed(inference: "Inference", home: "Module", reference: ast.AST, scope: Scope, arg: ast.arg) -> Values | None:
    parent = home.index.parents.get(reference)
    while isinstance(parent, ast.Subscript) and parent.value is reference:
        reference, parent = parent, home.index.parents.get(parent)
    if isinstance(parent, ast.keyword):
        call = home.index.parents.get(parent)
        if isinstance(call, ast.Call) and inference.names(home, reference, scope) is not None:
            return _through(inference, home, call, reference, scope, arg)
        return None
    if not isinstance(parent, ast.Call):
        return _kept(inference, home, reference, scope, arg) if isinstance(parent, KEEPS) else None
    bound = inference.names(home, reference, scope)
    if bound is None:
        return None
    if parent.func is reference:
        expression = inference.argument_for(parent, scope, arg, skip_first=bound)
        return inference.values(home, expression) if expression is not None else _passed_on(inference, home, parent, scope, arg)
    given = _through(inference, home, parent, reference, scope, arg)
    return given if given is not None else _kept(inference, home, reference, scope, arg)


def _passed_on(inference: "Inference", home: "Module", call: ast.Call, scope: Scope, arg: ast.arg) -> Values | None:
    """What reaches a parameter through ``super().__init__(*args, **kwargs)``: what the callers of the method around it hand over."""
    outer = home.index.scope(call).function
    rest = outer.node.args.vararg if isinstance(outer.node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
    first = call.args[0] if call.args else None
    if rest is None or outer.cls is None or not isinstance(first, ast.Starred):
        return None
    if not isinstance(first.value, ast.Name) or first.value.id != rest.arg or not inference.deeper():
        return None
    try:
        found = []
        for other, reference in inference.references(home, outer)[:MAX_CALLERS]:
            given = other.index.parents.get(reference)
            if isinstance(given, ast.Call) and given.func is reference and inference.names(other, reference, outer):
                expression = inference.argument_for(given, scope, arg, skip_first=True, offset=len(outer.positional) - 1)
                if expression is not None:
                    found.append(inference.values(other, expression))
        return union(*found) if found else None
    finally:
        inference.shallower()


def _kept(inference: "Inference", home: "Module", reference: ast.AST, scope: Scope, arg: ast.arg) -> Values | None:
    """What calls hand over to a function that was put under another name or into a container: ``HANDLERS[name](db)``."""
    calls = calls_of_kept(home.index, reference)
    if not calls:
        return None
    bound = inference.names(home, reference, scope)
    if bound is None:
        return None
    given = [inference.argument_for(call, scope, arg, skip_first=bound) for call in calls[:MAX_CALLERS]]
    found = [inference.values(home, expression) for expression in given if expression is not None]
    return union(*found) if found else None


def names(inference: "Inference", home: "Module", reference: ast.AST, scope: Scope) -> bool | None:
    """Whether an expression means this function: None if not, else whether its first parameter is already bound."""
    if scope.kind == "lambda":
        return False
    for value in inference.values(home, reference):
        if isinstance(value, Function) and value.scope is scope:
            static = "builtins.staticmethod" in inference.decorators(value.module, scope)
            return scope.cls is not None and not static and value.receiver is not None
        if isinstance(value, Class) and scope.name in ("__init__", "__new__", "__post_init__"):
            for _, cls in inference.resolution_order(value):
                if scope.name in cls.bindings:
                    if any(home_scope is scope for home_scope in inference.definitions(cls, scope.name)):
                        return True
                    break
        if isinstance(value, Instance) and scope.name == "__call__" and scope.cls is value.cls.scope:
            return True
    return None


def definitions(owner: Scope, name: str) -> list[Scope]:
    """The functions that a class body defines under a name."""
    bodies = owner.index.bodies
    return [bodies[b.node] for b in owner.bindings.get(name, ()) if b.how == "def" and b.node in bodies]


def method_of(inference: "Inference", value: Instance, name: str) -> Function | None:
    """The method of the program that an object has under a name: the first definition in the resolution order of its class."""
    for home, cls in inference.resolution_order(value.cls):
        for definition in inference.definitions(cls, name):
            return Function(home, definition, value)
    return None


def argument_for(call: ast.Call, scope: Scope, arg: ast.arg, *, skip_first: bool, offset: int = 0) -> ast.expr | None:
    """The expression a call hands to a parameter; ``offset`` arguments of the call belong to somebody else."""
    for item in call.keywords:
        if item.arg == arg.arg:
            return item.value
    positional = scope.positional
    for position, candidate in enumerate(positional[1:] if skip_first else positional):
        if candidate is arg:
            return argument(call, position + offset)
    return None


def _through(inference: "Inference", home: "Module", call: ast.Call, reference: ast.AST, scope: Scope, arg: ast.arg) -> Values | None:
    """What a call that receives the function as a callback will put into its parameter."""
    from flake8_mongo_threads.semantics.spawns import delivered

    bound = False
    for value in inference.values(home, reference):
        if isinstance(value, Function) and value.scope is scope:
            bound = scope.cls is not None and value.receiver is not None
    positional = scope.positional[1:] if bound else scope.positional
    position = next((i for i, candidate in enumerate(positional) if candidate is arg), None)
    return delivered(inference, home, call, reference, position, arg.arg)
