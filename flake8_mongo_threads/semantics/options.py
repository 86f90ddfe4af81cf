"""The facts of the rules about client options: every option that certainly reaches a client, with its literal value.

Options come as keyword arguments, in a literal URI (f-strings, concatenation and formatting of literals too) and in a
dictionary that is unpacked into the call and written out in the same file.
"""

import ast
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from flake8_mongo_threads.driver import api, kinds, renames
from flake8_mongo_threads.driver.api import Answer, Status, Target
from flake8_mongo_threads.driver.renames import Replacement
from flake8_mongo_threads.driver.targets import target_for
from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.semantics.facts import PRODUCERS
from flake8_mongo_threads.semantics.guards import expects_failure, tested
from flake8_mongo_threads.semantics.names import NEW, NONEXISTENT, REMOVED, is_driver_source, problem_of
from flake8_mongo_threads.semantics.syntax import argument, literal_text
from flake8_mongo_threads.semantics.values import Class, Const, External, Mapping, Partial, Value, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

IGNORED = "ignored"

KEYWORD = "keyword"
URI = "uri"
ENTRY = "entry"

_HOLE = "\0"
"""Stands in a text for a part that is not a literal."""
_MAX_PARTS = 200
_FORMAT = re.compile(r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[sdr]")
_BRACES = re.compile(r"\{[^{}]*\}")
_SCHEMES = ("mongodb://", "mongodb+srv://")


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
    """The literal value (always text in a URI), or ``UNKNOWN_VALUE``."""
    span: Span
    where: str
    """keyword, uri or entry (of a dictionary)."""
    node: ast.AST
    """The keyword, the string, or the key in the dictionary."""

    @property
    def lower(self) -> str:
        """The key as the driver compares it."""
        return self.key.lower()


class ClientCall:
    """A call that makes a client, with the options that can be read."""

    __slots__ = ("call", "complete", "flavour", "hosts", "options", "target")

    def __init__(self, call: ast.Call, flavour: str, options: list[Option], hosts: str | None, target: Target, *, complete: bool) -> None:
        self.call = call
        self.flavour = flavour
        self.options = options
        self.hosts = hosts
        """The URI up to its options, when it is a literal; None when there is no URI."""
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
        """nonexistent, removed, new or ignored."""
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
    uri: bool


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
    if not module.may_build or is_driver_source(module):
        return []
    target: Target | None = None
    found = []
    seen: set[ast.AST] = set()
    for call, _, value in module.calls.constructions:
        if call in seen:
            continue
        flavour = ""
        skip = 0
        if isinstance(value, External) and value.path == "functools.partial" and call.args:
            callees = known(module.values(call.args[0]))
            flavour = _client_flavour(module, callees[0]) if len(callees) == 1 else ""
            skip = 1
        elif not isinstance(value, Partial):
            flavour = _client_flavour(module, value)
        if not flavour:
            continue
        seen.add(call)
        if expects_failure(module, call):
            continue
        if target is None:
            target = target_for(module.location, module.project.config)
        found.append(_read(module, call, flavour, target, skip))
    return found


def _read(module: "Module", call: ast.Call, flavour: str, target: Target, skip: int) -> ClientCall:
    options: list[Option] = []
    complete = not skip and not any(isinstance(arg, ast.Starred) for arg in call.args)
    host = argument(call, skip, "host")
    hosts: str | None = None
    if host is not None:
        for each in host.elts if isinstance(host, (ast.List, ast.Tuple)) else [host]:
            text, parts = literal(module, each)
            if text is None or (_HOLE in text and not text.startswith(_SCHEMES)):
                complete = False
            elif text.startswith(_SCHEMES):
                head, _, query = text.partition("?")
                hosts = head
                options.extend(_of_uri(module, query, parts))
                if query.rpartition("=")[0].endswith(_HOLE) or query.startswith(_HOLE) or f"&{_HOLE}" in query:
                    complete = False
    for item in call.keywords:
        if item.arg is None:
            entries = _entries(module, item.value)
            if entries is None:
                complete = False
            else:
                options.extend(entries)
        elif item.arg != "host":
            span = module.source.span(item)
            name = Span(span.line, span.col, span.line, span.col + len(item.arg))
            options.append(Option(item.arg, value_of(item.value), name, KEYWORD, item))
    return ClientCall(call, flavour, options, hosts, target, complete=complete)


def value_of(node: ast.AST | None) -> object:
    """The value of a literal (None included), or ``UNKNOWN_VALUE``."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        if isinstance(node.operand.value, (int, float)):
            return -node.operand.value
    return UNKNOWN_VALUE


def _entries(module: "Module", expression: ast.expr) -> list[Option] | None:
    """The options of a dictionary that is unpacked into the call; None when there may be others."""
    values = known(module.values(expression))
    if len(values) != 1 or not isinstance(values[0], Mapping):
        return None
    mapping = values[0]
    if mapping.site is None or mapping.site.module is not module or not _still_the_literal(module, expression, mapping.site.node):
        return None
    found = []
    for key, element in module.inference.entries(module, expression, mapping):
        if not isinstance(key, str):
            return None
        place = _key_node(module, element.expression) if element.expression is not None and element.module is module else None
        if place is None:
            return None
        span = module.source.span(place)
        if isinstance(place, ast.keyword):
            span = Span(span.line, span.col, span.line, span.col + len(key))
        found.append(Option(key, value_of(element.expression), span, ENTRY, place))
    return found


def _still_the_literal(module: "Module", expression: ast.expr, literal_node: ast.AST) -> bool:
    """Whether nothing takes entries out of the dictionary again: it is inline, or a name on which no such method is called."""
    if expression is literal_node:
        return True
    if not isinstance(expression, ast.Name):
        return isinstance(expression, ast.Attribute)
    for load in module.index.name_loads.get(expression.id, ()):
        parent = module.index.parents.get(load)
        if isinstance(parent, ast.Attribute) and parent.attr in ("pop", "popitem", "clear", "copy"):
            return False
        if isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Del):
            return False
    return True


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
        elif (formatted := _formatted(node)) is not None:
            text, part = formatted
            pieces.append(text)
            parts.append(part)
        else:
            meant = _bound_text(module, node) if hops < 3 and isinstance(node, ast.Name) else None
            if meant is not None:
                pending.append((meant, hops + 1))
                continue
            values = known(module.values(node))
            if len(values) == 1 and isinstance(values[0], Const) and isinstance(values[0].value, str):
                pieces.append(values[0].value)
                parts.append(node)
            else:
                pieces.append(_HOLE)
    else:
        return None, []
    whole = "".join(pieces)
    return (whole, parts) if whole.strip(_HOLE) else (None, [])


def _formatted(node: ast.expr) -> tuple[str, ast.expr] | None:
    """The text of ``"…" % x`` and ``"…".format(x)`` with holes, and its literal."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        literal_node, pattern = node.left, _FORMAT
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        literal_node, pattern = node.func.value, _BRACES
    else:
        return None
    text = literal_text(literal_node)
    return (pattern.sub(_HOLE, text), literal_node) if text is not None else None


def _bound_text(module: "Module", name: ast.Name) -> ast.expr | None:
    """The expression that a name stands for, when one assignment of this file alone gives it."""
    scope = module.index.scope(name)
    while True:
        bindings = scope.bindings.get(name.id)
        if bindings:
            if len(bindings) != 1 or bindings[0].how not in ("assign", "ann") or bindings[0].path:
                return None
            value = bindings[0].value
            return value if isinstance(value, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.Call)) else None
        if scope.parent is None:
            return None
        scope = scope.parent


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
            if use is not None and not tested(module, client.call):
                found.append(use)
    return found


