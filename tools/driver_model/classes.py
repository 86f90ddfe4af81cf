"""One class statement to a ClassRecord."""

import ast
from collections.abc import Callable, Iterator

from tools.driver_model.records import ClassRecord, MemberRecord
from tools.driver_model.syntax import (
    annotated_class,
    assignment,
    bound_names,
    dotted,
    executed,
    is_deprecated,
    last_name,
    literal_strings,
    signature,
)

Resolve = Callable[[str | None], str | None]

_MOTOR_FACTORIES = {
    "Async": "A",
    "AsyncCommand": "A",
    "AsyncRead": "A",
    "AsyncWrite": "A",
    "CachedMethod": "D",
    "DelegateMethod": "D",
    "MotorCursorChainingMethod": "C",
    "ReadOnlyProperty": "P",
    "ReadOnlyPropertyDescriptor": "P",
    "ReadWriteProperty": "P",
}
_PROPERTIES = ("property", "cached_property", "abstractproperty")
_COROUTINES = ("coroutine", "coroutine_annotation")
_DYNAMIC = {"__getattr__": "getattr", "__getattribute__": "getattr", "__setattr__": "setattr", "__getitem__": "getitem"}


def _motor_kind(value: ast.expr | None) -> str | None:
    """Of ``AsyncRead().wrap(Cursor)`` the kind of member that Motor makes of it."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in ("wrap", "unwrap"):
        value = value.func.value
    return _MOTOR_FACTORIES.get(last_name(value.func)) if isinstance(value, ast.Call) else None


def _forward(function: ast.FunctionDef | ast.AsyncFunctionDef, resolve: Resolve) -> str:
    """``C:path:n``, ``self:name:n`` or ``super:name:n`` of a function that hands ``*args, **kwargs`` on as they are.

    ``n`` is the number of positional arguments that it puts before them.
    """
    positional, keywords = function.args.vararg, function.args.kwarg
    if positional is None or keywords is None:
        return ""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        star = node.args[-1]
        named = [keyword for keyword in node.keywords if keyword.arg is not None]
        if named or not isinstance(star, ast.Starred) or dotted(star.value) != positional.arg:
            continue
        if not any(keyword.arg is None and dotted(keyword.value) == keywords.arg for keyword in node.keywords):
            continue
        callee = dotted(node.func)
        if callee is None:
            continue
        before = len(node.args) - 1
        receiver, _, name = callee.rpartition(".")
        if receiver in ("self", "super"):
            return f"{receiver}:{name}:{before}"
        path = resolve(callee)
        if path is not None:
            return f"C:{path}:{before}"
    return ""


def _function_member(function: ast.FunctionDef | ast.AsyncFunctionDef, decorators: list[str], resolve: Resolve) -> MemberRecord:
    coroutine = isinstance(function, ast.AsyncFunctionDef) or any(name in _COROUTINES for name in decorators)
    flags = ""
    if "staticmethod" in decorators:
        flags += "s"
    if "classmethod" in decorators:
        flags += "c"
    if is_deprecated(function):
        flags += "!"
    named = annotated_class(function.returns)
    returns = "Self" if named and named.rpartition(".")[2] == "Self" else resolve(named)
    if any(name in _PROPERTIES for name in decorators):
        return MemberRecord("p", None, returns, flags + ("a" if coroutine else ""))
    text = signature(function.args, "s" not in flags)
    return MemberRecord("a" if coroutine else "m", text, returns, flags, _forward(function, resolve))


def _namedtuple_fields(arguments: list[ast.expr]) -> Iterator[str]:
    for argument in arguments:
        names = literal_strings(argument)
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            names = argument.value.replace(",", " ").split()
        if not names and isinstance(argument, ast.List):
            names = [
                element.elts[0].value
                for element in argument.elts
                if isinstance(element, ast.Tuple) and isinstance(element.elts[0], ast.Constant) and isinstance(element.elts[0].value, str)
            ]
        yield from names or ()


def namedtuple_record(call: ast.Call) -> ClassRecord:
    """The class that ``X = namedtuple("X", fields)`` makes."""
    return ClassRecord(("tuple",), {name: MemberRecord("v") for name in _namedtuple_fields(call.args[1:2])}, (), None)


def class_record(node: ast.ClassDef, resolve: Resolve, sync: bool | None) -> ClassRecord:
    """Everything a class statement says. ``resolve`` turns a dotted expression of its module into the path of a class."""
    members: dict[str, MemberRecord] = {}
    dynamic: set[str] = set()
    bases = []
    for base in node.bases:
        inner = base.value if isinstance(base, ast.Subscript) else base
        name = dotted(inner)
        if name is None and isinstance(inner, ast.Call):
            name = dotted(inner.func)  # with_metaclass(...), namedtuple(...)
            if name and name.endswith("namedtuple"):
                members.update((field, MemberRecord("v")) for field in _namedtuple_fields(inner.args[1:]))
        if name:
            bases.append(resolve(name) or name)
    delegate = None
    for statement in executed(node.body, sync):
        assigned = assignment(statement)
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            full = [dotted(each.func if isinstance(each, ast.Call) else each) or "" for each in statement.decorator_list]
            decorators = [each.rpartition(".")[2] for each in full]
            if "overload" in decorators or any(each.endswith((".setter", ".deleter")) for each in full):
                continue
            members[statement.name] = _function_member(statement, decorators, resolve)
            if statement.name in _DYNAMIC:
                dynamic.add(_DYNAMIC[statement.name])
        elif isinstance(statement, ast.ClassDef):
            members[statement.name] = MemberRecord("k")
        elif assigned is not None:
            found = _assigned_members(*assigned, members)
            members.update(found)
            if any(dotted(each) == "__delegate_class__" for each in assigned[0]) and assigned[1] is not None:
                delegate = resolve(dotted(assigned[1])) or dotted(assigned[1])
        elif isinstance(statement, ast.For):
            for name in bound_names(statement.target):
                members.setdefault(name, MemberRecord("v"))
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                members.setdefault((alias.asname or alias.name).split(".")[0], MemberRecord("v"))
        elif isinstance(statement, ast.Delete):
            for each in statement.targets:
                for name in bound_names(each):
                    members.pop(name, None)
    for statement in executed(node.body, sync):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.args.args:
            _instance_attributes(statement, members, dynamic)
    return ClassRecord(tuple(bases), members, tuple(sorted(dynamic)), delegate)


def _assigned_members(targets: list[ast.expr], value: ast.expr | None, members: dict[str, MemberRecord]) -> dict[str, MemberRecord]:
    out: dict[str, MemberRecord] = {}
    for target in targets:
        for name in bound_names(target):
            if name == "__slots__":
                single = [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) else []
                for slot in literal_strings(value) or single:
                    if slot not in members:
                        out[slot] = MemberRecord("i")
                continue
            motor = _motor_kind(value)
            if motor:
                out[name] = MemberRecord(motor)
            elif isinstance(value, ast.Name) and value.id in members:
                out[name] = members[value.id]  # next = __next__
            elif isinstance(value, ast.Call) and dotted(value.func) == "property":
                out[name] = MemberRecord("p")
            elif name not in members:
                out[name] = MemberRecord("v" if value is not None else "i")
    return out


def _instance_attributes(method: ast.FunctionDef | ast.AsyncFunctionDef, members: dict[str, MemberRecord], dynamic: set[str]) -> None:
    receiver = method.args.args[0].arg
    for node in ast.walk(method):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            targets = [node.target]
        elif isinstance(node, ast.With):
            targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
        flat: list[ast.expr] = []
        for target in targets:
            flat += target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        for target in flat:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == receiver:
                members.setdefault(target.attr, MemberRecord("i"))
        if isinstance(node, ast.Call):
            callee = dotted(node.func)
            if callee in ("setattr", "super.__setattr__") and node.args and dotted(node.args[0]) == receiver:
                name = node.args[1] if len(node.args) > 1 else None
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    members.setdefault(name.value, MemberRecord("i"))
                else:
                    dynamic.add("setattr()")
            elif callee and callee.endswith("__dict__.update"):
                dynamic.add("dict")
