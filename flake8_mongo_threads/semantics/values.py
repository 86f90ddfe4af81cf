"""What an expression can be: abstract values of the inference.

A *value set* is a tuple of alternatives. ``UNKNOWN`` among them means that the expression can be something we cannot
name; ``OPEN`` that it comes from a parameter about which the program says nothing. Neither is ever reported on.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.findings import Step

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module
    from flake8_mongo_threads.semantics.scopes import Scope


class Value:
    """Base of all abstract values."""

    __slots__ = ()

    def key(self) -> object:
        """Two values with equal keys are one alternative."""
        return id(self)


class _Named(Value):
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


UNKNOWN = _Named("UNKNOWN")
"""Something we cannot name: no report."""
OPEN = _Named("OPEN")
"""A parameter about which the program says nothing; it yields to any alternative we know."""
NOTHING = _Named("None")
"""The constant None."""


class Site:
    """Where a value was made: a node of a module."""

    __slots__ = ("module", "node")

    def __init__(self, module: "Module", node: ast.AST) -> None:
        self.module = module
        self.node = node

    def step(self, text: str) -> Step:
        """This place as one hop of a witness."""
        return self.module.step(self.node, text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Site) and other.node is self.node

    def __hash__(self) -> int:
        return id(self.node)


class Driver(Value):
    """An object of the driver: ``family`` and ``flavour`` as in ``driver.kinds``.

    ``parent`` is what it was made from (collection → database → client, cursor → collection, session → client);
    ``name`` the constant name of a database or collection; ``site`` the expression that made it.
    """

    __slots__ = ("family", "flavour", "name", "parent", "site")

    def __init__(self, family: str, flavour: str, site: Site | None, parent: "Driver | None" = None, name: str = "") -> None:
        self.family = family
        self.flavour = flavour
        self.site = site
        self.parent = parent
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.flavour} {self.family}{' ' + self.name if self.name else ''}>"

    def key(self) -> object:
        return ("driver", self.family, self.flavour, id(self.site.node) if self.site else 0)

    @property
    def kind(self) -> tuple[str, str]:
        """Family and flavour."""
        return (self.family, self.flavour)

    @property
    def noun(self) -> str:
        """What it is called in messages."""
        return kinds.noun(self.family)

    @property
    def described(self) -> bool:
        """Whether it is known from an annotation alone, and not by what makes it."""
        if self.site is None:
            return False
        node, parents = self.site.node, self.site.module.index.parents
        up = parents.get(node)
        while up is not None and not isinstance(up, (ast.arg, ast.stmt)):
            node, up = up, parents.get(up)
        return isinstance(up, ast.arg) or (isinstance(up, ast.AnnAssign) and node is up.annotation)

    @property
    def lineage(self) -> object:
        """Its key and those of all it was made from: two clients that come the same way give two collections."""
        return self.key() if self.parent is None else (self.key(), self.parent.lineage)

    def root(self, family: str) -> "Driver | None":
        """This object, or the nearest one it was made from, that is of the given family."""
        value: Driver | None = self
        for _ in range(12):
            if value is None or value.family == family:
                return value
            value = value.parent
        return None


class Method(Value):
    """A bound method of a driver object."""

    __slots__ = ("member", "name", "owner")

    def __init__(self, owner: Driver, name: str, member: "kinds.Member") -> None:
        self.owner = owner
        self.name = name
        self.member = member

    def __repr__(self) -> str:
        return f"<method {self.name} of {self.owner}>"

    def key(self) -> object:
        return ("method", self.name, self.owner.key())


class Function(Value):
    """A function or lambda of the program, bound to ``receiver`` when it is a method."""

    __slots__ = ("module", "receiver", "scope")

    def __init__(self, module: "Module", scope: "Scope", receiver: "Value | None" = None) -> None:
        self.module = module
        self.scope = scope
        self.receiver = receiver

    def __repr__(self) -> str:
        return f"<function {self.scope.qualname}>"

    @property
    def bound(self) -> bool:
        """Whether it is a method with its object, which fills the first parameter."""
        return self.receiver is not None and self.scope.cls is not None

    def key(self) -> object:
        return ("function", id(self.scope))


class Class(Value):
    """A class of the program."""

    __slots__ = ("module", "scope")

    def __init__(self, module: "Module", scope: "Scope") -> None:
        self.module = module
        self.scope = scope

    def __repr__(self) -> str:
        return f"<class {self.scope.qualname}>"

    def key(self) -> object:
        return ("class", id(self.scope))


class Instance(Value):
    """An object of a class of the program."""

    __slots__ = ("cls", "site")

    def __init__(self, cls: Class, site: Site | None = None) -> None:
        self.cls = cls
        self.site = site

    def __repr__(self) -> str:
        return f"<instance of {self.cls.scope.qualname}>"

    def key(self) -> object:
        return ("instance", id(self.cls.scope))


class Super(Value):
    """What ``super()`` gives inside a method: attributes are looked up after ``cls``."""

    __slots__ = ("cls", "receiver")

    def __init__(self, cls: Class, receiver: Value) -> None:
        self.cls = cls
        self.receiver = receiver

    def key(self) -> object:
        return ("super", id(self.cls.scope))


class ModuleRef(Value):
    """A module of the program."""

    __slots__ = ("module",)

    def __init__(self, module: "Module") -> None:
        self.module = module

    def key(self) -> object:
        return ("module", id(self.module))


class External(Value):
    """Something of another distribution, named by its path: ``threading.Thread``; ``threading.Thread()`` is an instance.

    ``site`` is the call that made an instance, so that its arguments can be read.
    """

    __slots__ = ("path", "site")

    def __init__(self, path: str, site: Site | None = None) -> None:
        self.path = path
        self.site = site

    def __repr__(self) -> str:
        return f"<external {self.path}>"

    def key(self) -> object:
        return ("external", self.path, id(self.site.node) if self.site else 0)


class Partial(Value):
    """A callable with some arguments fixed by ``functools.partial``."""

    __slots__ = ("call", "module", "scope", "target")

    def __init__(self, target: tuple[Value, ...], call: ast.Call, module: "Module", scope: "Scope") -> None:
        self.target = target
        self.call = call
        self.module = module
        self.scope = scope

    def key(self) -> object:
        return ("partial", id(self.call))


class Const(Value):
    """A literal text, number or truth value."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<const {self.value!r}>"

    def key(self) -> object:
        return ("const", repr(self.value))


