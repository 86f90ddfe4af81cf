"""What names mean: bindings as far as they reach, imports, what modules export, globals that functions set."""

import ast
import builtins
import os
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import canonical
from flake8_mongo_threads.concurrency.spawners import LAUNCHERS, PROCESS_POOLS, THREAD_POOLS
from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.inference.common import MAX_CALLERS, MAX_HOPS, MAX_RETURNS, annotation_text, arms, only_external
from flake8_mongo_threads.semantics.scopes import Binding, Import, Scope
from flake8_mongo_threads.semantics.syntax import constant
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    NOTHING,
    UNKNOWN,
    UNKNOWN_ONLY,
    Class,
    External,
    Function,
    ModuleRef,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

EXECUTORS = PROCESS_POOLS | THREAD_POOLS


def evaluate_name(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """A name, where it is read."""
    return inference.lookup(module, scope, node.id, node)  # type: ignore[attr-defined]


def lookup(inference: "Inference", module: "Module", scope: Scope, name: str, use: ast.AST | None) -> Values:
    """What a name means in a scope; with ``use``, only the bindings that reach it."""
    current: Scope | None = scope
    own = scope.function
    while current is not None:
        if current.kind != "class" or current is own:
            bindings = current.bindings.get(name)
            if bindings and current.kind == "class" and use is not None:
                bindings = _bound_before(current, bindings, use)
            if bindings and not (name in current.globals and current.kind != "module"):
                if use is not None and current.function is own and current.kind != "comprehension":
                    bindings = current.index.reaching(current, name, use)
                if current.kind == "module":
                    if use is not None and len(bindings) > 1:
                        bindings = _same_arms(current, bindings, use)
                    return _global(inference, module, name, bindings)
                return inference.join(module, bindings)
        current = current.parent
    found = inference.from_star(module, name)
    if found:
        return found
    if hasattr(builtins, name):
        return (External("builtins." + name),)
    return UNKNOWN_ONLY


def from_star(inference: "Inference", module: "Module", name: str) -> Values:
    """A name that ``from x import *`` can bring."""
    for what, scope in module.index.imports:
        if what.name == "*" and scope.kind == "module":
            target = inference.project.find(module, what.module, what.level)
            if target is not None:
                if name in target.index.module_scope.bindings:
                    return inference.export(target, name)
                inner = inference.from_star(target, name) if ("star", id(target)) not in inference.active else BOTTOM
                if inner:
                    return inner
            elif what.level == 0:
                path = canonical(what.module + "." + name)
                if kinds.class_kind(what.module + "." + name) is not None or path in LAUNCHERS or path + "()" in EXECUTORS:
                    return (External(path),)
    return BOTTOM


def join(inference: "Inference", module: "Module", bindings: list[Binding]) -> Values:
    """The union of what bindings give."""
    if len(bindings) > MAX_RETURNS:
        interesting = [b for b in bindings if b.how != "del"][: MAX_RETURNS * 2]
        return union(*(inference.binding(module, b) for b in interesting))
    return union(*(inference.binding(module, b) for b in bindings if b.how != "del"))


def binding(inference: "Inference", module: "Module", binding: Binding) -> Values:
    """What one binding gives."""
    how = binding.how
    if how == "import":
        return inference.imported(module, binding)
    if how == "def":
        scope = module.index.bodies.get(binding.node)
        return (Function(module, scope),) if scope is not None else UNKNOWN_ONLY
    if how == "class":
        scope = module.index.bodies.get(binding.node)
        return (Class(module, scope),) if scope is not None else UNKNOWN_ONLY
    if how == "param":
        return inference.parameter(module, binding)
    if how == "assign":
        return inference.unpack(inference.values(module, binding.value, _hint(module, binding)), binding.path)
    if how == "ann":
        return inference.annotated(
            module, binding.annotation, binding.value if isinstance(binding.value, ast.expr) else None, binding.scope
        )
    if how == "for":
        return inference.unpack(inference.iterate(module, binding.value, inference.values(module, binding.value)), binding.path)
    if how == "with":
        return inference.unpack(
            inference.enter(inference.values(module, binding.value), inference.with_is_async(module, binding.value)), binding.path
        )
    if how == "aug":
        # ``doc |= changes`` and ``rows += more`` keep what the name was
        others = [b for b in binding.scope.bindings.get(binding.name, ()) if b.how not in ("aug", "del")]
        return inference.join(module, others) if others else UNKNOWN_ONLY
    return UNKNOWN_ONLY


def _hint(module: "Module", binding: Binding) -> Scope | None:
    return binding.scope if binding.value is not None and binding.value not in module.index.parents else None


def with_is_async(module: "Module", item: ast.AST | None) -> bool:
    """Whether an item belongs to ``async with``."""
    parent = module.index.parents.get(item) if item is not None else None
    return isinstance(module.index.parents.get(parent) if parent is not None else None, ast.AsyncWith)


def annotated(inference: "Inference", module: "Module", annotation: ast.expr | None, value: ast.expr | None, scope: Scope) -> Values:
    """What a variable with an annotation can be: its value where that tells, else what the annotation says."""
    by_value = inference.values(module, value) if value is not None else BOTTOM
    written = constant(value)
    certain = bool(known(by_value)) and UNKNOWN not in by_value and not only_external(by_value)
    if certain and not isinstance(written, str):
        return by_value
    if by_value and any(isinstance(v, External) and v.path == "typing.TypeAlias" for v in inference.values(module, annotation, scope)):
        named = annotation_text(written) if isinstance(written, str) else None
        return inference.values(module, named, scope) if named is not None else by_value
    if certain:
        return by_value
    by_annotation = inference.annotation(module, annotation, scope)
    if known(by_annotation) and UNKNOWN not in by_annotation:
        abstract = by_value and all(isinstance(v, External) and v.path == "concurrent.futures.Executor()" for v in by_annotation)
        return by_value if abstract and known(by_value) and UNKNOWN not in by_value else by_annotation
    return by_value or by_annotation or UNKNOWN_ONLY


def imported(inference: "Inference", module: "Module", binding: Binding) -> Values:
    """What an import statement binds."""
    alias = binding.node
    statement = binding.value
    if not isinstance(alias, ast.alias):
        return UNKNOWN_ONLY
    if isinstance(statement, ast.Import):
        name = alias.name if alias.asname else alias.name.partition(".")[0]
        target = inference.project.find(module, name, 0)
        if target is not None:
            return (ModuleRef(target),)
        if inference.is_namespace(module, name):
            return (External("namespace:" + name),)
        if modules.shadows_driver(module.roots, module.location, alias.name):
            return UNKNOWN_ONLY
        return (External(canonical(name)),)
    if isinstance(statement, ast.ImportFrom):
        return inference.from_import(module, Import(statement.module or "", alias.name, statement.level, alias, statement))
    return UNKNOWN_ONLY


def is_namespace(module: "Module", name: str) -> bool:
    """Whether a dotted name is a package of the program without a file of its own."""
    if name.partition(".")[0] in modules.EXTERNAL_ROOTS:
        return False
    relative = name.replace(".", os.sep)
    return any(os.path.isdir(os.path.join(root, relative)) for root in module.roots)


def from_import(inference: "Inference", module: "Module", what: Import) -> Values:
    """What ``from x import y`` gives."""
    declared = _declared(inference, what.module, what.name)
    if declared is not None:
        return declared
    if what.level == 0 and modules.shadows_driver(module.roots, module.location, what.module):
        return UNKNOWN_ONLY
    path = inference.project.locate(module, what.module, what.level)
    if path:
        target = inference.project.load(path, module)
        if target is None:
            return UNKNOWN_ONLY
        if target is module:
            found = module.index.module_scope.bindings.get(what.name, [])
            others = [b for b in found if b.how != "import"]
            return inference.join(module, others) if others else _submodule(inference, module, what)
        if what.name in target.index.module_scope.bindings or inference.from_star(target, what.name):
            return inference.export(target, what.name)
        return _submodule(inference, module, what)
    submodule = _submodule(inference, module, what)
    if submodule is not UNKNOWN_ONLY:
        return submodule
    if what.level:
        return UNKNOWN_ONLY
    return (External(canonical(f"{what.module}.{what.name}")),)


def _submodule(inference: "Inference", module: "Module", what: Import) -> Values:
    name = f"{what.module}.{what.name}" if what.module else what.name
    target = inference.project.find(module, name, what.level)
    return (ModuleRef(target),) if target is not None else UNKNOWN_ONLY


def _declared(inference: "Inference", module_name: str, name: str) -> Values | None:
    kind = inference._factories.get((module_name, name))
    if kind is None:
        return None
    return (External(f"declared:{kind[0]}:{kind[1]}"),)


def export(inference: "Inference", module: "Module", name: str) -> Values:
    """What a module's global name can be, as another module sees it."""
    key = ("export", id(module), name)
    if key in inference.active:
        inference.cuts += 1
        return BOTTOM
    if inference.hops >= MAX_HOPS:
        inference.cuts += 1
        return UNKNOWN_ONLY
    declared = _declared(inference, module.name, name)
    if declared is not None:
        return declared
    inference.active.add(key)
    inference.hops += 1
    try:
        bindings = module.index.module_scope.bindings.get(name)
        if bindings:
            return _global(inference, module, name, bindings)
        return inference.from_star(module, name) or UNKNOWN_ONLY
    finally:
        inference.hops -= 1
        inference.active.discard(key)


def _global(inference: "Inference", module: "Module", name: str, bindings: list[Binding]) -> Values:
    """What a global name can be: what its module binds it to, and where that is only None, what others put there."""
    found = inference.join(module, bindings)
    if len(inference.project.order) < 2 or any(v is not NOTHING for v in found) or not found:
        return found
    key = ("global", id(module), name)
    if key in inference.active:
        inference.cuts += 1
        return found
    inference.active.add(key)
    try:
        parts = [found]
        for home in list(inference.project.order):
            for store in inference.stores_of(home, name)[:MAX_CALLERS]:
                base = store.target.value
                if isinstance(base, (ast.Name, ast.Attribute)) and any(
                    isinstance(v, ModuleRef) and v.module is module for v in inference.values(home, base)
                ):
                    parts.append(inference.stored(home, store))
        return union(*parts)
    finally:
        inference.active.discard(key)


def _bound_before(scope: Scope, bindings: list[Binding], use: ast.AST) -> list[Binding]:
    """The bindings of a class body that a name in it can mean: in ``db = db`` the second ``db`` is the one outside."""
    index = scope.index
    if use not in index.parents:
        return bindings
    statement = index.statement(use)
    place = (getattr(use, "lineno", 0), getattr(use, "col_offset", 0))
    return [b for b in bindings if b.how == "def" or (b.position < place and index.statement(b.node) is not statement)]


def _same_arms(scope: Scope, bindings: list[Binding], use: ast.AST) -> list[Binding]:
    """The bindings of a module that can hold where a name is used: code in one arm of an ``if`` sees none of the other's.

    A module runs once, so a function that is defined in one arm runs only where that arm was taken.
    """
    mine = arms(scope, use)
    if not mine:
        return bindings
    kept = [b for b in bindings if all(mine.get(test, arm) == arm for test, arm in arms(scope, b.node).items())]
    return kept or bindings
