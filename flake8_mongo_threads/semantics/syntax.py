"""Small questions about ``ast`` nodes, answered without recursion."""

import ast
from collections.abc import Iterator

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
CHAINS = (ast.Attribute, ast.Subscript, ast.Call)
"""What a receiver can be made of."""
LOOPS = (ast.For, ast.AsyncFor, ast.While)
WITHS = (ast.With, ast.AsyncWith)
TRIES: tuple[type, ...] = (ast.Try, ast.TryStar) if hasattr(ast, "TryStar") else (ast.Try,)
TERMINATORS = (ast.Return, ast.Raise, ast.Continue, ast.Break)

_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


def _child_fields() -> dict[type, tuple[str, ...]]:
    """Fields of every node class that can hold nodes, in source order; contexts and operators left out."""
    skip = {
        "ctx",
        "op",
        "ops",
        "type_comment",
        "kind",
        "id",
        "attr",
        "arg",
        "name",
        "names",
        "module",
        "level",
        "lineno",
        "type_ignores",
        "conversion",
        "simple",
        "is_async",
        "rest",
        "kwd_attrs",
        "cls",
        "str",  # the text of an ``Interpolation``
    }
    # ``name`` and ``cls`` are nodes in few classes only; those keep them
    keep = {("MatchClass", "cls"), ("MatchMapping", "keys"), ("TypeAlias", "name"), ("NamedExpr", "target")}
    table: dict[type, tuple[str, ...]] = {}
    pending: list[type] = [ast.AST]
    while pending:
        cls = pending.pop()
        pending.extend(cls.__subclasses__())
        if issubclass(cls, _LEAVES) or cls in table:
            continue
        # From 3.13 on a class tells what its fields hold: syntax that this list has never heard of is walked all the same.
        types: dict[str, object] = getattr(cls, "_field_types", {})
        plain = {field for field, kind in types.items() if kind in (int, str, object)}
        fields = tuple(f for f in getattr(cls, "_fields", ()) if (f not in skip and f not in plain) or (cls.__name__, f) in keep)
        if cls in (ast.Constant, ast.Name, ast.Global, ast.Nonlocal, ast.alias, ast.Import, ast.ImportFrom, ast.MatchSingleton):
            fields = ()  # the value of a MatchSingleton is True, False or None itself, not a node
        table[cls] = fields
    table[ast.Dict] = ("keys", "values")
    table[ast.arg] = ("annotation",)
    table[ast.keyword] = ("value",)
    return table


CHILD_FIELDS = _child_fields()


def children(node: ast.AST) -> Iterator[ast.AST]:
    """The child nodes of a node, in source order (operators and contexts left out)."""
    for field in CHILD_FIELDS.get(type(node), ()):
        value = getattr(node, field, None)
        if value is None:
            continue
        if isinstance(value, list):
            for item in value:
                if isinstance(item, ast.AST):
                    yield item
        elif isinstance(value, ast.AST):
            yield value


def walk(root: ast.AST, *, into_functions: bool = False) -> Iterator[ast.AST]:
    """All nodes below and including ``root``; bodies of nested functions, lambdas and classes only when asked for."""
    stack: list[ast.AST] = [root]
    while stack:
        node = stack.pop()
        yield node
        if not into_functions and node is not root and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        stack.extend(reversed(list(children(node))))


def names_in(root: ast.AST) -> set[str]:
    """Every name read below ``root``."""
    return {node.id for node in walk(root, into_functions=True) if isinstance(node, ast.Name)}


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a chain of attributes on a name, else an empty text."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


def path_key(node: ast.AST) -> str:
    """A text that is equal for expressions naming the same place: names, attributes and constant subscripts only."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append("." + node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            parts.append(f"[{node.slice.value!r}]")
            node = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
            parts.append(f"[{node.slice.id}]")
            node = node.value
        elif isinstance(node, ast.Name):
            parts.append(node.id)
            return "".join(reversed(parts))
        else:
            return ""


def last_name(node: ast.AST) -> str:
    """The name an expression ends in: ``c`` of ``a.b.c``, ``a`` of ``a``, else an empty text."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return ""


def base_of(node: ast.AST, through: tuple[type, ...] = (ast.Attribute, ast.Subscript)) -> ast.AST:
    """What a chain such as ``a.b[0].c`` starts at; ``through`` are the kinds of nodes that are taken off, of attributes, items,
    calls and awaits."""
    while isinstance(node, through):
        node = node.func if isinstance(node, ast.Call) else node.value  # type: ignore[attr-defined]
    return node


def constant(node: ast.AST | None) -> object:
    """The value of a literal, with ``-1`` understood; None for anything else (as for a literal None)."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        if isinstance(value, (int, float)):
            return -value
    return None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument, or None."""
    for item in call.keywords:
        if item.arg == name:
            return item.value
    return None


def argument(call: ast.Call, index: int, name: str = "") -> ast.expr | None:
    """The expression handed over at a position or by name; None when absent or hidden behind ``*args``."""
    if name:
        found = keyword(call, name)
        if found is not None:
            return found
    for position, value in enumerate(call.args):
        if isinstance(value, ast.Starred):
            return None
        if position == index:
            return value
    return None


def has_star(call: ast.Call) -> bool:
    """Whether a call hands over arguments that cannot be read: ``*args`` or ``**kwargs``."""
    return any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)


def literal_text(node: ast.AST) -> str | None:
    """The text of a string literal; constant parts of an f-string or concatenation are not joined here."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def ends(block: list[ast.stmt]) -> bool:
    """Whether control never leaves the block at its end."""
    if not block:
        return False
    last = block[-1]
    if isinstance(last, TERMINATORS):
        return True
    if isinstance(last, ast.If):
        return bool(last.orelse) and ends(last.body) and ends(last.orelse)
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return dotted(last.value.func) in ("sys.exit", "os._exit", "exit", "quit")
    return False


def says_nothing(node: ast.AST) -> bool:
    """Whether a method does nothing but say that others define it: a docstring, ``...``, ``pass``, ``raise NotImplementedError``."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    for statement in node.body:
        if isinstance(statement, ast.Pass) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            continue
        raised = statement.exc if isinstance(statement, ast.Raise) else None
        named = raised.func if isinstance(raised, ast.Call) else raised
        if named is None or last_name(named) != "NotImplementedError":
            return False
    return True


def asked_for(test: ast.expr) -> str:
    """The place whose presence is all that a test asks for: ``client`` of ``client is not None``, ``self.client`` of
    ``not self.client``; empty for any other test."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
        if not (isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None):
            return ""
        test = test.left
    if isinstance(test, ast.Call) and last_name(test.func) == "hasattr" and test.args:
        test = test.args[0]
    return path_key(test)


def text_of(node: ast.AST, limit: int = 60) -> str:
    """Short one-line source text of a node, for messages. Deep or strange expressions give an ellipsis."""
    try:
        text = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError, AttributeError):
        return "…"
    return text if len(text) <= limit else text[: limit - 1] + "…"
