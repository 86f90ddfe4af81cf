"""The facts of the rules about client options: every option that certainly reaches a client, with its literal value.

Options come as keyword arguments, in a literal URI (f-strings, concatenation and formatting of literals too) and in a
dictionary that is unpacked into the call and written out in the same file.
"""

import ast
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from flake8_mongo_threads.driver import api, kinds, renames
from flake8_mongo_threads.driver.api import Answer, Status, Target
from flake8_mongo_threads.driver.renames import Replacement
from flake8_mongo_threads.driver.targets import target_for
from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.semantics.facts import PRODUCERS
from flake8_mongo_threads.semantics.guards import expects_failure, expects_warning, tested
from flake8_mongo_threads.semantics.names import NEW, NONEXISTENT, REMOVED, is_driver_source, problem_of
from flake8_mongo_threads.semantics.scopes import Binding, Scope
from flake8_mongo_threads.semantics.syntax import argument, keyword, last_name, literal_text, text_of, walk
from flake8_mongo_threads.semantics.values import UNKNOWN, Class, Const, External, Function, Instance, Mapping, Partial, Value, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

IGNORED = "ignored"

KEYWORD_ONLY = "keyword-only"

KEYWORD = "keyword"
URI = "uri"
ENTRY = "entry"
POSITION = "position"

