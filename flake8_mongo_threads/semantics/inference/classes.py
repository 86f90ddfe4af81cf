"""Classes of the program: the order in which bases are looked up, which driver class they inherit from."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import kinds, wrappers
from flake8_mongo_threads.semantics.inference.common import MAX_BASES
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.values import UNKNOWN, Class, External

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module


def resolution_order(inference: "Inference", cls: Class) -> list[tuple["Module", Scope]]:
    """First-party classes from the class upwards, depth first and without repeats (a close stand-in for the C3 order)."""
    known_order = inference._orders.get(cls.scope)
    if known_order is not None:
        return known_order
    before = inference.cuts
    found: list[tuple[Module, Scope]] = []
    pending = [cls]
    while pending and len(found) < MAX_BASES:
        current = pending.pop(0)
        if any(scope is current.scope for _, scope in found):
            continue
        found.append((current.module, current.scope))
        bases: list[Class] = []
        for base in current.scope.node.bases:  # type: ignore[attr-defined]
            target = base.value if isinstance(base, ast.Subscript) else base
            bases.extend(v for v in inference.values(current.module, target) if isinstance(v, Class))
        pending = bases + pending
    if inference.cuts == before:
        inference._orders[cls.scope] = found
    return found


def external_bases(inference: "Inference", cls: Class) -> list[str]:
    """Paths of the external classes among a class's bases, nearest first; calls such as ``with_metaclass`` give none."""
    known_bases = inference._external_bases.get(cls.scope)
    if known_bases is not None:
        return known_bases
    before = inference.cuts
    found: list[str] = []
    for home, scope in inference.resolution_order(cls):
        for base in scope.node.bases:  # type: ignore[attr-defined]
            target = base.value if isinstance(base, ast.Subscript) else base
            for value in inference.values(home, target):
                if isinstance(value, External) and value.path not in found:
                    found.append(value.path)
    if inference.cuts == before:
        inference._external_bases[cls.scope] = found
    return found


def driver_base(inference: "Inference", cls: Class) -> tuple[str, str] | None:
    """Family and flavour when a class of the program inherits from a driver class."""
    if cls.scope in inference._driver_bases:
        return inference._driver_bases[cls.scope]
    before = inference.cuts
    found: tuple[str, str] | None = None
    for path in inference.external_bases(cls):
        kind = kinds.class_kind(path) or wrappers.CLASSES.get(path)
        if kind is not None:
            found = None if _awaited_instead(inference, cls, *kind) else kind
            break
    if inference.cuts == before:
        inference._driver_bases[cls.scope] = found
    return found


def is_description(inference: "Inference", cls: Class) -> bool:
    """Whether a subclass of a driver class makes blocking operations ``async def``."""
    bases = cls.scope.node.bases  # type: ignore[attr-defined]
    if not bases or not any(isinstance(n, ast.AsyncFunctionDef) for n in cls.scope.node.body):  # type: ignore[attr-defined]
        return False
    return inference.driver_base(cls) is None and any(kinds.class_kind(path) is not None for path in inference.external_bases(cls))


def _awaited_instead(inference: "Inference", cls: Class, family: str, flavour: str) -> bool:
    """Whether a subclass of a blocking class makes its operations ``async def``: then it stands for another driver's object."""
    if flavour != "sync":
        return False
    for _, scope in inference.resolution_order(cls):
        for name, bindings in scope.bindings.items():
            if not name.startswith("_") and any(b.how == "def" and isinstance(b.node, ast.AsyncFunctionDef) for b in bindings):
                member = kinds.member(family, flavour, name)
                if member is not None and member.io:
                    return True
    return False


def opaque_base(inference: "Inference", cls: Class) -> bool:
    """Whether some base cannot be read, so that an attribute we do not find may exist all the same."""
    for home, scope in inference.resolution_order(cls):
        for base in scope.node.bases:  # type: ignore[attr-defined]
            target = base.value if isinstance(base, ast.Subscript) else base
            if UNKNOWN in inference.values(home, target):
                return True
    return False
