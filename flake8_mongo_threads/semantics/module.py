"""One file as the analysis sees it: its index, its place in the project, and the memos of what was inferred."""

import ast
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flake8_mongo_threads.findings import Step
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.scopes import Index, Scope
from flake8_mongo_threads.semantics.syntax import constant
from flake8_mongo_threads.semantics.values import Const, Values
from flake8_mongo_threads.source import Source

if TYPE_CHECKING:
    from flake8_mongo_threads.config import Config
    from flake8_mongo_threads.semantics.calls import CallGraph
    from flake8_mongo_threads.semantics.contexts import Contexts
    from flake8_mongo_threads.semantics.inference import Inference
    from flake8_mongo_threads.semantics.lifecycle import Build

Fact = TypeVar("Fact")


class Module:
    """A file of the program during one analysis."""

    __slots__ = (
        "_builds",
        "_calls",
        "_contexts",
        "_facts",
        "_function_memo",
        "decorator_paths",
        "depth",
        "index",
        "location",
        "memo",
        "name",
        "package_file",
        "project",
        "returns_memo",
        "roots",
        "source",
    )

    def __init__(
        self, project: "Project", source: Source, index: Index, location: str, name: str, roots: tuple[str, ...], depth: int
    ) -> None:
        self.project = project
        self.source = source
        self.index = index
        self.location = location
        self.name = name
        self.package_file = os.path.basename(location) in ("__init__.py", "__init__.pyi")
        self.roots = roots
        self.depth = depth
        self.memo: dict[ast.AST, Values] = {}
        self.returns_memo: dict[Scope, Values] = {}
        self.decorator_paths: dict[Scope, frozenset[str]] = {}
        self._calls: CallGraph | None = None
        self._contexts: Contexts | None = None
        self._builds: list[Build] | None = None
        self._facts: dict[type, list[object]] = {}
        self._function_memo: dict[tuple[object, object], object] = {}

    def release(self) -> None:
        """Forget all that was found out, at the end of the analysis."""
        for store in (self.memo, self.returns_memo, self.decorator_paths, self._facts, self._function_memo):
            store.clear()
        self._calls = self._contexts = self._builds = None

    @property
    def path(self) -> str:
        """The path to show."""
        return self.source.path

    @property
    def inference(self) -> "Inference":
        """The inference of the analysis this module belongs to."""
        return self.project.inference

    @property
    def calls(self) -> "CallGraph":
        """Who calls whom, and what is handed to threads, tasks and processes."""
        if self._calls is None:
            from flake8_mongo_threads.semantics.calls import CallGraph

            self._calls = CallGraph(self)
        return self._calls

    @property
    def contexts(self) -> "Contexts":
        """Where each function of this module runs."""
        if self._contexts is None:
            from flake8_mongo_threads.semantics.contexts import Contexts

            self._contexts = Contexts(self)
        return self._contexts

    @property
    def may_build(self) -> bool:
        """Whether the text of the file lets it build a client at all: it names one, or some class of the program is one."""
        return "Client" in self.source.text or self.project.has_client_classes

    @property
    def builds(self) -> "list[Build]":
        """Every expression of this module that makes a client."""
        if self._builds is None:
            from flake8_mongo_threads.semantics.lifecycle import builds_in

            self._builds = builds_in(self)
        return self._builds

    def facts(self, kind: "type[Fact]") -> "list[Fact]":
        """The facts of one type about this module, computed on first use."""
        found = self._facts.get(kind)
        if found is None:
            from flake8_mongo_threads.semantics.facts import PRODUCERS

            found = self._facts[kind] = PRODUCERS[kind](self)
        return found  # type: ignore[return-value]

    def remember(self, name: object, what: Scope | ast.AST, compute: "Callable[[], Any]", during: object = None) -> "Any":
        """Memoise a property of a function or node; while it is being computed it is ``during``, which cuts recursion."""
        key = (name, what)
        if key in self._function_memo:
            return self._function_memo[key]
        self._function_memo[key] = during
        found = self._function_memo[key] = compute()
        return found

    def calls_to(self, names: frozenset[str]) -> list[ast.Call]:
        """The calls of this file whose callee ends in one of some names, in the order of the walk."""
        return self.index.calls_to(names)

    def values(self, node: ast.AST | None, scope: Scope | None = None) -> Values:
        """What an expression of this module can be."""
        return self.project.inference.values(self, node, scope)

    def constant(self, node: ast.AST | None) -> object:
        """The constant that an expression certainly is: written there, or the one value that it can have; None for anything else."""
        value = constant(node)
        if value is None:
            values = self.values(node)
            value = values[0].value if len(values) == 1 and isinstance(values[0], Const) else None
        return value

    def step(self, node: ast.AST, text: str) -> Step:
        """A place of this module as one hop of a witness."""
        line = getattr(node, "lineno", 1)
        return Step(self.path, line, self.source.char_col(line, getattr(node, "col_offset", 0)), text)

    def where(self, node: ast.AST, seen_from: "Module") -> str:
        """``line 12``, or ``helpers.py:12`` when seen from another file."""
        line = getattr(node, "lineno", 1)
        return f"line {line}" if self is seen_from else f"{os.path.basename(self.path)}:{line}"