_HOLE = "\0"
"""Stands in a text for a part that is not a literal."""
_MAX_PARTS = 200
_MAX_SPREADS = 3
_FORMAT = re.compile(r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[sdr]")
_BRACES = re.compile(r"\{[^{}]*\}")
_SCHEMES = ("mongodb://", "mongodb+srv://")
_POSITIONS = ("host", "port", "document_class", "tz_aware", "connect", "type_registry")
"""The arguments of a client without their names, since 3.0."""
_MAKES_CLIENTS = re.compile("client|connect|mongo|database|(?:^|_)db", re.IGNORECASE)
"""What a function of another module is called that may take the options of a client."""
_FIXED = 100
"""Stands for positions that cannot be told."""


class _Unknown:
    def __repr__(self) -> str:
        return "unknown"


UNKNOWN_VALUE = _Unknown()
"""The value of an option that is not a literal."""


class Option(NamedTuple):
    """One option of one client."""

    key: str
    """As it is written."""
    value: object
    """The literal value (always text in a URI; the elements of a list, ``{}`` for a dictionary), or ``UNKNOWN_VALUE``."""
    span: Span
    where: str
    """keyword, uri, entry (of a dictionary) or position (an argument without its name)."""
    node: ast.AST
    """The keyword, the string, the key in the dictionary, or the argument."""
    expression: ast.AST | None = None
    """The value as it is written, outside of a URI."""

    @property
    def lower(self) -> str:
        """The key as the driver compares it."""
        return self.key.lower()


class ClientCall:
    """A call that makes a client, with the options that can be read."""

    __slots__ = ("call", "complete", "count", "flavour", "hosts", "options", "target")

    def __init__(
        self, call: ast.Call, flavour: str, options: list[Option], hosts: str | None, target: Target, *, complete: bool, count: int = 0
    ) -> None:
        self.call = call
        self.flavour = flavour
        self.options = options
        self.hosts = hosts
        """The URI up to its options, when it is a literal; None when there is no URI."""
        self.count = count
        """How many hosts are named, as far as literals tell."""
        self.target = target
        self.complete = complete
        """Whether there can be no option that was not read."""

    def get(self, *keys: str) -> Option | None:
        """The option that counts among some keys in lower case: a keyword wins over the URI."""
        found = [option for option in self.options if option.lower in keys]
        return next((o for o in found if o.where != URI), found[-1] if found else None)


class OptionUse:
    """An option that the driver of some targeted release does not know, or ignores."""

    __slots__ = ("answer", "call", "cause", "key", "node", "problem", "replacement", "since", "span", "suggestion", "until", "where", "why")

    def __init__(self, client: ClientCall, option: Option, answer: Answer, problem: str, suggestion: str) -> None:
        self.call = client.call
        self.key = option.key
        self.span = option.span
        self.where = option.where
        self.node = option.node
        self.answer = answer
        self.problem = problem
        """nonexistent, removed, new, ignored or keyword-only (in a URI)."""
        self.since = answer.since
        self.until = answer.until
        self.why = client.target.why("pymongo")
        self.replacement: Replacement | None = renames.option_replacement(option.key)
        self.suggestion = suggestion
        """The option that is meant, known to every targeted release; empty when there is none."""
        self.cause = f"option@{option.span.line}:{option.span.col}"


class OptionValue(NamedTuple):
    """A literal value that the driver refuses, alone or together with others."""

    span: Span
    text: str
    """What is wrong, for the message."""
    ignored: bool
    """Whether the driver only warns and goes on without the value."""


# ---------------------------------------------------------------------- clients


def _client_flavour(module: "Module", value: Value) -> str:
    """The flavour of the client that a callable makes from the options it is given as they are; else empty."""
    if isinstance(value, External):
        kind = kinds.class_kind(value.path)
        if kind is None or kind[0] != "client":
            return ""
        found = api.resolve(value.path, Target(api.everything("pymongo"), api.everything("motor")))
        return kind[1] if found is not None and found.path.endswith(("MongoClient", "MotorClient", "AgnosticClient")) else ""
    if isinstance(value, Class):
        kind = module.inference.driver_base(value)
        if kind is None or kind[0] != "client":
            return ""
        own = any({"__init__", "__new__"} & cls.bindings.keys() for _, cls in module.inference.resolution_order(value))
        return "" if own else kind[1]
    return ""


def client_calls(module: "Module") -> list[ClientCall]:
    """Every call of this file that makes a client of the drivers, in source order."""
    if is_driver_source(module):
        return []
    target: Target | None = None
    found: list[ClientCall] = []
    seen: set[ast.AST] = set()
    for call, _, value in module.calls.constructions if module.may_build else ():
        if call in seen:
            continue
        flavour = ""
        skip = 0
        if isinstance(value, External) and value.path == "functools.partial" and call.args:
            callees = known(module.values(call.args[0]))
            flavour = _client_flavour(module, callees[0]) if len(callees) == 1 else ""
            skip = 1
        elif isinstance(value, Partial):
            flavour = _client_flavour(module, value.target[0]) if len(value.target) == 1 else ""
            skip = _FIXED
        else:
            flavour = _client_flavour(module, value)
        if not flavour:
            continue
        seen.add(call)
        if expects_failure(module, call):
            continue
        if target is None:
            target = target_for(module.location, module.project.config)
        found.append(_read(module, call, flavour, target, skip))
    for call, flavour, skip in (*_initialisers(module), *_class_attributes(module)) if module.may_build else ():
        if call not in seen and not expects_failure(module, call):
            target = target or target_for(module.location, module.project.config)
            found.append(_read(module, call, flavour, target, skip))
    for call, flavour, own in _forwarded(module):
        if not expects_failure(module, call):
            target = target or target_for(module.location, module.project.config)
            options = [_of_keyword(module, item) for item in call.keywords if item.arg is not None and item.arg not in own]
            found.append(ClientCall(call, flavour, options, None, target, complete=False))
    found.sort(key=lambda client: (client.call.lineno, client.call.col_offset))
    return found


def _class_attributes(module: "Module") -> list[tuple[ast.Call, str, int]]:
    """``self.client_class(…)`` where a class of this file has ``client_class = MongoClient``."""
    found = []
    named = {
        name for scope in module.index.scopes if scope.kind == "class" for name, all_ in scope.bindings.items() if all_[0].how == "assign"
    }
    for call in module.index.calls:
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in named and isinstance(func.value, ast.Name):
            values = known(module.values(func))
            flavour = _client_flavour(module, values[0]) if len(values) == 1 else ""
            if flavour:
                found.append((call, flavour, 0))
    return found


def _forwarded(module: "Module") -> list[tuple[ast.Call, str, set[str]]]:
    """Calls of functions and classes of the program that hand their keyword arguments on to a client as they are: the flavour of the
    client, and the parameters that the functions on the way have themselves."""
    taking = {
        scope.cls.name if scope.cls is not None and scope.name == "__init__" else scope.name
        for scope in module.index.functions
        if scope.node.args.kwarg is not None  # type: ignore[attr-defined]
    }
    found = []
    for call in module.index.calls:
        if not any(item.arg is not None for item in call.keywords):
            continue
        name = last_name(call.func)
        if name in taking or _MAKES_CLIENTS.search(name):
            flavour, own = _handed_to(module, call, 0)
            if flavour and own is not None:
                found.append((call, flavour, own))
    return found


def _handed_to(module: "Module", call: ast.Call, depth: int) -> tuple[str, set[str] | None]:
    """What becomes of the keyword arguments of a call: the flavour of the client that gets them, and the names that do not reach it, or
    None where the call makes the client itself."""
    inference = module.inference
    callees = known(module.values(call.func))
    callee = callees[0] if len(callees) == 1 else None
    flavour = _client_flavour(module, callee) if callee is not None else ""
    if flavour:
        return flavour, None
    function = callee if isinstance(callee, Function) else None
    if isinstance(callee, Class):
        function = inference.method_of(Instance(callee), "__init__")
    if function is None or depth > _MAX_SPREADS:
        return "", None
    home, scope = function.module, function.scope
    inner = [each for each in scope.calls if _hands_on(home, each) is scope]
    if len(inner) != 1:
        return "", None
    base = next((flavour for each, flavour, _ in _initialisers(home) if each is inner[0]), "") if isinstance(callee, Class) else ""
    flavour, own = (base, None) if base else _handed_to(home, inner[0], depth + 1)
    return flavour, {arg.arg for arg in scope.params} | (own or set())


def _hands_on(module: "Module", call: ast.Call) -> Scope | None:
    """The function whose ``**options`` a call gets as they are: nothing else is done with them but to set defaults."""
    index = module.index
    for item in call.keywords:
        if item.arg is not None or not isinstance(item.value, ast.Name):
            continue
        name = item.value.id
        scope = index.scope(item.value).binder(name)
        rest = getattr(getattr(scope.node, "args", None), "kwarg", None) if scope is not None else None
        if scope is None or rest is None or rest.arg != name or len(scope.bindings[name]) != 1:
            continue
        loads = [load for load in index.name_loads.get(name, ()) if index.scope(load).binder(name) is scope]
        others = [index.parents.get(load) for load in loads if load is not item.value]
        if all(isinstance(user, ast.Attribute) and user.attr == "setdefault" for user in others):
            paths = module.inference.decorators(module, scope)
            if len(paths) == len(scope.decorators) and all(path.startswith(("functools.", "builtins.", "contextlib.")) for path in paths):
                return scope
    return None


def _initialisers(module: "Module") -> list[tuple[ast.Call, str, int]]:
    """``super().__init__(…)`` and ``MongoClient.__init__(self, …)`` in a class that inherits from a client of the drivers directly."""
    found = []
    for call in module.index.calls:
        func = call.func
        if not isinstance(func, ast.Attribute) or func.attr != "__init__":
            continue
        if isinstance(func.value, ast.Call) and last_name(func.value.func) == "super":
            scope: Scope | None = module.index.scope(call).function
            scope = scope.parent if scope is not None else None
            bases = list(getattr(scope.node, "bases", ())) if scope is not None and scope.kind == "class" else []
        else:
            bases = [func.value]
        if len(bases) == 1 and (values := known(module.values(bases[0]))) and len(values) == 1 and isinstance(values[0], External):
            flavour = _client_flavour(module, values[0])
            if flavour:
                found.append((call, flavour, _FIXED))
    return found


def _read(module: "Module", call: ast.Call, flavour: str, target: Target, skip: int) -> ClientCall:
    options: list[Option] = []
    complete = not skip and not any(isinstance(arg, ast.Starred) for arg in call.args)
    host = argument(call, skip, "host")
    hosts: str | None = None
    count = 0
    if host is not None:
        for each in host.elts if isinstance(host, (ast.List, ast.Tuple)) else [host]:
            address = _address(module, each)
            complete = complete and address is each
            text, parts = literal(module, address)
            if text is None or (_HOLE in text and not text.startswith(_SCHEMES)):
                complete = False
                continue
            if text.startswith(_SCHEMES):
                head, _, query = text.partition("?")
                hosts = head
                options.extend(_of_uri(module, query, parts))
                if query.rpartition("=")[0].endswith(_HOLE) or query.startswith(_HOLE) or f"&{_HOLE}" in query:
                    complete = False
                text = head.partition("://")[2].rpartition("@")[2].partition("/")[0]
            count += text.count(",") + 1
    if skip < _FIXED and not target.pymongo & ~api.since("pymongo", "3.0"):
        for key, given in zip(_POSITIONS, call.args[skip:], strict=False):
            if isinstance(given, ast.Starred):
                break
            if key != "host":
                options.append(Option(key, _value(module, given), module.source.span(given), POSITION, given, given))
    for item in call.keywords:
        if item.arg is None:
            entries, whole = _entries(module, item.value)
            options.extend(entries)
            complete = complete and whole
        elif item.arg != "host":
            options.append(_of_keyword(module, item))
    return ClientCall(call, flavour, options, hosts, target, complete=complete, count=count)


def _of_keyword(module: "Module", item: ast.keyword) -> Option:
    key = item.arg or ""
    span = module.source.span(item)
    return Option(key, _value(module, item.value), Span(span.line, span.col, span.line, span.col + len(key)), KEYWORD, item, item.value)


def _address(module: "Module", node: ast.expr) -> ast.expr:
    """The text that stands for an address when nothing else is set: the default of a look-up, the end of ``a or b``."""
    meant: ast.expr | None = node
    for _ in range(3):
        if isinstance(meant, ast.BoolOp) and isinstance(meant.op, ast.Or):
            return meant.values[-1]
        if isinstance(meant, ast.Call):
            looked_up = last_name(meant.func) in ("get", "getenv") and len(meant.args) == 2
            default = meant.args[1] if looked_up else keyword(meant, "default")
            if default is not None:
                return default
        if not isinstance(meant, (ast.Name, ast.Attribute)):
            break
        meant = _meant(module, meant)
    return node


def value_of(node: ast.AST | None) -> object:
    """The value of a literal (None included; a display as a list or as ``{}``), or ``UNKNOWN_VALUE``."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [item.value if isinstance(item, ast.Constant) else {} if isinstance(item, ast.Dict) else UNKNOWN_VALUE for item in node.elts]
    if isinstance(node, ast.Dict):
        return {}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        if isinstance(node.operand.value, (int, float)):
            return -node.operand.value
    return UNKNOWN_VALUE


def _value(module: "Module", node: ast.AST) -> object:
    """The value of a literal, or of a name or attribute that one assignment of a literal alone gives; None only where it is written."""
    value = value_of(node)
    if value is UNKNOWN_VALUE and isinstance(node, (ast.Name, ast.Attribute)):
        meant = value_of(_meant(module, node))
        return UNKNOWN_VALUE if meant is None else meant
    return value


def _entries(module: "Module", expression: ast.expr, depth: int = 0) -> tuple[list[Option], bool]:
    """The options of a dictionary that is unpacked into the call, and whether there can be no others."""
    values = known(module.values(expression))
    if depth > _MAX_SPREADS or len(values) != 1 or not isinstance(values[0], Mapping):
        return [], False
    mapping = values[0]
    if mapping.site is None or not _still_the_literal(module, expression, mapping.site.node):
        return [], False
    if mapping.site.module is not module:
        return _entries_elsewhere(module, expression, mapping, mapping.site.module)
    found: dict[Span, Option] = {}
    complete = settled = True
    open_at: tuple[int, int] = (0, 0)
    if isinstance(mapping.site.node, ast.Dict):
        for key_node, value in zip(mapping.site.node.keys, mapping.site.node.values, strict=True):
            if key_node is None:
                inner, whole = _entries(module, value, depth + 1)
                complete = complete and whole
                open_at = open_at if whole else (value.lineno, value.col_offset)
                found.update((option.span, option) for option in inner)
    elif isinstance(mapping.site.node, ast.Call):
        for value in mapping.site.node.args:
            inner, whole = _entries(module, value, depth + 1)
            complete = complete and whole
            found.update((option.span, option) for option in inner)
    for key, element in module.inference.entries(module, expression, mapping):
        if element.expression is not None and element.module is module and _is_spread(module, element.expression):
            continue
        if not isinstance(key, str) or element.expression is None or element.module is not module:
            complete = settled = False
            continue
        place = _key_node(module, element.expression)
        if place is None:
            complete = settled = False
            continue
        span = module.source.span(place)
        if isinstance(place, ast.keyword):
            span = Span(span.line, span.col, span.line, span.col + len(key))
        found[span] = Option(key, _value(module, element.expression), span, ENTRY, place, element.expression)
    settled = settled and not _overridden(module, expression)
    keys = [option.lower for option in found.values()]
    result = [
        option
        if settled and keys.count(option.lower) == 1 and (place.lineno, place.col_offset) >= open_at  # type: ignore[attr-defined]
        else option._replace(value=UNKNOWN_VALUE)
        for option in found.values()
        for place in (option.node,)
    ]
    return result, complete and settled


def _entries_elsewhere(module: "Module", expression: ast.expr, mapping: Mapping, home: "Module") -> tuple[list[Option], bool]:
    """The options of a dictionary that another module writes out and keeps under a name: found where it is unpacked in this file."""
    node = mapping.site.node if mapping.site is not None else None
    parent = home.index.parents.get(node) if node is not None else None
    target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target if isinstance(parent, ast.AnnAssign) else None
    if not isinstance(node, ast.Dict) or not isinstance(target, ast.Name) or not _still_the_literal(home, target, node):
        return [], False
    settled = not (_overridden(home, target) or _overridden(module, expression) or None in node.keys)
    span = module.source.span(expression)
    found = [
        Option(key, _value(home, element.expression) if settled else UNKNOWN_VALUE, span, ENTRY, expression, element.expression)
        for key, element in module.inference.entries(module, expression, mapping)
        if isinstance(key, str) and element.expression is not None and element.module is home
    ]
    keys = [option.lower for option in found]
    return [option if keys.count(option.lower) == 1 else option._replace(value=UNKNOWN_VALUE) for option in found], settled


def _overridden(module: "Module", expression: ast.expr) -> bool:
    """Whether values of a dictionary may be replaced by what cannot be read: ``options.update(settings)``, ``options |= settings``."""
    index = module.index
    if isinstance(expression, ast.Name):
        scope = index.scope(expression).binder(expression.id)
        if scope is not None and any(binding.how == "aug" for binding in scope.bindings[expression.id]):
            return True
    elif isinstance(expression, ast.Attribute) and any(store.how == "aug" for store in index.attribute_stores.get(expression.attr, ())):
        return True
    for call, _ in index.mutations.get(last_name(expression), ()):
        if last_name(call.func) == "update" and (
            any(item.arg is None for item in call.keywords)
            or not all(isinstance(value, Mapping) for argument_ in call.args for value in module.values(argument_) or (UNKNOWN,))
        ):
            return True
    return False


def _is_spread(module: "Module", value: ast.AST) -> bool:
    """Whether an expression stands behind ``**`` in a dictionary."""
    parent = module.index.parents.get(value)
    if not isinstance(parent, ast.Dict):
        return False
    return any(key is None and each is value for key, each in zip(parent.keys, parent.values, strict=True))


def _still_the_literal(module: "Module", expression: ast.expr, literal_node: ast.AST) -> bool:
    """Whether nothing takes entries out of the dictionary again: it is inline, or kept where no such method is called on it."""
    if expression is literal_node:
        return True
    index = module.index
    parent = index.parents.get(literal_node)
    kept: list[ast.expr] = [expression]
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        kept.append(parent.targets[0])
    elif isinstance(expression, ast.Call) and not isinstance(parent, ast.Return):
        return False
    for place in kept:
        loads: list[ast.AST] = []
        if isinstance(place, ast.Name):
            loads.extend(index.name_loads.get(place.id, ()))
        elif isinstance(place, ast.Attribute):
            loads.extend(index.attribute_loads.get(place.attr, ()))
        elif isinstance(place, ast.Subscript) and isinstance(table := _table(place), ast.Name):
            loads.extend(index.name_loads.get(table.id, ()))  # ``SETTINGS["mongo"]["options"]``
        elif not isinstance(place, ast.Call):
            return False
        for load in loads:
            user = index.parents.get(load)
            while isinstance(place, ast.Subscript) and isinstance(user, ast.Subscript) and isinstance(user.ctx, ast.Load):
                user = index.parents.get(user)
            if isinstance(user, ast.Attribute) and user.attr in ("pop", "popitem", "clear", "copy"):
                return False
            if isinstance(user, ast.Subscript) and isinstance(user.ctx, ast.Del):
                return False
    return True


def _table(place: ast.expr) -> ast.expr:
    """What constant keys are looked up in, one after the other."""
    while isinstance(place, ast.Subscript) and isinstance(place.slice, ast.Constant):
        place = place.value
    return place


def _key_node(module: "Module", value: ast.AST) -> ast.AST | None:
    parent = module.index.parents.get(value)
    if isinstance(parent, ast.Dict):
        for key, each in zip(parent.keys, parent.values, strict=True):
            if each is value:
                return key
    if isinstance(parent, ast.keyword):
        return parent
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Subscript):
        return parent.targets[0].slice
    if isinstance(parent, ast.Call) and parent.args:
        return parent.args[0]
    return None


# ---------------------------------------------------------------------- literal texts


def literal(module: "Module", expression: ast.expr) -> tuple[str | None, list[ast.expr]]:
    """The text of an expression, with a hole for every part that is not a literal, and the string nodes it is made of.

    None when nothing of it is known.
    """
    pieces: list[str] = []
    parts: list[ast.expr] = []
    pending: list[tuple[ast.expr, int]] = [(expression, 0)]
    for _ in range(_MAX_PARTS):
        if not pending:
            break
        node, hops = pending.pop()
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, str):
                pieces.append(_HOLE)
            else:
                pieces.append(node.value)
                parts.append(node)
        elif isinstance(node, ast.JoinedStr):
            parts.append(node)
            for value in node.values:
                pieces.append(value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else _HOLE)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            pending.extend(((node.right, hops), (node.left, hops)))
        elif (formatted := _formatted(module, node)) is not None:
            text, part = formatted
            pieces.append(text)
            parts.append(part)
        else:
            meant = _meant(module, node) if hops < 3 else None
            if meant is not None:
                pending.append((meant, hops + 1))
                continue
            values = known(module.values(node))
            if len(values) == 1 and isinstance(values[0], Const) and isinstance(values[0].value, str):
                pieces.append(values[0].value)
                parts.append(_written_as(module, values[0].value) or node)
            else:
                pieces.append(_HOLE)
    else:
        return None, []
    whole = "".join(pieces)
    return (whole, parts) if whole.strip(_HOLE) else (None, [])


def _written_as(module: "Module", text: str) -> ast.Constant | None:
    """The one string of this file that a parameter, an attribute or a setting has its text from; None when several are the same."""
    if "?" not in text:
        return None
    table: dict[str, list[ast.Constant]] = module.remember("uri strings", module.index.module_scope, lambda: _uri_strings(module), {})
    found = table.get(text, [])
    return found[0] if len(found) == 1 else None


def _uri_strings(module: "Module") -> dict[str, list[ast.Constant]]:
    found: dict[str, list[ast.Constant]] = {}
    for node in walk(module.index.tree, into_functions=True):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(_SCHEMES):
            found.setdefault(node.value, []).append(node)
    return found


def _formatted(module: "Module", node: ast.expr) -> tuple[str, ast.expr] | None:
    """The text of ``"…" % x`` and ``"…".format(x)`` with holes, and its literal."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        literal_node, pattern = node.left, _FORMAT
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        literal_node, pattern = node.func.value, _BRACES
    else:
        return None
    meant = _meant(module, literal_node) if isinstance(literal_node, (ast.Name, ast.Attribute)) else literal_node
    literal_node = meant if meant is not None else literal_node
    text = literal_text(literal_node)
    return (pattern.sub(_HOLE, text), literal_node) if text is not None else None


def _bound_text(module: "Module", name: ast.Name) -> ast.expr | None:
    """The expression that a name stands for, when one assignment of this file alone gives it."""
    scope = module.index.scope(name).binder(name.id)
    bindings = scope.bindings[name.id] if scope is not None else []
    if not bindings or bindings[0].how not in ("assign", "ann") or bindings[0].path:
        return None
    value = bindings[0].value
    for more in bindings[1:]:
        value = _appended(module, name, value, bindings[0], more)
    return value if isinstance(value, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Call, ast.Attribute)) else None


