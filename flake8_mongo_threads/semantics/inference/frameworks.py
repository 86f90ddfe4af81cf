"""What frameworks and libraries keep for the program: application state, settings, extensions, routes, objects that are not the program's own."""

import ast
import os
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import canonical, slot
from flake8_mongo_threads.driver import wrappers
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.inference.common import MAX_CALLERS, MAX_HOPS, MAX_SIBLINGS, NAMED_TUPLE
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import argument, keyword, last_name, path_key
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    UNKNOWN_ONLY,
    Class,
    Driver,
    External,
    Instance,
    Mapping,
    ModuleRef,
    Site,
    Value,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_NAMESPACES = frozenset(("types.SimpleNamespace()", "argparse.Namespace()"))
_MADE_OF_ARGUMENTS = frozenset((*_NAMESPACES, NAMED_TUPLE + "()"))
"""Objects whose attributes are the arguments of the call that made them."""
_STORES_OF_FRAMEWORKS = frozenset(("app.state", "app.ctx", "app.extensions", "app.config"))
"""What applications have of themselves, for programs to put things in."""
_APPLICATION_NAMES = frozenset(("app", "application", "bot"))


def external_attribute(inference: "Inference", value: External, name: str, node: ast.AST | None, module: "Module") -> Values:
    """An attribute of an object or module that is not of the program."""
    if value.path.startswith("namespace:"):
        full = value.path[len("namespace:") :] + "." + name
        target = inference.project.find(module, full, 0)
        if target is not None:
            return (ModuleRef(target),)
        return (External("namespace:" + full),) if inference.is_namespace(module, full) else UNKNOWN_ONLY
    path = canonical(f"{value.path}.{name}")
    handed = wrappers.ATTRIBUTES.get((value.path[:-2], name)) if value.path.endswith("()") else None
    if handed is not None:
        return (Driver(handed[0], handed[1], value.site),)
    if value.path in _MADE_OF_ARGUMENTS:
        given = inference.argument_named(value, name)
        if given is not None:
            return union(given, _from_store(inference, path, name, module)) if value.path in _NAMESPACES else given
    if "()" in path or slot(path):
        stored = _from_store(inference, path, name, module)
        if stored:
            return stored
    if value.path == "threading.local()":
        found = [
            inference.stored(home, s)
            for home in inference.project.order
            for s in inference.stores_of(home, name)
            if any(isinstance(v, External) and v.path == "threading.local()" for v in inference.values(home, s.target.value))
        ]
        if found:
            return union(*found)
    del node
    return (External(path, value.site),)


def argument_named(inference: "Inference", value: External, name: str | int) -> Values | None:
    """What the call that made a namespace or a named tuple hands over for one of its attributes, of a tuple by position, too."""
    call = value.site.node if value.site is not None else None
    if value.site is None or not isinstance(call, ast.Call) or any(isinstance(a, ast.Starred) for a in call.args):
        return None
    home = value.site.module
    given = keyword(call, name) if isinstance(name, str) else None
    if given is None and value.path not in _NAMESPACES:
        for cls in inference.values(home, call.func):
            fields = inference.tuple_fields(cls)
            if isinstance(name, int):
                name = fields[name] if 0 <= name < len(fields) else ""
            if name in fields:
                given = argument(call, fields.index(name), name)
    return inference.values(home, given) if given is not None else None


def tuple_fields(inference: "Inference", value: Value) -> list[str]:
    """The fields of a class that ``namedtuple("Name", "first second")`` made."""
    call = value.site.node if isinstance(value, External) and value.path == NAMED_TUPLE and value.site is not None else None
    if not isinstance(value, External) or value.site is None or not isinstance(call, ast.Call):
        return []
    written = argument(call, 1, "field_names")
    if isinstance(written, (ast.List, ast.Tuple)):
        return [e.value if isinstance(e, ast.Constant) and isinstance(e.value, str) else "" for e in written.elts]
    text = inference.constant_at(value.site.module, written) if written is not None else None
    return text.replace(",", " ").split() if isinstance(text, str) else []