class Project:
    """The modules reached while one file is analysed, within bounds."""

    def __init__(self, config: "Config") -> None:
        from flake8_mongo_threads.semantics.inference import Inference

        self.config = config
        self.loaded: dict[str, Module | None] = {}
        self.order: list[Module] = []
        self.bytes = 0
        self.inference: Inference = Inference(self)
        self.has_client_classes = False
        """Whether some class of the program inherits from a client class; known once ``interest`` is."""
        self._texts: list[modules.ParsedFile] | None = None
        self._mentions: dict[tuple[tuple[str, ...], int], bool] = {}
        self._interest: frozenset[str] | None = None
        self._property_names: frozenset[str] | None = None
        self._only_async: bool | None = None

    @property
    def interest(self) -> frozenset[str]:
        """Names of callables that can matter: of the driver, of launchers and frameworks, and every function that the
        linted file or a module that it leads to defines."""
        if self._interest is None:
            from flake8_mongo_threads.semantics.interest import NAMES, definitions

            names, properties, self.has_client_classes = definitions(self)
            self._interest = NAMES | names
            self._property_names = properties
        return self._interest

    def mentions(self, *words: str) -> bool:
        """Whether the linted file, a file that it leads to, or one loaded since has one of some words in its text."""
        if self._texts is None:
            from flake8_mongo_threads.semantics.interest import MAX_FILES

            root = self.order[0]
            texts = [modules.of_text(root.location, root.source.text)]
            for path in modules.related(texts[0], root.roots, MAX_FILES):
                parsed = modules.read(path)
                if parsed is not None:
                    texts.append(parsed)
            self._texts = texts
        # A module that is loaded later can bring a word that was not there before.
        key = (words, len(self.order))
        found = self._mentions.get(key)
        if found is None:
            found = any(parsed.has(word) for word in words for parsed in self._texts)
            found = found or any(word in module.source.text for module in self.order[1:] for word in words)
            self._mentions[key] = found
        return found

    @property
    def may_be_async(self) -> bool:
        """Whether any file of the program names something that gives objects of an asynchronous driver."""
        if any(factory.flavour != "sync" for factory in self.config.factories):
            return True
        return self.mentions("Async", "otor", "eanie", "odmantic")

    @property
    def only_async_clients(self) -> bool:
        """Whether the program builds asynchronous clients and no others, tests aside: what it awaits on an object that an annotation
        calls a ``Database`` is then one of the asynchronous driver's."""
        if self._only_async is None:
            from flake8_mongo_threads.semantics.callers import only_async_clients

            root = self.order[0]
            self._only_async = "await " in root.source.text and only_async_clients(root)
        return self._only_async

    @property
    def property_names(self) -> frozenset[str]:
        """Names that are properties in some class of the program."""
        if self._property_names is None:
            _ = self.interest  # fills both
        return self._property_names or frozenset()

    def root(self, source: Source, tree: ast.Module) -> Module:
        """The module being linted."""
        from flake8_mongo_threads.semantics.callers import widen

        roots = modules.roots_of(source.location, self.config.src)
        location = os.path.abspath(source.location)
        module = Module(self, source, modules.index_of(location, source.text, tree), location, roots.package, roots.paths, 0)
        self.loaded[module.location] = module
        self.order.append(module)
        widen(module)
        return module

    def forget(self) -> None:
        """Drop what was inferred: modules that were loaded since may change it."""
        for module in self.order:
            module.memo.clear()
            module.returns_memo.clear()
            module.decorator_paths.clear()
        self.inference = type(self.inference)(self)

    def release(self) -> None:
        """Undo the references of the modules to each other, so that their memory is free at once and not when the collector comes by."""
        for module in self.loaded.values():
            if module is not None:
                module.release()
        self.loaded.clear()
        self.order.clear()
        del self.inference

    def load(self, path: str, asker: Module) -> Module | None:
        """The module at a path; None beyond the bounds or when it cannot be read."""
        if path in self.loaded:
            return self.loaded[path]
        if len(self.loaded) > modules.MAX_MODULES or asker.depth >= modules.MAX_DEPTH or self.bytes > modules.MAX_BYTES:
            return None
        parsed = modules.read(path)
        index = parsed.index if parsed is not None else None
        if parsed is None or index is None:
            self.loaded[path] = None
            return None
        self.bytes += len(parsed.text)
        name = modules.roots_of(path).package
        module = Module(self, display(parsed.source, asker), index, path, name, asker.roots, asker.depth + 1)
        self.loaded[path] = module
        self.order.append(module)
        return module

    def find(self, asker: Module, name: str, level: int) -> Module | None:
        """The first-party module that an import names, or None."""
        path = self.locate(asker, name, level)
        return self.load(path, asker) if path else None

    def locate(self, asker: Module, name: str, level: int) -> str:
        """The file of an imported module, relative imports resolved; empty when it is not first-party."""
        return modules.resolve_path(asker.location, asker.roots, name, level)


def display(source: Source, asker: Module) -> Source:
    """Show another file's path the way the linted file's own path is shown: relative when that one is."""
    if os.path.isabs(asker.source.path):
        return source
    try:
        shown = os.path.relpath(source.path)
    except ValueError:  # another drive on Windows
        return source
    return source.shown_as(shown)