def _appended(module: "Module", name: ast.Name, value: ast.AST | None, first: Binding, more: Binding) -> ast.expr | None:
    """What a name stands for after ``name += text`` in the block of its assignment, before its use."""
    index = module.index
    begun, added = index.statement(first.node), index.statement(more.node)
    if not isinstance(added, ast.AugAssign) or not isinstance(added.op, ast.Add) or not isinstance(value, ast.expr):
        return None
    if begun not in index.place or index.place[begun][:2] != index.place[added][:2]:
        return None
    if not (first.position < more.position < (name.lineno, name.col_offset)):
        return None
    return ast.BinOp(left=value, op=added.op, right=added.value)


def _meant(module: "Module", node: ast.expr) -> ast.expr | None:
    """The expression of this file that an expression stands for: a name, an attribute, an entry or a call that has one meaning alone."""
    if isinstance(node, ast.Name):
        return _bound_text(module, node)
    if isinstance(node, ast.Call):
        callees = known(module.values(node.func))
        function = callees[0] if len(callees) == 1 else None
        if not isinstance(function, Function) or function.module is not module:
            return None
        if function.scope.is_async or function.scope.yields or function.scope.decorators:
            return None
        returns = function.scope.returns
        return returns[0] if len(returns) == 1 else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        tables = known(module.values(node.value))
        if len(tables) != 1 or not isinstance(tables[0], Mapping):
            return None
        given = [e for key, e in module.inference.entries(module, node.value, tables[0]) if key == node.slice.value or key is None]
        return given[0].expression if len(given) == 1 and given[0].module is module else None  # type: ignore[return-value]
    if not isinstance(node, ast.Attribute):
        return None
    owners = known(module.values(node.value))
    owner = owners[0] if len(owners) == 1 else None
    if not isinstance(owner, (Class, Instance)):
        return None
    if isinstance(owner, Instance):  # a class that inherits may have another
        derived = module.inference.subclass_names(module, owner.cls.scope.name)
        if any(cls.name in derived and node.attr in cls.bindings for cls in module.index.classes):
            return None
    written: list[ast.AST | None] = []
    for home, scope in module.inference.resolution_order(owner if isinstance(owner, Class) else owner.cls):
        if node.attr in scope.bindings:
            written.extend(
                b.value if home is module and b.how in ("assign", "ann") and not b.path else None for b in scope.bindings[node.attr]
            )
    for store in module.index.attribute_stores.get(node.attr, ()):
        written.append(store.value if store.how in ("assign", "ann") and not store.path else None)
    if len(written) != 1:
        return None
    return written[0] if isinstance(written[0], ast.expr) else None