def _from_store(inference: "Inference", path: str, name: str, module: "Module") -> Values:
    """What the program puts into an attribute of an application, a request or another external object."""
    key = ("store", path)
    if key in inference.active or inference.hops >= MAX_HOPS:
        inference.cuts += 1
        return BOTTOM
    inference.active.add(key)
    inference.hops += 1
    try:
        wanted = slot(path) or path
        found: list[Values] = []
        for home in list(inference.project.order):
            found.extend(_matching_stores(inference, home, name, wanted))
        if not found and slot(path):
            for home in inference.siblings(module, (f".{name} =", f".{name}: ", f".{name}=")):
                found.extend(_matching_stores(inference, home, name, wanted))
        if not found and wanted == "app." + name and wanted not in _STORES_OF_FRAMEWORKS:
            found.extend(_application_members(inference, path.partition(".")[0], name, module))
        if not found and slot(path) and wanted not in _STORES_OF_FRAMEWORKS:
            for home in list(inference.project.order):
                found.extend(_stores_on_open(inference, home, name, wanted))
        found = [v for v in found if v]
        return union(*found) if found else BOTTOM
    finally:
        inference.hops -= 1
        inference.active.discard(key)


def _application_members(inference: "Inference", package: str, name: str, module: "Module") -> list[Values]:
    """What the program's own class of the application, made of one of a package, defines under a name: a method or property of
    ``class Bot(commands.Bot)``."""
    found = []
    for home in list(inference.project.order):
        for cls in home.index.classes:
            owner = Class(home, cls)
            if name in cls.bindings and any(
                base.startswith(package + ".") and slot(base + "()") == "app" for base in inference.external_bases(owner)
            ):
                found.append(inference.instance_attribute(Instance(owner), name, None, module))
    return found


def _stores_on_open(inference: "Inference", home: "Module", name: str, wanted: str) -> list[Values]:
    """What functions put on a parameter called ``app`` or ``bot`` of which nothing is known: the one application of the program."""
    found = []
    for store in inference.stores_of(home, name)[:MAX_CALLERS]:
        base: ast.expr = store.target.value
        tail = "." + name
        while isinstance(base, ast.Attribute):
            tail = f".{base.attr}{tail}"
            base = base.value
        if isinstance(base, ast.Name) and base.id in _APPLICATION_NAMES and "app" + tail == wanted:
            binder = store.scope.binder(base.id)
            how = binder.bindings[base.id][0].how if binder is not None else ""
            if how == "param" and not known(inference.values(home, base)):
                found.append(inference.stored(home, store))
    return found


def _matching_stores(inference: "Inference", home: "Module", name: str, wanted: str) -> list[Values]:
    found = []
    for store in inference.stores_of(home, name)[:MAX_CALLERS]:
        for base in inference.values(home, store.target.value):
            base_path = _external_path(inference, base)
            if base_path:
                full = canonical(f"{base_path}.{name}")
                if (slot(full) or full) == wanted:
                    found.append(inference.stored(home, store))
                    break
    return found


def _external_path(inference: "Inference", value: Value) -> str:
    if isinstance(value, External):
        return value.path
    if isinstance(value, Instance):
        bases = inference.external_bases(value.cls)
        return bases[0] + "()" if bases else ""
    return ""


def siblings(inference: "Inference", module: "Module", needles: tuple[str, ...]) -> list["Module"]:
    """Modules near this one (its folder, and the folders up to the project's top) whose text has one of ``needles``."""
    found: list[Module] = []
    folder = os.path.dirname(module.location)
    looked = 0
    for _ in range(4):
        if not modules.inside(folder, module.roots):
            break
        try:
            names = sorted(n for n in os.listdir(folder) if n.endswith(".py"))
        except OSError:
            break
        for name in names:
            path = os.path.join(folder, name)
            if path in inference.project.loaded or looked >= MAX_SIBLINGS:
                continue
            looked += 1
            parsed = modules.read(path)
            if parsed is not None and any(parsed.has(needle) for needle in needles):
                loaded = inference.project.load(path, module)
                if loaded is not None:
                    found.append(loaded)
        if folder in module.roots[:1] and not os.path.isfile(os.path.join(folder, "__init__.py")):
            break
        up = os.path.dirname(folder)
        if up == folder or looked >= MAX_SIBLINGS or not any(r == up or up.startswith(r) for r in module.roots):
            break
        folder = up
    return found


