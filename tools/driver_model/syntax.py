"""Parsing sources of any age, and small questions to a syntax tree."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping

_FIXERS = ("except", "raise", "print", "numliterals", "exec", "tuple_params", "ne", "repr", "throw")


def parse(text: str) -> ast.Module:
    """Parse a module written for Python 2 or 3. Python 2 needs ``lib2to3``, hence an interpreter older than 3.13."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except SyntaxError:
            # ``async`` became a keyword in 3.7: asyncio.async(...), ``from asyncio import async as ...``.
            text = re.sub(r"asyncio\.async\b", "asyncio.async_", text).replace("import async as", "import async_ as")
            text = re.sub(r"\basync = ", "async_ = ", text)
            try:
                return ast.parse(text)
            except SyntaxError:
                return ast.parse(_to_python_3(text if text.endswith("\n") else text + "\n"))


def _to_python_3(text: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lib2to3 import refactor  # type: ignore[import-not-found,unused-ignore]

        tool = refactor.RefactoringTool([f"lib2to3.fixes.fix_{name}" for name in _FIXERS])
        return str(tool.refactor_string(text, "source"))


def dotted(node: ast.AST | None) -> str | None:
    """``a.b.c`` of a chain of attributes on a name, ``super.x`` of ``super().x``, None of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        if base is None and isinstance(node.value, ast.Call) and dotted(node.value.func) == "super":
            base = "super"
        return base and f"{base}.{node.attr}"
    return None


def last_name(node: ast.AST | None) -> str:
    """The last part of a dotted expression, or nothing."""
    return (dotted(node) or "").rpartition(".")[2]


def synchronous_constant(tree: ast.Module) -> bool | None:
    """The value of the module constant ``_IS_SYNC`` of PyMongo's two generated flavours."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and dotted(statement.targets[0]) == "_IS_SYNC" and isinstance(statement.value, ast.Constant):
            return bool(statement.value.value)
    return None


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is true for type checkers alone."""
    return dotted(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _sync_branch(test: ast.expr, sync: bool | None) -> bool | None:
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    if isinstance(test, ast.UnaryOp) and negated:
        test = test.operand
    if sync is not None and dotted(test) == "_IS_SYNC":
        return sync != negated
    return None


def executed(body: list[ast.stmt], sync: bool | None) -> Iterator[ast.stmt]:
    """Statements that can run when a module or class body does: through if, try, with and loops, all branches together."""
    for statement in body:
        if isinstance(statement, ast.If):
            branch = _sync_branch(statement.test, sync)
            if branch is not None:
                yield from executed(statement.body if branch else statement.orelse, sync)
            else:
                if not is_type_checking(statement.test):
                    yield from executed(statement.body, sync)
                yield from executed(statement.orelse, sync)
        elif isinstance(statement, ast.Try):
            for part in (statement.body, statement.orelse, statement.finalbody, *(handler.body for handler in statement.handlers)):
                yield from executed(part, sync)
        elif isinstance(statement, (ast.For, ast.While)):
            yield statement
            yield from executed(statement.body, sync)
            yield from executed(statement.orelse, sync)
        elif isinstance(statement, ast.With):
            yield statement
            yield from executed(statement.body, sync)
        else:
            yield statement


def bound_names(target: ast.AST) -> Iterator[str]:
    """The plain names that an assignment target binds."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from bound_names(element)
    elif isinstance(target, ast.Starred):
        yield from bound_names(target.value)


def assignment(statement: ast.stmt) -> tuple[list[ast.expr], ast.expr | None] | None:
    """Targets and value of any kind of assignment statement."""
    if isinstance(statement, ast.Assign):
        return statement.targets, statement.value
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        return [statement.target], statement.value
    return None


def literal_strings(node: ast.AST | None, known: Mapping[str, list[str]] | None = None) -> list[str] | None:
    """The strings of a literal list, tuple, set or dictionary (its keys), through copies, unions and known names; else None."""
    known = known or {}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        out: list[str] = []
        for element in node.elts:
            if isinstance(element, ast.Constant) and isinstance(element.value, str):
                out.append(element.value)
            elif isinstance(element, ast.Starred):
                inner = literal_strings(element.value, known)
                if inner is None:
                    return None
                out += inner
        return out
    if isinstance(node, ast.Dict):
        out = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                out += literal_strings(value, known) or []
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                out.append(key.value)
        return out
    if isinstance(node, ast.Call):
        if dotted(node.func) in ("frozenset", "set", "list", "tuple", "sorted", "dict") and node.args:
            return literal_strings(node.args[0], known)
        if dotted(node.func) == "map" and len(node.args) == 2:  # list(map(str, [...])), for Python 2
            return literal_strings(node.args[1], known)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("copy", "keys", "union"):
            base = literal_strings(node.func.value, known)
            for argument in node.args:
                base = (base or []) + (literal_strings(argument, known) or [])
            return base
        if last_name(node.func).endswith("CaseInsensitiveDictionary") and node.args:
            return literal_strings(node.args[0], known)
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.BitOr)):
        left, right = literal_strings(node.left, known), literal_strings(node.right, known)
        return (left or []) + (right or []) if left is not None or right is not None else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    return None


def signature(arguments: ast.arguments, skip_first: bool) -> str:
    """``a,b=,/,*args,c,d=,**kw``: defaults are marked, not kept."""
    positional = arguments.posonlyargs + arguments.args
    first_default = len(positional) - len(arguments.defaults)
    last_positional_only = len(arguments.posonlyargs) - 1
    out = []
    for index, argument in enumerate(positional):
        if not (skip_first and index == 0):
            out.append(argument.arg + ("=" if index >= first_default else ""))
        if index == last_positional_only and out:
            out.append("/")
    if arguments.vararg:
        out.append("*" + arguments.vararg.arg)
    elif arguments.kwonlyargs:
        out.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        out.append(argument.arg + ("=" if default is not None else ""))
    if arguments.kwarg:
        out.append("**" + arguments.kwarg.arg)
    return ",".join(out)


def annotated_class(node: ast.AST | None) -> str | None:
    """The outermost class that an annotation names, ``Optional``, quotes and type arguments removed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None
    if isinstance(node, ast.Subscript):
        outer = dotted(node.value)
        return annotated_class(node.slice) if outer and outer.rpartition(".")[2] == "Optional" else outer
    if isinstance(node, ast.BinOp):
        return annotated_class(node.left)
    return dotted(node)


def is_deprecated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether every call warns, or a line of the docstring's prose starts by saying so.

    Only warnings at the top level of the body count: a nested one is about one argument.
    """
    for statement in function.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            if (dotted(call.func) or "").endswith("warn") and any("Deprecation" in (dotted(value) or "") for value in given):
                return True
    documentation = ast.get_docstring(function, clean=False) or ""
    prose = re.split(r"^\s*(?::param|\.\. |:Parameters)", documentation, maxsplit=1, flags=re.MULTILINE)[0]
    return re.search(r"\A\s*DEPRECATED|^\s*\*\*DEPRECATED\*\*", prose, flags=re.MULTILINE) is not None