def _of_uri(module: "Module", query: str, parts: list[ast.expr]) -> list[Option]:
    found = []
    for item in re.split("[&;]", query):
        key, equals, value = item.partition("=")
        if not equals or not key or _HOLE in key:
            continue
        node, span = _place_in(module, key, parts)
        found.append(Option(key, UNKNOWN_VALUE if _HOLE in value else unquote_plus(value), span, URI, node))
    return found


def _place_in(module: "Module", key: str, parts: list[ast.expr]) -> tuple[ast.expr, Span]:
    """The string that holds an option of a URI, and where the option stands in it."""
    pattern = re.compile(rf"(?<![\w]){re.escape(key)}(?==)")
    for node in parts:
        whole = module.source.span(node)
        for line in range(whole.line, whole.end_line + 1):
            text = module.source.lines[line - 1]
            first = whole.col if line == whole.line else 0
            last = whole.end_col if line == whole.end_line else len(text)
            match = pattern.search(text, first, last)
            if match is not None:
                return node, Span(line, match.start(), line, match.end())
    whole = module.source.span(parts[-1])
    return parts[-1], whole


# ---------------------------------------------------------------------- unknown options


def option_uses(module: "Module") -> list[OptionUse]:
    """The options that the driver of some targeted release does not know, or ignores."""
    found = []
    for client in module.facts(ClientCall):
        for option in client.options:
            use = _judge(client, option)
            if use is not None and not tested(module, client.call) and not (option.where == URI and expects_warning(module, client.call)):
                found.append(use)
    return found


