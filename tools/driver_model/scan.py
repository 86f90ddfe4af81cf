"""One release as a whole: what every module's names are, across star imports, re-exports and Motor's class factories."""

import ast
import collections
import re

from tools.driver_model.classes import class_record, namedtuple_record
from tools.driver_model.options import client_options
from tools.driver_model.records import ClassRecord, FunctionRecord, Release, Target
from tools.driver_model.releases import PACKAGES
from tools.driver_model.syntax import (
    assignment,
    bound_names,
    dotted,
    executed,
    is_deprecated,
    is_type_checking,
    last_name,
    literal_strings,
    parse,
    signature,
    synchronous_constant,
)

# What binds a name in a module: a definition, an import, or any other value.
Binding = tuple[str, ast.AST | None, str, str]
"""kind (``f`` ``c`` ``v`` ``module`` ``from``), node, module imported (from), name imported."""


def _internal(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in PACKAGES


class Distribution:
    """The modules of one release; ``below`` is the PyMongo that a Motor stands on."""

    def __init__(self, sources: dict[str, tuple[str, bool]], below: "Distribution | None" = None) -> None:
        self.trees = {module: parse(text) for module, (text, _) in sources.items()}
        self.packages = frozenset(module for module, (_, package) in sources.items() if package)
        self.below = below
        self.bindings: dict[str, dict[str, Binding]] = {}
        self.stars: dict[str, list[str]] = {}
        self.exports: dict[str, list[str]] = {}
        self.loads: dict[str, set[str]] = collections.defaultdict(set)
        self._visible: dict[str, dict[str, str | None]] = {}
        self._entries: dict[tuple[str, str], Target] = {}
        self._typing_only: dict[str, dict[str, Target]] = {}
        self.sync = {module: synchronous_constant(tree) for module, tree in self.trees.items()}
        for module in self.trees:
            self._scan(module)

    # -------------------------------------------------- bindings of one module

    def _imported_from(self, module: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = module.split(".")
        up = node.level - (1 if module in self.packages else 0)
        parts = parts[: len(parts) - up] if up else parts
        return ".".join(parts + ([node.module] if node.module else []))

    def _scan(self, module: str) -> None:
        tree = self.trees[module]
        bound: dict[str, Binding] = {}
        stars: list[str] = []
        strings: dict[str, list[str]] = {}
        for statement in executed(tree.body, self.sync[module]):
            assigned = assignment(statement)
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                decorators = [last_name(each.func if isinstance(each, ast.Call) else each) for each in statement.decorator_list]
                if not ("overload" in decorators and statement.name in bound):
                    bound[statement.name] = ("f", statement, "", "")
            elif isinstance(statement, ast.ClassDef):
                bound[statement.name] = ("c", statement, "", "")
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    self.loads[module].add(alias.name)
                    top = alias.name.split(".")[0]
                    bound[alias.asname or top] = ("module", None, alias.name if alias.asname else top, "")
            elif isinstance(statement, ast.ImportFrom):
                self._scan_import_from(module, statement, bound, stars)
            elif assigned is not None:
                if isinstance(statement, ast.AnnAssign) and statement.value is None:
                    continue
                self._scan_assignment(module, statement, assigned[0], assigned[1], bound, strings)
            elif isinstance(statement, ast.For):
                for name in bound_names(statement.target):
                    bound.setdefault(name, ("v", None, "", ""))
            elif isinstance(statement, ast.With):
                for item in statement.items:
                    if item.optional_vars is not None:
                        for name in bound_names(item.optional_vars):
                            bound.setdefault(name, ("v", None, "", ""))
            elif isinstance(statement, ast.Delete):
                for target in statement.targets:
                    for name in bound_names(target):
                        bound.pop(name, None)
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                for name in node.names:
                    bound.setdefault(name, ("v", None, "", ""))
        self.bindings[module] = bound
        self.stars[module] = stars

    def _scan_import_from(self, module: str, statement: ast.ImportFrom, bound: dict[str, Binding], stars: list[str]) -> None:
        source = self._imported_from(module, statement)
        self.loads[module].add(source)
        for alias in statement.names:
            if alias.name == "*":
                stars.append(source)
                continue
            name = alias.asname or alias.name
            before = bound.get(name)
            # The fallback of a try/except ImportError never replaces what the driver itself gives.
            if before and before[0] != "v" and before[2:] != (source, alias.name) and not _internal(source):
                continue
            bound[name] = ("from", None, source, alias.name)
            self.loads[module].add(f"{source}.{alias.name}")

    def _scan_assignment(
        self,
        module: str,
        statement: ast.stmt,
        targets: list[ast.expr],
        value: ast.expr | None,
        bound: dict[str, Binding],
        strings: dict[str, list[str]],
    ) -> None:
        for target in targets:
            for name in bound_names(target):
                found = literal_strings(value, strings)
                if name == "__all__":
                    before = self.exports.get(module, []) if isinstance(statement, ast.AugAssign) else []
                    self.exports[module] = before + (found or [])
                if found is not None:
                    strings[name] = found
                empty = isinstance(value, ast.Constant) and value.value is None
                if name not in bound or bound[name][0] == "v" or not empty:
                    bound[name] = ("v", value, "", "")

    # -------------------------------------------------- names across modules

    def _owner(self, module: str) -> "Distribution | None":
        if module in self.bindings:
            return self
        return self.below if self.below is not None and module in self.below.bindings else None

    def visible(self, module: str) -> dict[str, str | None]:
        """Every name of a module -> the module that a star import takes it from, None for its own."""
        known = self._visible.get(module)
        if known is not None:
            return known
        out: dict[str, str | None] = {}
        self._visible[module] = {}  # two modules may import each other
        for source in self.stars[module]:
            owner = self._owner(source)
            if owner is None:
                continue
            exported = owner.exports.get(source)
            for name in owner.visible(source):
                if name in exported if exported is not None else not name.startswith("_"):
                    out[name] = source
        for name in self.bindings[module]:
            out[name] = None
        self._visible[module] = out
        return out

    def entry(self, module: str, name: str) -> Target | None:
        """What a name of a module finally is, None when the module has no such name."""
        key = (module, name)
        found = self._entries.get(key)
        if found is not None:
            return found
        names = self.visible(module)
        if name not in names:
            return None
        self._entries[key] = Target("v", module, name)  # a cycle is a plain value
        source = names[name]
        result: Target | None
        if source is None:
            result = self._resolve(module, name, self.bindings[module][name])
        else:
            owner = self._owner(source)
            result = owner.entry(source, name) if owner is not None else None
        self._entries[key] = result or Target("v", module, name)
        return self._entries[key]

    def _resolve(self, module: str, name: str, binding: Binding) -> Target:
        kind, node, source, imported = binding
        if kind in "cf":
            return Target(kind, module, name)
        if kind == "module":
            return Target("m", source, "")
        if kind == "from":
            owner = self._owner(source)
            if owner is not None:
                if (source, imported) == (module, name) and f"{source}.{imported}" in owner.bindings:
                    return Target("m", f"{source}.{imported}", "")  # a package importing its own submodule
                found = owner.entry(source, imported)
                if found is not None:
                    return found
                if f"{source}.{imported}" in owner.bindings:
                    return Target("m", f"{source}.{imported}", "")
                return Target("v", source, imported)
            # Something of the driver's own that the sources do not have is the C extension.
            return Target("v" if _internal(source) else "x", source, imported)
        if isinstance(node, (ast.Name, ast.Attribute)):
            found = self.lookup(module, dotted(node))
            if found is not None and found.kind in "cfm":
                return found
        if isinstance(node, ast.Call):
            callee = last_name(node.func)
            if re.match(r"create_\w*class", callee) and node.args and dotted(node.args[0]):
                return Target("c", module, name)
            if callee in ("namedtuple", "NamedTuple", "TypedDict", "new_class"):
                return Target("c", module, name)
        return Target("v", module, name)

    def lookup(self, module: str, path: str | None) -> Target | None:
        """What a dotted expression in a module is."""
        if not path:
            return None
        head, *rest = path.split(".")
        found = self.entry(module, head) or self.typing_only(module).get(head)
        for name in rest:
            if found is None or found.kind != "m":
                return None
            owner = self._owner(found.module)
            if owner is None:
                return None
            inner = owner.entry(found.module, name)
            if inner is None and f"{found.module}.{name}" in owner.bindings:
                inner = Target("m", f"{found.module}.{name}", "")
            found = inner
        return found

    def typing_only(self, module: str) -> dict[str, Target]:
        """Names imported under TYPE_CHECKING: no module has them at run time, annotations use them."""
        known = self._typing_only.get(module)
        if known is not None:
            return known
        out = self._typing_only[module] = {}
        for statement in self.trees[module].body:
            if isinstance(statement, ast.If) and is_type_checking(statement.test):
                for inner in statement.body:
                    if isinstance(inner, ast.ImportFrom):
                        source = self._imported_from(module, inner)
                        for alias in inner.names:
                            found = self.entry(source, alias.name) if source in self.bindings else None
                            if found is not None:
                                out[alias.asname or alias.name] = found
        return out

    # -------------------------------------------------- the record

    def classes(self) -> dict[str, ClassRecord]:
        """Path -> record of every class defined in this release."""
        out = {}
        for module, bound in self.bindings.items():

            def resolve(path: str | None, module: str = module) -> str | None:
                found = self.lookup(module, path)
                return f"{found.module}.{found.name}" if found is not None and found.kind == "c" else None

            for name, (kind, node, _, _) in bound.items():
                path = f"{module}.{name}"
                if kind == "c" and isinstance(node, ast.ClassDef):
                    out[path] = class_record(node, resolve, self.sync[module])
                elif kind == "v" and isinstance(node, ast.Call):
                    callee = last_name(node.func)
                    if re.match(r"create_\w*class", callee) and node.args and dotted(node.args[0]):
                        base = dotted(node.args[0])
                        out[path] = ClassRecord((resolve(base) or str(base),), {}, (), None)
                    elif callee in ("namedtuple", "NamedTuple"):
                        out[path] = namedtuple_record(node)
        return out

    def functions(self) -> dict[str, FunctionRecord]:
        """Path -> record of every function defined at module level."""
        out = {}
        for module, bound in self.bindings.items():
            for name, (kind, node, _, _) in bound.items():
                if kind == "f" and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    coroutine = isinstance(node, ast.AsyncFunctionDef)
                    out[f"{module}.{name}"] = FunctionRecord(signature(node.args, False), coroutine, is_deprecated(node))
        return out

    def autoloaded(self, top: str) -> frozenset[str]:
        """Modules that ``import top`` loads, which are attributes of their packages without an import of their own."""
        seen: set[str] = set()
        todo = [top]
        while todo:
            module = todo.pop()
            if module in seen or module not in self.bindings:
                continue
            seen.add(module)
            parts = module.split(".")
            todo += [".".join(parts[:end]) for end in range(1, len(parts))]
            todo += [loaded for loaded in self.loads[module] if _internal(loaded)]
        return frozenset(seen)


def release(dist: str, version: str, distribution: Distribution, requires_python: str, requires_pymongo: str) -> Release:
    """Everything that is kept of one release."""
    modules = {}
    for module in distribution.bindings:
        names = {}
        for name in distribution.visible(module):
            entry = distribution.entry(module, name)
            if entry is not None:
                names[name] = entry
        modules[module] = names
    tops = sorted({module.split(".")[0] for module in modules})
    return Release(
        dist,
        version,
        modules,
        distribution.packages,
        distribution.exports,
        distribution.classes(),
        distribution.functions(),
        {top: distribution.autoloaded(top) for top in tops},
        client_options(distribution.trees) if dist == "pymongo" else {},
        requires_python,
        requires_pymongo,
    )