def external_item(inference: "Inference", module: "Module", node: ast.AST, value: Class | External, index: ast.AST) -> Values:
    """An item of an object that is not of the program."""
    if isinstance(value, Class):
        return (value,)
    if "()" not in value.path and not slot(value.path):
        return (External(value.path, Site(module, node)),) if value.path.startswith("typing.") else (value,)
    key = inference.constant_at(module, index)
    name = key if isinstance(key, str) else path_key(index)
    stored = inference.from_items(value.path, index, name, module)
    if stored:
        return stored
    return (External(f"{value.path}[{name}]", value.site),) if name else UNKNOWN_ONLY


def from_items(inference: "Inference", path: str, index: ast.AST, name: str, module: "Module") -> Values:
    """What the program stores under a key of a framework's object."""
    key = ("item", path, name)
    if key in inference.active or not name or inference.hops >= MAX_HOPS:
        inference.cuts += 1
        return BOTTOM
    inference.active.add(key)
    inference.hops += 1
    try:
        wanted = slot(path) or path
        found: list[Values] = []
        homes = list(inference.project.order)
        tail = last_name(index) or name
        for attempt in range(2):
            for home in homes:
                for store in home.index.item_stores:
                    target = store.target
                    if not isinstance(target, ast.Subscript) or store.how not in ("assign", "ann"):
                        continue
                    if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
                        label = target.slice.value  # most are: nothing is to be worked out
                    else:
                        stored_key = inference.constant_at(home, target.slice)
                        label = stored_key if isinstance(stored_key, str) else last_name(target.slice)
                    if label not in (name, tail):
                        continue
                    for base in inference.values(home, target.value):
                        base_path = _external_path(inference, base)
                        if base_path and (slot(base_path) or base_path) == wanted:
                            found.append(inference.stored(home, store))
                            break
            settings = wanted == "app.settings"
            if settings:
                found.extend(value for home in homes for value in _settings(inference, home, name))
            if found or attempt or not slot(path):
                break
            homes = inference.siblings(module, (f'"{tail}"] =', f"'{tail}'] =", f"[{tail}] =", *((f"{tail}=",) if settings else ())))
        found = [v for v in found if v]
        return union(*found) if found else BOTTOM
    finally:
        inference.hops -= 1
        inference.active.discard(key)


def _settings(inference: "Inference", home: "Module", name: str) -> list[Values]:
    """What the applications of Tornado that a module makes are given as a setting: ``Application(routes, db=client.shop)``."""
    found: list[Values] = []
    for call in home.index.calls:
        if not any(k.arg == name or k.arg is None for k in call.keywords) or not _makes_tornado(inference, home, call):
            continue
        for item in call.keywords:
            if item.arg == name:
                found.append(inference.values(home, item.value))
            elif item.arg is None:
                for value in inference.values(home, item.value):
                    if isinstance(value, Mapping):
                        found.extend(inference.element(e) for k, e in inference.entries(home, item.value, value) if k == name)
    return found


def _makes_tornado(inference: "Inference", home: "Module", call: ast.Call) -> bool:
    """Whether a call makes an application of Tornado, or hands its arguments on to the constructor of one."""
    application = "tornado.web.Application"
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr == "__init__":
        cls = home.index.scope(call).function.cls
        return cls is not None and application in inference.external_bases(Class(home, cls))
    return any(
        (isinstance(v, External) and v.path == application)
        or (isinstance(v, Class) and application in inference.external_bases(v) and not inference.has_attribute(v, "__init__"))
        for v in inference.values(home, func)
    )


def from_routes(inference: "Inference", module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
    """What the routes of a Tornado application hand to ``initialize`` of a handler: ``(r"/", Handler, {"db": db})``."""
    cls = scope.cls
    if cls is None or not any(b.startswith("tornado.") for b in inference.external_bases(Class(module, cls))):
        return None
    parts: list[Values] = []
    for home in list(inference.project.order):
        for name in (cls.name, *inference.subclass_names(module, cls.name)):
            for reference in (*home.index.name_loads.get(name, ()), *home.index.attribute_loads.get(name, ())):
                route = home.index.parents.get(reference)
                given = route.elts if isinstance(route, ast.Tuple) else route.args if isinstance(route, ast.Call) else []
                if len(given) < 3 or given[1] is not reference:
                    continue
                for value in inference.values(home, given[2]):
                    if isinstance(value, Mapping):
                        parts.extend(inference.element(e) for k, e in inference.entries(home, given[2], value) if k == arg.arg)
    return union(*parts) if parts else None