def _judge(client: ClientCall, option: Option) -> OptionUse | None:
    key = option.key
    if key.startswith("_") or not key.isascii() or (client.flavour == "motor" and key == "io_loop"):
        return None
    target = client.target
    answer = api.option(key, target)
    if option.where == URI and option.lower in _NOT_IN_URI and answer.status in (Status.OK, Status.SOME):
        if target.pymongo & api.since("pymongo", "3.13"):
            spelled = _NOT_IN_URI[option.lower]
            return OptionUse(client, option, answer, KEYWORD_ONLY, spelled if spelled in api.option_names(target) else "")
    if answer.status is Status.OK:
        ignored = renames.IGNORED_OPTIONS.get(option.lower)
        if ignored and target.pymongo & api.since("pymongo", ignored):
            return OptionUse(client, option, answer._replace(until=ignored), IGNORED, "")
        return None
    problem = problem_of(answer, target.pymongo)
    if not problem or (problem == NONEXISTENT and "pymongo" in target.beyond):
        return None
    return OptionUse(client, option, answer, problem, api.suggest_option(key, target))


# ---------------------------------------------------------------------- values


_NOT_IN_URI = {
    "authoidcallowedhosts": "",
    "auto_encryption_opts": "",
    "document_class": "",
    "enable_overload_retargeting": "enableOverloadRetargeting",
    "event_listeners": "",
    "max_adaptive_retries": "maxAdaptiveRetries",
    "password": "",
    "read_preference": "readPreference",
    "server_selector": "",
    "srv_host_validator": "",
    "type_registry": "",
    "tzinfo": "",
    "username": "",
}
"""Options that are keyword arguments only, with the one a URI has instead: there the driver calls them unknown (seen with 3.13, 4.6 and 4.20)."""