class Element:
    """One element of a container: an expression still to be evaluated, or values known already."""

    __slots__ = ("expression", "module", "scope", "values")

    def __init__(self, module: "Module", scope: "Scope | None", expression: ast.AST | None, values: tuple[Value, ...] = ()) -> None:
        self.module = module
        self.scope = scope
        self.expression = expression
        self.values = values


class Sequence(Value):
    """A list, tuple, set or other iterable with known elements. ``exact`` when positions are meaningful."""

    __slots__ = ("elements", "exact", "many", "site")

    def __init__(self, elements: tuple[Element, ...], site: Site | None, *, exact: bool = False, many: bool = False) -> None:
        self.elements = elements
        self.site = site
        self.exact = exact
        self.many = many
        """Whether one element expression stands for many objects (a comprehension)."""

    def key(self) -> object:
        return ("sequence", id(self.site.node) if self.site else id(self))


class Mapping(Value):
    """A dictionary: elements under constant keys (None where the key is not a constant)."""

    __slots__ = ("items", "site")

    def __init__(self, items: tuple[tuple[object, Element], ...], site: Site | None) -> None:
        self.items = items
        self.site = site

    def key(self) -> object:
        return ("mapping", id(self.site.node) if self.site else id(self))


class Awaitable(Value):
    """A coroutine, task or future: ``values`` is what awaiting it (or ``.result()``) gives.

    ``how`` is coroutine, future or task; ``call`` the call whose work it stands for.
    """

    __slots__ = ("call", "how", "origin", "values")

    def __init__(self, values: tuple[Value, ...], how: str, call: Site | None, origin: Value | None = None) -> None:
        self.values = values
        self.how = how
        self.call = call
        self.origin = origin
        """The method or function whose call made it."""

    def key(self) -> object:
        return ("awaitable", self.how, id(self.call.node) if self.call else 0)


class Generator(Value):
    """What a generator function gives: an iterator over ``values``."""

    __slots__ = ("call", "origin", "values")

    def __init__(self, values: tuple[Value, ...], call: Site | None, origin: "Function | None" = None) -> None:
        self.values = values
        self.call = call
        self.origin = origin

    def key(self) -> object:
        return ("generator", id(self.call.node) if self.call else id(self))


class Manager(Value):
    """A context manager of the program: ``values`` is what ``with … as`` binds."""

    __slots__ = ("call", "values")

    def __init__(self, values: tuple[Value, ...], call: Site | None) -> None:
        self.values = values
        self.call = call

    def key(self) -> object:
        return ("manager", id(self.call.node) if self.call else id(self))


Values = tuple[Value, ...]
BOTTOM: Values = ()
UNKNOWN_ONLY: Values = (UNKNOWN,)
MAX_ALTERNATIVES = 8


def union(*parts: Values) -> Values:
    """Join alternatives; too many of them make the whole unknown."""
    if len(parts) == 1:
        return parts[0]
    found: dict[object, Value] = {}
    for part in parts:
        for value in part:
            found.setdefault(value.lineage if isinstance(value, Driver) else value.key(), value)
    if len(found) > MAX_ALTERNATIVES:
        drivers = [v for v in found.values() if isinstance(v, Driver)]
        if len(drivers) == len(found) and len({v.kind for v in drivers}) == 1:
            return tuple(drivers[:MAX_ALTERNATIVES])
        return UNKNOWN_ONLY
    return tuple(found.values())


def known(values: Values) -> Values:
    """The alternatives without None, false constants and open parameters: those yield to anything that is known."""
    return tuple(v for v in values if v is not NOTHING and v is not OPEN and not (isinstance(v, Const) and not v.value))