def _judge(client: ClientCall, option: Option) -> OptionUse | None:
    key = option.key
    if key.startswith("_") or not key.isascii() or (client.flavour == "motor" and key == "io_loop"):
        return None
    target = client.target
    answer = api.option(key, target)
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
        if not reason and key.lower() == "heartbeatfrequencyms" and value is not None and _float(value) < _MIN_HEARTBEAT:
            return f"must be at least {_MIN_HEARTBEAT}"
        return reason
    if validator in _CHOICES:
        if isinstance(value, str) and value not in _CHOICES[validator]:
            return f"must be one of {', '.join(sorted(_CHOICES[validator]))}"
        return ""
    if validator == "validate_boolean_or_string":
        return _boolean(value)
    if validator == "validate_non_negative_int_or_basestring":
        if isinstance(value, float) or value is None:
            return "must be an integer or a text"
        return "must not be negative" if _float(value) < 0 else ""
    if validator == "validate_max_staleness":
        return "" if value in (-1, "-1") else _integer(value, 1, none=False)
    if validator == "validate_zlib_compression_level":
        reason = _integer(value, -1, none=False)
        return reason or ("must be between -1 and 9" if _float(value) > 9 else "")
    if validator in ("validate_string", "validate_string_or_none"):
        return "must be a text" if isinstance(value, _NUMBER) else ""
    if validator == "validate_appname_or_none" and isinstance(value, str) and len(value.encode()) > _LONGEST_NAME:
        return f"must be at most {_LONGEST_NAME} bytes long"
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
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return "" if value in ("true", "false") else "must be true or false"
    return "must be True or False"