_NUMBER = (int, float)
_READ_MODES = frozenset(("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"))
_UUIDS = frozenset(("unspecified", "standard", "pythonLegacy", "javaLegacy", "csharpLegacy"))
_MECHANISMS = frozenset(
    ("GSSAPI", "MONGODB-CR", "MONGODB-OIDC", "MONGODB-X509", "MONGODB-AWS", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "DEFAULT")
)
_MODES = frozenset(("auto", "stream", "poll"))
_DECODING = frozenset(("strict", "replace", "backslashreplace", "surrogateescape", "ignore"))
_CHOICES: dict[str, frozenset[str]] = {
    "validate_read_preference_mode": _READ_MODES,
    "validate_uuid_representation": _UUIDS,
    "validate_auth_mechanism": _MECHANISMS,
    "validate_server_monitoring_mode": _MODES,
    "validate_unicode_decode_error_handler": _DECODING,
}
_INTEGERS: dict[str, tuple[int | None, bool]] = {
    "validate_non_negative_integer": (0, False),
    "validate_non_negative_integer_or_none": (0, True),
    "validate_positive_integer": (1, False),
    "validate_integer": (None, False),
}
"""Validator -> smallest integer, whether None is accepted."""
_TIMES: dict[str, tuple[bool, bool]] = {
    "validate_timeout_or_none": (True, False),
    "validate_timeout_or_none_or_zero": (True, True),
    "validate_timeout_or_zero": (False, True),
    "validate_timeoutms": (True, True),
    "validate_positive_float_or_zero": (False, True),
}
"""Validator -> whether None, whether 0 is accepted."""
_INSTANCES = {
    "validate_auto_encryption_opts_or_none": "must be AutoEncryptionOpts",
    "validate_driver_or_none": "must be a DriverInfo",
    "validate_server_api_or_none": "must be a ServerApi",
    "validate_type_registry": "must be a TypeRegistry",
    "validate_is_callable_or_none": "must be a callable",
    "validate_tzinfo": "must be a tzinfo",
}
"""Validators of options that take an object or None: no literal will do."""
_CONVERSIONS = frozenset(("DATETIME", "DATETIME_CLAMP", "DATETIME_MS", "DATETIME_AUTO"))
_COMPRESSORS = frozenset(("snappy", "zlib", "zstd"))
_REQUIRES_USERNAME = frozenset(("GSSAPI", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"))
_NEED_TLS = ("tlscertificatekeyfile", "tlscertificatekeyfilepassword", "tlscafile", "tlscrlfile")
_NEED_TLS_WHEN_FALSE = ("tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlsdisableocspendpointcheck")
"""What the driver refuses beside ``tls=False``: a file, and a check that is asked for (seen on 3.13 to 4.20)."""
_NO_PASSWORD = frozenset(("GSSAPI", "MONGODB-X509", "MONGODB-OIDC"))
_NO_MAPPINGS = frozenset(f"builtins.{name}" for name in ("bool", "bytes", "float", "int", "list", "object", "set", "str", "tuple"))
_LARGEST = 1_000_000_000
_LONGEST_NAME = 128
_MIN_HEARTBEAT = 500
_DEFAULT_MAX_POOL = 100


def refusal(key: str, value: object) -> str:
    """Why the driver refuses a literal value of an option; empty when it accepts it, or when it cannot be told."""
    if value is UNKNOWN_VALUE:
        return ""
    validator = api.option_validator(key)
    if validator in _INTEGERS:
        return _integer(value, *_INTEGERS[validator])
    if validator in _TIMES:
        reason = _time(value, *_TIMES[validator])
        if not reason and key.lower() == "heartbeatfrequencyms" and _float(value) < _MIN_HEARTBEAT:
            return f"must be at least {_MIN_HEARTBEAT}"
        return reason
    if validator in _CHOICES:
        if not isinstance(value, str) or value not in _CHOICES[validator]:
            return f"must be one of {', '.join(sorted(_CHOICES[validator]))}"
        return ""
    if validator in _INSTANCES:
        return "" if value is None else _INSTANCES[validator]
    if validator == "validate_boolean_or_string":
        return "" if value is None and key in ("connect", "tz_aware") else _boolean(value)
    if validator == "validate_non_negative_int_or_basestring":
        if isinstance(value, (float, list, dict)) or value is None:
            return "must be an integer or a string"
        return "must not be negative" if _float(value) < 0 else ""
    if validator == "validate_max_staleness":
        return "" if value in (-1, "-1") else _integer(value, 1, none=False)
    if validator == "validate_zlib_compression_level":
        reason = "" if isinstance(value, float) else _integer(value, -1, none=False)
        return reason or ("must be between -1 and 9" if _float(value) > 9 else "")
    return _refused_object(key.lower(), validator, value)


def _refused_object(key: str, validator: str, value: object) -> str:
    """The same for options that take texts, names and objects."""
    plain = isinstance(value, (*_NUMBER, str))
    if validator in ("validate_string", "validate_string_or_none"):
        refused = isinstance(value, (*_NUMBER, list, dict)) or (value is None and validator == "validate_string")
        return "must be a string" if refused else ""
    if validator == "validate_appname_or_none":
        if isinstance(value, str):
            return f"must be at most {_LONGEST_NAME} bytes long" if len(value.encode()) > _LONGEST_NAME else ""
        return "" if value is None else "must be a string"
    if validator == "validate_readable":
        return "must be the path of a file" if isinstance(value, (*_NUMBER, list, dict)) else ""
    if validator == "validate_list":
        return "" if isinstance(value, list) else "must be a list"
    if validator == "_validate_event_listeners":
        return "must be a list of listeners" if value is None or value == {} or (plain and value != "") else ""
    if validator == "validate_document_class":
        return "must be a class" if plain and value else ""
    if key == "port":
        return "" if value is None or isinstance(value, int) else "must be an integer"
    if validator == "validate_read_preference":
        return "must be a read preference such as ReadPreference.SECONDARY; a string is readPreference="
    if validator == "validate_read_preference_tags":
        items = value if isinstance(value, list) else [value]
        wrong = any(item is not UNKNOWN_VALUE and (not isinstance(item, str) or (item != "" and ":" not in item)) for item in items)
        return "must be strings such as 'dc:ny,rack:1'" if wrong else ""
    if validator == "validate_compressors":
        if isinstance(value, str):
            unknown = [name for name in (part.strip() for part in value.split(",")) if name and name not in _COMPRESSORS]
            return f"has the unsupported compressor '{unknown[0]}'" if unknown else ""
        return "" if isinstance(value, (list, dict)) else "must be a string or a list"
    if validator == "validate_auth_mechanism_properties":
        if isinstance(value, str):
            return "" if ":" in value else "must be key:value pairs"
        return "" if isinstance(value, dict) else "must be a string or a dictionary"
    if validator == "validate_datetime_conversion":
        if isinstance(value, str):
            fine = value in _CONVERSIONS or (value.isdigit() and 1 <= int(value) <= len(_CONVERSIONS))
        else:
            fine = value is None or (isinstance(value, int) and 1 <= value <= len(_CONVERSIONS))
        return "" if fine else f"must be one of {', '.join(sorted(_CONVERSIONS))}"
    return ""


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0


def _integer(value: object, smallest: int | None, none: bool) -> str:
    if value is None:
        return "" if none else "must be an integer"
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return "must be an integer"
    if not isinstance(value, int):
        return "must be an integer"
    if smallest is not None and value < smallest:
        return "must not be negative" if smallest == 0 else f"must be at least {smallest}"
    return ""


def _time(value: object, none: bool, zero: bool) -> str:
    if value is None:
        return "" if none else "must be a number"
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "must be a number"
    if number == 0 and zero:
        return ""
    return "" if 0 < number < _LARGEST else "must be greater than 0 and less than one billion"


def _boolean(value: object) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return "" if value in ("true", "false") else "must be true or false"
    return "must be True or False"


def option_values(module: "Module") -> list[OptionValue]:
    """The literal values that the driver refuses."""
    four = api.since("pymongo", "4.0")
    found: list[OptionValue] = []
    for client in module.facts(ClientCall):
        if tested(module, client.call):
            continue
        first = len(found)
        bad = set()
        for option in client.options:
            if api.option(option.key, client.target).status is not Status.OK:
                continue
            if option.where == URI and option.lower in _NOT_IN_URI:
                continue
            reason = _refused_name(module, option) or refusal(option.key, option.value)
            if not reason and option.lower == "maxpoolsize" and option.value in (0, "0") and not client.target.pymongo & four:
                reason = "must be a positive integer before PyMongo 4.0"
            if reason:
                bad.add(option.lower)
                ignored = option.where == URI and option.lower != "datetime_conversion"
                ignored = ignored or (option.lower == "compressors" and isinstance(option.value, str))
                found.append(OptionValue(option.span, f"{option.key}={_shown(option)} is refused, it {reason}", ignored))
        found.extend(_contradictions(module, client, bad))
        if any(value.ignored for value in found[first:]) and expects_warning(module, client.call):
            found[first:] = [value for value in found[first:] if not value.ignored]
    return found


def _refused_name(module: "Module", option: Option) -> str:
    """``document_class=list``; ``readPreference=ReadPreference.SECONDARY``: the option is a text, its twin takes the object."""
    if option.lower == "document_class" and isinstance(option.expression, ast.Name):
        values = known(module.values(option.expression))
        if len(values) == 1 and isinstance(values[0], External) and values[0].path in _NO_MAPPINGS:
            return "must be a mapping class such as dict"
    if option.lower != "readpreference" or not isinstance(option.expression, ast.Attribute):
        return ""
    values = known(module.values(option.expression.value))
    if len(values) == 1 and isinstance(values[0], External) and values[0].path.endswith(".ReadPreference"):
        if values[0].path.partition(".")[0] in api.PACKAGES:
            return f"must be a string: write read_preference={last_name(option.expression.value)}.{option.expression.attr}"
    return ""


def _shown(option: Option) -> str:
    if option.value is UNKNOWN_VALUE or isinstance(option.value, (list, dict)):
        return "…" if option.expression is None else text_of(option.expression, 40)
    text = str(option.value) if option.where == URI else repr(option.value)
    return text if len(text) <= 40 else text[:38] + "…" + (text[-1] if text[0] in "'\"" else "")


def _true(option: Option | None) -> bool:
    return option is not None and (option.value is True or option.value == "true")


def _false(option: Option | None) -> bool:
    return option is not None and (option.value is False or option.value == "false")


def _whole(option: Option | None) -> int | None:
    if option is None or option.value is UNKNOWN_VALUE or isinstance(option.value, float):
        return None
    try:
        return int(option.value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return None


def _contradictions(module: "Module", client: ClientCall, bad: set[str]) -> list[OptionValue]:
    found: list[OptionValue] = []

    def report(option: Option, text: str, *, ignored: bool = False) -> None:
        found.append(OptionValue(option.span, text, ignored))

    least, most = client.get("minpoolsize"), client.get("maxpoolsize")
    if least is not None and not bad & {"minpoolsize", "maxpoolsize"}:
        low, high = _whole(least), _whole(most)
        if most is None and client.complete:
            high = _DEFAULT_MAX_POOL
        if low is not None and high and low > high:
            default = "" if most is not None else "the default "
            report(least, f"minPoolSize={low} is more than {default}maxPoolSize={high}")
    direct = client.get("directconnection")
    balanced = client.get("loadbalanced")
    srv = client.hosts is not None and client.hosts.startswith("mongodb+srv:")
    if direct is not None and _true(direct):
        if _true(balanced):
            report(direct, "directConnection=True and loadBalanced=True exclude each other")
        elif srv or client.count > 1:
            report(direct, "directConnection=True allows one host only")
    replica_set = client.get("replicaset")
    if balanced is not None and _true(balanced):
        if replica_set is not None and replica_set.value not in (None, UNKNOWN_VALUE):
            report(balanced, "loadBalanced=True and replicaSet exclude each other")
        elif client.count > 1 and not srv:
            report(balanced, "loadBalanced=True allows one host only")
    journal = client.get("journal", "j")
    if journal is not None and _true(journal):
        if _whole(client.get("w")) == 0:
            report(journal, "w=0 asks for no acknowledgement and journal=True for one")
        elif _true(client.get("fsync")):
            report(journal, "journal=True and fsync=True exclude each other")
    tls, ssl = client.get("tls"), client.get("ssl")
    if tls is not None and ssl is not None and ((_true(tls) and _false(ssl)) or (_false(tls) and _true(ssl))):
        report(max(tls, ssl, key=lambda option: (option.span.line, option.span.col)), "tls and ssl are two names of one option and differ")
    disabled = client.get("tls", "ssl")
    if _false(disabled) and not (tls is not None and ssl is not None):
        for key in (*_NEED_TLS, *_NEED_TLS_WHEN_FALSE):
            option = client.get(key)
            if option is not None and (_false(option) if key in _NEED_TLS_WHEN_FALSE else isinstance(option.value, str) and option.value):
                report(option, f"{option.key} needs tls=True")
    if client.get("tlsinsecure") is not None:
        for key in ("tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlsdisableocspendpointcheck"):
            other = client.get(key)
            if other is not None:
                report(other, f"tlsInsecure and {other.key} exclude each other")
    _srv_contradictions(client, bad, report, srv=srv)
    _read_contradictions(module, client, bad, report)
    _login_contradictions(client, bad, report)
    seen: dict[str, str] = {}
    for option in client.options:
        if option.where == URI and option.lower != "readpreferencetags":
            if option.lower in seen and option.lower not in bad:
                report(option, f"{option.key} stands twice in the URI", ignored=True)
            seen[option.lower] = option.key
    return found


def _srv_contradictions(client: ClientCall, bad: set[str], report: Callable[..., None], *, srv: bool) -> None:
    """Options that only a ``mongodb+srv`` URI may have."""
    most = client.get("srvmaxhosts")
    limited = most is not None and "srvmaxhosts" not in bad and (_whole(most) or 0) > 0
    if client.hosts is not None and not srv:
        for key in ("srvmaxhosts", "srvservicename", "srvallowedhostssuffix"):
            option = client.get(key)
            if option is None or key in bad or option.value is UNKNOWN_VALUE:
                continue
            if limited if key == "srvmaxhosts" else option.where == URI and option.value != "mongodb":
                report(option, f"{option.key} needs a mongodb+srv:// URI")
    elif srv and most is not None and limited:
        replica_set = client.get("replicaset")
        if replica_set is not None and replica_set.value not in (None, "", UNKNOWN_VALUE):
            report(most, f"{most.key} and {replica_set.key} exclude each other")


def _read_contradictions(module: "Module", client: ClientCall, bad: set[str], report: Callable[..., None]) -> None:
    """What reads from the primary cannot have, and a time zone without ``tz_aware``."""
    mode = client.get("readpreference", "read_preference")
    primary = (client.complete and mode is None) or (mode is not None and mode.value == "primary")
    stale, tags = client.get("maxstalenessseconds"), client.get("readpreferencetags")
    if primary and stale is not None and "maxstalenessseconds" not in bad and (_whole(stale) or 0) > 0:
        report(stale, f"{stale.key} needs a read preference other than primary")
    if primary and tags is not None and "readpreferencetags" not in bad and isinstance(tags.value, str) and tags.value:
        report(tags, f"{tags.key} needs a read preference other than primary")
    zone, aware = client.get("tzinfo"), client.get("tz_aware")
    if zone is not None and zone.where == KEYWORD:
        meant = _bound_text(module, zone.expression) if isinstance(zone.expression, ast.Name) else zone.expression
        certain = isinstance(meant, ast.Call) or (isinstance(meant, ast.Attribute) and meant.attr.lower() == "utc")
        if certain and (_false(aware) or (aware is None and client.complete)):
            report(zone, "tzinfo needs tz_aware=True")


def _login_contradictions(client: ClientCall, bad: set[str], report: Callable[..., None]) -> None:
    """A user without a password, and a mechanism without a user."""
    if not client.complete or (client.hosts is not None and ("@" in client.hosts or _HOLE in client.hosts)):
        return
    user, password, mechanism = client.get("username"), client.get("password"), client.get("authmechanism")
    if mechanism is not None and (mechanism.value is UNKNOWN_VALUE or "authmechanism" in bad):
        return
    named = mechanism.value if mechanism is not None else None
    if user is None:
        if mechanism is not None and named in _REQUIRES_USERNAME:
            report(mechanism, f"authMechanism={named} needs a username")
    elif user.where != URI and isinstance(user.value, str) and user.value and named not in _NO_PASSWORD:
        if password is None or password.value in (None, ""):
            report(user, "username needs a password")


PRODUCERS[ClientCall] = client_calls
PRODUCERS[OptionUse] = option_uses
PRODUCERS[OptionValue] = option_values

__all__ = ["IGNORED", "NEW", "NONEXISTENT", "REMOVED", "ClientCall", "Option", "OptionUse", "OptionValue"]
