"""The inference of one analysis: where every question about an expression comes in, its bounds and what it remembers."""

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.inference import (
    annotations,
    attributes,
    callers,
    calls,
    classes,
    containers,
    decorated,
    expressions,
    frameworks,
    instances,
    naming,
    parameters,
)
from flake8_mongo_threads.semantics.inference.common import MAX_DEPTH, MAX_HOPS, MAX_TRIES, MAX_WORK
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.values import BOTTOM, UNKNOWN_ONLY, Driver, Instance, Method, Sequence, Value, Values, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module, Project


class Inference:
    """The inference of one analysis.

    What it knows stands beside this file, a part for each kind of question; every part asks the others through this class.
    """

    def __init__(self, project: "Project") -> None:
        self.project = project
        self.depth = 0
        self.hops = 0
        self.active: set[object] = set()
        self.work = 0
        self.cuts = 0
        """How often a cycle or a cap has cut a search: what was found meanwhile may be partial and is not kept."""
        self._orders: dict[Scope, list[tuple[Module, Scope]]] = {}
        self._external_bases: dict[Scope, list[str]] = {}
        self._driver_bases: dict[Scope, tuple[str, str] | None] = {}
        self._tries: dict[object, int] = {}
        self._attributes: dict[tuple[Scope, str], Values] = {}
        self._inherited: dict[str, bool] = {}
        self._factories = {(f.module, f.name): (f.family, f.flavour) for f in project.config.factories}

    def values(self, module: "Module", node: ast.AST | None, scope: Scope | None = None) -> Values:
        """The alternatives of an expression; never raises, never empty at the outermost call."""
        if node is None:
            return UNKNOWN_ONLY
        found = module.memo.get(node)
        if found is not None:
            return found
        handler = _HANDLERS.get(type(node))
        if handler is None:
            return UNKNOWN_ONLY
        self.work += 1
        if self.depth >= MAX_DEPTH or self.work > MAX_WORK:
            self.cuts += 1
            return UNKNOWN_ONLY
        active = self.active
        if node in active:
            self.cuts += 1
            return BOTTOM
        active.add(node)
        self.depth += 1
        before = self.cuts
        try:
            result = handler(self, module, node, scope if scope is not None else module.index.scope(node))
        except RecursionError:
            self.cuts += 1
            result = UNKNOWN_ONLY
        finally:
            self.depth -= 1
            active.discard(node)
        if not active:
            result = result or UNKNOWN_ONLY
            module.memo[node] = result
        elif result and (self.cuts == before or self.settled_now(node)):
            module.memo[node] = result
        return result

    def settled_now(self, key: object) -> bool:
        """Whether something that a cycle keeps cutting was tried often enough: then what was found stays."""
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        return tries >= MAX_TRIES

    def unrolled(self, values: Iterable[Value], limit: int) -> Iterator[Value]:
        """The alternatives with the elements of sequences in their place, as far as ``limit`` of both go."""
        pending = list(values)
        for _ in range(limit):
            if not pending:
                return
            value = pending.pop(0)
            if isinstance(value, Sequence):
                for element in value.elements:
                    pending.extend(self.element(element))
            else:
                yield value

    def kind(self, module: "Module", node: ast.AST | None) -> Driver | None:
        """The driver object an expression certainly is: every known alternative agrees on family and flavour."""
        return self.agreed(self.values(module, node))

    def agreed(self, values: Values) -> Driver | None:
        """The driver object a value set certainly is, or None."""
        found: Driver | None = None
        for value in known(values):
            driver = self.as_driver(value)
            if driver is None or (found is not None and driver.kind != found.kind):
                return None
            if found is None:
                found = driver
        return found

    def flavours(self, values: Values) -> list[Driver]:
        """The driver objects of one family that a value set certainly is, one for each flavour; empty when it may be anything else."""
        found: dict[str, Driver] = {}
        for value in known(values):
            driver = self.as_driver(value)
            if driver is None or any(other.family != driver.family for other in found.values()):
                return []
            found.setdefault(driver.flavour, driver)
        return list(found.values())

    def as_driver(self, value: Value) -> Driver | None:
        """A value as a driver object: itself, or an object of a class of the program that inherits from a driver class."""
        if isinstance(value, Driver):
            return value
        if isinstance(value, Instance):
            kind = self.driver_base(value.cls)
            if kind is not None:
                return Driver(kind[0], kind[1], value.site)
        return None

    def method(self, module: "Module", node: ast.AST) -> Method | None:
        """The driver method that a callee certainly is, whatever object of that kind it is bound to."""
        found: Method | None = None
        for value in known(self.values(module, node)):
            if not isinstance(value, Method):
                return None
            if found is not None and (value.owner.kind != found.owner.kind or value.name != found.name):
                return None
            found = found or value
        return found

    def deeper(self) -> bool:
        """Enter one more hop from a callee to its callers; False, and a cut, where there were too many already."""
        if self.hops >= MAX_HOPS:
            self.cuts += 1
            return False
        self.hops += 1
        return True

    def shallower(self) -> None:
        """Leave a hop that ``deeper`` entered."""
        self.hops -= 1

    # naming.py
    lookup = naming.lookup
    from_star = naming.from_star
    join = naming.join
    binding = naming.binding
    with_is_async = staticmethod(naming.with_is_async)
    annotated = naming.annotated
    imported = naming.imported
    is_namespace = staticmethod(naming.is_namespace)
    from_import = naming.from_import
    export = naming.export

    # parameters.py
    parameter = parameters.parameter
    depends = parameters.depends
    provided = parameters.provided
    settled = staticmethod(parameters.settled)
    is_fixture = parameters.is_fixture

    # callers.py
    from_callers = callers.from_callers
    values_of_parameter = callers.values_of_parameter
    references = callers.references
    subclass_names = staticmethod(callers.subclass_names)
    names = callers.names
    definitions = staticmethod(callers.definitions)
    method_of = callers.method_of
    argument_for = staticmethod(callers.argument_for)

    # annotations.py
    annotation = annotations.annotation
    instance = staticmethod(annotations.instance)

    # attributes.py
    attribute = attributes.attribute
    member = attributes.member
    member_result = staticmethod(attributes.member_result)
    super_call = attributes.super_call

    # classes.py
    resolution_order = classes.resolution_order
    external_bases = classes.external_bases
    driver_base = classes.driver_base
    is_description = classes.is_description
    opaque_base = classes.opaque_base

    # instances.py
    stores_of = staticmethod(instances.stores_of)
    stored = instances.stored
    instance_attribute = instances.instance_attribute
    stands_for = instances.stands_for
    class_attribute = instances.class_attribute
    class_binding = instances.class_binding
    is_field = instances.is_field
    default_factories = instances.default_factories

    # frameworks.py
    external_attribute = frameworks.external_attribute
    argument_named = frameworks.argument_named
    tuple_fields = frameworks.tuple_fields
    siblings = frameworks.siblings
    external_item = frameworks.external_item
    from_items = frameworks.from_items
    from_routes = frameworks.from_routes

    # containers.py
    has_attribute = containers.has_attribute
    entries = containers.entries
    same_place = staticmethod(containers.same_place)
    constant_at = containers.constant_at
    container_call = containers.container_call
    copy = containers.copy
    element = containers.element
    unpack = containers.unpack
    iterate = containers.iterate

    # calls.py
    invoke = calls.invoke
    invoke_named = calls.invoke_named
    returned = calls.returned
    yielded = calls.yielded
    invoke_function = calls.invoke_function
    listed = calls.listed
    runs = calls.runs
    task = calls.task

    # expressions.py
    enter = expressions.enter

    # decorated.py
    decorators = decorated.decorators
    converted = decorated.converted
    is_property = decorated.is_property
    is_descriptor = decorated.is_descriptor
    is_cached = decorated.is_cached


_HANDLERS: dict[type, Callable[[Inference, "Module", ast.AST, Scope], Values]] = {
    ast.Name: naming.evaluate_name,
    ast.Attribute: attributes.evaluate_attribute,
    ast.Call: calls.evaluate_call,
    ast.Subscript: containers.evaluate_subscript,
    ast.Await: expressions.evaluate_await,
    ast.Constant: expressions.evaluate_constant,
    ast.IfExp: expressions.evaluate_conditional,
    ast.BoolOp: expressions.evaluate_boolean,
    ast.NamedExpr: expressions.evaluate_walrus,
    ast.Lambda: expressions.evaluate_lambda,
    ast.List: containers.evaluate_display,
    ast.Tuple: containers.evaluate_display,
    ast.Set: containers.evaluate_display,
    ast.Dict: containers.evaluate_dict,
    ast.ListComp: containers.evaluate_comprehension,
    ast.SetComp: containers.evaluate_comprehension,
    ast.GeneratorExp: containers.evaluate_comprehension,
    ast.DictComp: containers.evaluate_comprehension,
    ast.Starred: expressions.evaluate_starred,
    ast.BinOp: expressions.evaluate_binary,
}