def option_values(module: "Module") -> list[OptionValue]:
    """The literal values that the driver refuses."""
    found = []
    for client in module.facts(ClientCall):
        if tested(module, client.call):
            continue
        bad = set()
        for option in client.options:
            if api.option(option.key, client.target).status is not Status.OK:
                continue
            reason = refusal(option.key, option.value)
            if reason:
                bad.add(option.lower)
                found.append(OptionValue(option.span, f"{option.key}={_shown(option)} is refused, it {reason}", option.where == URI))
        found.extend(_contradictions(client, bad))
    return found


def _shown(option: Option) -> str:
    text = str(option.value) if option.where == URI else repr(option.value)
    return text if len(text) <= 40 else text[:39] + "…"


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


def _contradictions(client: ClientCall, bad: set[str]) -> list[OptionValue]:
    found: list[OptionValue] = []

    def report(option: Option, text: str) -> None:
        found.append(OptionValue(option.span, text, uri=False))

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
    if direct is not None and _true(direct):
        if _true(balanced):
            report(direct, "directConnection=True and loadBalanced=True exclude each other")
        elif client.hosts is not None and (client.hosts.startswith("mongodb+srv:") or "," in client.hosts.rpartition("@")[2]):
            report(direct, "directConnection=True allows one host only")
    replica_set = client.get("replicaset")
    if balanced is not None and _true(balanced) and replica_set is not None and replica_set.value not in (None, UNKNOWN_VALUE):
        report(balanced, "loadBalanced=True and replicaSet exclude each other")
    journal = client.get("journal", "j")
    if journal is not None and _true(journal) and _whole(client.get("w")) == 0:
        report(journal, "w=0 asks for no acknowledgement and journal=True for one")
    tls, ssl = client.get("tls"), client.get("ssl")
    if tls is not None and ssl is not None and ((_true(tls) and _false(ssl)) or (_false(tls) and _true(ssl))):
        report(max(tls, ssl, key=lambda option: (option.span.line, option.span.col)), "tls and ssl are two names of one option and differ")
    insecure = client.get("tlsinsecure")
    if insecure is not None:
        for key in ("tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlsdisableocspendpointcheck"):
            other = client.get(key)
            if other is not None and other.where == insecure.where == URI:
                report(other, f"tlsInsecure and {other.key} exclude each other")
    return found


PRODUCERS[ClientCall] = client_calls
PRODUCERS[OptionUse] = option_uses
PRODUCERS[OptionValue] = option_values

__all__ = ["IGNORED", "NEW", "NONEXISTENT", "REMOVED", "ClientCall", "Option", "OptionUse", "OptionValue"]
